"""What a run draws on a terminal while it works: the display itself, without a run."""

from __future__ import annotations

import io

import pytest

from etl.cli.progress import LiveProgress
from etl.planning.events import (
    DataAwaited,
    EpochCommitted,
    Event,
    FlowRetried,
    FlowStarted,
    FlowWaits,
    FlowWarned,
    RunStarted,
    SessionAwaited,
    SessionReady,
)
from etl.planning.progress import Progress, line
from etl.planning.results import Counts, Failure


def test_the_address_of_sparks_pages_is_a_line_where_they_are_on() -> None:
    assert (
        line(SessionReady("clean", "http://127.0.0.1:4040"))
        == "Spark's pages, until the run ends: http://127.0.0.1:4040"
    )
    assert line(SessionReady("clean")) == ""


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


LONG = "a_flow_with_a_name_that_is_longer_than_any_that_a_person_would_like_to_type"


@pytest.mark.pure
@pytest.mark.parametrize(
    ("event", "words"),
    [
        (FlowWaits(LONG, "run r0, on host elsewhere, since 10:00"), "waits for"),
        (SessionAwaited(LONG), "starts Spark"),
        (SessionReady(LONG), "running"),
        (DataAwaited(LONG, 7.4), "waits for data, looks again in 7 s"),
        (FlowRetried(LONG, 1, 5.2, Failure("run", "a store did not answer")), "failed, tries again in 5 s"),
    ],
)
@pytest.mark.parametrize("columns", [80, 160])
def test_what_a_flow_waits_for_is_shown_in_one_line(
    monkeypatch: pytest.MonkeyPatch, event: Event, words: str, columns: int
) -> None:
    progress = Progress()
    for each in (RunStarted("r1", "shop", "stream", (LONG, "totals")), FlowStarted(LONG, 1, "new"), event):
        progress(each)
    assert progress.flows()[0].shown().startswith(words)
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", str(columns)), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    live = LiveProgress()
    live._progress = progress  # noqa: SLF001  # what it draws, without its thread
    live._console.print(live._render())  # noqa: SLF001  # likewise
    drawn = screen.getvalue().rstrip("\n").split("\n")
    assert len(drawn) == 2
    assert max(map(len, drawn)) <= columns
    assert words[:8] in drawn[0]


@pytest.mark.pure
def test_rows_a_second_are_those_of_the_attempt_and_the_rows_those_of_the_run() -> None:
    progress = Progress()
    for event in (
        RunStarted("r1", "shop", "stream", ("clean",)),
        FlowStarted("clean", 1, "new"),
        EpochCommitted("clean", 0, 0, Counts(read=1_000_000)),
        DataAwaited("clean", 1.0),
    ):
        progress(event)
    waiting = progress.flows()[0]
    assert (waiting.rows, waiting.epochs, waiting.rate(), waiting.elapsed()) == (1_000_000, 1, "", 0.0)
    progress(FlowStarted("clean", 1, "more"))
    assert progress.flows()[0].rate() == ""
    progress(EpochCommitted("clean", 0, 1, Counts(read=5)))
    again = progress.flows()[0]
    assert (again.rows, again.epochs, again.rows - again.rows_before) == (1_000_005, 2, 5)
    assert again.rate().endswith(" rows/s")
