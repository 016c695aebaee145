"""Two projects into which the same rows arrive: in one JVMs die, the other is undisturbed; and what the tables of both must be."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import LITTLE_DATA
from tests.support import crash_cases
from tests.support.changing_cases import Row, land
from tests.support.crash_cases import FLOWS, some_events
from tests.support.independent import rows

PIPELINES = ("chain", "windows")
WINDOWS = """
version: 1
name: windows
sources:
  clicks: {format: json, path: landing/clicks, schema: "at TIMESTAMP, who STRING"}
  empty: {format: json, path: landing/empty, schema: "at TIMESTAMP, who STRING"}
flows:
  closed:
    inputs: [clicks]
    transform: {sql: &windows "SELECT window(at, '10 minutes').start AS at, who, count(*) AS n FROM clicks GROUP BY window(at, '10 minutes'), who"}
    incremental: {state: {watermark: at, delay: 10 minutes}}
  now:
    inputs: [clicks]
    transform: {sql: *windows}
    incremental: {state: {watermark: at, delay: 10 minutes}}
    sink: {strategy: merge, keys: [at, who]}
    expectations: {known: {expr: who <> 'nobody', on_violation: quarantine}}
  nothing: {inputs: [empty]}
"""
_START = datetime(2024, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_LATE = "late"  # whose clicks are of the first hour, whenever they come


def write_project(root: Path) -> None:
    """Both pipelines, without any row yet."""
    crash_cases.write_project(root)
    for source in ("clicks", "empty"):
        (root / "landing" / source).mkdir()
    (root / "pipelines" / "windows.yml").write_text(WINDOWS, encoding="utf-8")
    settings = {"spark": {"conf": dict(LITTLE_DATA)}, "run": {"retry": {"min_retry_interval": "0.1 seconds"}}}
    (root / "conf").mkdir(exist_ok=True)
    (root / "conf" / "local.yml").write_text(json.dumps(settings), encoding="utf-8")


class Landed:
    """What has arrived in all of the projects."""

    def __init__(self, *roots: Path) -> None:
        self.roots = roots
        self._dice = random.Random(7)
        self._events: list[Row | str] = []
        self._hours = 0
        self._late = {
            "closed": 0,
            "now": 0,
        }  # how many late clicks a flow has taken, since it was read from the beginning
        for root in roots:
            write_project(root)

    def arrive(self) -> None:
        """A file more of each source: enough for every flow to have something to do, and a click that comes too late."""
        events = some_events(self._dice, 9)
        self._events += events
        clicks: list[Row | str] = [
            {"at": f"{_START + self._hours * _HOUR + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}", "who": who}
            for minute, who in ((1, "a"), (2, "a"), (3, "b"), (13, "nobody"), (55, "a"))
        ]
        clicks += [{"at": "2024-01-01T00:00:00Z", "who": _LATE}] if self._hours else []
        for root in self.roots:
            for source, items in (("events", events), ("clicks", clicks)):
                land(root, source, f"{self._hours}.json", items)
                file = root / "landing" / source / f"{self._hours}.json"
                os.utime(file, (1_700_000_000 + self._hours, 1_700_000_000 + self._hours))
        self._hours += 1

    def reread(self, flow: str) -> None:
        """A batch of a state flow takes the late clicks: all rows are in its first epoch."""
        if flow in self._late:
            self._late[flow] = self._hours - 1

    def differences(self, flow: str | None = None) -> list[str]:
        """What is not in the tables of each project as it must be: of a flow and those before it, or of all."""
        wanted = crash_cases.model(self._events) | self._windows()
        chain = FLOWS if flow is None else (*before(flow), *({flow} & {*FLOWS}))
        windows = [name for name in self._late if flow in (None, name)]
        found = []
        for root in self.roots:
            actual = crash_cases.actual(root, chain) | _actual(root, windows)
            found += [
                f"{root.name}: {name} is {rows}, not {wanted[name]}"
                for name, rows in actual.items()
                if rows != wanted[name]
            ]
        return found

    def _windows(self) -> dict[str, list[tuple[Any, ...]]]:
        count: Counter[tuple[datetime, str]] = Counter()
        for hour in range(self._hours):
            for minute, who in ((0, "a"), (0, "a"), (0, "b"), (10, "nobody"), (50, "a")):
                count[_START + hour * _HOUR + timedelta(minutes=minute), who] += 1
        closing = _START + (self._hours - 1) * _HOUR + timedelta(minutes=45)
        late = {flow: [(_START, _LATE, number)] if number else [] for flow, number in self._late.items()}
        every = [(at, who, number) for (at, who), number in count.items()]
        closed = [row for row in every if row[0] + timedelta(minutes=10) <= closing]
        return {
            "closed": sorted([*closed, *late["closed"]], key=repr),
            "now": sorted([*(row for row in every if row[1] != "nobody"), *late["now"]], key=repr),
            "now quarantine": sorted((("known", *row) for row in every if row[1] == "nobody"), key=repr),
        }


def _actual(root: Path, flows: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    storage = root / ".etl" / "local"
    found = {name: rows(storage / "tables" / "windows" / name) for name in flows}
    if "now" in flows:
        found["now quarantine"] = rows(storage / "quarantine" / "windows" / "now", '_etl_reason, "at", who, n')
    return found


def before(flow: str) -> tuple[str, ...]:
    """The flows that a flow reads, and those that those read."""
    return FLOWS[: FLOWS.index(flow)] if flow in FLOWS else ()
