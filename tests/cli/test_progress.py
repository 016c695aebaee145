"""What a run draws on a terminal while it works: the display itself, without a run."""

from __future__ import annotations

import io

import pytest

from etl.cli.progress import LiveProgress
from etl.planning.events import EpochCommitted, FlowStarted, FlowWarned, RunStarted
from etl.planning.results import Counts


@pytest.mark.parametrize("columns", ["80", "160"])
def test_the_live_display_draws_before_the_first_event_and_after_each(
    monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    screen = io.StringIO()
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", columns), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", screen)
    with LiveProgress() as live:
        live(RunStarted("r1", "shop", "batch", ("clean", "totals")))
        live(FlowStarted("clean", 1, "nothing was computed yet"))
        live(EpochCommitted("clean", 1, 0, Counts(read=1200, written=1199)))
        live(FlowWarned("clean", "one [row] is odd"))
    shown = screen.getvalue()
    assert "waiting" in shown
    assert "1,200 rows" in shown
    assert "clean: warning: one [row] is odd" in shown
