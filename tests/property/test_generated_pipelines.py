"""Invariants 1, 2 and 5 over pipelines that nobody wrote: kinds, sinks and operators from a grammar, random portions and modes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.generated.flows import Cell, histogram, legal_cells
from tests.generated.trial import trial

SEEDS = int(os.environ.get("ETL_GENERATED", "5"))


@pytest.mark.property
@pytest.mark.timeout(1800)
def test_generated_pipelines_end_in_the_model_s_tables_whatever_the_portions_and_the_modes(
    spark: SparkSession, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    chosen: Counter[Cell] = Counter()
    cases = 0
    for seed in range(1, SEEDS + 1):
        found = trial(seed, tmp_path / str(seed), chosen)
        chosen, cases = chosen + found.cells, cases + found.cases
    tell(f"{cases} flow-cases of Spark, seeds 1 to {SEEDS}\n{histogram(chosen)}")
    assert not [cell for cell in legal_cells() if chosen[cell] == 0]
