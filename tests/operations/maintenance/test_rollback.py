"""`etl checkpoints rollback`: back to the end of an earlier generation, and on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

import etl
from etl.cli import main
from etl.engine.commits import restore
from etl.errors import FlowFailed
from tests.support.independent import rows

pytestmark = pytest.mark.spark

PIPELINE = """
version: 1
name: p
sources:
  orders: {{format: json, path: landing, schema: "id INT, seq INT, gone BOOLEAN"}}
flows:
  kept:
    inputs: [orders]
    transform: {{sql: "SELECT id + {shift} AS id, seq, gone FROM orders"}}
    incremental: rows
    expectations: {{small: {{expr: "seq < 90", on_violation: quarantine}}}}
    sink: {{strategy: merge, keys: [id], sequence_by: [seq], delete_when: gone}}
"""


def pipeline(root: Path, shift: int = 0) -> etl.Pipeline:
    (root / "pipelines").mkdir(exist_ok=True)
    (root / "landing").mkdir(exist_ok=True)
    (root / "pipelines" / "p.yml").write_text(PIPELINE.format(shift=shift), encoding="utf-8")
    return etl.load(root / "pipelines" / "p.yml")


def land(root: Path, number: int) -> None:
    lines = [
        {"id": number, "seq": number, "gone": False},
        {"id": number - 1, "seq": number, "gone": number % 2 == 0},
        {"id": number, "seq": 90 + number, "gone": False},
    ]
    (root / "landing" / f"{number}.json").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def held(root: Path) -> dict[str, list[Any]]:
    storage = root / ".etl" / "local"
    columns = {"tables": "id, seq", "quarantine": "id, seq", "state": "id, seq"}
    return {place: rows(storage / place / "p" / "kept", names) for place, names in columns.items()}


def ran(done: Any) -> tuple[str, int | None, int]:
    (flow,) = done.flows
    return flow.status, flow.generation, flow.epochs


def told(root: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(
        main, ["checkpoints", "rollback", str(root / "pipelines" / "p.yml"), "--flow", "kept", *arguments]
    )
    return done.exit_code, done.output


def test_a_flow_goes_back_to_an_earlier_generation_and_on_from_there(  # noqa: PLR0915  # the life of one flow, told in order
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = pipeline(tmp_path)
    assert told(tmp_path)[0] == 1  # nothing was committed yet
    land(tmp_path, 1)
    assert ran(kept.run(mode="batch")) == ("succeeded", 0, 1)
    land(tmp_path, 2)
    assert ran(kept.run(mode="stream")) == ("succeeded", 0, 1)
    before = held(tmp_path)
    land(tmp_path, 3)
    assert ran(pipeline(tmp_path, shift=50).run(mode="batch")) == ("succeeded", 1, 1)
    assert held(tmp_path) != before

    kept = pipeline(tmp_path)
    code, said = told(tmp_path, "--json")
    document = json.loads(said)
    assert (code, document["was"], document["generation"], document["epoch"]) == (0, 1, 0, 1)
    assert document["same_definition"]
    assert held(tmp_path) == before
    assert kept.audit().holds, kept.audit()
    (planned,) = kept.plan(mode="stream").flows
    assert (planned.action, planned.generation) == ("resume", 0)
    assert ran(kept.run(mode="stream")) == ("succeeded", 0, 1)
    assert ran(kept.run(mode="batch")) == ("unchanged", 0, 0)
    streamed = held(tmp_path)

    # The number that was rolled back is never used again, and what was one batch is equal to what went on.
    assert ran(kept.run(mode="batch", full_refresh=True)) == ("succeeded", 2, 1)
    assert held(tmp_path) == streamed
    assert kept.audit().holds, kept.audit()
    code, said = told(tmp_path, "--to", "1")
    assert code == 1
    assert "is at generation 2, and cannot be taken back to generation 1: its log tells of g0" in said

    # A rollback that dies after the target is found by the next run, and ended by the next rollback.
    whole = restore.restore

    def dies(session: Any, path: str, version: int, stamp: Any) -> None:
        if "/tables/" not in path:
            raise FlowFailed("killed")
        whole(session, path, version, stamp)

    monkeypatch.setattr(restore, "restore", dies)
    assert told(tmp_path)[0] == 1
    (failed,) = kept.run(mode="stream").flows
    assert failed.failure is not None
    assert "a rollback to generation 0 was interrupted before it reached" in failed.failure.message
    monkeypatch.setattr(restore, "restore", whole)
    code, said = told(tmp_path)
    assert (code, "the tables hold generation 0, epoch 2, again" in said) == (0, True), said
    assert held(tmp_path) == streamed
    assert kept.audit().holds, kept.audit()

    # Another definition cannot go on from there: the command says so, and so does the plan.
    assert ran(pipeline(tmp_path, shift=50).run(mode="stream")) == ("succeeded", 3, 1)
    code, said = told(tmp_path)
    assert (code, "the definition is not that generation's" in said) == (0, True), said
    (planned,) = pipeline(tmp_path, shift=50).plan(mode="stream").flows
    assert (planned.action, planned.generation, planned.reason) == ("new generation", 4, "the definition changed")

    assert ran(kept.run(mode="batch", full_refresh=True)) == ("succeeded", 4, 1)
    table = DeltaTable(tmp_path / ".etl" / "local" / "tables" / "p" / "kept")
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    version, now = table.version(), held(tmp_path)
    code, said = told(tmp_path)
    assert (code, "were vacuumed, such as part-" in said, "nothing was written" in said) == (1, True, True), said
    table.update_incremental()
    assert (table.version() >= version, held(tmp_path)) == (True, now)
