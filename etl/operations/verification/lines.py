"""Files of lines, cut at lines: into pieces in another order, or to their first rows. What cannot be cut safely stays whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from etl.config.spec import SourceSpec

_ENDINGS = frozenset({"", ".csv", ".tsv", ".psv", ".json", ".jsonl", ".ndjson", ".txt", ".log"})
_WHOLE = frozenset({"multiline", "linesep", "encoding", "charset", "comment", "wholetext"})
"""Options that give lines another meaning than the one that is known here."""
_LARGEST = 16 * 1024 * 1024


def can_cut(source: SourceSpec, file: Path) -> bool:
    """Whether each line of the file is a row, or its header: Spark's own view of csv, json and text without certain options."""
    return (
        source.format in ("csv", "json", "text")
        and not _WHOLE & {name.lower() for name, _ in source.options}
        and file.suffix.lower() in _ENDINGS
        and file.stat().st_size <= _LARGEST
    )


def pieces(source: SourceSpec, file: Path, count: int, rng: random.Random) -> list[bytes]:
    """The file's rows in another order, in at most `count` files; each has the header, where there is one."""
    header, rows = _parts(source, file)
    if len(rows) <= 1:
        return [file.read_bytes()]
    rng.shuffle(rows)
    portions: list[list[bytes]] = [[] for _ in range(count)]
    for row in rows:
        rng.choice(portions).append(row)
    return [header + b"".join(portion) for portion in portions if portion]


def stretches(source: SourceSpec, file: Path, count: int, rng: random.Random) -> list[bytes]:
    """The file's rows cut into at most `count` files that follow each other, the rows of each in another order."""
    header, rows = _parts(source, file)
    if len(rows) <= 1:
        return [file.read_bytes()]
    ends = sorted(rng.sample(range(1, len(rows)), min(count, len(rows)) - 1))
    parts = [rows[start:end] for start, end in zip([0, *ends], [*ends, len(rows)], strict=True)]
    for part in parts:
        rng.shuffle(part)
    return [header + b"".join(part) for part in parts]


def first_rows(source: SourceSpec, file: Path, most: int) -> tuple[bytes, int]:
    """The beginning of the file with at most so many rows, and how many it has."""
    header, rows = _parts(source, file)
    return header + b"".join(rows[:most]), len(rows[:most])


def _parts(source: SourceSpec, file: Path) -> tuple[bytes, list[bytes]]:
    """The header, or nothing, and each row with the end of its line. A csv's header is its first line that is not blank."""
    lines = [line for line in file.read_bytes().splitlines(keepends=True) if source.format == "text" or line.strip()]
    if lines and not lines[-1].endswith((b"\n", b"\r")):
        lines[-1] += b"\n"
    options = {name.lower(): value.lower() for name, value in source.options}
    if source.format == "csv" and options.get("header") == "true" and lines:
        return lines[0], lines[1:]
    return b"", lines
