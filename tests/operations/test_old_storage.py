"""Storage that an older build made (tests/fixtures) is read, resumed, rebuilt and audited: nothing persistent names a room of the house."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from etl.config.spec import Mode
from tests.support.independent import rows

FIXTURE = Path(__file__).parents[1] / "fixtures" / "old_storage.tar.gz"
MADE_IN = Path("/tmp/old-storage")
FLOWS = ("received", "newest", "versions", "by_shop", "largest", "per_minute")
MIDNIGHT = 1_704_067_200


@pytest.fixture
def old() -> Iterator[Path]:
    """The project where it was made, with its files' own times: a definition and a position are made of both."""
    MADE_IN.mkdir()  # what is there already is somebody else's
    try:
        with tarfile.open(FIXTURE) as archive:
            archive.extractall(MADE_IN, filter="data")
            for member in archive.getmembers():  # a time is kept to the millisecond, which a float of it may miss
                if member.isfile():
                    os.utime(MADE_IN / member.name, ns=(round(member.mtime * 1000) * 1_000_000,) * 2)
        yield MADE_IN
    finally:
        shutil.rmtree(MADE_IN)


def tables(root: Path) -> dict[str, list[tuple[object, ...]]]:
    columns = {"versions": "id, shop, rev, valid_to, is_current"}
    return {
        flow: sorted(rows(root / ".etl/local/tables/shop" / flow, columns.get(flow, "*")), key=repr) for flow in FLOWS
    }


@pytest.mark.spark
@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_tables_of_an_older_build_stand_go_on_and_hold(spark: SparkSession, old: Path, mode: Mode) -> None:
    pipeline = etl.load(old / "pipelines" / "shop.yml")
    before = tables(old)
    assert {flow.flow.name: flow.action for flow in pipeline.plan(mode="stream").flows} == dict.fromkeys(
        FLOWS, "unchanged"
    )
    assert {entry.mode for entry in pipeline.history().entries} == {"batch", "stream"}
    assert pipeline.audit().holds
    assert pipeline.run(mode="stream").status == "unchanged"
    assert tables(old) == before

    order = '{"id":2,"shop":"c","amount":4,"rev":3,"gone":false}\n'
    (old / "landing/orders/3.json").write_text(order, encoding="utf-8")
    (old / "landing/clicks/3.csv").write_text("at,page\n2024-01-01T00:20:00Z,home\n", encoding="utf-8")
    done = pipeline.run(mode=mode)
    assert done.status == "succeeded", done
    assert tables(old) == {
        "received": sorted(
            [
                (1, "a", Decimal("10.50")),
                (1, "b", Decimal("11.00")),
                (2, "b", Decimal("3.00")),
                (3, "a", Decimal("7.25")),
                (2, "c", Decimal("4.00")),
            ],
            key=repr,
        ),
        "newest": [(1, "b", Decimal("11.00"), 2), (2, "c", Decimal("4.00"), 3), (3, "a", Decimal("7.25"), 1)],
        "versions": [
            (1, "a", 1, 2, False),
            (1, "b", 2, None, True),
            (2, "b", 1, 3, False),
            (2, "c", 3, None, True),
            (3, "a", 1, None, True),
        ],
        "by_shop": [("a", 2, Decimal("17.75")), ("b", 3, Decimal("13.00")), ("c", 1, Decimal("4.00"))],
        "largest": [(Decimal("11.00"),)],
        "per_minute": [(MIDNIGHT, 2), (MIDNIGHT + 300, 2), (MIDNIGHT + 600, 1)],
    }
    assert pipeline.audit().holds
    assert pipeline.run(mode="stream").status == "unchanged"
