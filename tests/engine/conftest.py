"""What the tests of the engine share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.support.place import Place


@pytest.fixture
def place(project: Callable[[Mapping[str, str]], Path], spark: SparkSession) -> Place:
    root = project({})
    (root / "landing").mkdir()
    return Place(root, spark)
