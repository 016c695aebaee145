"""Which files of an older version are gone: a rollback to it would leave a table that nobody can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.commits.restore import missing_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_a_file_is_missing_where_it_is_gone_and_not_where_its_folder_has_an_odd_name(
    tmp_path: Path, spark: SparkSession
) -> None:
    """Hive escapes what a partition's value has in it, and Spark's names of files escape nothing more."""
    table = tmp_path / "ta ble%20"
    values = "SELECT 1 AS id, '50% a' AS p, TIMESTAMP '2024-01-01 10:00:00' AS at UNION ALL SELECT 2, 'ü/{x}', NULL"
    spark.sql(values).coalesce(1).write.format("delta").partitionBy("p", "at").save(str(table))
    spark.sql("SELECT 3 AS id, 'y' AS p, CAST(NULL AS TIMESTAMP) AS at").write.format("delta").mode("append").save(
        str(table)
    )
    assert missing_files(spark, str(table), 0) == []
    gone = next(file for file in table.rglob("*.parquet") if "p=50" in str(file))
    gone.unlink()
    assert missing_files(spark, str(table), 0) == [str(gone)]
