"""`etl quarantine replay`: what was quarantined is judged again with the snapshots as they are, written once, and everything else left alone."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import etl
from etl.cli import main
from etl.engine.run import epoch_commit
from etl.errors import ConfigurationError, EtlError, FlowFailed
from etl.notebook.pipeline import Pipeline
from tests.support.backfill_cases import COLUMNS, FLOWS, People, actual, batch, land, malformed, move, write_project
from tests.support.independent import rows, stamps

DAY = date(2026, 3, 1)
BEFORE: People = {"a": ("Anna", False), "b": ("Bob", False), "c": ("Cy", True)}
AFTER: People = {"a": ("Anne", False), "b": ("Bob", True), "d": ("Dee", False)}
ASIDE = ("added", "latest", "daily")


def events(first: int, count: int) -> list[Any]:
    """Rows of few keys and days, with ties and NULL days; whoever is `d` is not known yet, and `x` never will be."""
    return [
        {
            "k": f"k{seq * 7 % 5}",
            "d": None if seq % 9 == 0 else DAY + timedelta(seq * 5 % 6),
            "v": seq % 4,
            "seq": seq * 17 % 100,
            "who": "abcabcabdx"[seq % 10],
        }
        for seq in range(first, first + count)
    ]


def replay(flow: str, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["quarantine", "replay", "past", "--select", flow, *arguments])
    return done.exit_code, done.output


def die_between_quarantine_and_target(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two flows, which say so and do nothing else until the replay is ended."""
    write = epoch_commit.quarantine.write

    def dies(*arguments: Any, **named: Any) -> None:
        write(*arguments, **named)
        raise OSError("the machine has gone")

    with monkeypatch.context() as dying:
        dying.setattr(epoch_commit.quarantine, "write", dies)
        for flow in ASIDE[:2]:
            with pytest.raises(EtlError, match="the machine has gone"):
                pipeline.replay(select=flow)
    found = pipeline.run(mode="stream", select=["added"])
    assert found.flows[0].failure is not None
    assert "a replay of its quarantine" in found.flows[0].failure.message
    assert found.flows[0].failure.hint.startswith("run etl quarantine replay again, which ends it")
    with pytest.raises(FlowFailed, match="a replay of its quarantine"):
        pipeline.backfill(select="added", column="v", start="0", end="9")


@pytest.mark.spark
def test_rows_that_were_set_aside_are_written_once_whatever_the_sink_and_wherever_it_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = etl.load(write_project(tmp_path, BEFORE))
    monkeypatch.chdir(tmp_path)
    first, later = events(0, 40), events(40, 20)
    land(tmp_path, "a.json", [*first, '{"k": "broken'])
    assert pipeline.run(mode="stream").status == "succeeded"
    assert actual(tmp_path) == batch(first, lambda *_: BEFORE)
    move(tmp_path, AFTER)
    land(tmp_path, "b.json", later)  # arrived, and read by nobody yet

    die_between_quarantine_and_target(pipeline, monkeypatch)
    for flow in ASIDE:
        code, said = replay(flow, "--json")
        document = json.loads(said[said.index("{") :])
        assert (code, document["status"], document["malformed"]) == (0, "succeeded", 1), said
        assert min(document["tried"], document["counts"]["written"], document["counts"]["quarantined"]) > 0

    strange = [item for item in first if item["who"] in "dx"]
    tried = {
        "latest": {item["k"] for item in strange},
        "daily": {item["d"] for item in strange},
        "added": {item["seq"] for item in strange},
    }
    of = {"latest": "k", "daily": "d", "added": "seq"}

    def people_of(flow: str, item: dict[str, Any]) -> People:
        return AFTER if flow in tried and item[of[flow]] in tried[flow] else BEFORE

    expected = batch(first, people_of)
    assert actual(tmp_path) == expected != batch(first, lambda *_: BEFORE)
    assert [malformed(tmp_path, flow) for flow in ASIDE] == [1, 1, 1], "they have no columns to be judged by"
    assert pipeline.audit().holds, pipeline.audit()
    stamp = stamps(tmp_path / ".etl/local/tables/past/added")[-1]
    assert (stamp["epoch"], stamp["from"]) == (0, stamp["to"])
    assert stamp["backfill"]["replay"] == ["k", "d", "v", "seq", "who"]
    assert pipeline.history(flows=["added"]).entries[0].mode == "replay"
    assert pipeline.replay(select="latest").status == "succeeded", "those that stay are tried each time"
    assert actual(tmp_path) == expected

    # The stream goes on from where it was, and readers of what was appended have the rows, too.
    late = {item["seq"] for item in later}
    tried["daily"] |= {item["d"] for item in later}
    assert pipeline.run(mode="stream").status == "succeeded"

    def by_now(flow: str, item: dict[str, Any]) -> People:
        return AFTER if item["seq"] in late else people_of(flow, item)

    assert actual(tmp_path) == batch([*first, *later], by_now)
    storage = tmp_path / ".etl/local/tables/past"
    assert rows(storage / "copied", COLUMNS["added"]) == rows(storage / "added", COLUMNS["added"])
    assert pipeline.audit().holds, pipeline.audit()

    for flow, note in (("alive", "did not parse"), ("copied", "sets nothing aside")):
        code, said = replay(flow)
        assert (code, note in said) == (0, True), said
    assert set(FLOWS) > set(ASIDE)
    file = tmp_path / "pipelines" / "past.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("name IS NOT NULL", "name > ''"), encoding="utf-8")
    code, said = replay("added")
    assert (code, "recomputes every row, those in quarantine among them" in said) == (1, True), said


REFUSED = """
version: 1
name: past
sources:
  events: {format: json, path: landing/events, schema: "k STRING, v DOUBLE"}
  people: {format: json, path: landing/people.json, schema: "who STRING, name STRING, closed BOOLEAN"}
defaults:
  flow: {inputs: {events: changes, people: snapshot}, expectations: {known: {expr: name IS NOT NULL, on_violation: quarantine}}}
flows:
  whole: {transform: {sql: "SELECT max(k) AS k, max(name) AS name FROM events LEFT JOIN people ON who = k WHERE k > 'b'"}}
  named:
    transform: {sql: "SELECT p.name, e.v FROM events e LEFT JOIN people p ON p.who = e.k"}
    incremental: rows
    sink: {strategy: merge, keys: [name], sequence_by: [v]}
  blurred:
    transform: {sql: "SELECT p.name, e.v FROM events e LEFT JOIN people p ON p.who = e.k"}
    incremental: rows
  alone:
    inputs: [events]
    transform: {sql: "SELECT k AS name, v FROM events WHERE v > 0"}
    incremental: rows
    expectations: {known: {expr: name > 'b', on_violation: quarantine}}
"""


@pytest.mark.spark
def test_what_only_a_run_can_judge_anew_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path, BEFORE).write_text(REFUSED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    land(tmp_path, "a.json", [{"k": "a", "v": 1.0}, {"k": "z", "v": 2.0}])
    assert etl.load("past").run(mode="batch").status == "succeeded"
    for flow, words in (
        ("whole", "it is computed whole each time"),
        ("named", "its key 'name' may come of a snapshot"),
        ("blurred", "none of its columns is one of 'events' that can tell its rows apart"),
        ("alone", "reads no snapshot, so the same definition would set the same rows aside again"),
        ("blured", "did you mean 'blurred'?"),
    ):
        code, said = replay(flow)
        assert (code, "[E283]" in said, words in said) == (2, True, True), said


def test_without_a_target_there_is_nothing_to_try_and_no_java_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    pipeline = etl.load(write_project(tmp_path, BEFORE))
    with pytest.raises(FlowFailed, match="has no target yet"):
        pipeline.replay(select="added")
    with pytest.raises(ConfigurationError, match="did you mean 'added'"):
        pipeline.replay(select="aded")
