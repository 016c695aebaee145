"""Files that Spark would read wrongly or leave out without a word, refused by their names and folders."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from etl.config.schema import ddl
from etl.errors import EnvironmentProblem, ExpectationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.spec import SourceSpec

_ARCHIVES = {
    ".zip": "ZIP archives",
    ".7z": "7z archives",
    ".rar": "RAR archives",
    ".tgz": "archives",
    ".tar": "archives",
    ".xz": "xz",
}


def must_be_readable(spec: SourceSpec, files: Mapping[str, int], base: str) -> None:
    """Raise EnvironmentProblem for files that Spark would take for text, or leave out without a word.

    Raises ExpectationFailed where a partition folder has a value that is none of its column's declared type. `files`: path → modification time. `base`: the folder below which partition folders start; empty where there are none.
    """
    by_folders: dict[tuple[str, ...], str] = {}
    for name in sorted(files):
        kind = _ARCHIVES.get(Path(name).suffix.lower())
        if kind and spec.format in ("csv", "json", "text"):
            raise EnvironmentProblem(
                f"source '{spec.name}': Spark cannot read {kind}: {name}",
                where=str(spec.at),
                hint="unpack it, or compress each file with gzip or bzip2",
            )
        folders = Path(name).parent.parts[len(Path(base).parts) if base else 0 :]
        by_folders.setdefault(tuple(part.split("=")[0] for part in folders if "=" in part), name)
    _must_fit(spec, {name for folders in by_folders for name in folders}, files, base)
    if len(by_folders) > 1:
        (few, one), (many, other) = sorted(by_folders.items())[:2]
        raise EnvironmentProblem(
            f"source '{spec.name}': {one} lies in {_folders(few)}, {other} in {_folders(many)}",
            where=str(spec.at),
            hint="keep all files of a source under the same partition folders, or give each kind a source of its own",
        )


def _must_fit(spec: SourceSpec, named: set[str], files: Mapping[str, int], base: str) -> None:
    """Raise ExpectationFailed for a partition folder whose value its declared type does not have: Spark makes NULL of it, or another number."""
    declared = {column.name.lower(): column.type for column in ddl.parse(spec.schema or "")} if named else {}
    depth, judged = len(Path(base).parts) if base else 0, set[str]()
    for file in sorted(files) if named else ():
        for part in Path(file).parent.parts[depth:]:
            name, is_folder, text = part.partition("=")
            kind = declared.get(unquote(name).lower())
            if not is_folder or kind is None or part in judged:
                continue
            judged.add(part)
            value = unquote(text)
            if not value:
                raise ExpectationFailed(
                    f"source '{spec.name}': the folder '{part}' has no value for the column '{name}': {file}",
                    where=str(spec.at),
                    hint=f"rename the folder (a NULL is {name}=__HIVE_DEFAULT_PARTITION__), or take it away; nothing was written",
                )
            if value != "__HIVE_DEFAULT_PARTITION__" and not _is_of(value, kind):
                raise ExpectationFailed(
                    f"source '{spec.name}': the folder '{part}' says no {kind.upper()}, which is what the schema declares '{name}' to be: {file}",
                    where=str(spec.at),
                    hint=f"rename the folder, or declare '{name}' STRING and cast it in the transform; nothing was written",
                )


def _is_of(value: str, kind: str) -> bool:
    """Whether a text is a value of a type, written as SQL writes it; of types whose texts only Spark knows, yes."""
    bits = {"tinyint": 8, "byte": 8, "smallint": 16, "short": 16, "int": 32, "integer": 32, "bigint": 64, "long": 64}
    kind = kind.lower()
    if kind in bits:
        limit = 1 << (bits[kind] - 1)
        return re.fullmatch(r"[+-]?[0-9]+", value) is not None and -limit <= int(value) < limit
    if kind == "date":
        try:
            date.fromisoformat(value)
        except ValueError:
            return False
        return re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is not None
    if kind == "boolean":
        return value.lower() in ("true", "false")
    return True


def _folders(names: tuple[str, ...]) -> str:
    return "the partition folders " + "/".join(f"{name}=…" for name in names) if names else "no partition folder"
