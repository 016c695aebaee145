"""What `--json` prints of a run, a plan, a test and a verification: results as the documents that the contract describes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from etl.config.views import readers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.operations.harness.difference import Difference
    from etl.operations.harness.pipeline_tests import TestResult
    from etl.operations.verification.verdicts import FlowVerdict, VerifyResult
    from etl.planning.backfill import BackfillResult
    from etl.planning.plan import Committed, FlowPlan, Plan
    from etl.planning.replay import ReplayResult
    from etl.planning.results import FlowResult, RunResult, RunsResult
    from etl.record.history import HistoryEntry
    from etl.record.runs import RunRecord


def history_document(pipeline: str, runs: Sequence[RunRecord], entries: Sequence[HistoryEntry]) -> dict[str, Any]:
    """The runs of a pipeline, newest first, and what each committed."""
    return {
        "pipeline": pipeline,
        "runs": [run_document(run) | {"started_at": run.started_at} for run in runs],
        "history": [_history_entry(entry) for entry in entries],
    }


def _history_entry(entry: HistoryEntry) -> dict[str, Any]:
    """What a run committed; `run` and `rows_written` are what this document called `run_id` and `rows_out` before."""
    return asdict(entry) | {"run_id": entry.run_id, "rows_out": entry.rows_out, "committed_at": entry.committed_at}


def run_document(result: RunResult | RunRecord) -> dict[str, Any]:
    """A run's result, or its record."""
    return {
        "run_id": result.run_id,
        "pipeline": result.pipeline,
        "mode": result.mode,
        "status": result.status,
        "duration_s": result.duration_s,
        "flows": [_flow_result(flow) for flow in result.flows],
    }


def runs_document(result: RunsResult) -> dict[str, Any]:
    """The results of the runs of several pipelines."""
    return {
        "status": result.status,
        "duration_s": result.duration_s,
        "runs": [run_document(run) for run in result.runs],
    }


def _flow_result(flow: FlowResult) -> dict[str, Any]:
    return {
        "flow": flow.flow,
        "status": flow.status,
        "mode": flow.mode,
        **flow.counts.as_rows(),
        "epochs": flow.epochs,
        "generation": flow.generation,
        "target": flow.target,
        "quarantine": flow.quarantine,
        "duration_s": flow.duration_s,
        "attempts": flow.attempts,
        "reason": flow.reason,
        "warnings": list(flow.warnings),
        "error": flow.error,
        "error_kind": flow.error_kind,
        "error_rows": [{"file": row.file or None, "row": dict(row.row)} for row in flow.error_rows],
    }


def recomputed_document(result: BackfillResult | ReplayResult) -> dict[str, Any]:
    """A backfill or a replay; `counts` has the names that were there before those of a run."""
    return {**asdict(result), **result.counts.as_rows()}


def plan_document(plan: Plan) -> dict[str, Any]:
    """A plan."""
    return {
        "pipeline": plan.spec.name,
        "mode": plan.mode,
        "environment": plan.spec.environment,
        "storage": plan.spec.storage,
        "flows": [_flow_plan(flow) for flow in plan.flows],
        "views": [{"view": view.name, "readers": list(readers(plan.spec, view.name))} for view in plan.spec.views],
        "warnings": list(plan.warnings),
        "problems": list(plan.problems),
    }


def _flow_plan(flow: FlowPlan) -> dict[str, Any]:
    return {
        "flow": flow.flow.name,
        "mode": flow.mode,
        "kind": flow.kind,
        "decided_by": flow.decided_by,
        "strategy": flow.strategy,
        "action": flow.action,
        "reason": flow.reason,
        "generation": flow.generation,
        "fingerprint": flow.fingerprint,
        "upstream": list(flow.upstream),
        "target": flow.target,
        "committed": _committed(flow.committed) if flow.committed else None,
        "changes": list(flow.changes),
        "rebuild_reads": [asdict(size) for size in flow.rebuild_reads],
    }


def _committed(committed: Committed) -> dict[str, Any]:
    """The target's newest epoch. `run` is the older name of `run_id`; `retired` what this document has always called the newest generation that was rolled back."""
    fields = {"run_id": committed.run, **asdict(committed)}
    return {("retired" if name == "rolled_back_upto" else name): value for name, value in fields.items()}


def tests_document(results: Sequence[TestResult]) -> dict[str, Any]:
    """The results of `etl test`; the status is the worst of them."""
    statuses = {result.status for result in results}
    status = next((word for word in ("error", "failed") if word in statuses), "passed")
    return {"status": status, "tests": [_test_result(result) for result in results]}


def _test_result(result: TestResult) -> dict[str, Any]:
    difference = None
    if result.status != "passed":
        tables = [_difference(rows) for rows in result.differences]
        difference = {"message": result.message or None, "tables": tables}
    return {
        "pipeline": result.pipeline,
        "name": result.name,
        "flow": result.flow,
        "mode": result.mode,
        "status": result.status,
        "duration_s": result.duration_s,
        "file": result.at.file or None,
        "line": result.at.line or None,
        "difference": difference,
    }


def verify_document(result: VerifyResult, replay: Callable[[FlowVerdict], str]) -> dict[str, Any]:
    """The result of a verification; `replay` is the command that shows a flow's difference again."""
    return {
        "pipeline": result.pipeline,
        "status": result.status,
        "seed": result.seed,
        "splits": result.splits,
        "inputs": list(result.notes),
        "duration_s": result.duration_s,
        "flows": [_flow_verdict(flow, replay) for flow in result.flows],
    }


def _flow_verdict(flow: FlowVerdict, replay: Callable[[FlowVerdict], str]) -> dict[str, Any]:
    return {
        "flow": flow.flow,
        "kind": flow.kind or None,
        "sink": flow.strategy or None,
        "status": flow.verdict,
        "trials": flow.trials,
        "rows": flow.rows,
        "seed": flow.seed,
        "story": flow.description or None,
        "message": flow.message or None,
        "hint": flow.hint or None,
        "tables": [_difference(difference) for difference in flow.differences],
        "replay": replay(flow) if flow.verdict not in ("equal", "not judged") else None,
    }


def _difference(difference: Difference) -> dict[str, Any]:
    """The rows by which a table is not as expected; masked columns show nothing."""
    from etl.operations.harness.difference_table import difference_text, value_text  # noqa: PLC0415  # only where rows differ

    def row(values: Any) -> dict[str, str] | None:
        if values is None:
            return None
        return {
            name: "***" if name in difference.masked else value_text(values.get(name)) for name in difference.columns
        }

    return {
        "of": difference.of,
        "equal": difference.equal,
        "different": difference.different,
        "missing": difference.missing,
        "unexpected": difference.unexpected,
        "rows": [
            {"expected": row(pair.expected), "actual": row(pair.actual), "differing": list(pair.differing)}
            for pair in difference.pairs
        ],
        "text": difference_text(difference),
    }
