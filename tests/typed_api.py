"""The public names as programs use them: `make lint` checks their types (mypy --strict). Nothing runs this file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, assert_type

import etl
from etl.plugins import (
    CORRUPT,
    EpochCommits,
    FileSource,
    Format,
    Groups,
    Job,
    Pin,
    Provenance,
    Replaces,
    SinkStrategy,
    Source,
    SourceSpec,
    TargetCommit,
    create,
    parse_ddl,
    stamped,
)
from etl.testing import assert_equal_modes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def of_a_notebook() -> str:
    """A pipeline, and all that it returns."""
    pipeline = etl.load("orders", env="production", params={"day": "2026-01-01"})
    assert_type(pipeline, etl.Pipeline)
    assert_type(pipeline.plan(), etl.Plan)
    result = pipeline.run(mode="stream", select=["orders+"])
    assert_type(result, etl.RunResult)
    assert_type(result.raise_for_status(), etl.RunResult)
    assert_type(result.flows, tuple[etl.FlowResult, ...])
    assert_type(result.flows[0].failure, etl.Failure | None)
    assert_type(result.flows[0].counts, etl.Counts)
    assert_type(pipeline.preview("orders", limit=5), etl.PreviewResult)
    assert_type(
        pipeline.backfill(select="orders", start="2026-01-01", end="2026-02-01", column="day"), etl.BackfillResult
    )
    assert_type(pipeline.replay(select="orders"), etl.ReplayResult)
    assert_type(pipeline.audit(), etl.AuditResult)
    assert_type(pipeline.verify(), etl.VerifyResult)
    assert_type(pipeline.history(), etl.History)
    return result.status


def of_a_program() -> int:
    """Each error that a program may tell apart, with its exit code."""
    try:
        etl.load("orders").run(wait="10 minutes").raise_for_status()
    except etl.ConfigurationError as error:
        return len(error.diagnostics)
    except (etl.EnvironmentProblem, etl.ExpectationFailed, etl.FlowFailed, etl.HistoryLost, etl.LockHeld) as error:
        assert_type(error.hint, str)
        return error.exit_code
    except (etl.RunFailed, etl.RunError, etl.EtlError) as error:
        return error.exit_code
    return 0


def of_a_test() -> None:
    """What pytest gets."""
    assert_equal_modes("orders", flow="orders", given={"landing": [{"id": 1}]})


class Lines(FileSource):
    """A source of files whose lines mean something of their own."""

    def __init__(self, spec: SourceSpec) -> None:
        super().__init__(spec)
        self._names = [column.name for column in parse_ddl(spec.schema or "line STRING")]

    def as_of(self, session: SparkSession, pin: Pin) -> DataFrame:
        """The whole input at a pin."""
        return super().as_of(session, pin).select(*self._names, CORRUPT)


def opened(spec: SourceSpec) -> Source:
    """A class that inherits from FileSource is a Source."""
    return Lines(spec)


def prepare(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> EpochCommits:
    """A sink."""
    return TargetCommit(partial(_write, job, session, rows, replaces, stamp))


def _write(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> int | None:
    if replaces == "all":
        create(job, session, rows, stamp)
    elif not isinstance(replaces, Groups):
        with stamped(session, stamp):
            rows.write.format("delta").mode("append").save(job.paths.target)
    return None


LINES = Format("mine:Lines", options={"separator": "What stands between two columns."}, malformed=True)
ADDED = SinkStrategy("mine:prepare", takes="rows")
