"""Twilight: one declarative pipeline, run as a full batch or as Structured Streaming, into the same Delta tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.lazy import lazily

if TYPE_CHECKING:
    from etl.errors import (
        ConfigurationError,
        EnvironmentProblem,
        EtlError,
        ExpectationFailed,
        FlowFailed,
        HistoryLost,
        LockHeld,
        RunError,
        RunFailed,
    )
    from etl.notebook.pipeline import Pipeline, load
    from etl.operations.audit import AuditResult
    from etl.operations.verification.verdicts import VerifyResult
    from etl.planning.backfill import BackfillResult
    from etl.planning.plan import Plan
    from etl.planning.preview import PreviewResult
    from etl.planning.replay import ReplayResult
    from etl.planning.results import Counts, Failure, FlowResult, RunResult
    from etl.record.history import History

__all__ = [
    "AuditResult",
    "BackfillResult",
    "ConfigurationError",
    "Counts",
    "EnvironmentProblem",
    "EtlError",
    "ExpectationFailed",
    "Failure",
    "FlowFailed",
    "FlowResult",
    "History",
    "HistoryLost",
    "LockHeld",
    "Pipeline",
    "Plan",
    "PreviewResult",
    "ReplayResult",
    "RunError",
    "RunFailed",
    "RunResult",
    "VerifyResult",
    "load",
]

_ERRORS = (
    "ConfigurationError",
    "EnvironmentProblem",
    "EtlError",
    "ExpectationFailed",
    "FlowFailed",
    "HistoryLost",
    "LockHeld",
    "RunError",
    "RunFailed",
)

if not TYPE_CHECKING:  # else any name would do for a type checker
    __getattr__ = lazily(
        "etl",
        {
            "AuditResult": "etl.operations.audit",
            "BackfillResult": "etl.planning.backfill",
            "Counts": "etl.planning.results",
            "Failure": "etl.planning.results",
            "FlowResult": "etl.planning.results",
            "History": "etl.record.history",
            "Pipeline": "etl.notebook.pipeline",
            "Plan": "etl.planning.plan",
            "PreviewResult": "etl.planning.preview",
            "ReplayResult": "etl.planning.replay",
            "RunResult": "etl.planning.results",
            "VerifyResult": "etl.operations.verification.verdicts",
            "load": "etl.notebook.pipeline",
            **dict.fromkeys(_ERRORS, "etl.errors"),
        },
    )
