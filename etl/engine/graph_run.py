"""The flows of a run in the order of their graph, side by side where they may; one that fails stops only those behind it."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from etl.engine.flow_run import FlowRun
from etl.engine.storage import FlowPaths
from etl.planning.events import FlowFinished, FlowResult

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from etl.config.spec import PipelineSpec
    from etl.engine.flow_run import Order
    from etl.engine.sessions import Sessions
    from etl.planning.events import Event
    from etl.planning.graph import Graph


def run_graph(
    spec: PipelineSpec,
    graph: Graph,
    selected: Sequence[str],
    order: Order,
    *,
    sessions: Sessions,
    emit: Callable[[Event], None],
    stop: threading.Event,
) -> tuple[FlowResult, ...]:
    """Run the selected flows once; their results in the order of the graph."""
    results: dict[str, FlowResult] = {}
    running: dict[Future[FlowResult], str] = {}
    waiting = list(selected)
    with ThreadPoolExecutor(max_workers=spec.run.max_concurrent_flows, thread_name_prefix="flow") as pool:
        while waiting or running:
            for name in list(waiting):
                parents = [parent for parent in selected if parent in graph.upstream(name)]
                reason = _obstacle(parents, results, stopped=stop.is_set())
                if reason is not None:
                    waiting.remove(name)
                    results[name] = _skipped(spec, name, order, reason)
                    emit(FlowFinished(results[name]))
                elif all(parent in results for parent in parents):
                    waiting.remove(name)
                    flow = spec.flow(name)
                    if flow is None:
                        raise KeyError(name)
                    work = FlowRun(spec, flow, order, sessions=sessions, emit=emit, stop=stop)
                    running[pool.submit(work.run)] = name
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                results[running.pop(future)] = future.result()
    return tuple(results[name] for name in selected)


def _obstacle(parents: Sequence[str], results: dict[str, FlowResult], *, stopped: bool) -> str | None:
    """Why a flow cannot run at all; None where it can, now or later."""
    for parent in parents:
        found = results.get(parent)
        if found is not None and found.status in ("failed", "skipped"):
            return f"flow '{parent}', which it reads, {'failed' if found.status == 'failed' else 'was skipped'}"
    return "the run was asked to stop" if stopped else None


def _skipped(spec: PipelineSpec, name: str, order: Order, reason: str) -> FlowResult:
    flow = spec.flow(name)
    target = FlowPaths.of(spec, flow).target if flow else ""
    return FlowResult(flow=name, status="skipped", mode=order.mode, target=target, reason=reason)
