"""`etl history`: every run, and what each committed, from the tables' own logs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from etl.cli.complete import flows as complete_flows
from etl.cli.documents import history_document
from etl.cli.layout import columns
from etl.cli.output import is_coloured, load, must_be_flows, pipeline_options, print_json, say
from etl.cli.summary import summary
from etl.markup import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.config.spec import PipelineSpec
    from etl.planning.results import FlowResult
    from etl.record.history import HistoryEntry
    from etl.record.runs import RunRecord


@click.command()
@pipeline_options
@click.option("--flow", "flows", multiple=True, help="Only these flows.", shell_complete=complete_flows)
@click.option("--run", "run_id", metavar="RUN", help="One run, whole, as its last screen was.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many runs.")
def history(
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    flows: tuple[str, ...],
    run_id: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Show the runs, newest first: failed and unchanged ones among them, with what each committed. Starts no JVM.

    What was committed is read from the tables' own logs. A run that was killed is known by its commits alone.
    """
    from etl.record.history import history as look_up  # noqa: PLC0415  # the command has its name

    spec = load(pipeline, environment, params)
    must_be_flows(spec, flows)
    entries = look_up(spec, flows=flows)
    runs = [_run(spec, run_id, entries)] if run_id else _runs(spec, flows, limit)
    committed = [entry for entry in entries if not run_id or entry.run == run_id]
    if as_json:
        print_json(history_document(spec.name, [run for run in runs if run is not None], committed[:limit]))
    elif run_id and runs[0] is not None:
        say(summary(runs[0], columns(), coloured=is_coloured()))
    else:
        say(
            "\n".join(_lines([run for run in runs if run is not None], committed, limit)) or "nothing was committed yet"
        )


def _runs(spec: PipelineSpec, flows: Sequence[str], limit: int) -> list[RunRecord | None]:
    """The newest records; with `flows`, of runs that had one of them."""
    from etl.record.runs import runs  # noqa: PLC0415  # --help need not pay for it

    records = runs(spec.storage, spec.name, limit=limit)
    return [record for record in records if not flows or {flow.flow for flow in record.flows} & set(flows)]


def _run(spec: PipelineSpec, run_id: str, entries: Sequence[HistoryEntry]) -> RunRecord | None:
    """The record of a run; None where only its commits tell of it. UsageError where nothing does."""
    from etl.config.diagnostics import did_you_mean  # noqa: PLC0415  # likewise
    from etl.record.runs import run, runs  # noqa: PLC0415  # likewise

    record = run(spec.storage, spec.name, run_id) if run_id.replace("-", "").isalnum() else None
    if record is None and run_id not in {entry.run for entry in entries}:
        known = [each.run_id for each in runs(spec.storage, spec.name, limit=50)]
        near = did_you_mean(run_id, known) or f"the newest is {known[0]}" if known else "there is none yet"
        raise click.UsageError(f"{spec.name} has no run '{run_id}'; {near}")
    return record


def _lines(runs: Sequence[RunRecord], entries: Sequence[HistoryEntry], limit: int) -> Iterator[str]:
    """A paragraph a run, the newest first; of a run without a record, what it committed."""
    recorded = {run.run_id: run for run in runs}
    committed: dict[str, dict[str, HistoryEntry]] = {}
    for entry in entries:
        committed.setdefault(entry.run, {})[entry.flow] = entry
    times = {run_id: _seconds(run.started_at) for run_id, run in recorded.items()}
    times |= {
        run_id: min(entry.committed_at_ms for entry in of.values()) / 1000
        for run_id, of in committed.items()
        if run_id not in recorded
    }
    for run_id in sorted(times, key=lambda each: times[each], reverse=True)[:limit]:
        at = datetime.fromtimestamp(times[run_id], UTC).strftime("%Y-%m-%d %H:%M:%S")
        run, of = recorded.get(run_id), committed.get(run_id, {})
        if run is None:
            yield f"{at}  {next(iter(of.values())).mode or '?':8}  no record              {run_id}"
        else:
            yield f"{at}  {run.mode:8}  {run.status:10} {run.duration_s:8,.1f} s  {run_id}"
        flows = {flow.flow: flow for flow in run.flows} if run is not None else {}
        for name in (*flows, *(name for name in of if name not in flows)):
            yield from _flow_lines(name, flows.get(name), of.get(name))


def _flow_lines(name: str, flow: FlowResult | None, entry: HistoryEntry | None) -> Iterator[str]:
    parts = [_commit(entry)] if entry is not None else []
    if flow is not None and (entry is None or flow.status != "succeeded"):
        parts.append(flow.status + (f", {flow.reason}" if flow.reason and flow.status != "failed" else ""))
    if flow is not None and flow.attempts > 1:
        parts.append(counted(flow.attempts, "attempt"))
    yield f"  {name}: {'; '.join(parts)}"
    if flow is not None and flow.failure is not None:
        where = f"{flow.failure.where} " if flow.failure.where else ""
        yield f"    {where}{flow.failure.message.splitlines()[0]}"


def _commit(entry: HistoryEntry) -> str:
    first, last = entry.first_epoch, entry.last_epoch
    epochs = f"epoch {first}" if first == last else f"epochs {first}–{last}"
    if entry.backfill is not None:
        epochs = f"{entry.mode} at epoch {last}, {entry.backfill}"
    rows = "" if entry.rows_written is None else f", {counted(entry.rows_written, 'row')}"
    return f"g{entry.generation} {epochs}{rows}"


def _seconds(started_at: str) -> float:
    return datetime.fromisoformat(started_at).timestamp()
