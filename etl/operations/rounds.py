"""A run in rounds: every flow once, and those with an interval for their trigger again and again.

A round drains its flows in the order of the graph (docs/decisions/0008-an-interval-is-rounds.md).
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.grammar.values import seconds
from etl.engine.run.graph import run_graph
from etl.planning.events import FlowFinished
from etl.planning.results import Counts

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection

    from etl.engine.run.flow import Order
    from etl.engine.session.shared import Sessions
    from etl.planning.events import Event
    from etl.planning.plan import Plan
    from etl.planning.results import FlowResult


def run_rounds(
    planned: Plan,
    order: Order,
    *,
    trigger: str | None,
    sessions: Sessions,
    emit: Callable[[Event], None],
    stop: threading.Event,
) -> tuple[FlowResult, ...]:
    """Carry the plan out once, and then, until `stop` is set or a flow fails, each flow whose interval is over."""
    results = {item.flow: item for item in run_graph(planned, order, sessions=sessions, emit=emit, stop=stop)}
    again = intervals(planned, trigger)
    ended = dict.fromkeys(again, time.monotonic())
    following = replace(order, full_refresh=False)
    while again and not any(item.status == "failed" for item in results.values()):
        moment = min(ended[name] + pause for name, pause in again.items())
        if stop.wait(max(0.0, moment - time.monotonic())):
            break
        now = time.monotonic()
        due = [name for name, pause in again.items() if ended[name] + pause <= now]
        later = run_graph(_part(planned, due), following, sessions=sessions, emit=_quiet(emit), stop=stop)
        results |= {item.flow: _sum(results[item.flow], item) for item in later}
        ended |= dict.fromkeys(due, time.monotonic())
    return tuple(results.values())


def intervals(planned: Plan, trigger: str | None) -> dict[str, float]:
    """The flows that run again, and the seconds between the end of one round and the next; `trigger` overrides their own."""
    wanted = {item.flow.name: trigger or item.flow.trigger for item in planned.flows if item.mode == "stream"}
    return {name: seconds(text) for name, text in wanted.items() if text != "available_now"}


def _part(planned: Plan, names: Collection[str]) -> Plan:
    """The plan of some flows alone: the others have run, or will run, in a round of their own."""
    flows = [item for item in planned.flows if item.flow.name in names]
    return replace(
        planned,
        flows=tuple(replace(item, upstream=tuple(name for name in item.upstream if name in names)) for item in flows),
    )


def _sum(before: FlowResult, after: FlowResult) -> FlowResult:
    """A flow's result over several rounds: what it counted in all, and how the last round that did something ended."""
    idle = after.status in ("unchanged", "skipped") and before.status != "unchanged"
    kept = before if idle else after
    return replace(
        kept,
        counts=before.counts + after.counts if after.counts != Counts() else before.counts,
        epochs=before.epochs + after.epochs,
        attempts=before.attempts + after.attempts,
        duration_s=round(before.duration_s + after.duration_s, 3),
        warnings=tuple(dict.fromkeys((*before.warnings, *after.warnings))),
    )


def _quiet(emit: Callable[[Event], None]) -> Callable[[Event], None]:
    """Later rounds report what happens, not that nothing did."""

    def heard(event: Event) -> None:
        if not (isinstance(event, FlowFinished) and event.result.status == "unchanged"):
            emit(event)

    return heard
