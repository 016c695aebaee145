"""The commands as a shell sees them: exit codes, JSON on standard output, and no Spark where none is needed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import tune
from tests.crash.killing import ROOT, environment, started
from tests.crash.killing import run as etl
from tests.support.engine_cases import actual, land, model, table, write_project

pytestmark = pytest.mark.system  # each starts processes, as a shell does

ORDER = {"id": 1, "who": "a", "amount": 1, "seq": 1, "gone": False}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_project(tmp_path)
    land(tmp_path, "a.json", [ORDER])
    return tmp_path


@pytest.mark.parametrize(
    "code", ["import etl", "import etl.cli", "from etl.cli import main; main(['validate'], standalone_mode=False)"]
)
def test_thinking_brings_no_spark(shop: Path, code: str) -> None:
    check = (
        f"import sys\n{code}\nassert not [name for name in sys.modules if name.split('.')[0] in ('pyspark', 'py4j')]"
    )
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd=shop,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr


def test_import_etl_brings_no_pydantic() -> None:
    subprocess.run(
        [sys.executable, "-c", "import sys, etl; assert 'pydantic' not in sys.modules"], cwd=ROOT, check=True
    )


def test_validate_and_plan_write_nothing_and_say_what_would_happen(shop: Path) -> None:
    before = sorted(shop.rglob("*"))
    assert etl(shop, "validate").stdout == "shop: ok, 2 sources, 6 flows\n"
    document = json.loads(etl(shop, "plan", "shop", "--json").stdout)
    assert [flow["action"] for flow in document["flows"]] == ["new generation"] + ["after upstream"] * 5
    assert {flow["flow"]: flow["strategy"] for flow in document["flows"]}["totals"] == "overwrite"
    assert sorted(shop.rglob("*")) == before


def test_a_configuration_error_exits_2_as_text_and_as_one_document(shop: Path) -> None:
    file = shop / "pipelines" / "shop.yml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("incremental: rows", "incremental: rowss", 1), encoding="utf-8"
    )
    told = etl(shop, "run", "shop")
    assert told.returncode == 2
    assert "pipelines/shop.yml:16:18 [E121]" in told.stderr
    assert "did you mean 'rows'?" in told.stderr
    document = json.loads(etl(shop, "run", "shop", "--json").stdout)
    assert (document["status"], document["errors"][0]["code"], document["errors"][0]["line"]) == ("failed", "E121", 16)


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("run", "shop", "--mode", "sideways"), ("run", "nothing"), ("run", "shop", "--select", "nowhere"), ("frobnicate",),
     ("run", "shop", "--trigger", "10 seconds"), ("run", "shop", "--mode", "stream", "--trigger", "soon"), ("plan", "shop", "--param", "x")],
)  # fmt: skip
def test_wrong_usage_exits_2_without_a_traceback(shop: Path, arguments: tuple[str, ...]) -> None:
    done = etl(shop, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout


def test_no_java_exits_4_and_says_what_to_install(shop: Path) -> None:
    done = etl(shop, "run", "shop", JAVA_HOME="/nowhere")
    assert done.returncode == 4
    assert "Java 17 or 21" in done.stdout


def test_run_json_keeps_the_contract_and_a_second_run_starts_no_jvm(shop: Path) -> None:
    done = etl(shop, "run", "shop", "--json")
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0
    assert {"run_id", "pipeline", "mode", "status", "duration_s", "flows"} <= document.keys()
    for flow in document["flows"]:
        keys = {
            "flow",
            "status",
            "rows_in",
            "rows_out",
            "rows_dropped",
            "rows_quarantined",
            "epochs",
            "target",
            "duration_s",
            "error",
        }
        assert keys <= flow.keys()
    assert actual(shop) == model([ORDER])
    for mode in ("batch", "stream"):
        again = etl(shop, "run", "shop", "--mode", mode, "--json", JAVA_HOME="/nowhere")
        assert again.returncode == 0
        assert json.loads(again.stdout)["status"] == "unchanged"
    told = json.loads(etl(shop, "history", "shop", "--json").stdout)
    assert {entry["run"] for entry in told["history"]} == {document["run_id"]}
    assert [run["flows"][0]["status"] for run in told["runs"]] == ["unchanged", "unchanged", "succeeded"]
    assert {key: told["runs"][-1][key] for key in document} == document
    (listed,) = json.loads(etl(shop, "list", "--json").stdout)["pipelines"]
    assert (listed["last_run"], listed["status"]) == (told["runs"][0]["run_id"], "unchanged")
    assert 0 < listed["lag_s"] < 600
    assert json.loads(etl(shop, "audit", "shop", "--json").stdout)["status"] == "succeeded"


def test_an_expectation_that_fails_the_run_exits_3(shop: Path) -> None:
    file = shop / "pipelines" / "shop.yml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("on_violation: quarantine", "on_violation: fail"), encoding="utf-8"
    )
    land(shop, "b.json", [{**ORDER, "who": "zz"}])
    done = etl(shop, "run", "shop")
    assert done.returncode == 3
    assert "expectation 'known' (name IS NOT NULL) is violated" in done.stdout
    assert "latest was skipped: flow 'clean', which it reads, failed" in done.stdout


def test_a_signal_stops_a_stream_at_an_epoch_s_end_and_the_next_run_goes_on_there(shop: Path) -> None:
    tune(shop)
    two = ("--select", "+latest")
    everything: list[Any] = [ORDER]
    for index in range(12):
        everything.append({**ORDER, "id": index, "seq": index})
        land(shop, f"m{index:02}.json", [everything[-1]])
    for number, until in ((signal.SIGINT, "clean: epoch 1 "), (signal.SIGTERM, "clean: epoch 5 ")):
        process = started(shop, "shop", "--mode", "stream", *two, until=until)
        process.send_signal(number)
        asked = time.monotonic()
        process.communicate(timeout=120)
        assert process.returncode == 128 + number
        assert time.monotonic() - asked < 60
        assert 0 < len(table(shop, "clean")) < len(everything), "it was stopped on its way"
        assert etl(shop, "audit", "shop").returncode == 0
    assert etl(shop, "run", "shop", "--mode", "stream", *two).returncode == 0
    for name in ("clean", "latest"):
        assert table(shop, name) == model(everything)[name]


def test_two_runs_of_one_flow_at_once_one_works_and_the_other_says_who_holds_it(shop: Path) -> None:
    tune(shop)
    for index in range(10):
        land(shop, f"m{index:02}.json", [{**ORDER, "id": index}])
    first = started(shop, "shop", "--mode", "stream", "--select", "clean", until="clean: epoch 0")
    second = etl(shop, "run", "shop", "--mode", "batch", "--select", "clean")
    assert second.returncode == 5
    assert "flow 'clean' is being worked on by run" in second.stdout
    assert f"process {first.pid}" in second.stdout
    third = etl(shop, "run", "shop", "--mode", "stream", "--select", "clean", "--wait", "2 minutes")
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert (third.returncode, "clean: unchanged" in third.stderr) == (0, True), third.stderr
    assert f"clean: waits for run {holder_of(third.stderr)} (process {first.pid} on " in third.stderr


def holder_of(text: str) -> str:
    """The run for which a flow waited."""
    match = re.search(r"waits for run (\S+) ", text)
    assert match is not None, text
    return match[1]


def test_a_word_that_is_near_a_command_is_answered_with_it(shop: Path) -> None:
    for arguments, near in (
        (["vlaidate"], "validate"),
        (["quarantine", "lst"], "list"),
        (["checkpoints", "sow"], "show"),
    ):
        refused = etl(shop, *arguments)
        assert (refused.returncode, f"did you mean '{near}'?" in refused.stderr) == (2, True), refused.stderr
    assert etl(shop, "run", "shop", "--wait", "soon").returncode == 2
