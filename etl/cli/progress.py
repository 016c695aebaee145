"""Progress on standard error: live on a terminal, a line an event elsewhere."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from etl.cli.layout import near
from etl.cli.output import complain, harmless
from etl.cli.signals import HIDE_CURSOR, SHOW_CURSOR, silence_lost
from etl.markup import counted
from etl.planning.events import FlowRetried, FlowWarned, SessionReady, SessionReplaced
from etl.planning.progress import Progress, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.table import Table

    from etl.planning.events import Event


_FULL = (errno.ENOSPC, errno.EDQUOT)
_PAUSE = signal.SIGTSTP
_SHORTEST = 12  # of a flow's name
_STYLES = {"succeeded": "green", "failed": "red", "skipped": "yellow"}


@contextmanager
def progress(*, quiet_output: bool, lost: Callable[[], None]) -> Iterator[Callable[[Event], None]]:
    """What a run's events are given to; `quiet_output`: standard output is a document's, so nothing is drawn.

    `lost` is told when nobody reads it any more; what a full disk does not take is left out. The flow whose event it was is no worse for it.
    """
    if quiet_output and "PYSPARK_GATEWAY_PORT" in os.environ:
        yield lambda _: None  # spark-submit sends a program's standard error to standard output
    elif sys.stderr.isatty() and not quiet_output:
        live = LiveProgress()
        with live:
            yield _unharmed(live, lost)
    else:
        yield _unharmed(plain, lost)


def _unharmed(show: Callable[[Event], None], lost: Callable[[], None]) -> Callable[[Event], None]:
    def show_unharmed(event: Event) -> None:
        try:
            show(event)
        except OSError as cause:
            if silence_lost():
                lost()
            elif cause.errno not in _FULL:
                raise

    return show_unharmed


def plain(event: Event) -> None:
    """One line an event."""
    text = line(event)
    if text:
        complain(text)


class LiveProgress:
    """A line a flow, redrawn as it moves; warnings and retries stay above."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415  # a tenth of a second that only a terminal pays
        from rich.live import Live  # noqa: PLC0415

        self._progress = Progress()
        self._console = Console(stderr=True)
        # rich draws once while Live is made (15.0) or when it starts (14): whatever is drawn is there before.
        self._live = Live(console=self._console, refresh_per_second=4, transient=True, get_renderable=self._render)

    def __enter__(self) -> Self:
        self._live.start()
        if threading.current_thread() is threading.main_thread() and signal.getsignal(_PAUSE) is signal.SIG_DFL:
            signal.signal(_PAUSE, self._pause)
        return self

    def _pause(self, number: int, _: Any) -> None:
        """Ctrl-Z: the shell gets its cursor back, until the command is brought to the front again."""
        self._write(SHOW_CURSOR)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # goes on below after `fg`
        signal.signal(number, self._pause)
        self._write(HIDE_CURSOR)

    def _write(self, code: str) -> None:
        if not self._console.is_dumb_terminal:  # past rich, whose lock another thread may have
            os.write(sys.stderr.fileno(), code.encode("ascii"))

    def __exit__(self, *_: object) -> None:
        if signal.getsignal(_PAUSE) == self._pause:
            signal.signal(_PAUSE, signal.SIG_DFL)
        try:
            self._live.stop()
        except OSError as cause:
            if not silence_lost() and cause.errno not in _FULL:
                raise

    def __call__(self, event: Event) -> None:
        self._progress(event)
        if isinstance(event, FlowRetried | FlowWarned | SessionReplaced):
            self._console.print(near(harmless(line(event))), style="yellow", markup=False, highlight=False)
        elif isinstance(event, SessionReady) and event.pages:
            self._console.print(line(event), markup=False, highlight=False)

    def _render(self) -> Table:
        from rich.table import Table  # noqa: PLC0415  # see __init__
        from rich.text import Text  # noqa: PLC0415  # likewise

        table = Table.grid(padding=(0, 2))
        for widest in (max(_SHORTEST, self._console.width // 3), None, None, None, None, None):
            table.add_column(
                no_wrap=True, overflow="ellipsis", max_width=widest
            )  # a long name is cut, no line is broken
        for flow in self._progress.flows():
            busy = flow.state == "running"
            table.add_row(
                Text(flow.flow, style="bold" if busy else ""),
                Text(f"epoch {flow.epoch}" if busy and flow.epoch is not None else flow.shown(), _style(flow.state)),
                counted(flow.epochs, "epoch") if flow.epochs else "",
                counted(flow.rows, "row") if flow.rows else "",
                flow.rate(),
                f"{flow.elapsed():.0f} s" if flow.elapsed() else "",
            )
        return table


def _style(state: str) -> str:
    """The style of a flow's state: of the terminal's own colours, which suit a light and a dark one."""
    return _STYLES.get(state, "" if state == "running" else "dim")
