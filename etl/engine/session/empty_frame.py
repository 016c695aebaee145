"""A DataFrame of a schema, without rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


def empty_frame(session: SparkSession, schema: str | StructType) -> DataFrame:
    """No rows, with the columns of `schema`: a schema, or the text of one as DDL has it.

    `createDataFrame` of pyspark 4.2 imports pandas, wherever it is installed, to see whether it was given a frame of pandas: some 0.4
    seconds of the processors, of some 12 that a short run takes. It makes its session the active one, too; this does not.
    """
    from pyspark.sql import DataFrame  # noqa: PLC0415  # planning imports the sources without Spark

    jvm, spark = session._jvm, session._jsparkSession  # noqa: SLF001  # the public way is the one above
    if isinstance(schema, str):
        columns = jvm.org.apache.spark.sql.types.StructType.fromDDL(schema)  # type: ignore[union-attr]  # py4j is untyped
    else:
        columns = spark.parseDataType(schema.json())
    # Without a partition, and not known to be empty: a plan that Spark folds away would lose its observations.
    return DataFrame(spark.createDataFrame(session._jsc.emptyRDD(), columns), session)  # noqa: SLF001  # likewise
