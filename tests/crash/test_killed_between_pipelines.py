"""Three linked pipelines and a fourth by `etl run --all`: killed amid the second, run again, one of them failing; the tables are those of whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import tune
from tests.crash.killing import kill, run, started
from tests.support.independent import rows

PIPELINES = {
    # their names are in the reverse of the order in which they must run
    "c_raw": """
sources: {orders: {format: csv, path: landing, schema: "id INT, amount INT", options: {header: true}}}
flows: {kept: {inputs: [orders], incremental: rows}}
""",
    "b_marts": """
sources: {kept: {pipeline: c_raw, flow: kept}}
flows: {doubled: {inputs: [kept], transform: {sql: "SELECT id, amount * 2 AS amount FROM kept"}, incremental: rows}}
""",
    "a_report": """
sources: {doubled: {pipeline: b_marts, flow: doubled}}
flows: {total: {inputs: [doubled], transform: {sql: "SELECT sum(amount) AS total FROM doubled"}, incremental: full}}
""",
    "d_alone": """
sources: {others: {format: csv, path: others, schema: "id INT", options: {header: true}}}
flows: {copied: {inputs: [others], incremental: rows}}
""",
}


def land(root: Path, number: int, amount: str = "10") -> None:
    """One more file for the chain, and one for the pipeline beside it."""
    (root / "landing").mkdir(exist_ok=True)
    (root / "landing" / f"{number}.csv").write_text(f"id,amount\n{number},{amount}\n", encoding="utf-8")
    (root / "others").mkdir(exist_ok=True)
    (root / "others" / f"{number}.csv").write_text(f"id\n{number}\n", encoding="utf-8")


def found(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    tables = root / ".etl" / "local" / "tables"
    return {
        name: rows(tables / name / flow)
        for name, flow in (("c_raw", "kept"), ("b_marts", "doubled"), ("a_report", "total"), ("d_alone", "copied"))
    }


def expected(chain: int, alone: int) -> dict[str, list[tuple[Any, ...]]]:
    """The tables where the chain has read so many files, and the pipeline beside it so many."""
    return {
        "c_raw": [(number, 10) for number in range(1, chain + 1)],
        "b_marts": [(number, 20) for number in range(1, chain + 1)],
        "a_report": [(20 * chain,)],
        "d_alone": [(number,) for number in range(1, alone + 1)],
    }


def ran(root: Path, *arguments: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The exit code of a run of all, the status of each pipeline in the order in which they ran, and the document."""
    done = run(root, "run", "--all", "--json", *arguments)
    document = json.loads(done.stdout)
    return done.returncode, {each["pipeline"]: each["status"] for each in document["runs"]}, document


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_killed_amid_them_failing_in_one_and_run_again_they_make_the_tables_of_whole_runs(tmp_path: Path) -> None:
    for name, text in PIPELINES.items():
        (tmp_path / "pipelines").mkdir(exist_ok=True)
        (tmp_path / "pipelines" / f"{name}.yml").write_text(f"version: 1\nname: {name}\n{text}", encoding="utf-8")
    tune(tmp_path)
    land(tmp_path, 1)
    assert kill(started(tmp_path, "--all", until="doubled: started"), jvm=True)

    code, statuses, _ = ran(tmp_path)
    assert list(statuses) == ["c_raw", "b_marts", "a_report", "d_alone"]
    assert (code, statuses["c_raw"], set(statuses.values()) - {"unchanged"}) == (0, "unchanged", {"succeeded"})
    assert found(tmp_path) == expected(1, 1)
    assert run(tmp_path, "run", "--all", JAVA_HOME="/nowhere").stdout.splitlines()[-1].startswith("4 pipelines: 4 unch")

    land(tmp_path, 2, amount="many")
    code, statuses, document = ran(tmp_path, "--mode", "stream")
    assert (code, document["status"]) == (3, "failed")  # a malformed row fails as an expectation does
    assert statuses == {"c_raw": "failed", "b_marts": "skipped", "a_report": "skipped", "d_alone": "succeeded"}
    reasons = {flow["flow"]: flow["reason"] for each in document["runs"] for flow in each["flows"]}
    assert reasons["doubled"] == "reads c_raw, which failed"
    assert reasons["total"] == "reads b_marts, which reads c_raw, which failed"
    assert found(tmp_path) == expected(1, 2)

    (tmp_path / "landing" / "2.csv").write_text("id,amount\n2,10\n", encoding="utf-8")
    code, statuses, _ = ran(tmp_path)
    assert (code, statuses.pop("d_alone"), set(statuses.values())) == (0, "unchanged", {"succeeded"})
    assert found(tmp_path) == expected(2, 2)
    for name in PIPELINES:
        assert run(tmp_path, "audit", name).returncode == 0
