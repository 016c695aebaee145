"""A writer of an older generation that is in flight when a rebuild is swapped in fails, and adds nothing."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

import etl
from etl.engine.commits.commit import stamped
from etl.engine.metadata.delta_log import last_stamp
from tests.support.independent import rows

PIPELINE = """
version: 1
name: p
sources:
  things: {format: csv, path: landing, schema: "id BIGINT", options: {header: true}}
flows:
  copied: {inputs: [things], incremental: rows}
"""


def test_an_append_that_began_before_a_full_refresh_cannot_land_after_it(tmp_path: Path, spark: SparkSession) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "landing").mkdir()
    (tmp_path / "pipelines" / "p.yml").write_text(PIPELINE, encoding="utf-8")
    (tmp_path / "landing" / "a.csv").write_text("id\n1\n2\n", encoding="utf-8")
    pipeline = etl.load(tmp_path / "pipelines" / "p.yml")
    assert pipeline.run(mode="batch").status == "succeeded"
    target = tmp_path / ".etl" / "local" / "tables" / "p" / "copied"
    found = last_stamp(str(target))
    assert found is not None

    started, swapped = str(tmp_path / "started"), str(tmp_path / "swapped")

    def slow(value: int) -> int:
        Path(started).touch()
        while not Path(swapped).exists():
            time.sleep(0.05)
        return value

    failed: list[BaseException] = []
    of_the_old = replace(found, epoch=1, start=found.to)

    def write() -> None:
        session = spark.newSession()
        late = session.range(99, 100, 1, 1).select(F.udf(slow, "bigint")("id").alias("id"))
        try:
            with stamped(session, of_the_old):
                late.write.format("delta").mode("append").save(str(target))
        except Exception as cause:  # noqa: BLE001  # the test looks at it
            failed.append(cause)

    writer = threading.Thread(target=write)
    writer.start()
    deadline = time.monotonic() + 60
    while not Path(started).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        (swap,) = pipeline.run(mode="batch", full_refresh=True).flows
        assert writer.is_alive()  # it was in flight all the while
    finally:
        Path(swapped).touch()
        writer.join()

    assert (swap.status, swap.generation) == ("succeeded", 1)
    assert len(failed) == 1
    assert "MetadataChangedException" in str(failed[0])
    assert rows(target) == [(1,), (2,)]
    assert pipeline.audit().holds
    assert pipeline.run(mode="stream").status == "unchanged"
