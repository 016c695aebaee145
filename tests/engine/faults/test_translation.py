"""What a person reads of an exception that came out of a flow."""

from __future__ import annotations

import pytest

from etl.config.spec import FlowSpec
from etl.engine.faults.translation import translate

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (
            "An error occurred while calling o31.collectToPython.\n: java.util.NoSuchElementException: key not found: g#34\n\tat scala.Map",
            "java.util.NoSuchElementException: key not found: g#34",
        ),
        (
            "An error occurred while calling o31.save.\n: org.apache.spark.SparkException: Job aborted.\n\tat a.B\nCaused by: java.io.IOException: Disk quota exceeded\n\tat a.B",
            "java.io.IOException: Disk quota exceeded",
        ),
        ("An error occurred while calling o31.save", "Spark failed, and gave no cause"),
        ("[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012\n\tat a.B", "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012"),
    ],
    ids=["of the driver's JVM", "with a cause", "with no cause", "with a condition"],
)  # fmt: skip
def test_the_cause_is_told_and_not_what_was_called(raised: str, told: str) -> None:
    assert translate(RuntimeError(raised), FlowSpec("f", ())).message == f"flow 'f': {told}"
