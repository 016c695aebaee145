from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def ranked(clean: DataFrame, latest: DataFrame) -> DataFrame:
    last = latest.groupBy("customer").agg(F.max("placed").alias("last"))
    return clean.join(last, "customer")


THRESHOLD = 5
