"""A continuous run: each flow as soon as something arrives at its inputs, until the run is stopped.

Nobody is asked for news: the folders behind local inputs are looked at, a flow's readers are told what it commits, and every flow is decided
again now and then as a round would decide it (docs/decisions/0024-continuous-is-watched.md).
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.engine.inspection.arrivals import Watch
from etl.engine.metadata.generations import newest_opened
from etl.engine.run.ahead import ReadyTables
from etl.engine.run.flow import FlowRun
from etl.engine.storage.layout import FlowPaths
from etl.operations.interval_runs import intervals, quiet, summed
from etl.planning.events import DataAwaited, EpochCommitted, FlowFinished, FlowRetried, FlowStarted, FlowWarned
from etl.planning.results import FlowResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etl.engine.run.flow import Order
    from etl.engine.session.shared import Sessions
    from etl.planning.events import Event
    from etl.planning.plan import FlowPlan, Plan

SHORTEST_LOOK_S, LONGEST_LOOK_S = 0.02, 0.25
_QUIET_SHARE = 0.05  # the folders are looked at again after this share of the time since something happened
_LOOK_SHARE = 0.01  # of the time, at most, goes into looking
_SOONEST_DECISION_S, _LATEST_DECISION_S = 1.0, 60.0
_DECISION_SHARE = 0.005  # of the time, at most, goes into decisions that nothing has called for, all flows together
_GREATEST_DOUBLING = 32


@dataclass(slots=True)
class _Flow:
    """A flow of the run.

    Attributes:
        pause_s: How long after a round the next is due in any case; None: once, 0: when something arrives.
        due_at: Monotonic seconds at which it is due, whatever arrives; None: not by time.
        began: Monotonic seconds at which it was last started; 0: never.
        failed_attempts: Since the last time that it came through.
        is_unready: It has committed, and nothing was done ahead of its next epoch.
    """

    planned: FlowPlan
    pause_s: float | None
    watch: Watch | None
    is_due: bool = True
    due_at: float | None = None
    began: float = 0.0
    failed_attempts: int = 0
    is_unready: bool = False
    result: FlowResult | None = None

    def call(self) -> None:
        """Have it run, since something may have arrived; one that failed waits until its pause is over."""
        self.is_due = self.is_due or not self.failed_attempts

    @property
    def is_continuous(self) -> bool:
        return self.pause_s == 0

    @property
    def has_table(self) -> bool:
        """Whether its readers can begin."""
        return self.result is not None and self.result.status in ("succeeded", "unchanged")

    @property
    def is_failed_for_good(self) -> bool:
        """Whether it failed, and of nothing that another attempt could change."""
        failure = self.result.failure if self.result is not None else None
        return failure is not None and (self.pause_s is None or not failure.transient)


def is_continuous(planned: Plan, trigger: str | None) -> bool:
    """Whether some flow of the plan runs as soon as something arrives; `trigger` overrides the flow's own."""
    return 0 in intervals(planned, trigger).values()


class ContinuousRun:
    """Carries a plan out until it is stopped, or no flow can go on; see the module."""

    def __init__(
        self,
        planned: Plan,
        order: Order,
        *,
        trigger: str | None,
        sessions: Sessions,
        emit: Callable[[Event], None],
        stop: threading.Event,
    ) -> None:
        self._spec, self._order, self._sessions, self._stop = planned.spec, order, sessions, stop
        self._tell = emit
        pauses = intervals(planned, trigger)
        self._flows = {flow.flow.name: _Flow(flow, pauses.get(flow.flow.name), None) for flow in planned.flows}
        self._ahead = ReadyTables(sessions)
        self._wake = threading.Event()
        self._lock = threading.Lock()  # over what events change: they come from the threads of flows
        self._resting: set[str] = set()  # flows in the pause before a retry, which leave their place to others
        self._told: set[tuple[str, str]] = set()
        self._running: dict[Future[FlowResult], str] = {}
        self._preparing: Future[None] | None = None
        self._last_event = time.monotonic()
        self._last_look = 0.0
        self._look_s = 0.0

    def run(self) -> tuple[FlowResult, ...]:
        """The flows' results, in the order of the plan, each over all that the flow did."""
        for flow in self._flows.values():
            flow.watch = Watch(self._spec, flow.planned.flow) if flow.is_continuous else None
        with ThreadPoolExecutor(max_workers=len(self._flows) + 1, thread_name_prefix="flow") as pool:
            try:
                while not self._stop.is_set() and self._goes_on():
                    self._wake.wait(self._pause())
                    self._wake.clear()
                    self._take_finished()
                    self._look()
                    self._start_due(pool)
                    self._prepare_one(pool)
                while self._running:  # each ends with its epoch
                    self._wake.wait(LONGEST_LOOK_S)
                    self._wake.clear()
                    self._take_finished()
            except (
                BaseException
            ):  # an interrupt, in a notebook: what is running ends with its epoch, nothing else begins
                self._stop.set()
                raise
        return tuple(flow.result or self._not_run(flow) for flow in self._flows.values())

    def _goes_on(self) -> bool:
        """Whether anything is running, or can ever run again."""
        return bool(self._running) or any(
            not self._is_hopeless(flow) for flow in self._flows.values() if flow.pause_s is not None or flow.is_due
        )

    def _is_hopeless(self, flow: _Flow) -> bool:
        return flow.is_failed_for_good or any(self._is_hopeless(parent) for parent in self._missing(flow))

    def _missing(self, flow: _Flow) -> Iterator[_Flow]:
        """The flows that must have run first, and have not; none once the flow itself came through."""
        if not flow.has_table:
            yield from (self._flows[name] for name in flow.planned.upstream if not self._flows[name].has_table)

    def _pause(self) -> float:
        """Seconds until the next look, or the next flow that is due by time."""
        now = time.monotonic()
        quiet_s = now - self._last_event
        look = min(LONGEST_LOOK_S, max(SHORTEST_LOOK_S, quiet_s * _QUIET_SHARE, self._look_s / _LOOK_SHARE))
        times = [flow.due_at for name, flow in self._flows.items() if flow.due_at is not None and not self._runs(name)]
        return max(0.0, min([look, *(moment - now for moment in times)]))

    def _runs(self, name: str) -> bool:
        return name in self._running.values()

    def _look(self) -> None:
        """Note which continuous flows something may have arrived for."""
        began = time.monotonic()
        if began - self._last_look < self._look_s / _LOOK_SHARE:
            return
        for flow in self._flows.values():
            if flow.watch is not None and flow.watch.has_moved():
                flow.call()
                self._last_event = began
        self._last_look = time.monotonic()
        self._look_s = self._last_look - began

    def _start_due(self, pool: ThreadPoolExecutor) -> None:
        now = time.monotonic()
        for name, flow in sorted(self._flows.items(), key=lambda each: each[1].began):  # nobody waits for ever
            if flow.due_at is not None and flow.due_at <= now:
                flow.is_due, flow.due_at = True, None
            if not flow.is_due or self._runs(name) or any(self._missing(flow)):
                continue
            with self._lock:
                busy = len(self._running) - len(self._resting)
            if busy >= self._spec.run.max_concurrent_flows:
                return
            flow.is_due, flow.due_at, flow.began = False, None, now
            emit = self._emit if flow.result is None else quiet(self._emit)
            work = FlowRun(
                self._spec, flow.planned, self._order_for(flow), sessions=self._sessions, emit=emit, stop=self._stop
            )
            future = pool.submit(work.run)
            self._running[future] = name
            future.add_done_callback(lambda _: self._wake.set())

    def _order_for(self, flow: _Flow) -> Order:
        """What is asked of a flow: a full refresh until a generation was opened for it."""
        if flow.result is None or not self._order.full_refresh:
            return self._order
        opened = newest_opened(FlowPaths.of(self._spec, flow.planned.flow))
        is_opened = opened is not None and opened.number == flow.result.generation
        return replace(self._order, full_refresh=flow.result.failure is not None and not is_opened)

    def _take_finished(self) -> None:
        for future in [future for future in self._running if future.done()]:
            name = self._running.pop(future)
            with self._lock:
                self._resting.discard(name)
            self._finish(self._flows[name], future.result())

    def _finish(self, flow: _Flow, result: FlowResult) -> None:
        """Take a result, and say when the flow is due again."""
        now, name = time.monotonic(), result.flow
        is_news = flow.result is None or result.status != "unchanged" or flow.failed_attempts > 0
        if is_news:
            flow.result = result if flow.result is None else summed(flow.result, result)
            self._last_event = now
        if flow.pause_s is None:
            pass
        elif result.failure is not None:
            flow.failed_attempts += result.attempts or 1
            retry = flow.planned.flow.retry
            doublings = min(flow.failed_attempts - 1, _GREATEST_DOUBLING)
            pause = min(retry.min_retry_interval * 2**doublings, retry.max_retry_interval)
            flow.due_at = now + pause
            if not self._stop.is_set() and self._goes_on():
                self._tell(FlowRetried(name, flow.failed_attempts, pause, result.failure))
        else:
            flow.failed_attempts = 0
            flow.due_at = now + (flow.pause_s or self._until_decided_again(now - flow.began))
            if is_news and not self._stop.is_set():
                self._tell(DataAwaited(name, flow.pause_s or None))
        if result.epochs:
            flow.is_unready = True
            for reader in self._readers(name):
                reader.call()

    def _until_decided_again(self, took_s: float) -> float:
        """Seconds until a continuous flow is decided once more although nothing called for it; `took_s`: what that took just now."""
        pause = took_s * len(self._flows) / _DECISION_SHARE
        return min(_LATEST_DECISION_S, max(_SOONEST_DECISION_S, pause))

    def _prepare_one(self, pool: ThreadPoolExecutor) -> None:
        """Do what a next epoch would wait for, of one flow that neither works nor has a reader that is to read what it wrote."""
        if self._preparing is not None:
            if not self._preparing.done():
                return
            self._preparing.result()
            self._preparing = None
        for name, flow in self._flows.items():
            if flow.is_unready and not any(
                self._runs(each.planned.flow.name) or each.is_due for each in (flow, *self._readers(name))
            ):
                flow.is_unready = False
                self._preparing = pool.submit(self._ahead.make_ready, self._spec, flow.planned.flow, self._stop)
                self._preparing.add_done_callback(lambda _: self._wake.set())
                return

    def _readers(self, name: str) -> Iterator[_Flow]:
        """The continuous flows that come after a flow, however far down."""
        return (flow for flow in self._flows.values() if flow.is_continuous and name in flow.planned.upstream)

    def _emit(self, event: Event) -> None:
        """Pass on what a flow's run tells; called from its thread."""
        if isinstance(event, EpochCommitted):
            for reader in self._readers(event.flow):
                reader.call()
            self._wake.set()
        elif isinstance(event, FlowRetried | FlowStarted):
            with self._lock:
                (self._resting.add if isinstance(event, FlowRetried) else self._resting.discard)(event.flow)
            self._wake.set()
        elif isinstance(event, FlowWarned):
            with self._lock:
                is_known = (event.flow, event.message) in self._told
                self._told.add((event.flow, event.message))
            if is_known:  # it is found again by each decision
                return
        self._tell(event)

    def _not_run(self, flow: _Flow) -> FlowResult:
        """The result of a flow whose turn never came."""
        failed = next((each.planned.flow.name for each in self._missing(flow) if each.is_failed_for_good), None)
        reason = "the run was asked to stop" if failed is None else f"flow '{failed}', which it reads, failed"
        result = FlowResult(
            flow=flow.planned.flow.name,
            status="skipped",
            mode=flow.planned.mode,
            target=flow.planned.target,
            reason=reason,
        )
        self._tell(FlowFinished(result))
        return result
