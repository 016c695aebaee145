"""`etl run` of several pipelines as a shell sees it: exit codes, what is printed, one document, and what is refused before anything runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from etl.cli import main
from etl.record.runs import runs
from tests.crash.killing import ETL, environment
from tests.crash.killing import run as etl

Write = Callable[[Mapping[str, str]], Path]

RAW = """
version: 1
name: raw
params: {landing: landing}
sources: {s: {format: csv, path: "${landing}", schema: "id INT"}}
flows: {kept: {inputs: [s]}}
"""
MARTS = """
version: 1
name: marts
sources: {kept: {pipeline: raw, flow: kept}}
flows: {copied: {inputs: [kept]}, counted: {inputs: [copied], tags: [nightly]}}
"""
ALONE = RAW.replace("name: raw", "name: alone").replace("kept", "lone")


def write(project: Write, **texts: str) -> Path:
    shop = {"marts": MARTS, "raw": RAW, "alone": ALONE, **texts}
    return project({f"pipelines/{name}.yml": text for name, text in shop.items()})


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing argument 'PIPELINE...': name pipelines, or say --all."),
        (("--all", "raw"), "--all is every pipeline of the project; leave the names out"),
        (("raw", "nothing", "marts"), "[E120] there is no pipeline 'nothing'"),
        (("--all", "--param", "landin=x"), "[E110] --param landin: none of the pipelines has such a param\n  did you mean 'landing'?"),
        (("--all", "--param", "x"), "'x' is not of the form name=value"),
        (("--all", "--select", "nowhere"), "[E250] there is no flow 'nowhere'"),
        (("--all", "--exclude", "tag:daily"), "[E250] no flow has the tag 'daily'"),
        (("--all", "--trigger", "10 seconds"), "--trigger is for --mode stream"),
        (("--all", "--mode", "stream", "--trigger", "10 seconds"), "[E251] pipeline 'alone' would never end"),
    ],
)  # fmt: skip
def test_what_means_nothing_exits_2_and_runs_nothing(project: Write, arguments: tuple[str, ...], said: str) -> None:
    root = write(project)
    done = invoked(*arguments)
    assert (done.exit_code, said in done.output) == (2, True), done.output
    assert not (root / ".etl").exists()


def test_all_outside_of_a_project_exits_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoked("--all")
    assert (done.exit_code, "[E120] there is no pipeline here" in done.output) == (2, True)


def test_a_mistake_in_one_pipeline_keeps_all_of_them_from_running_and_those_of_all_are_told(project: Write) -> None:
    root = write(
        project, alone=ALONE.replace("id INT", "id INTT"), marts=MARTS.replace("inputs: [copied]", "inputs: [copies]")
    )
    done = invoked("--all")
    assert done.exit_code == 2
    assert "pipelines/alone.yml:5" in done.output
    assert "pipelines/marts.yml:5" in done.output
    document = json.loads(CliRunner().invoke(main, ["run", "--all", "--json"]).stdout)
    assert document["status"] == "failed"
    assert {Path(error["file"]).name for error in document["errors"]} == {"alone.yml", "marts.yml"}
    assert not (root / ".etl").exists()


def test_a_circle_of_pipelines_exits_2_and_names_it_at_the_source_that_reads(project: Write) -> None:
    # no flow reads itself
    reading = RAW.replace("sources: {s", "sources: {copied: {pipeline: marts, flow: copied}, s").replace(
        "[s]}}", "[s]}, back: {inputs: [copied]}}"
    )
    write(project, raw=reading)
    done = invoked("--all")
    assert done.exit_code == 2
    assert "[E251] pipelines read each other in a circle: marts reads raw reads marts" in done.output
    assert "pipelines/marts.yml:4" in done.output


@pytest.mark.system
def test_without_java_each_fails_and_what_reads_one_is_skipped(project: Write) -> None:
    root = write(project)
    (root / "landing").mkdir()
    (root / "landing" / "a.csv").write_text("1\n2\n", encoding="utf-8")
    done = etl(root, "run", "--all", JAVA_HOME="/nowhere")
    assert done.returncode == 4
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert "copied was skipped: reads raw, which failed" in lines
    assert lines[-1].startswith("3 pipelines: 1 skipped, 2 failed in ")
    last = [line.split()[:2] for line in lines[-5:-2]]
    assert last == [["alone", "failed"], ["raw", "failed"], ["marts", "skipped"]]
    document: dict[str, Any] = json.loads(etl(root, "run", "marts", "raw", "--json", JAVA_HOME="/nowhere").stdout)
    assert (document["status"], list(document)) == ("failed", ["status", "duration_s", "runs"])
    assert [(run["pipeline"], run["status"]) for run in document["runs"]] == [("raw", "failed"), ("marts", "skipped")]
    assert document["runs"][0]["flows"][0]["error_kind"] == "environment"
    told = json.loads(etl(root, "history", "marts", "--json").stdout)
    assert [run["run_id"] for run in told["runs"]][:1] == [document["runs"][1]["run_id"]]
    assert {run["status"] for run in told["runs"]} == {"skipped"}


@pytest.mark.system
def test_one_pipeline_by_name_keeps_the_document_of_one_and_all_of_one_has_that_of_several(project: Write) -> None:
    root = project({"pipelines/alone.yml": ALONE})
    one = json.loads(etl(root, "run", "alone", "--json", JAVA_HOME="/nowhere").stdout)
    every = json.loads(etl(root, "run", "--all", "--json", JAVA_HOME="/nowhere").stdout)
    assert list(one) == ["run_id", "pipeline", "mode", "status", "duration_s", "flows"]
    assert [list(run) for run in every["runs"]] == [list(one)]


@pytest.mark.system
def test_a_summary_that_cannot_be_said_keeps_no_pipeline_from_running(project: Write) -> None:
    root = project({f"pipelines/{name}.yml": ALONE.replace("name: alone", f"name: {name}") for name in ("one", "two")})
    (root / "landing").mkdir()
    (root / "landing" / "a.csv").write_text("1\n", encoding="utf-8")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*ETL, "run", "--all"],
            cwd=root,
            env=environment(JAVA_HOME="/nowhere"),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 4
    assert b"No space left on device" in done.stderr
    for name in ("one", "two"):
        assert len(runs(str(root / ".etl" / "local"), name, limit=9)) == 1


@pytest.mark.system
def test_where_nobody_reads_the_summaries_the_later_pipelines_do_not_begin(project: Write) -> None:
    root = project({f"pipelines/{name}.yml": ALONE.replace("name: alone", f"name: {name}") for name in ("one", "two")})
    (root / "landing").mkdir()
    (root / "landing" / "a.csv").write_text("1\n", encoding="utf-8")
    process = subprocess.Popen(
        [*ETL, "run", "--all"],
        cwd=root,
        env=environment(JAVA_HOME="/nowhere"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 4  # what failed by then would not have been tried again
    reasons = {name: runs(str(root / ".etl" / "local"), name, limit=9)[0].flows[0].reason for name in ("one", "two")}
    assert reasons == {"one": "never ran", "two": "the run was asked to stop"}
