"""Old files and generations go when nobody needs them, told from logs that are written by hand: no Spark."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.config.load import load
from etl.engine.metadata.provenance import Provenance
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import flow_lock
from etl.operations.maintenance.maintain import maintain
from etl.planning.maintenance import FlowMaintenance

Write = Callable[[Mapping[str, str]], Path]
UP = """version: 1
name: up
sources: {a: {format: json, path: landing, schema: "id INT"}}
flows:
  made: {inputs: [a], incremental: rows, maintenance: {keep: 1 hour}}
"""
DOWN = """version: 1
name: down
sources: {made: {pipeline: up, flow: made}}
flows:
  reader: {inputs: {made: changes}, incremental: rows, enabled: ENABLED}
"""
OLD, NEW = 1_000_000, 4_000_000_000_000  # the beginning of the epoch, and far from now
SCHEMA = '{"type":"struct","fields":[{"name":"id","type":"integer","nullable":true,"metadata":{}}]}'


@pytest.fixture(autouse=True)
def _no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a session was asked for")

    monkeypatch.setattr(Sessions, "get", never)


def stamp(epoch: int, generation: int = 0, **changes: Any) -> Provenance:
    start = {"a": {"files": epoch - 1}} if epoch else None
    made = Provenance("up", "made", "r", generation, epoch, start, {"a": {"files": epoch}}, "x")
    return replace(made, **changes)


def commit(table: Path, version: int, said: Provenance, at: int, *actions: dict[str, Any]) -> None:
    info = {"timestamp": at, "operation": "WRITE", "userMetadata": said.dumps()}
    lines = [{"commitInfo": info}, {"txn": {"appId": said.app_id, "version": said.txn_version}}, *actions]
    if version == 0:
        lines.append({"metaData": {"id": "t", "schemaString": SCHEMA, "partitionColumns": [], "configuration": {}}})
    log = table / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    (log / f"{version:020}.json").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def add(table: Path, name: str) -> dict[str, Any]:
    table.mkdir(parents=True, exist_ok=True)
    (table / name).write_text("rows", encoding="utf-8")
    (table / f".{name}.crc").write_text("sum", encoding="utf-8")
    os.utime(table / name, (1000, 1000))
    return {"add": {"path": name, "size": 4, "dataChange": True, "partitionValues": {}}}


def remove(name: str, at: int) -> dict[str, Any]:
    return {"remove": {"path": name, "deletionTimestamp": at, "dataChange": True}}


def upstream(root: Path) -> Path:
    """Versions 1, 3 and 5 replace what 0, 2 and 4 have added; the last of them just now. Somebody has left a file that no commit names."""
    table = root / ".etl" / "local" / "tables" / "up" / "made"
    for version in range(6):
        at = NEW if version == 5 else OLD + version
        before = [remove(f"{version - 1}.parquet", at)] if version % 2 else []
        commit(table, version, stamp(version), at, add(table, f"{version}.parquet"), *before)
    add(table, "nobody.parquet")
    return table


def down(root: Path, version: int | None, *, within: int | None = None) -> Path:
    """The reader's target, which has read up to a version; None: it has not run."""
    table = root / ".etl" / "local" / "tables" / "down" / "reader"
    if version is not None:
        position = {"made": {"version": version, "table": "t", **({"within": within} if within is not None else {})}}
        said = Provenance("down", "reader", "r", 0, 0, None, position, "x")
        commit(table, 0, said, OLD, add(table, "r.parquet"))
    return table


def made(root: Path, **asked: Any) -> FlowMaintenance:
    (flow,) = maintain(load("up", project=root), **asked).flows
    return flow


def left(table: Path) -> list[str]:
    return sorted(file.name for file in table.iterdir() if file.suffix in {".parquet", ".crc"} if file.name[0] != ".")


def project_of(project: Write, *, enabled: str = "true") -> Path:
    files = {"pipelines/up.yml": UP, "pipelines/down.yml": DOWN.replace("ENABLED", enabled)}
    return project(files)


LIVE = ["1.parquet", "3.parquet", "4.parquet", "5.parquet"]  # 4 was held until just now


@pytest.mark.parametrize(
    ("reads", "within", "kept"),
    [
        (None, None, []),
        (5, None, []),
        (3, None, []),
        (2, None, ["2.parquet"]),  # version 3, which took it away, is still to be read
        (1, None, ["2.parquet"]),
        (0, None, ["0.parquet", "2.parquet"]),
        (4, 1, ["2.parquet"]),
    ],
)
def test_a_file_stays_for_as_long_as_a_linked_flow_has_to_read_it(
    project: Write, reads: int | None, within: int | None, kept: Sequence[str]
) -> None:
    root = project_of(project)
    table = upstream(root)
    down(root, reads, within=within)
    told = made(root, dry_run=True)
    assert sorted([*LIVE, "0.parquet", "2.parquet", "nobody.parquet"]) == left(table)
    flow = made(root)
    assert flow == told
    assert left(table) == sorted([*LIVE, *kept])
    assert flow.bytes_removed == 4 * (3 - len(kept))
    assert ("down.reader has read up to version" in flow.reason) == bool(kept)
    assert not (table / ".nobody.parquet.crc").exists()
    assert (flow.files_before, flow.files_after, flow.version) == (len(LIVE) - 1, len(LIVE) - 1, 5)
    assert made(root).status == "unchanged"


def test_a_reader_that_is_disabled_and_one_that_died_amid_an_epoch_count_too(project: Write) -> None:
    root = project_of(project, enabled="false")
    table = upstream(root)
    down(root, 5)
    quarantine = root / ".etl" / "local" / "quarantine" / "down" / "reader"
    said = Provenance(
        "down", "reader", "r", 0, 1, {"made": {"version": 5}}, {"made": {"version": 0, "table": "t"}}, "x"
    )
    commit(quarantine, 0, said, OLD, add(quarantine, "q.parquet"))
    assert "down.reader" in made(root).reason
    assert set(left(table)) == {*LIVE, "0.parquet", "2.parquet", "nobody.parquet"} - {"nobody.parquet"}


def test_a_planned_epoch_of_a_reader_and_pins_of_its_snapshots_count_too(project: Write) -> None:
    root = project_of(project)
    table = upstream(root)
    generation = root / ".etl" / "local" / "checkpoints" / "down" / "reader" / "g0"
    (generation / "offsets").mkdir(parents=True)
    record = {"generation": 0, "fingerprint": "x", "kind": "rows", "run": "r", "sources": {"made": 0}, "places": {}}
    (generation / "generation.json").write_text(json.dumps(record), encoding="utf-8")
    offset = {"sourceVersion": 1, "reservoirId": "t", "reservoirVersion": 3, "index": -1, "isStartingVersion": False}
    (generation / "offsets" / "0").write_text(f"v1\n{{}}\n{json.dumps(offset)}", encoding="utf-8")
    made(root)
    assert "2.parquet" in left(table)
    (generation / "etl").mkdir()
    pins = {"made": {"position": {"version": 3}, "files": {}}}
    (generation / "etl" / "pins.json").write_text(json.dumps(pins), encoding="utf-8")
    (generation / "offsets" / "0").write_text(
        f"v1\n{{}}\n{json.dumps({**offset, 'reservoirVersion': 9})}", encoding="utf-8"
    )
    made(root)
    assert "2.parquet" not in left(table)


def test_nothing_goes_that_a_reader_s_run_may_have_begun_to_read_or_while_nobody_knows_the_readers(
    project: Write,
) -> None:
    root = project_of(project)
    table = upstream(root)
    lock = root / ".etl" / "local" / "checkpoints" / "down" / "reader" / "lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"run": "r", "pid": 1, "since": 500.0}), encoding="utf-8")
    assert "a run of a flow that reads it is at work" in made(root).reason
    assert "0.parquet" in left(table)
    lock.write_text("", encoding="utf-8")
    (root / "pipelines" / "down.yml").write_text("version: 1\n", encoding="utf-8")
    assert "pipeline 'down' has mistakes" in made(root).reason
    assert "0.parquet" in left(table)


def test_generations_that_were_superseded_long_ago_go_and_those_that_were_just_now_stay(project: Write) -> None:
    root = project_of(project)
    table = root / ".etl" / "local" / "tables" / "up" / "made"
    for version, (generation, at) in enumerate([(0, OLD), (1, OLD), (2, NEW)]):
        commit(table, version, stamp(0, generation), at, add(table, f"{version}.parquet"))
    checkpoints = Path(FlowPaths.of(load("up", project=root), load("up", project=root).flows[0]).checkpoints)
    for number in range(3):
        record = {
            "generation": number,
            "fingerprint": "x",
            "kind": "rows",
            "run": "r",
            "sources": {"a": 0},
            "places": {},
        }
        (checkpoints / f"g{number}").mkdir(parents=True)
        (checkpoints / f"g{number}" / "generation.json").write_text(json.dumps(record), encoding="utf-8")
    flow = made(root)
    assert [done.detail for done in flow.done] == ["generation 0"]
    assert sorted(item.name for item in checkpoints.glob("g*")) == ["g1", "g2"]


def test_a_flow_that_another_run_holds_is_left_out_with_exit_code_5_and_one_without_a_table_is_skipped(
    project: Write,
) -> None:
    root = project_of(project)
    skipped = CliRunner().invoke(main, ["maintain", "up"])
    assert (skipped.exit_code, skipped.output) == (0, "made: left as it is: nothing was committed yet\n")
    table = upstream(root)
    spec = load("up", project=root)
    with flow_lock(FlowPaths.of(spec, spec.flows[0]), flow="made", run_id="another"):
        held = CliRunner().invoke(main, ["maintain", "up", "--json"])
    assert held.exit_code == 5
    document = json.loads(held.output)
    assert document["flows"][0]["status"] == "held"
    assert "run another" in document["flows"][0]["reason"]
    assert "0.parquet" in left(table)
    done = CliRunner().invoke(main, ["maintain", "up"])
    assert (done.exit_code, done.output) == (
        0, "made: 3 files\n  removed 3 files of 12 bytes of its target that nothing needs\n",
    )  # fmt: skip
    wrong = CliRunner().invoke(main, ["maintain", "up", "--flow", "nobody"])
    assert (wrong.exit_code, "there is no flow 'nobody'" in wrong.output) == (2, True)


def test_what_somebody_else_has_changed_or_a_run_has_left_half_done_is_not_touched(project: Write) -> None:
    root = project_of(project)
    table = upstream(root)
    quarantine = root / ".etl" / "local" / "quarantine" / "up" / "made"
    commit(quarantine, 0, stamp(6), OLD, add(quarantine, "q.parquet"))
    flow = made(root)
    assert (flow.status, flow.reason) == ("skipped", "epoch 6 of generation 0 was interrupted; a run ends it")
    (quarantine / "_delta_log" / f"{0:020}.json").unlink()
    foreign = {"commitInfo": {"timestamp": OLD, "operation": "DELETE"}}
    (table / "_delta_log" / f"{6:020}.json").write_text(
        f"{json.dumps(foreign)}\n{json.dumps(remove('5.parquet', OLD))}", encoding="utf-8"
    )
    flow = made(root)
    assert (flow.status, "version 6 (DELETE)" in flow.reason) == ("skipped", True)
    assert "0.parquet" in left(table)
