"""A run at intervals: every flow once, and those with an interval for their trigger again and again.

Each time, a round, drains its flows in the order of the graph (docs/decisions/0008-an-interval-is-rounds.md).
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.grammar.values import seconds
from etl.engine.run.ahead import ReadyTables
from etl.engine.run.graph import run_graph
from etl.planning.events import DataAwaited, FlowFinished
from etl.planning.results import Counts

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection

    from etl.engine.run.flow import Order
    from etl.engine.session.shared import Sessions
    from etl.planning.events import Event
    from etl.planning.plan import Plan
    from etl.planning.results import FlowResult


def run_at_intervals(
    planned: Plan,
    order: Order,
    *,
    trigger: str | None,
    sessions: Sessions,
    emit: Callable[[Event], None],
    stop: threading.Event,
) -> tuple[FlowResult, ...]:
    """Carry the plan out once, and then, until `stop` is set or a flow fails, each flow whose interval is over."""
    results = {result.flow: result for result in run_graph(planned, order, sessions=sessions, emit=emit, stop=stop)}
    pauses = intervals(planned, trigger)
    ended = dict.fromkeys(pauses, time.monotonic())
    following = replace(order, full_refresh=False)
    ahead, unready = ReadyTables(sessions), {name for name, result in results.items() if result.epochs}
    while pauses and not any(result.status == "failed" for result in results.values()):
        moment = min(ended[name] + pause for name, pause in pauses.items())
        for name, pause in pauses.items():
            if ended[name] + pause > time.monotonic():
                emit(DataAwaited(name, ended[name] + pause - time.monotonic()))
        for item in planned.flows:
            if item.flow.name in unready & pauses.keys() and time.monotonic() < moment:
                ahead.make_ready(planned.spec, item.flow, stop)
                unready.discard(item.flow.name)
        if stop.wait(max(0.0, moment - time.monotonic())):
            break
        now = time.monotonic()
        due = [name for name, pause in pauses.items() if ended[name] + pause <= now]
        later = run_graph(_part(planned, due), following, sessions=sessions, emit=quiet(emit), stop=stop)
        results |= {result.flow: summed(results[result.flow], result) for result in later}
        ended |= dict.fromkeys(due, time.monotonic())
        unready |= {result.flow for result in later if result.epochs}
    return tuple(results.values())


def intervals(planned: Plan, trigger: str | None) -> dict[str, float]:
    """Flow that runs again → the seconds between the end of one round and the next, 0 for `continuous`; `trigger` overrides the flow's own."""
    triggers = {flow.flow.name: trigger or flow.flow.trigger for flow in planned.flows if flow.mode == "stream"}
    return {
        name: 0.0 if text == "continuous" else seconds(text)
        for name, text in triggers.items()
        if text != "available_now"
    }


def _part(planned: Plan, names: Collection[str]) -> Plan:
    """The plan of some flows alone: the others have run, or will run, in a round of their own."""
    flows = [flow for flow in planned.flows if flow.flow.name in names]
    return replace(
        planned,
        flows=tuple(replace(flow, upstream=tuple(name for name in flow.upstream if name in names)) for flow in flows),
    )


def summed(before: FlowResult, after: FlowResult) -> FlowResult:
    """A flow's result over several rounds: what it counted in all, and how the last round that did something ended."""
    came_through = before.status in ("succeeded", "unchanged")
    idle = before.status != "unchanged" and (
        after.status == "skipped" or (after.status == "unchanged" and came_through)
    )
    kept = before if idle else after
    return replace(
        kept,
        counts=before.counts + after.counts if after.counts != Counts() else before.counts,
        epochs=before.epochs + after.epochs,
        attempts=before.attempts + after.attempts,
        duration_s=round(before.duration_s + after.duration_s, 3),
        warnings=tuple(dict.fromkeys((*before.warnings, *after.warnings))),
    )


def quiet(emit: Callable[[Event], None]) -> Callable[[Event], None]:
    """`emit` for the rounds after the first, which report what happens, and not that nothing did."""

    def emit_if_changed(event: Event) -> None:
        if not (isinstance(event, FlowFinished) and event.result.status == "unchanged"):
            emit(event)

    return emit_if_changed
