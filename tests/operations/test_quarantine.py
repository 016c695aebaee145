"""`etl quarantine list`: what was quarantined, why, and without what nobody should see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import etl
from etl.cli import main
from tests.support.engine_cases import land, write_project

ORDER = {"id": 1, "who": "a", "amount": 1, "seq": 1, "gone": False}


def listed(root: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["quarantine", "list", str(root / "pipelines" / "shop.yml"), *arguments])
    return done.exit_code, done.output


def test_without_a_run_nothing_was_set_aside_and_no_java_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    write_project(tmp_path)
    assert listed(tmp_path) == (0, "nothing was quarantined\n")
    assert listed(tmp_path, "--flow", "nothing")[0] == 2


@pytest.mark.spark
def test_counts_and_rows_have_their_reason_generation_and_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    file = tmp_path / "pipelines" / "shop.yml"
    land(tmp_path, "a.json", [ORDER])
    etl.load(file).run(mode="batch", select=["clean"])
    with monkeypatch.context() as without:
        without.setenv("JAVA_HOME", "/nowhere")
        assert listed(tmp_path, "--flow", "clean") == (0, "nothing was quarantined\n"), "the empty table's log says so"

    land(tmp_path, "b.json", ['{"id": 2, "who', {**ORDER, "id": 3, "who": "zz"}, {**ORDER, "id": 4, "who": "zz"}])
    etl.load(file).run(mode="stream", select=["clean"])
    code, said = listed(tmp_path, "--limit", "2", "--json")
    assert code == 0
    (clean, *others) = json.loads(said)["flows"]
    assert (clean["flow"], clean["total"], clean["counts"]) == ("clean", 3, {"known": 2, "malformed": 1})
    assert {item["total"] for item in others} == {0}
    assert len(clean["rows"]) == 2
    assert {(row["_etl_generation"], row["_etl_epoch"]) for row in clean["rows"]} == {(0, 1)}

    said = listed(tmp_path, "--reason", "malformed")[1]
    assert said.splitlines()[1:] == [
        "         1  malformed",
        f'  g0 epoch 1  malformed from orders {tmp_path}/landing/orders/b.json: "{{\\"id\\": 2, \\"who"',
    ]
    assert listed(tmp_path, "--reason", "positive")[1] == "nothing was quarantined for the reason 'positive'\n"

    text = file.read_text(encoding="utf-8")
    hidden = text.replace(
        "    incremental: rows\n", "    incremental: rows\n    columns: {who: {sensitive: true}}\n", 1
    )
    file.write_text(hidden, encoding="utf-8")
    said = listed(tmp_path, "--flow", "clean", "--json")[1]
    rows = json.loads(said)["flows"][0]["rows"]
    assert "zz" not in said
    assert {(row["who"], row["_etl_record"]) for row in rows} == {("***", None), (None, "***")}
