"""The ways to the same tables, on real data, judged by DuckDB from the package's own files.

Three months by default; ETL_NYC_LAST=2013-12-31 takes the year.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pyspark.sql import SparkSession

import etl
from etl.cli.documents import run_document
from tests.pipelines.nyc_oracle import FIRST, Oracle, landing, reported
from tests.support.independent import stamps

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
LAST = dt.date.fromisoformat(os.environ.get("ETL_NYC_LAST", "2013-03-31"))
SWITCH = LAST - (LAST - FIRST) / 6  # five sixths by batch, as ten months are of a year
RATE = 7


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(tmp_path_factory.mktemp("oracle"), LAST)


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file, landed once; each test links the ones it wants."""
    folder = tmp_path_factory.mktemp("landed")
    landing().land(folder, first=FIRST, last=LAST)
    return folder


class Scene:
    """A project of its own around the shipped pipeline, with a landing folder that fills up."""

    def __init__(self, root: Path, landed: Path) -> None:
        self.root, self._landed = root, landed
        (root / "pipelines").mkdir()
        shutil.copytree(ROOT / "pipelines" / "nyc_flights", root / "pipelines" / "nyc_flights")
        self.storage = root / ".etl" / "local"

    def land(self, first: dt.date, last: dt.date) -> None:
        for file in sorted(self._landed.rglob("*.csv")):
            place = self.root / "landing" / "nyc" / file.relative_to(self._landed)
            day = file.parent.name in ("flights", "weather")
            if not place.exists() and (not day or first <= dt.date.fromisoformat(file.stem) <= last):
                place.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, place)

    def run(self, mode: Any, rate: int = 100_000) -> dict[str, Any]:
        pipeline = etl.load(self.root / "pipelines" / "nyc_flights", params={"files_per_epoch": str(rate)})
        result = pipeline.run(mode=mode)
        assert result.status in ("succeeded", "unchanged"), [flow.failure for flow in result.flows]
        return run_document(result)

    def holds(self) -> bool:
        return etl.load(self.root / "pipelines" / "nyc_flights").audit().holds


@pytest.fixture
def scene(tmp_path: Path, landed: Path, spark: SparkSession) -> Scene:
    return Scene(tmp_path, landed)


def test_one_batch_makes_duckdb_s_tables_and_counts_its_rows(scene: Scene, oracle: Oracle, tmp_path: Path) -> None:
    scene.land(FIRST, LAST)
    first = scene.run("batch")
    assert oracle.differences(scene.storage) == {}
    one_day_less = Oracle(tmp_path / "shorter", LAST - dt.timedelta(days=1))
    assert {"flights_clean", "carrier_punctuality"} <= one_day_less.differences(scene.storage).keys(), "it sees a day"
    assert reported(first) == oracle.counts()
    second = scene.run("batch")
    assert second["status"] == "unchanged"
    assert scene.run("stream")["status"] == "unchanged"
    assert scene.holds()


def test_one_rate_limited_stream_makes_them_in_as_many_epochs_as_it_must(scene: Scene, oracle: Oracle) -> None:
    scene.land(FIRST, LAST)
    scene.run("stream", RATE)
    assert oracle.differences(scene.storage) == {}
    files = len(list((scene.root / "landing" / "nyc" / "flights").iterdir()))
    found = stamps(scene.storage / "tables" / "nyc_flights" / "flights_clean")
    assert [stamp["epoch"] for stamp in found] == list(range(len(found)))
    assert len(found) >= math.ceil(files / RATE)
    for stamp in found:
        checkpoint = scene.storage / "checkpoints" / "nyc_flights" / "flights_clean" / f"g{stamp['generation']}"
        assert (checkpoint / "commits" / str(stamp["epoch"])).exists()
    assert scene.holds()


def test_an_unlimited_stream_counts_what_one_batch_counts(scene: Scene, oracle: Oracle) -> None:
    scene.land(FIRST, LAST)
    assert reported(scene.run("stream")) == oracle.counts()
    assert oracle.differences(scene.storage) == {}


def test_a_stream_a_batch_and_a_stream_come_to_the_same(scene: Scene, oracle: Oracle) -> None:
    scene.land(FIRST, FIRST + (LAST - FIRST) / 3)
    scene.run("stream", RATE)
    scene.land(FIRST, SWITCH)
    before = scene.run("batch")
    scene.land(FIRST, LAST)
    after = scene.run("stream", RATE)
    assert oracle.differences(scene.storage) == {}
    for flow in ("flights_clean", "weather_clean"):  # a batch takes everything again, and hands over to a stream
        both = {
            key: _flow(before, flow)[key] + _flow(after, flow)[key]
            for key in ("rows_in", "rows_out", "rows_dropped", "rows_quarantined")
        }
        assert both == {key: oracle.counts()[flow][key] for key in both}
    assert scene.holds()


def _flow(run: dict[str, Any], name: str) -> dict[str, Any]:
    return next(flow for flow in run["flows"] if flow["flow"] == name)


def test_the_landing_is_the_same_each_time(tmp_path: Path) -> None:
    program: ModuleType = landing()
    day = dt.date(2013, 1, 30)
    texts: list[bytes] = []
    make: Callable[..., int] = program.land
    for name in ("one", "two"):
        assert make(tmp_path / name, first=day, last=day) == 5
        assert make(tmp_path / name, first=day, last=day) == 0
        texts.append((tmp_path / name / "weather" / f"{day}.csv").read_bytes())
    assert texts[0] == texts[1]
    assert texts[0].splitlines()[-1] == b"EWR,2013,1,30"
