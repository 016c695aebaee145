"""Flows over Spark's state, and the plain Python model of what their tables must hold: which rows were late, and which results are closed."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PIPELINE = """
version: 1
name: shop
defaults:
  source: {format: json, rate_limit: {files: 1}, on_malformed: quarantine}
sources:
  clicks: {path: landing/clicks, schema: "id BIGINT, at TIMESTAMP, who STRING, n BIGINT"}
  views: {path: landing/views, schema: "id BIGINT, at TIMESTAMP, who STRING, n BIGINT"}
  people: {format: csv, path: landing/people.csv, schema: "who STRING, name STRING", options: {header: true}, on_malformed: fail}
flows:
  minutes:
    inputs: [clicks]
    transform: {sql: "SELECT window(at, '10 minutes').start AS at, who, count(*) AS n, sum(n) AS total FROM clicks GROUP BY window(at, '10 minutes'), who"}
    incremental: {state: {watermark: at, delay: 15 minutes}}
    sink: {strategy: merge, keys: [at, who]}
    expectations:
      few: {expr: n < 3, on_violation: quarantine}
  closed:
    inputs: [clicks]
    transform: {sql: "SELECT window(at, '10 minutes').start AS at, who, count(*) AS n, sum(n) AS total FROM clicks GROUP BY window(at, '10 minutes'), who"}
    incremental: {state: {watermark: at, delay: 15 minutes}}
  sliding:
    inputs: [clicks]
    transform: {sql: "WITH w AS (SELECT window(at, '20 minutes', '10 minutes') AS w, n FROM clicks WHERE n > 1) SELECT w.start AS at, count(*) AS n FROM w GROUP BY w"}
    incremental: {state: {watermark: at, delay: 15 minutes, output_mode: append}}
    sink: {strategy: merge, keys: [at]}
  sessions:
    inputs: [clicks]
    transform: {sql: "SELECT who, session_window(at, '5 minutes').start AS at, session_window(at, '5 minutes').end AS upto, count(*) AS n FROM clicks GROUP BY who, session_window(at, '5 minutes')"}
    incremental: {state: {watermark: at, delay: 15 minutes}}
  once:
    inputs: [clicks]
    transform: {python: "shop_functions:once"}
    incremental: {state: {watermark: at, delay: 15 minutes}}
  distinct:
    inputs: [clicks]
    transform: {sql: "SELECT DISTINCT id, at FROM clicks"}
    incremental: {state: {watermark: at, delay: 15 minutes}}
  instants:
    inputs: [clicks]
    transform: {sql: "WITH w AS (SELECT window(at, '10 minutes') AS w, at, n FROM clicks) SELECT at, sum(n) AS total FROM w GROUP BY at"}
    incremental: {state: {watermark: at, delay: 15 minutes}}
    sink: {strategy: merge, keys: [at]}
  totals:
    inputs: [clicks]
    transform: {sql: "SELECT who, count(*) AS n FROM clicks GROUP BY who"}
    incremental: {state: {watermark: at, delay: 15 minutes}}
    sink: {strategy: merge, keys: [who]}
  named:
    inputs: {clicks: changes, people: {read: snapshot}}
    transform: {sql: "SELECT p.name, window(c.at, '10 minutes').start AS at, max(c.n) AS most FROM clicks c JOIN people p ON c.who = p.who GROUP BY p.name, window(c.at, '10 minutes')"}
    incremental: {state: {watermark: at, delay: 15 minutes}}
  pairs:
    inputs: [clicks, views]
    transform: {sql: "SELECT v.id AS view, c.id AS click, c.at FROM views v JOIN clicks c ON v.who = c.who AND c.at BETWEEN v.at AND v.at + INTERVAL 10 MINUTES"}
    incremental: {state: {watermark: at, delay: {clicks: 15 minutes, views: 20 minutes}}}
  lonely:
    inputs: [clicks, views]
    transform: {sql: "SELECT v.id AS view, v.at, c.id AS click FROM views v LEFT JOIN clicks c ON v.who = c.who AND c.at BETWEEN v.at AND v.at + INTERVAL 10 MINUTES"}
    incremental: {state: {watermark: {clicks: at, views: at}, delay: {clicks: 15 minutes, views: 20 minutes}}}
"""
FUNCTIONS = """
from pyspark.sql import DataFrame


def once(clicks: DataFrame) -> DataFrame:
    return clicks.select("id", "at").dropDuplicates(["id", "at"])
"""
PEOPLE = {"a": "Anna", "b": "Bob"}
START = datetime(2024, 1, 1, tzinfo=UTC)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
Event = dict[str, Any]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def write_project(root: Path) -> None:
    """The project's files, without any event yet."""
    for folder in ("pipelines/shop", "landing/clicks", "landing/views"):
        (root / folder).mkdir(parents=True)
    (root / "pipelines" / "shop" / "pipeline.yml").write_text(PIPELINE, encoding="utf-8")
    (root / "pipelines" / "shop" / "shop_functions.py").write_text(FUNCTIONS, encoding="utf-8")
    people = "".join(f"{who},{name}\n" for who, name in PEOPLE.items())
    (root / "landing" / "people.csv").write_text("who,name\n" + people, encoding="utf-8")


def land(root: Path, source: str, number: int, events: Iterable[Event | str]) -> None:
    """One file of events, whole at once and newer than those with a lesser number; a text is a line as it is (malformed)."""
    lines = [
        item if isinstance(item, str) else json.dumps({**item, "at": item["at"].isoformat() if item["at"] else None})
        for item in events
    ]
    draft = root / "landing" / f".{source}-{number}"
    draft.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    os.utime(draft, (1_700_000_000 + number, 1_700_000_000 + number))
    draft.replace(root / "landing" / source / f"{number:04}.json")


def some_events(dice: random.Random, count: int, now: int) -> list[Event | str]:
    """Events around minute `now`: most near it, some up to half an hour before, a few ages before; duplicates, nulls, garbage."""
    found: list[Event | str] = []
    for _ in range(count):
        behind = dice.choice([0, 1, 2, 5, 9, 14, 15, 16, 20, 30, 300])
        at = None if dice.random() < 0.05 else START + minutes(600 + now - behind)
        event = {"id": dice.randrange(8), "at": at, "who": dice.choice(["a", "b", "c", None]), "n": dice.randrange(4)}
        found += [event, dict(event)] if dice.random() < 0.1 else [event]
        if dice.random() < 0.05:
            found.append(f"garbled {dice.randrange(10_000)}")
    return found


@dataclass
class Watched:
    """One state flow's memory: the rows that were not late, by input, and how far its watermark has come."""

    delays: dict[str, timedelta]
    kept: dict[str, list[Event]] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    watermark: datetime = NEVER
    late: int = 0

    def forget(self) -> None:
        """A batch starts again."""
        self.kept, self.newest, self.watermark = {}, {}, NEVER

    def epoch(self, brought: dict[str, list[Event | str]]) -> None:
        """Take what an epoch brings; the watermark moves after it, to the least of what the inputs have come to."""
        for name in self.delays:
            rows = [item for item in brought.get(name, []) if not isinstance(item, str)]
            good = [item for item in rows if item["at"] is not None and item["at"] >= self.watermark]
            self.late += len(rows) - len(good)
            self.kept.setdefault(name, []).extend(good)
            if good:
                self.newest[name] = max(self.newest.get(name, NEVER), *(item["at"] for item in good))
        ends = [self.newest[name] - delay if name in self.newest else NEVER for name, delay in self.delays.items()]
        self.watermark = max(self.watermark, min(ends))


def _windows(at: datetime, length: int, slide: int) -> list[datetime]:
    last = at - ((at - START) % minutes(slide))
    return [
        last - minutes(slide * k) for k in range(length // slide) if last - minutes(slide * k) + minutes(length) > at
    ]


def _tumbling(events: list[Event]) -> dict[tuple[datetime, Any], list[Event]]:
    found: dict[tuple[datetime, Any], list[Event]] = {}
    for item in events:
        found.setdefault((_windows(item["at"], 10, 10)[0], item["who"]), []).append(item)
    return found


def _summed(groups: dict[tuple[datetime, Any], list[Event]]) -> list[tuple[Any, ...]]:
    return [(at, who, len(rows), sum(item["n"] for item in rows)) for (at, who), rows in groups.items()]


def minutes_model(state: Watched) -> list[tuple[Any, ...]]:
    return [row for row in _summed(_tumbling(state.kept["clicks"])) if row[2] < 3]


def closed_model(state: Watched) -> list[tuple[Any, ...]]:
    return [row for row in _summed(_tumbling(state.kept["clicks"])) if row[0] + minutes(10) <= state.watermark]


def sliding_model(state: Watched) -> list[tuple[Any, ...]]:
    found = Counter(at for item in state.kept["clicks"] if item["n"] > 1 for at in _windows(item["at"], 20, 10))
    return [(at, count) for at, count in found.items() if at + minutes(20) <= state.watermark]


def sessions_model(state: Watched) -> list[tuple[Any, ...]]:
    found = []
    for who in {item["who"] for item in state.kept["clicks"]}:
        times = sorted(item["at"] for item in state.kept["clicks"] if item["who"] == who)
        start, end, count = times[0], times[0] + minutes(5), 0
        for at in times:
            if at > end:  # sessions that touch are one
                found.append((who, start, end, count))
                start, count = at, 0
            end, count = at + minutes(5), count + 1
        found.append((who, start, end, count))
    return [row for row in found if row[2] < state.watermark]


def once_model(state: Watched) -> list[tuple[Any, ...]]:
    return list({(item["id"], item["at"]) for item in state.kept["clicks"]})


def distinct_model(state: Watched) -> list[tuple[Any, ...]]:
    return [row for row in once_model(state) if row[1] < state.watermark]


def instants_model(state: Watched) -> list[tuple[Any, ...]]:
    found: Counter[datetime] = Counter()
    for item in state.kept["clicks"]:
        found[item["at"]] += item["n"]
    return list(found.items())


def totals_model(state: Watched) -> list[tuple[Any, ...]]:
    return list(Counter(item["who"] for item in state.kept["clicks"]).items())


def named_model(state: Watched) -> list[tuple[Any, ...]]:
    groups = _tumbling([item for item in state.kept["clicks"] if item["who"] in PEOPLE])
    found = [(PEOPLE[who], at, max(item["n"] for item in rows)) for (at, who), rows in groups.items()]
    return [row for row in found if row[1] + minutes(10) <= state.watermark]


def _meets(view: Event, click: Event) -> bool:
    return (
        view["who"] is not None
        and view["who"] == click["who"]
        and view["at"] <= click["at"] <= view["at"] + minutes(10)
    )


def pairs_model(state: Watched) -> list[tuple[Any, ...]]:
    clicks, views = state.kept["clicks"], state.kept["views"]
    return [(view["id"], click["id"], click["at"]) for view in views for click in clicks if _meets(view, click)]


def lonely_model(state: Watched) -> list[tuple[Any, ...]]:
    clicks, views = state.kept["clicks"], state.kept["views"]
    found = [(view["id"], view["at"], click["id"]) for view in views for click in clicks if _meets(view, click)]
    alone = [view for view in views if not any(_meets(view, click) for click in clicks)]
    over = [view for view in alone if view["at"] + minutes(10) < state.watermark]
    return found + [(view["id"], view["at"], None) for view in over]


_ONE, _TWO = {"clicks": minutes(15)}, {"clicks": minutes(15), "views": minutes(20)}
MODELS: dict[str, tuple[dict[str, timedelta], Callable[[Watched], list[tuple[Any, ...]]]]] = {
    "minutes": (_ONE, minutes_model),
    "closed": (_ONE, closed_model),
    "sliding": (_ONE, sliding_model),
    "sessions": (_ONE, sessions_model),
    "once": (_ONE, once_model),
    "distinct": (_ONE, distinct_model),
    "instants": (_ONE, instants_model),
    "totals": (_ONE, totals_model),
    "named": (_ONE, named_model),
    "pairs": (_TWO, pairs_model),
    "lonely": (_TWO, lonely_model),
}
