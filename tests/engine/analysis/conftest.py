"""The analysis's tests name their inputs in a session of their own, whose views no other test meets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def spark(spark: SparkSession) -> SparkSession:
    return spark.newSession()
