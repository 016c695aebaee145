"""Progress in a notebook: one display that is redrawn while a run's events come in."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etl.markup import Markup, alert, card, counted, element, quiet, status, table
from etl.planning.events import FlowRetried, FlowWarned, RunFinished, RunStarted
from etl.planning.progress import Progress, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etl.planning.events import Event

_REDRAW_S = 0.5


@contextmanager
def progress() -> Iterator[Callable[[Event], None]]:
    """What a run's events are given to: drawn in a notebook, and nowhere else, since a library does not print."""
    if not _in_notebook():
        yield lambda _: None
        return
    from IPython.display import DisplayHandle  # noqa: PLC0415  # it is running, so it is there

    live = NotebookProgress(DisplayHandle())  # type: ignore[no-untyped-call]  # IPython ships no type for it
    live.start()
    try:
        yield live
    finally:
        live.stop()


def _in_notebook() -> bool:
    """Whether an IPython kernel runs this process; a terminal's IPython has no kernel."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


class NotebookProgress:
    """A line a flow, redrawn twice a second by a thread of its own; at the end one line, with what was warned of."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._progress = Progress()
        self._title: tuple[object, ...] = (quiet("starting"),)
        self._finished = False
        self._messages: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._redraw, name="progress", daemon=True)

    def start(self) -> None:
        """Show the display, and begin to redraw it."""
        self._handle.display(self)
        self._thread.start()

    def stop(self) -> None:
        """Draw for the last time."""
        self._over.set()
        self._thread.join()
        self._handle.update(self)

    def __call__(self, event: Event) -> None:
        self._progress(event)
        if isinstance(event, RunStarted):
            self._title = (element("b", event.pipeline), quiet(event.mode))
        elif isinstance(event, RunFinished):
            result = event.result
            ended = f"{result.mode}, {result.duration_s:.1f} s"
            self._title = (status(result.status), element("b", result.pipeline), quiet(ended))
            self._finished = True
        elif isinstance(event, FlowRetried | FlowWarned):
            self._messages.append(line(event))

    def _redraw(self) -> None:
        while not self._over.wait(_REDRAW_S):
            self._handle.update(self)

    def __repr__(self) -> str:
        flows = [f"{flow.flow} {flow.shown()}" for flow in self._progress.flows()]
        return ", ".join(flows) or "starting"

    def _repr_html_(self) -> str:
        rows = [
            (
                flow.flow,
                status(flow.shown()),
                f"epoch {flow.epoch}" if flow.epoch is not None else "",
                counted(flow.rows, "row") if flow.rows else "",
                quiet(flow.rate()),
                quiet(f"{flow.elapsed():.0f} s" if flow.elapsed() else ""),
            )
            for flow in self._progress.flows()
        ]
        flows = table(("flow", "", "", "", "", ""), rows) if rows and not self._finished else Markup()
        return card(self._title, flows, *map(alert, self._messages))
