"""What a verification feeds its flows with: the sources' files and tables, held fast once, then brought whole or in random portions.

Nothing of the user's is written: files are linked or copied into a folder of the trial's own, under the names they have; tables are copied.
"""

from __future__ import annotations

import math
import os
import random
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etl.config.spec import RateLimitSpec, SourceSpec
from etl.engine.sources.globs import MAGIC, literal_folder
from etl.engine.sources.source import open_source
from etl.operations.verification.lines import can_cut, first_rows, pieces, stretches

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.engine.tables.portions import DealtTables

_FEW_FILES, _PIECES = 6, 6
_LOTS = 64
_EPOCH = 1_600_000_000


@dataclass(frozen=True, slots=True)
class Deal:
    """How one trial's rows arrive: everything in it follows from the seed and the source's name."""

    seed: int
    arrivals: int

    def dice(self, name: str) -> random.Random:
        """Random numbers of a source's own, so that leaving other sources out changes nothing for it."""
        return random.Random(f"{self.seed}/{name}")  # noqa: S311  # trials are replayed, and no secrets


class Stock(Protocol):
    """One source as it stood when the verification began."""

    def source(self, place: Path, name: str, deal: Deal | None) -> SourceSpec:
        """The source as a trial in `place` reads it, under `name`."""

    def whole(self, place: Path, name: str) -> None:
        """Bring all of it as it is."""

    def mixed(self, place: Path, name: str, seed: int) -> bool:
        """Bring all of it in other pieces and another order; False where it is all as it was."""

    def arrival(self, place: Path, name: str, deal: Deal, number: int) -> None:
        """Bring the rows of one of the trial's arrivals."""


@dataclass(frozen=True, slots=True)
class FileStock:
    """The files of a source: where each lies, and the name it has below the source's folder."""

    given: SourceSpec
    root: Path  # all trials' files lie here, at the same places, so that a transform that looks at them sees the same
    files: tuple[tuple[Path, str], ...]
    tail: str = ""  # what the path says below the folder: a glob, or the one file's name
    cuts: bool = True
    in_order: bool = False  # arrivals follow each other as the files did: a state flow reads them, and would leave out what comes late

    def source(self, place: Path, name: str, deal: Deal | None) -> SourceSpec:  # noqa: ARG002  # see root
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        limit = self.given.rate_limit
        if deal is not None:
            count = max(len(self.files), _PIECES if self._cuts_few() else 0)
            limit = RateLimitSpec(files=max(1, math.ceil(count / deal.arrivals / deal.dice(name).randint(1, 2))))
        path = str(folder) + (f"/{self.tail}" if self.tail else "")
        return replace(self.given, name=name, path=path, rate_limit=limit, start_ms=None)

    def whole(self, place: Path, name: str) -> None:  # noqa: ARG002  # see root
        for file, relative in self.files:
            _bring(file, self.root / name / relative)

    def mixed(self, place: Path, name: str, seed: int) -> bool:  # noqa: ARG002  # see root
        parts = self._parts(Deal(seed, 1).dice(name), 3)
        for relative, content in parts:
            _bring(content, self.root / name / relative)
        return any(isinstance(content, bytes) for _, content in parts)

    def arrival(self, place: Path, name: str, deal: Deal, number: int) -> None:  # noqa: ARG002  # see root
        dice = deal.dice(name)
        each = math.ceil(_PIECES / max(1, len(self.files))) if self._cuts_few() else 1
        parts = self._parts(dice, each) if each > 1 else list(self.files_by_name())
        # A path that names a file, or a pattern, must find one from the beginning.
        first = dice.randrange(len(parts)) if self.tail and parts else -1
        drawn = [dice.randrange(deal.arrivals) for _ in parts]
        if self.in_order:
            first, drawn = (0 if first >= 0 else -1), sorted(drawn)
        for index, (relative, content) in enumerate(parts):
            if (0 if index == first else drawn[index]) == number:
                # A stream takes files in the order of their times; whole ones have their own, which a transform may look at.
                pieced = self.in_order and self.cuts
                _bring(content, self.root / name / relative, modified=_EPOCH + index if pieced else None)

    def files_by_name(self) -> list[tuple[str, Path | bytes]]:
        """The files under the names that they have below the folder; where their order counts, as they came."""
        files = sorted(self.files, key=_came) if self.in_order else self.files
        return [(relative, file) for file, relative in files]

    def _cuts_few(self) -> bool:
        return self.cuts and not self.tail and 0 < len(self.files) < _FEW_FILES

    def _parts(self, dice: random.Random, count: int) -> list[tuple[str, Path | bytes]]:
        """The files, each cut into `count` with its rows in another order where that is safe."""
        found: list[tuple[str, Path | bytes]] = []
        for relative, file in self.files_by_name():
            if not isinstance(file, Path) or not self.cuts or self.tail or not can_cut(self.given, file):
                found.append((relative, file))
                continue
            name = Path(relative)
            found += [
                (str(name.with_name(f"{name.stem}-{number}{name.suffix}")), content)
                for number, content in enumerate(
                    (stretches if self.in_order else pieces)(self.given, file, count, dice)
                )
            ]
        return found


@dataclass(frozen=True, slots=True)
class TableStock:
    """A Delta table's rows, read once."""

    given: SourceSpec
    kept: str
    tables: DealtTables = field(repr=False)
    by: str | None = None  # rows arrive in the order of this column, a state flow's watermark

    def source(self, place: Path, name: str, deal: Deal | None) -> SourceSpec:  # noqa: ARG002  # a table has no files to count
        return replace(self.given, name=name, format="delta", table=None, of=None, path=str(place / "given" / name))

    def whole(self, place: Path, name: str) -> None:
        self.tables.whole(self.kept, str(place / "given" / name))

    def mixed(self, place: Path, name: str, seed: int) -> bool:
        everything = (range(_LOTS), _LOTS)
        self.tables.append(self.kept, str(place / "given" / name), portion=everything, seed=seed)
        return True

    def arrival(self, place: Path, name: str, deal: Deal, number: int) -> None:
        dice = deal.dice(name)
        drawn = [dice.randrange(deal.arrivals) for _ in range(_LOTS)]
        if self.by is not None:
            drawn.sort()
        lots = [lot for lot, when in enumerate(drawn) if when == number]
        if lots or number == 0:  # the table is there from the beginning
            portion = (lots or [-1], _LOTS)
            seed = dice.randrange(2**31)
            self.tables.append(self.kept, str(place / "given" / name), portion=portion, seed=seed, by=self.by)


def of_files(source: SourceSpec, scratch: Path, *, cuts: bool) -> FileStock:
    """The files that a source has now; those from before its `start_at` are none of them."""
    path = source.path
    globbed = MAGIC.search(path) is not None and not Path(path).exists()
    single = Path(path).is_file()
    base = literal_folder(path) if globbed else str(Path(path).parent) if single else path
    tail = path[len(base) :].lstrip("/") if globbed or single else ""
    found = sorted(open_source(source).latest().files)
    names = tuple((Path(file), str(Path(file).relative_to(base))) for file in found)
    return FileStock(source, scratch / "landing", names, tail, cuts)


def sampled(stock: FileStock, most: int, scratch: Path, count: Callable[[str, str], int]) -> tuple[FileStock, str]:
    """The first files of a stock, of about `most` rows, and what was taken in words; `count` counts the rows of a file."""
    taken: list[tuple[Path, str]] = []
    rows = 0
    for file, relative in stock.files:
        if rows >= most:
            break
        if can_cut(stock.given, file):
            content, found = first_rows(stock.given, file, most - rows)
            place = scratch / "sample" / stock.given.name / relative
            _bring(content, place)
            shutil.copystat(file, place)
            taken.append((place, relative))
        else:
            found = count(stock.given.format, str(file))
            taken.append((file, relative))
        rows += found
    note = f"{stock.given.name}: the first {rows} rows, from {len(taken)} of {len(stock.files)} files"
    return replace(stock, files=tuple(taken)), note


def _came(file: tuple[Path, str]) -> tuple[int, str]:
    return file[0].stat().st_mtime_ns, file[1]


def _bring(content: Path | bytes, place: Path, *, modified: int | None = None) -> None:
    """Put a file at its place, whole at once: hidden until it is there. `modified`: its time, in seconds since 1970."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if modified is not None:
        draft = place.with_name(f".{place.name}")
        draft.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        os.utime(draft, (modified, modified))
        draft.replace(place)
        return
    if isinstance(content, bytes):
        draft = place.with_name(f".{place.name}")
        draft.write_bytes(content)
        draft.replace(place)
        return
    try:
        os.link(content, place)
    except OSError:  # another file system, or one without links
        draft = place.with_name(f".{place.name}")
        shutil.copy2(content, draft)
        draft.replace(place)
