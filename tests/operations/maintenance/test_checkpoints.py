"""`etl checkpoints show`: every life of a target, and how far it came."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import etl
from etl.cli import main
from etl.engine.metadata.generations import Generation, open_generation
from etl.engine.storage.layout import FlowPaths
from etl.operations.maintenance.checkpoints import checkpoints
from tests.support.engine_cases import land, write_project

ORDER = {"id": 1, "who": "a", "amount": 1, "seq": 1, "gone": False}


def told(root: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["checkpoints", "show", str(root / "pipelines" / "shop.yml"), *arguments])
    return done.exit_code, done.output


def test_a_flow_that_never_ran_has_none(tmp_path: Path) -> None:
    write_project(tmp_path)
    assert told(tmp_path, "--flow", "clean") == (0, "clean: never ran\n")
    code, said = told(tmp_path, "--flow", "nothing")
    assert code == 2
    assert "there is no flow 'nothing'" in said


@pytest.mark.spark
def test_generations_are_shown_as_superseded_current_and_interrupted(tmp_path: Path) -> None:
    write_project(tmp_path)
    land(tmp_path, "a.json", [ORDER])
    pipeline = etl.load(tmp_path / "pipelines" / "shop.yml")
    only = ["clean"]
    first = pipeline.run(mode="batch", select=only)
    second = pipeline.run(mode="batch", select=only, full_refresh=True)
    land(tmp_path, "b.json", [{**ORDER, "id": 2}])
    land(tmp_path, "c.json", [{**ORDER, "id": 3}])
    third = pipeline.run(mode="stream", select=only)
    assert [item.status for item in (first, second, third)] == ["succeeded"] * 3

    (flow,) = checkpoints(pipeline.spec, flows=only)
    old, new = flow.generations
    assert (old.number, old.standing, old.opened_by, old.committed) == (0, "superseded", first.run_id, 0)
    assert (new.number, new.standing, new.opened_by) == (1, "current", second.run_id)
    assert (new.offered, new.finished, new.committed, new.kind) == (2, 2, 2, "rows")
    assert new.position is not None
    assert new.position["orders"]["files"] == 3
    assert new.bytes > 0

    paths = FlowPaths.of(pipeline.spec, pipeline.spec.flows[0])
    open_generation(Generation(2, paths.generation(2), "abc", "rows", "a-run-that-died"))
    document = json.loads(told(tmp_path, "--json", "--flow", "clean")[1])
    assert [item["standing"] for item in document["flows"][0]["generations"]] == [
        "superseded",
        "current",
        "interrupted",
    ]
    said = told(tmp_path, "--flow", "clean")[1]
    assert "  g2 interrupted: rows, fingerprint abc" in said
    assert f"run {second.run_id}\n      epochs  offered 2, finished 2, committed 2\n" in said
    assert "nothing of it is in the table" in said

    shutil.rmtree(paths.generation(0))
    shutil.rmtree(paths.generation(2))
    gone = checkpoints(pipeline.spec, flows=only)[0].generations[0]
    assert (gone.standing, gone.folder, gone.opened_by, gone.committed) == ("superseded", None, None, 0)
