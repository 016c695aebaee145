"""`make demo`: a year of flights and weather readings, ten months by one batch, the rest day by day as a stream.

Lands the files, runs the command `etl` as anybody would, and at the end lets DuckDB, which knows nothing of the framework, hold
the tables against one computation over all the data.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_LANDING = _ROOT / "landing" / "nyc"
_STORAGE = _ROOT / ".etl" / "local"
_SWITCH = dt.date(2013, 11, 1)

sys.path[:0] = [str(_ROOT), str(Path(__file__).parent)]

import landing  # noqa: E402  # found through the line above


def main() -> None:
    """The demo, from nothing."""
    for place in (
        _LANDING,
        *(_STORAGE / name / "nyc_flights" for name in ("tables", "quarantine", "checkpoints", "state", "history")),
    ):
        shutil.rmtree(place, ignore_errors=True)
    print("Landing January to October, a file a day ...", flush=True)
    landing.land(_LANDING, first=dt.date(2013, 1, 1), last=_SWITCH - dt.timedelta(days=1))
    batch = _etl("batch")
    print("Landing November and December, and streaming them in epochs of seven days ...", flush=True)
    landing.land(_LANDING, first=_SWITCH, last=dt.date(2013, 12, 31))
    stream = _etl("stream")
    _show(batch, stream)
    _verify()


def _etl(mode: str) -> dict[str, Any]:
    print(f"$ etl run nyc_flights --mode {mode}", flush=True)
    command = [str(Path(sys.executable).with_name("etl")), "run", "nyc_flights", "--mode", mode, "--json"]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout)
        sys.exit(done.returncode)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _show(batch: dict[str, Any], stream: dict[str, Any]) -> None:
    head = f"{'flow':20} {'mode':6} {'epochs':>6} {'read':>9} {'written':>9} {'dropped':>8} {'quarantined':>11} {'merged':>8}"
    print("\n" + head + "\n" + "-" * len(head))
    for first, second in zip(batch["flows"], stream["flows"], strict=True):
        for mode, flow in (("batch", first), ("stream", second)):
            name = flow["flow"] if mode == "batch" else ""
            print(
                f"{name:20} {mode:6} {flow['epochs']:>6} {flow['rows_in']:>9,} {flow['rows_out']:>9,} "
                f"{flow['rows_dropped']:>8,} {flow['rows_quarantined']:>11,} {flow['rows_merged']:>8,}"
            )
    print("\nThe tables (Delta):")
    for flow in stream["flows"]:
        print(f"  {flow['target']}")
    print("The quarantined rows, with the reason beside them:")
    for flow in stream["flows"]:
        if flow["quarantine"]:
            print(f"  {flow['quarantine']}")


def _verify() -> None:
    from tests.pipelines.nyc_oracle import Oracle  # noqa: PLC0415  # duckdb only for the last question

    with tempfile.TemporaryDirectory() as scratch:
        wrong = Oracle(Path(scratch)).differences(_STORAGE)
    if wrong:
        print("\nNOT equal to one batch over everything:")
        for name, lines in wrong.items():
            print(f"  {name}: {'; '.join(lines)}")
        sys.exit(1)
    print("\nDuckDB, from the package's own files: every table is what one batch over the whole year makes of it.")
    print(
        "Next: `.venv/bin/etl history nyc_flights`, `.venv/bin/etl audit nyc_flights`, `.venv/bin/etl plan nyc_flights`."
    )


if __name__ == "__main__":
    main()
