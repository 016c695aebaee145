"""Holds the tables of clickstream against what landing.py planted.

`python score.py [--env local] [--landing DIR]`

A trend is found when its item is named in the hour in which it starts or the one after; a row of `trending` is right when its hour
touches a trend of its item. A pair is found when one item is the first in `co_viewed` for the other.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Score:
    """How much was planted and found, how much was named and right."""

    what: str
    planted: int
    found: int
    named: int
    right: int

    @property
    def recall(self) -> float:
        """The share of what was planted that was found."""
        return self.found / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        """The share of what was named that was right."""
        return self.right / self.named if self.named else 1.0

    def __str__(self) -> str:
        return (
            f"{self.what}: recall {self.recall:.2f} ({self.found} of {self.planted} found), "
            f"precision {self.precision:.2f} ({self.right} of {self.named} right)"
        )


def planted(landing: Path) -> dict[str, Any]:
    """What landing.py planted, with times as instants."""
    found: dict[str, Any] = json.loads((landing / "planted.json").read_text(encoding="utf-8"))
    for trend in found["trends"]:
        trend.update({name: dt.datetime.fromisoformat(trend[name]) for name in ("starts_at", "ends_at")})
    return found


def score_trends(trending: list[dict[str, Any]], trends: list[dict[str, Any]]) -> Score:
    """Rows of `trending` (item_id, hour) against the planted trends."""

    def touches(row: dict[str, Any], trend: dict[str, Any]) -> bool:
        same = row["item_id"] == trend["item_id"]
        return bool(same and row["hour"] < trend["ends_at"] and row["hour"] + HOUR > trend["starts_at"])

    right = [row for row in trending if any(touches(row, trend) for trend in trends)]
    found = [
        trend
        for trend in trends
        if any(touches(row, trend) and row["hour"] <= trend["starts_at"] + HOUR for row in trending)
    ]
    return Score("trends", len(trends), len(found), len(trending), len(right))


def score_bots(bots: list[dict[str, Any]], expected: list[str]) -> Score:
    """Rows of `bots` against the users that are programs."""
    named = [row["user_id"] for row in bots]
    right = len(set(named) & set(expected))
    return Score("bots", len(expected), right, len(named), right)


def score_pairs(co_viewed: list[dict[str, Any]], pairs: list[list[str]]) -> Score:
    """The first rows of `co_viewed` for the items of planted pairs."""
    first = {row["item_id"]: row["other_id"] for row in co_viewed if row["rank"] == 1}
    named = [item for item, _ in pairs if item in first]
    right = sum(first.get(item) == other for item, other in pairs)
    return Score("pairs", len(pairs), right, len(named), right)


def main() -> None:
    """The command line."""
    import pyarrow as pa  # noqa: PLC0415  # the tables are read here only; the scores need nothing
    from deltalake import DeltaTable, QueryBuilder  # noqa: PLC0415  # the same

    parser = argparse.ArgumentParser(description="Hold the tables against what was planted.")
    parser.add_argument("--env", default="local", help="the environment of the run")
    parser.add_argument("--landing", type=Path, default=Path("landing/clickstream"), help="where landing.py wrote")
    wanted = parser.parse_args()

    def rows(flow: str) -> list[dict[str, Any]]:
        table = DeltaTable(f".etl/{wanted.env}/tables/clickstream/{flow}")
        return pa.table(QueryBuilder().register("found", table).execute("SELECT * FROM found").read_all()).to_pylist()

    truth, trending = planted(wanted.landing), rows("trending")
    for row in sorted(trending, key=lambda item: (item["hour"], item["item_id"])):
        print(
            f"{row['hour']:%Y-%m-%d %H:00}  {row['item_id']:<12} {row['viewers']:>3} viewers, at most {row['usual_peak']} the day before"
        )
    print(score_trends(trending, truth["trends"]))
    print(score_bots(rows("bots"), truth["bots"]))
    print(score_pairs(rows("co_viewed"), truth["pairs"]))


if __name__ == "__main__":
    main()
