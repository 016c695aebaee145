"""What Spark advises and nobody can do here is not passed on; what can be done in its stead is said."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from etl.config.spec import FlowSpec
from etl.engine.faults.advice import followable
from etl.engine.faults.translation import translate

FAILING = (
    ("SELECT 1 / (id - id) FROM range(1)", "try_divide"),
    ("SELECT 1 % (id - id) FROM range(1)", "try_mod"),
    ("SELECT CAST(concat('x', id) AS INT) FROM range(1)", "try_cast"),
    ("SELECT CAST(id + 300 AS TINYINT) FROM range(1)", "try_cast"),
    ("SELECT id + 9223372036854775807 FROM range(1, 2)", "try_add"),
    ("SELECT CAST(id + 100000 AS DECIMAL(4, 1)) FROM range(1)", "try_cast"),
    ("SELECT make_date(2024, CAST(id AS INT) + 13, 1) FROM range(1)", "try_"),
    ("SELECT CAST(date'2024-01-01' AS INT) FROM range(1)", "UNIX_DATE"),
    ("SELECT array(1)[CAST(id AS INT) + 7] FROM range(1)", "get()"),
    ("SELECT transform(array(1), (x, X) -> x + X) FROM range(1)", ""),
)


@pytest.mark.spark
def test_no_message_of_spark_advises_what_is_pinned(spark: SparkSession) -> None:
    session = spark.newSession()
    session.conf.set("spark.sql.ansi.enabled", "true")
    for query, instead in FAILING:
        with pytest.raises(Exception) as caught:  # noqa: PT011  # Spark's own, of several classes
            session.sql(query).collect()
        told = translate(caught.value, FlowSpec(name="f", inputs=()))
        assert "ansi" not in told.message.lower().replace("ansi mode on", ""), told.message
        assert "caseSensitive" not in told.message
        assert instead in told.message, told.message


def test_the_advice_of_deltas_writer_becomes_that_of_a_sink() -> None:
    said = (
        "[DELTA_METADATA_MISMATCH] A schema mismatch detected when writing to the Delta table (Table ID: 1). "
        'To enable schema migration using DataFrameWriter or DataStreamWriter, please set: \'.option("mergeSchema", "true")\'. '
        'For other operations, set the session configuration spark.databricks.delta.schema.autoMerge.enabled to "true".'
    )
    told = followable(said)
    assert "mergeSchema" not in told
    assert "autoMerge" not in told
    assert "(Table ID: 1)" in told
    assert "schema_evolution: add_columns" in told


def test_a_message_that_advises_nothing_of_ours_stays_as_it_is() -> None:
    for said in (
        'Set "spark.sql.legacy.timeParserPolicy" to "LEGACY". Or correct the pattern.',
        "[UNRESOLVED_COLUMN] A column `a` cannot be resolved.",
        "",
    ):
        assert followable(said) == said
