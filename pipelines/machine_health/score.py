"""Holds the alerts of machine_health against the failures that landing.py planted.

`python score.py [--env local] [--landing DIR]`

An alert is right when it names the machine and its failure before the machine fails, and after the failure has begun.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Score:
    """How many failures there were and were announced, how many alerts there were and were right, and the hours gained."""

    failures: int
    found: int
    alerts: int
    right: int
    hours_ahead: tuple[float, ...]

    @property
    def recall(self) -> float:
        """The share of the failures that an alert announced."""
        return self.found / self.failures if self.failures else 1.0

    @property
    def precision(self) -> float:
        """The share of the alerts that announced a failure."""
        return self.right / self.alerts if self.alerts else 1.0

    def __str__(self) -> str:
        ahead = f", {self.hours_ahead[0]:.0f} to {self.hours_ahead[-1]:.0f} hours ahead" if self.hours_ahead else ""
        return (
            f"recall {self.recall:.2f} ({self.found} of {self.failures} failures announced{ahead}), "
            f"precision {self.precision:.2f} ({self.right} of {self.alerts} alerts right)"
        )


def planted_failures(landing: Path) -> list[dict[str, Any]]:
    """What landing.py planted, with times as instants."""
    with (landing / "planted_failures.csv").open(encoding="utf-8") as lines:
        return [
            {**line, **{name: dt.datetime.fromisoformat(line[name]) for name in ("starts_at", "fails_at")}}
            for line in csv.DictReader(lines)
        ]


def score(alerts: list[dict[str, Any]], failures: list[dict[str, Any]]) -> Score:
    """The score of alerts (machine_id, failure_mode, raised_at), any number of them for one failure."""
    ahead: dict[str, float] = {}
    right = 0
    for alert in sorted(alerts, key=lambda item: item["raised_at"]):
        for failure in failures:
            same = all(alert[name] == failure[name] for name in ("machine_id", "failure_mode"))
            if same and failure["starts_at"] <= alert["raised_at"] < failure["fails_at"]:
                right += 1
                hours = (failure["fails_at"] - alert["raised_at"]) / dt.timedelta(hours=1)
                ahead.setdefault(alert["machine_id"], hours)
    return Score(len(failures), len(ahead), len(alerts), right, tuple(sorted(ahead.values())))


def main() -> None:
    """The command line."""
    import pyarrow as pa  # noqa: PLC0415  # the table is read here only; `score` itself needs nothing
    from deltalake import DeltaTable, QueryBuilder  # noqa: PLC0415  # the same

    parser = argparse.ArgumentParser(description="Hold the alerts against the planted failures.")
    parser.add_argument("--env", default="local", help="the environment of the run")
    parser.add_argument("--landing", type=Path, default=Path("landing/machine_health"), help="where landing.py wrote")
    wanted = parser.parse_args()
    table = DeltaTable(f".etl/{wanted.env}/tables/machine_health/alerts")
    alerts = pa.table(QueryBuilder().register("alerts", table).execute("SELECT * FROM alerts").read_all()).to_pylist()
    failures = planted_failures(wanted.landing)
    for alert in sorted(alerts, key=lambda item: (item["raised_at"], item["machine_id"])):
        print(f"{alert['raised_at']:%Y-%m-%d %H:%M}  {alert['machine_id']}  {alert['failure_mode']}")
    print(score(alerts, failures))


if __name__ == "__main__":
    main()
