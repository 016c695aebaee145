"""A plan carried out: its flows in order, side by side where they may; one that fails stops only those behind it."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from etl.engine.run.flow import FlowRun
from etl.planning.events import FlowFinished
from etl.planning.results import FlowResult

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from etl.engine.run.flow import Order
    from etl.engine.session.shared import Sessions
    from etl.planning.events import Event
    from etl.planning.plan import FlowPlan, Plan


def run_graph(
    plan: Plan,
    order: Order,
    *,
    sessions: Sessions,
    emit: Callable[[Event], None],
    stop: threading.Event,
) -> tuple[FlowResult, ...]:
    """Run the plan's flows once; their results in its order."""
    spec, planned = plan.spec, {item.flow.name: item for item in plan.flows}
    results: dict[str, FlowResult] = {}
    running: dict[Future[FlowResult], str] = {}
    waiting = list(planned)
    with ThreadPoolExecutor(max_workers=spec.run.max_concurrent_flows, thread_name_prefix="flow") as pool:
        try:
            while waiting or running:
                for name in list(waiting):
                    reason = _obstacle(planned[name].upstream, results, stopped=stop.is_set())
                    if reason is not None:
                        waiting.remove(name)
                        results[name] = _skipped(planned[name], reason)
                        emit(FlowFinished(results[name]))
                    elif all(parent in results for parent in planned[name].upstream):
                        waiting.remove(name)
                        work = FlowRun(spec, planned[name], order, sessions=sessions, emit=emit, stop=stop)
                        running[pool.submit(work.run)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    results[running.pop(future)] = future.result()
        except BaseException:  # an interrupt, in a notebook: what is running ends with its epoch, nothing else begins
            stop.set()
            raise
    return tuple(results[name] for name in planned)


def _obstacle(parents: Sequence[str], results: dict[str, FlowResult], *, stopped: bool) -> str | None:
    """Why a flow cannot run at all; None where it can, now or later."""
    for parent in parents:
        result = results.get(parent)
        if result is not None and result.status in ("failed", "skipped"):
            return f"flow '{parent}', which it reads, {'failed' if result.status == 'failed' else 'was skipped'}"
    return "the run was asked to stop" if stopped else None


def _skipped(planned: FlowPlan, reason: str) -> FlowResult:
    return FlowResult(flow=planned.flow.name, status="skipped", mode=planned.mode, target=planned.target, reason=reason)
