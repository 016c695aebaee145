"""The sources of a verification: their files and tables as they stood when it began, brought whole or in random portions.

Nothing of the user's is written: files are linked or copied into a folder of the trial's own, under the names they have; tables are copied.
"""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etl.config.spec import RateLimitSpec, SourceSpec
from etl.engine.sources.globs import MAGIC, literal_folder
from etl.engine.sources.source import open_source
from etl.operations.verification.lines import can_cut, first_rows, pieces, stretches
from etl.operations.verification.split_plan import SplitPlan

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from etl.engine.tables.portions import DealtTables

_FEW_FILES, _PIECES = 6, 6
_LOTS = 64  # into which a table's rows are put; a portion is some of them
_FIRST_FILE_S = 1_600_000_000  # since 1970


class SourceCopy(Protocol):
    """One source as it stood when the verification began."""

    def source(self, folder: Path, name: str, split: SplitPlan | None) -> SourceSpec:
        """The source as a trial in `folder` reads it, under `name`; `split`: it arrives in portions."""

    def whole(self, folder: Path, name: str) -> None:
        """Bring all of it as it is."""

    def mixed(self, folder: Path, name: str, seed: int) -> bool:
        """Bring all of it in other pieces and another order; False where it is all as it was."""

    def bring(self, folder: Path, name: str, split: SplitPlan, number: int) -> None:
        """Bring the rows of one of the trial's portions, counted from 0."""


@dataclass(frozen=True, slots=True)
class FileCopy:
    """The files of a source.

    Attributes:
        given: The source as the pipeline says it.
        root: Where all trials' files lie, at the same paths, so that a transform that looks at them sees the same.
        files: Where each file lies now, and the name that it has below the source's folder.
        tail: What the source's path says below the folder: a glob, or the one file's name.
        cuts: Whether files may be cut into pieces.
        in_order: Whether portions follow each other as the files did: a state flow reads them, and would leave out what comes late.
    """

    given: SourceSpec
    root: Path
    files: tuple[tuple[Path, str], ...]
    tail: str = ""
    cuts: bool = True
    in_order: bool = False

    def source(self, folder: Path, name: str, split: SplitPlan | None) -> SourceSpec:  # noqa: ARG002  # see root
        landing = self.root / name
        landing.mkdir(parents=True, exist_ok=True)
        limit = self.given.rate_limit
        if split is not None:
            count = max(len(self.files), _PIECES if self._cuts_few() else 0)
            limit = RateLimitSpec(files=max(1, math.ceil(count / split.portions / split.random_of(name).randint(1, 2))))
        path = str(landing) + (f"/{self.tail}" if self.tail else "")
        return replace(self.given, name=name, path=path, rate_limit=limit, start_ms=None)

    def whole(self, folder: Path, name: str) -> None:  # noqa: ARG002  # see root
        for file, relative in self.files:
            _bring(file, self.root / name / relative)

    def mixed(self, folder: Path, name: str, seed: int) -> bool:  # noqa: ARG002  # see root
        parts = self._parts(SplitPlan(seed, 1).random_of(name), 3)
        for relative, content in parts:
            _bring(content, self.root / name / relative)
        return any(isinstance(content, bytes) for _, content in parts)

    def bring(self, folder: Path, name: str, split: SplitPlan, number: int) -> None:  # noqa: ARG002  # see root
        rng = split.random_of(name)
        each = math.ceil(_PIECES / max(1, len(self.files))) if self._cuts_few() else 1
        parts = self._parts(rng, each) if each > 1 else list(self.files_by_name())
        # A path that names a file, or a pattern, must find one from the beginning.
        first = rng.randrange(len(parts)) if self.tail and parts else -1
        portions = [rng.randrange(split.portions) for _ in parts]
        if self.in_order:
            first, portions = (0 if first >= 0 else -1), sorted(portions)
        for index, (relative, content) in enumerate(parts):
            if (0 if index == first else portions[index]) == number:
                # A stream takes files in the order of their times; whole ones have their own, which a transform may look at.
                pieced = self.in_order and self.cuts
                _bring(content, self.root / name / relative, modified=_FIRST_FILE_S + index if pieced else None)

    def files_by_name(self) -> list[tuple[str, Path | bytes]]:
        """The files under the names that they have below the folder; where their order counts, as they came."""
        files = sorted(self.files, key=_time_and_name) if self.in_order else self.files
        return [(relative, file) for file, relative in files]

    def _cuts_few(self) -> bool:
        return self.cuts and not self.tail and 0 < len(self.files) < _FEW_FILES

    def _parts(self, rng: random.Random, count: int) -> list[tuple[str, Path | bytes]]:
        """The files, each cut into `count` with its rows in another order where that is safe."""
        cut = stretches if self.in_order else pieces
        parts: list[tuple[str, Path | bytes]] = []
        for relative, file in self.files_by_name():
            if not isinstance(file, Path) or not self.cuts or self.tail or not can_cut(self.given, file):
                parts.append((relative, file))
                continue
            name = Path(relative)
            parts += [
                (str(name.with_name(f"{name.stem}-{number}{name.suffix}")), content)
                for number, content in enumerate(cut(self.given, file, count, rng))
            ]
        return parts


@dataclass(frozen=True, slots=True)
class TableCopy:
    """A Delta table's rows, read once.

    Attributes:
        given: The source as the pipeline says it.
        kept: The folder of the copy.
        by: The column in whose order rows arrive, a state flow's watermark; None: in any order.
    """

    given: SourceSpec
    kept: str
    tables: DealtTables = field(repr=False)
    by: str | None = None

    def source(self, folder: Path, name: str, split: SplitPlan | None) -> SourceSpec:  # noqa: ARG002  # a table has no files to count
        return replace(self.given, name=name, format="delta", table=None, of=None, path=str(folder / "given" / name))

    def whole(self, folder: Path, name: str) -> None:
        self.tables.whole(self.kept, str(folder / "given" / name))

    def mixed(self, folder: Path, name: str, seed: int) -> bool:
        everything = (range(_LOTS), _LOTS)
        self.tables.append(self.kept, str(folder / "given" / name), portion=everything, seed=seed)
        return True

    def bring(self, folder: Path, name: str, split: SplitPlan, number: int) -> None:
        rng = split.random_of(name)
        portions = [rng.randrange(split.portions) for _ in range(_LOTS)]
        if self.by is not None:
            portions.sort()
        lots = [lot for lot, portion in enumerate(portions) if portion == number]
        if lots or number == 0:  # the table is there from the beginning
            portion = (lots or [-1], _LOTS)
            seed = rng.randrange(2**31)
            self.tables.append(self.kept, str(folder / "given" / name), portion=portion, seed=seed, by=self.by)


def copy_of_files(source: SourceSpec, scratch: Path, *, cuts: bool) -> FileCopy:
    """The files that a source has now; those from before its `start_at` are none of them."""
    path = source.path
    globbed = MAGIC.search(path) is not None and not Path(path).exists()
    single = Path(path).is_file()
    base = literal_folder(path) if globbed else str(Path(path).parent) if single else path
    tail = path[len(base) :].lstrip("/") if globbed or single else ""
    files = sorted(open_source(source).latest().files)
    names = tuple((Path(file), str(Path(file).relative_to(base))) for file in files)
    return FileCopy(source, scratch / "landing", names, tail, cuts)


def sampled(copy: FileCopy, most: int, scratch: Path, count: Callable[[str, str], int]) -> tuple[FileCopy, str]:
    """The first files of a copy, of about `most` rows, and what was taken in words.

    `count` is given a format and the path of a file, and returns how many rows it has.
    """
    taken: list[tuple[Path, str]] = []
    rows = 0
    for file, relative in copy.files:
        if rows >= most:
            break
        if can_cut(copy.given, file):
            content, rows_of_file = first_rows(copy.given, file, most - rows)
            path = scratch / "sample" / copy.given.name / relative
            _bring(content, path)
            shutil.copystat(file, path)
            taken.append((path, relative))
        else:
            rows_of_file = count(copy.given.format, str(file))
            taken.append((file, relative))
        rows += rows_of_file
    note = f"{copy.given.name}: the first {rows} rows, from {len(taken)} of {len(copy.files)} files"
    return replace(copy, files=tuple(taken)), note


def _time_and_name(file: tuple[Path, str]) -> tuple[int, str]:
    return file[0].stat().st_mtime_ns, file[1]


def _bring(content: Path | bytes, path: Path, *, modified: int | None = None) -> None:
    """Put a file at its path, whole at once: hidden until it is there. `modified`: its time, in seconds since 1970."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if modified is not None:
        draft = path.with_name(f".{path.name}")
        draft.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        os.utime(draft, (modified, modified))
        draft.replace(path)
        return
    if isinstance(content, bytes):
        draft = path.with_name(f".{path.name}")
        draft.write_bytes(content)
        draft.replace(path)
        return
    try:
        os.link(content, path)
    except OSError:  # another file system, or one without links
        draft = path.with_name(f".{path.name}")
        shutil.copy2(content, draft)
        draft.replace(path)
