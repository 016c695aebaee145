"""Delta is told which transactions a table has, as its checksum names them: the same that it computes, and it computes them no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

import etl
from etl.engine.commits import commit
from etl.engine.session.known_transactions import tell_transactions
from tests.support.independent import rows

pytestmark = pytest.mark.spark

COMMITS = st.lists(
    st.tuples(st.sampled_from([None, "a", "b", "etl:p/f/g1"]), st.integers(0, 3)), min_size=1, max_size=5
)


def snapshot(spark: SparkSession, table: str) -> Any:
    logs = spark._jvm.org.apache.spark.sql.delta.DeltaLog  # type: ignore[union-attr]  # noqa: SLF001  # there is no public way
    return logs.forTable(spark._jsparkSession, table).unsafeVolatileSnapshot()  # noqa: SLF001


def transactions(found: Any) -> dict[str, int]:
    """What a snapshot of Delta's says, computed or told."""
    told, each = found.transactions(), {}
    names = told.keysIterator()
    while names.hasNext():
        name = names.next()
        each[name] = int(told.apply(name))
    return each


def append(spark: SparkSession, table: str, app: str | None, version: int) -> None:
    options = {"txnAppId": app, "txnVersion": str(version)} if app else {}
    spark.range(1).coalesce(1).write.format("delta").mode("append").options(**options).save(table)


@pytest.mark.property
@seed(20261201)
@settings(max_examples=6)
@given(COMMITS)
def test_what_is_told_is_what_delta_computes(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, commits: list[tuple[str | None, int]]
) -> None:
    table = str(tmp_path_factory.mktemp("told") / "t")
    for app, version in commits:
        append(spark, table, app, version)
        tell_transactions(spark, table)
        known = snapshot(spark, table)
        told = transactions(known)
        assert not known.stateReconstructionTriggered()
        spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]  # noqa: SLF001  # as above
        computed = snapshot(spark, table)
        assert told == transactions(computed)
        assert computed.stateReconstructionTriggered()
    assert len(rows(table)) == len(distinct(commits))


def distinct(commits: list[tuple[str | None, int]]) -> list[tuple[str | None, int]]:
    """Those that Delta takes: of an id none at or below a version that it has committed."""
    taken: dict[str, int] = {}
    kept = []
    for app, version in commits:
        if app is None or version > taken.get(app, -1):
            kept.append((app, version))
            if app is not None:
                taken[app] = version
    return kept


def test_a_commit_of_another_writer_without_a_checksum_counts_as_well(spark: SparkSession, tmp_path: Path) -> None:
    table = str(tmp_path / "t")
    append(spark, table, "app", 1)
    tell_transactions(spark, table)
    meanwhile = pa.table({"id": pa.array([7], pa.int64())})
    write_deltalake(
        table, meanwhile, mode="append", commit_properties=CommitProperties(app_transactions=[Transaction("app", 2)])
    )
    append(spark, table, "app", 2)  # told of 1, it would be written again
    assert rows(table) == [(0,), (7,)]
    tell_transactions(spark, table)
    append(spark, table, "app", 3)
    assert rows(table) == [(0,), (0,), (7,)]


PIPELINE = """
version: 1
name: told
sources: {{things: {{format: csv, path: landing, schema: "id BIGINT, size INT", options: {{header: true}}}}}}
run: {{timezone: {zone}}}
flows:
  kept: {{inputs: [things], incremental: rows, expectations: {{small: {{expr: size < 10, on_violation: quarantine}}}}}}
"""


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_no_epoch_reads_the_whole_log(
    spark: SparkSession, project: Callable[[Mapping[str, str]], Path], monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    root = project({"pipelines/told.yml": PIPELINE.format(zone=zone)})
    before: dict[str, list[Any]] = {}

    def told(session: SparkSession, table: str) -> None:
        before.setdefault(Path(table).parts[-3], []).append(snapshot(session, table))
        tell_transactions(session, table)

    monkeypatch.setattr(commit, "tell_transactions", told)
    (root / "landing").mkdir()
    for number in range(3):
        (root / "landing" / f"{number}.csv").write_text(f"id,size\n{number},1\n{number},20\n", encoding="utf-8")
        result = etl.load("told").run(mode="stream")
        assert result.flows[0].failure is None, result.flows[0].failure
    assert {name: len(found) for name, found in before.items()} == {"tables": 3, "quarantine": 3}
    after = [snapshot(spark, str(root / ".etl/local" / name / "told/kept")) for name in before]
    seen = [found for each in before.values() for found in each[1:]]  # before the first there is no table
    assert [found.stateReconstructionTriggered() for found in (*seen, *after)] == [False] * 6
    assert rows(root / ".etl/local/tables/told/kept", "id") == [(0,), (1,), (2,)]
