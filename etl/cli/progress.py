"""Progress on standard error: live on a terminal, a line an event elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import click

from etl.planning.events import EpochCommitted, FlowFinished, FlowRetried, FlowStarted, FlowWarned, RunStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.table import Table

    from etl.planning.events import Event


@contextmanager
def progress(*, quiet_output: bool) -> Iterator[Callable[[Event], None]]:
    """What a run's events are given to; `quiet_output`: standard output is a document's, so nothing is drawn."""
    if sys.stderr.isatty() and not quiet_output:
        live = LiveProgress()
        with live:
            yield live
    else:
        yield plain


def plain(event: Event) -> None:
    """One line an event."""
    line = _line(event)
    if line:
        click.echo(line, err=True)


def _line(event: Event) -> str:
    if isinstance(event, RunStarted):
        return f"run {event.run_id}: {event.pipeline}, {event.mode}, {len(event.flows)} flows"
    if isinstance(event, FlowStarted):
        again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
        return f"{event.flow}: started{again}: {event.reason}"
    if isinstance(event, EpochCommitted):
        return f"{event.flow}: epoch {event.epoch} of generation {event.generation}: {event.counts.read:,} read, {event.counts.written:,} written"
    if isinstance(event, FlowRetried):
        return f"{event.flow}: attempt {event.attempt} failed, trying again in {event.pause_s:g} s: {event.failure.message}"
    if isinstance(event, FlowWarned):
        return f"{event.flow}: warning: {event.message}"
    if isinstance(event, FlowFinished):
        return f"{event.result.flow}: {event.result.status}" + (
            f": {event.result.reason}" if event.result.status in ("unchanged", "skipped") else ""
        )
    return ""


class LiveProgress:
    """A line a flow, redrawn as it moves; warnings and retries stay above."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415  # a tenth of a second that only a terminal pays
        from rich.live import Live  # noqa: PLC0415

        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True, get_renderable=self._render)
        self._flows: dict[str, tuple[str, int, int, float]] = {}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._flows = dict.fromkeys(event.flows, ("waiting", 0, 0, 0.0))
        elif isinstance(event, FlowStarted):
            self._flows[event.flow] = ("running", 0, 0, time.monotonic())
        elif isinstance(event, EpochCommitted):
            _, epochs, rows, since = self._flows.get(event.flow, ("running", 0, 0, time.monotonic()))
            self._flows[event.flow] = (f"epoch {event.epoch}", epochs + 1, rows + event.counts.read, since)
        elif isinstance(event, FlowFinished):
            _, epochs, rows, since = self._flows.get(event.result.flow, ("", 0, 0, 0.0))
            self._flows[event.result.flow] = (event.result.status, epochs, rows, since)
        elif isinstance(event, FlowRetried | FlowWarned):
            self._console.print(_line(event), style="yellow", markup=False)

    def _render(self) -> Table:
        from rich.table import Table  # noqa: PLC0415  # see __init__

        table = Table.grid(padding=(0, 2))
        for name, (state, epochs, rows, since) in list(self._flows.items()):
            busy = state == "running" or state.startswith("epoch")
            elapsed = time.monotonic() - since if busy and since else 0.0
            rate = f"{rows / elapsed:,.0f} rows/s" if elapsed > 0 and rows else ""
            table.add_row(
                name,
                state,
                f"{epochs} epochs" if epochs else "",
                f"{rows:,} rows" if rows else "",
                rate,
                f"{elapsed:.0f} s" if busy else "",
            )
        return table
