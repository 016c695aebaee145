"""Several pipelines run by one command: which of them run, in which session, and what is said of the others. The runs themselves are played."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from etl.config.load import load_together
from etl.config.spec import PipelineSpec
from etl.engine.session.shared import Sessions
from etl.errors import ConfigurationError, EnvironmentProblem, EtlError, LockHeld
from etl.operations import run_pipelines as room
from etl.operations.run_pipelines import run_pipelines, runnable
from etl.planning.events import Event, FlowFinished, RunStarted, SessionReplaced
from etl.planning.request import RunRequest
from etl.planning.results import Failure, FlowResult, RunResult, RunsResult, Status
from etl.record.runs import runs

Write = Callable[[Mapping[str, str]], Path]

SOURCES = 's: {format: csv, path: landing, schema: "id INT"}'


def yaml(name: str, *reads: str, run: str = "{mode: batch}", more: str = "s") -> str:
    """A pipeline with the flows `of_<name>`, which reads a file and the flow `of_<other>` of each of `reads`, and `more`, which reads `more`."""
    links = "".join(
        f"\n  {other}: {{pipeline: {other}, flow: of_{other}}}"
        for other in dict.fromkeys([*reads, more])
        if other != "s"
    )
    inputs = ", ".join(["s: changes", *(f"{other}: snapshot" for other in reads)])
    sql = f"SELECT s.id FROM {' CROSS JOIN '.join(['s', *reads])}"
    return (
        f"version: 1\nname: {name}\nparams: {{memory: 1g}}\nsources:\n  {SOURCES}{links}\nrun: {run}\n"
        f"flows:\n  of_{name}: {{inputs: {{{inputs}}}, transform: {{sql: '{sql}'}}}}\n"
        f"  more: {{inputs: [{more}], tags: [more]}}\n"
    )


@dataclass
class Played:
    """Runs that only say what they were asked for.

    Attributes:
        outcomes: of a pipeline: its status, or what its run raises.
        asked: each pipeline that was run, with its selectors and the number of its session, from 0.
        stops: the pipeline amid whose run the command is asked to stop.
    """

    outcomes: dict[str, Status | EtlError] = field(default_factory=dict)
    asked: list[tuple[str, tuple[str, ...], int]] = field(default_factory=list)
    seen: list[Sessions] = field(default_factory=list)
    ended: list[Sessions] = field(default_factory=list)
    opened: bool = True
    stops: str = ""

    def run(
        self,
        spec: PipelineSpec,
        request: RunRequest,
        *,
        emit: Callable[[Event], None],
        stop: threading.Event,
        sessions: Sessions,
    ) -> RunResult:
        if sessions not in self.seen:
            assert len(self.ended) == len(self.seen), "the session before it has ended"
            self.seen.append(sessions)
        assert vars(sessions)["_spec"] == spec.spark, "the session has the settings that the pipeline needs"
        self.asked.append((spec.name, tuple(request.select), self.seen.index(sessions)))
        if self.stops == spec.name:
            stop.set()
        outcome = self.outcomes.get(spec.name, "succeeded")
        if isinstance(outcome, EtlError):
            raise outcome
        emit(RunStarted(f"run of {spec.name}", spec.name, "batch", ()))
        failure = Failure("run", "it broke") if outcome == "failed" else None
        flow = FlowResult("more", outcome, "batch", failure=failure)
        return RunResult(f"run of {spec.name}", spec.name, "batch", outcome, "2026-11-30", 0.1, (flow,), spec.storage)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    played = Played()

    def close(sessions: Sessions) -> None:
        played.ended.append(sessions)

    monkeypatch.setattr(room, "run", played.run)
    monkeypatch.setattr(Sessions, "close", close)
    monkeypatch.setattr(Sessions, "at_hand", lambda _: played.opened)
    return played


@dataclass
class Told:
    events: list[Event] = field(default_factory=list)
    results: list[str] = field(default_factory=list)


def carry_out(*names: str, stop: threading.Event | None = None, **asked: Any) -> tuple[RunsResult, Told]:
    told = Told()

    @contextmanager
    def watch() -> Iterator[Callable[[Event], None]]:
        yield told.events.append

    request = RunRequest(**asked)
    result = run_pipelines(
        runnable(load_together(names), request),
        request,
        watch=watch,
        tell=lambda run: told.results.append(run.pipeline),
        stop=stop or threading.Event(),
    )
    return result, told


def write(project: Write, **texts: str) -> Path:
    shop = {
        "raw": yaml("raw"),
        "marts": yaml("marts", "raw"),
        "report": yaml("report", "marts"),
        "alone": yaml("alone"),
    }
    return project({f"pipelines/{name}.yml": text for name, text in (shop | texts).items()})


ALL = ("report", "marts", "alone", "raw")


def statuses(result: RunsResult) -> dict[str, str]:
    return {run.pipeline: run.status for run in result.runs}


def reason(result: RunsResult, pipeline: str) -> str:
    (run,) = [run for run in result.runs if run.pipeline == pipeline]
    (text,) = {flow.reason for flow in run.flows}
    return text


def test_all_run_in_the_order_of_their_links_in_one_session_that_is_ended_once(project: Write, played: Played) -> None:
    write(project)
    result, told = carry_out(*ALL)
    assert [name for name, _, _ in played.asked] == ["alone", "raw", "marts", "report"] == told.results
    assert {session for _, _, session in played.asked} == {0}
    assert played.ended == played.seen
    assert (result.status, [run.run_id for run in result.runs]) == (
        "succeeded",
        [f"run of {name}" for name in told.results],
    )


@pytest.mark.parametrize("outcome", ["failed", LockHeld("held by another run"), EnvironmentProblem("no storage")])
def test_what_reads_a_failed_pipeline_is_skipped_and_recorded_and_the_others_run(
    project: Write, played: Played, outcome: Status | EtlError
) -> None:
    root = write(project)
    played.outcomes["raw"] = outcome
    result, told = carry_out(*ALL)
    assert statuses(result) == {"alone": "succeeded", "raw": "failed", "marts": "skipped", "report": "skipped"}
    assert reason(result, "marts") == "reads raw, which failed"
    assert reason(result, "report") == "reads marts, which reads raw, which failed"
    assert [name for name, _, _ in played.asked] == ["alone", "raw"]
    for name in ("marts", "report"):
        (recorded,) = runs(str(root / ".etl" / "local"), name, limit=9)
        (run,) = [run for run in result.runs if run.pipeline == name]
        assert (recorded.run_id, recorded.status, recorded.flows) == (run.run_id, "skipped", run.flows)
    finished = {event.result.flow for event in told.events if isinstance(event, FlowFinished)}
    assert finished >= {"of_marts", "of_report"}


def test_an_error_that_keeps_a_run_from_beginning_is_the_failure_of_each_of_its_flows(
    project: Write, played: Played
) -> None:
    write(project)
    played.outcomes["alone"] = LockHeld("held by another run", hint="wait")
    result, _ = carry_out("alone", "raw")
    (alone, _) = result.runs
    assert [(flow.flow, flow.status) for flow in alone.flows] == [("of_alone", "failed"), ("more", "failed")]
    assert {flow.failure for flow in alone.flows} == {Failure("held", "held by another run", hint="wait")}


def test_after_a_stop_no_other_pipeline_begins(project: Write, played: Played) -> None:
    write(project)
    played.stops = "raw"
    result, _ = carry_out(*ALL)
    assert statuses(result) == {"alone": "succeeded", "raw": "succeeded", "marts": "skipped", "report": "skipped"}
    assert reason(result, "marts") == reason(result, "report") == "the run was asked to stop"
    assert [name for name, _, _ in played.asked] == ["alone", "raw"]


def test_a_skip_that_cannot_be_recorded_is_said(project: Write, played: Played) -> None:
    root = write(project)
    (root / ".etl").write_text("a file where storage belongs", encoding="utf-8")
    played.outcomes["raw"] = "failed"
    result, _ = carry_out("raw", "marts")
    assert statuses(result) == {"raw": "failed", "marts": "skipped"}
    assert all("could not be written" in flow.warnings[0] for flow in result.runs[1].flows)


def test_each_pipeline_is_asked_for_the_selectors_that_mean_something_in_it(project: Write, played: Played) -> None:
    write(project)
    carry_out(*ALL, select=("of_marts", "more"), exclude=("of_raw",))
    assert {name: select for name, select, _ in played.asked} == {
        "raw": ("more",), "alone": ("more",), "marts": ("of_marts", "more"), "report": ("more",),
    }  # fmt: skip
    played.asked.clear()
    result, _ = carry_out(*ALL, select=("of_marts",))
    assert [name for name, _, _ in played.asked] == ["marts"]
    assert [run.pipeline for run in result.runs] == ["marts"]


MEMORY = 'spark: {conf: {spark.driver.memory: "${memory}"}}\n'


@pytest.mark.parametrize("opened", [True, False])
def test_a_session_is_shared_by_those_with_its_settings_and_another_one_is_told_of_where_there_was_one(
    project: Write, played: Played, opened: bool
) -> None:
    large = yaml("alone").replace("memory: 1g", "memory: 2g")
    write(project, alone=large, report=yaml("report", "marts", "alone"))
    project({"conf/local.yml": MEMORY})
    played.opened = opened
    _, told = carry_out(*ALL)
    assert played.asked == [("alone", (), 0), ("raw", (), 1), ("marts", (), 1), ("report", (), 1)]
    assert len(played.ended) == 2
    replaced = [event for event in told.events if isinstance(event, SessionReplaced)]
    assert replaced == ([SessionReplaced("raw", ("spark.driver.memory",))] if opened else [])


def refused(*names: str, **asked: Any) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as raised:
        runnable(load_together(names), RunRequest(**asked))
    return [(mistake.code, mistake.message) for mistake in raised.value.diagnostics]


def test_spark_submit_has_one_session_and_pipelines_that_need_two_are_refused(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, alone=yaml("alone").replace("memory: 1g", "memory: 2g"))
    project({"conf/local.yml": MEMORY})
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert [pipeline.spec.name for pipeline in runnable(load_together(["raw", "marts"]), RunRequest())] == [
        "raw",
        "marts",
    ]
    ((code, message),) = refused(*ALL)
    assert (code, "spark.driver.memory" in message, "2g" in message) == ("E251", True, False)


def test_a_pipeline_that_never_ends_runs_by_itself_alone(project: Write) -> None:
    write(project, raw=yaml("raw", run="{mode: stream, trigger: 10 seconds}"))
    ((code, message),) = refused("raw", "alone")
    assert (code, "'raw' would never end: flow 'of_raw'" in message) == ("E251", True)
    assert len(refused("marts", "alone", mode="stream", trigger="1 second")) == 2
    for names, asked in (
        (("raw",), {}),
        (("raw", "alone"), {"trigger": "available_now"}),
        (("raw", "alone"), {"mode": "batch"}),
        (("raw", "alone"), {"select": ("of_alone",)}),
    ):
        assert runnable(load_together(names), RunRequest(**asked))  # type: ignore[arg-type]  # of a table


def test_two_pipelines_of_one_name_are_refused_where_they_would_write_the_same_tables(project: Write) -> None:
    write(project, alone=yaml("raw"))
    ((code, message),) = refused("raw", "alone")
    assert (code, "are both named 'raw'" in message) == ("E251", True)


def test_all_that_keeps_pipelines_from_running_is_said_at_once(project: Write) -> None:
    rate = (
        yaml("alone", run="{mode: stream, trigger: 1 second}")
        .replace(SOURCES, "s: {format: rate}")
        .replace("s.id", "s.value")
    )
    write(project, raw=yaml("raw", more="marts"), alone=rate)
    assert sorted(code for code, _ in refused("raw", "marts", "alone")) == ["E251", "E251"]
    assert {code for code, _ in refused("raw", "marts", "alone", mode="batch")} == {"E225", "E251"}
