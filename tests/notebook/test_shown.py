"""What the objects of `etl.load` show in a notebook and as plain text."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.config.schema.types import Column, Type
from etl.notebook.progress import NotebookProgress, progress
from etl.operations.audit import AuditResult, Finding, FlowAudit
from etl.planning.events import EpochCommitted, FlowFinished, FlowStarted, FlowWarned, RunFinished, RunStarted
from etl.planning.preview import PreviewResult
from etl.planning.results import Counts, Failure, FlowResult, RunResult
from etl.record.history import History, HistoryEntry

EVIL = "<script>alert('&')</script>"
PIPELINE = """
version: 1
name: shown
description: "<script>alert('&')</script>"
sources: {s: {format: csv, path: "landing/<i>&amp;", schema: a INT}}
flows:
  f: {inputs: [s], description: "<script>alert('&')</script>", incremental: rows}
"""
FAILED = FlowResult(
    flow="f",
    status="failed",
    mode="batch",
    counts=Counts(read=1234567, written=7),
    target=f"/tables/{EVIL}",
    quarantine=f"/aside/{EVIL}",
    warnings=(EVIL,),
    failure=Failure("run", f"column {EVIL} is unknown\n  ^^^", where="p.yml:1:2", hint=EVIL),
)
RESULT = RunResult("r1", "shown", "batch", "failed", "2024-01-01T00:00:00+00:00", 1.5, (FAILED,))
AUDIT = AuditResult("shown", (FlowAudit("f", 1, (0,), 0, (EVIL,), (Finding("f", EVIL, 3, EVIL, EVIL),)),))
HISTORY = History("shown", (HistoryEntry(EVIL, "f", 1, 0, 4, 0, 4, 1_700_000_000_000, 5, "x", "batch"),))


class Page(HTMLParser):
    """A page's elements, all of them closed in their order, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002  # the base class's signature
        self.elements.append(tag)
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def shown(project: Callable[[Mapping[str, str]], Path]) -> dict[str, Any]:
    project({"pipelines/shown.yml": PIPELINE, "landing/<i>&amp;/x.csv": "1\n"})
    pipeline = etl.load("shown")
    return {"pipeline": pipeline, "plan": pipeline.plan(), "run": RESULT, "audit": AUDIT, "history": HISTORY}


@pytest.mark.parametrize("name", ["pipeline", "plan", "run", "audit", "history"])
def test_everything_that_load_leads_to_shows_itself_and_escapes_what_it_was_given(
    shown: dict[str, Any], name: str
) -> None:
    page = Page(shown[name]._repr_html_())
    assert "script" not in page.elements
    assert "i" not in page.elements
    assert page.elements.count("table") >= 1
    assert (EVIL in page.text) is (name != "plan")


def test_a_result_in_a_notebook_has_counts_failure_place_and_hint() -> None:
    page = Page(RESULT._repr_html_())
    for part in ("1,234,567", "p.yml:1:2", "^^^", "r1", "failed"):
        assert part in page.text


def test_a_plain_repr_is_a_line_and_a_line_a_flow(shown: dict[str, Any]) -> None:
    assert repr(shown["pipeline"]) == "Pipeline shown in environment local: f"
    assert repr(shown["plan"]).splitlines() == [
        "Plan of shown, batch in environment local",
        "  f: new generation (never ran)",
    ]
    assert repr(RESULT).splitlines()[:2] == [
        "Run r1 of shown, batch: failed in 1.5 s",
        "  f: failed, 1,234,567 read, 7 written",
    ]
    assert repr(AUDIT).splitlines()[:2] == ["Audit of shown: BROKEN", "  f: 1 commits, BROKEN"]
    assert repr(HISTORY).splitlines()[1] == "  2023-11-14 22:13:20  batch  f: g1 epochs 0–4"


def test_a_secret_is_shown_by_its_reference(
    project: Callable[[Mapping[str, str]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOWN_TOKEN", "s&cr<t-4711")
    project({"pipelines/shown.yml": PIPELINE.replace("landing/<i>&amp;", "landing/${env:SHOWN_TOKEN}")})
    pipeline = etl.load("shown")
    page = Page(pipeline._repr_html_())
    assert "landing/${env:SHOWN_TOKEN}" in page.text
    told = dataclasses.replace(RESULT, flows=(dataclasses.replace(FAILED, warnings=("no s&cr<t-4711 here",)),))
    assert "no ${env:SHOWN_TOKEN} here" in Page(told._repr_html_()).text
    shown = [repr(pipeline), repr(told), repr(pipeline.plan()), pipeline.plan()._repr_html_(), told._repr_html_()]
    assert not [text for text in shown if "4711" in text]


class Handle:
    """IPython's display handle, as far as progress uses it."""

    def __init__(self) -> None:
        self.pages: list[Page] = []

    def display(self, shown: Any) -> None:
        self.pages.append(Page(shown._repr_html_()))

    update = display


def test_progress_is_redrawn_while_a_run_goes_on_and_ends_in_a_line() -> None:
    handle = Handle()
    live = NotebookProgress(handle)
    live.start()
    live(RunStarted("r1", "shown", "stream", ("f", "g")))
    live(FlowStarted("f", 1, "never ran"))
    live(EpochCommitted("f", 0, 0, Counts(read=1200)))
    live(FlowWarned("f", EVIL))
    deadline = time.monotonic() + 30
    while not any("1,200 rows" in page.text for page in handle.pages):
        assert time.monotonic() < deadline, "nothing was redrawn"
        time.sleep(0.01)
    busy = handle.pages[-1]
    live(FlowFinished(FAILED))
    live(RunFinished(RESULT))
    live.stop()
    assert "script" not in busy.elements
    for part in ("shown", "epoch 0", "running", "waiting", EVIL):
        assert part in busy.text
    last = handle.pages[-1]
    assert "failed shown batch, 1.5 s" in last.text
    assert "table" not in last.elements


def test_outside_a_notebook_progress_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with progress() as emit:
        emit(RunStarted("r1", "shown", "stream", ("f",)))
        emit(FlowWarned("f", "a warning"))
        emit(RunFinished(RESULT))
    assert capfd.readouterr() == ("", "")


@pytest.mark.system
@pytest.mark.parametrize(
    ("program", "absent"),
    [
        ("import etl", {"pyspark", "py4j", "pydantic", "yaml", "sqlglot", "click", "rich", "IPython"}),
        (
            "import etl; p = etl.load('shown'); p.plan(); p.audit(); p.history(); p._repr_html_()",
            {"pyspark", "IPython"},
        ),
    ],
)
def test_what_is_not_needed_is_not_imported(
    project: Callable[[Mapping[str, str]], Path], program: str, absent: set[str]
) -> None:
    project({"pipelines/shown.yml": PIPELINE})
    command = [sys.executable, "-c", f"{program}\nimport sys; print(sorted({absent} & set(sys.modules)))"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_preview_shows_values_as_they_are() -> None:
    rows = ({"id": 1234567, "x": None, "n": "1<2", "s": [1000, "a"]},)
    kinds = {"id": "bigint", "x": "string", "n": "string", "s": "variant"}
    schema = tuple(Column(name, Type(kind)) for name, kind in kinds.items())
    shown = PreviewResult("shop", "clean", schema, rows, 1, 0, 0, (), ())._repr_html_()
    for text in (
        ">1234567<",
        ">NULL<",
        ">1&lt;2<",
        ">[1000, &quot;a&quot;]<",
        'text-align:right;">1234567',
        "1 row from the sample",
    ):
        assert text in shown, text
