"""The audit proves the invariants from the log alone, so the logs here are written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl.config.spec import FlowSpec, InputSpec, PipelineSpec, SourceSpec
from etl.engine.inspection.target_faults import committed_and_fault
from etl.engine.metadata.provenance import Provenance
from etl.engine.storage.layout import FlowPaths
from etl.operations.audit import audit

FLOW = FlowSpec("f", (InputSpec("s"),))


def spec(root: Path) -> PipelineSpec:
    return PipelineSpec("p", root / "p.yml", root, root, "local", str(root), (SourceSpec("s", "delta", "/d"),), (FLOW,))


def stamp(epoch: int, generation: int = 0, **changes: Any) -> Provenance:
    start = {"s": {"version": epoch - 1}} if epoch else None
    return replace(Provenance("p", "f", "r", generation, epoch, start, {"s": {"version": epoch}}, "x"), **changes)


def window(number: int, epoch: int = 1, **changes: Any) -> Provenance:
    position = {"s": {"version": epoch}}
    return stamp(epoch, **{"start": position, "backfill": {"id": "b", "number": number, "of": 2}, **changes})


def write(root: Path, commits: list[Any], place: str = "tables") -> None:
    log = root / place / "p" / "f" / "_delta_log"
    log.mkdir(parents=True)
    for version, item in enumerate(commits):
        info: dict[str, Any] = {"timestamp": 1, "operation": "WRITE"}
        actions: list[dict[str, Any]] = [{"commitInfo": info}, {"add": {"path": "x", "dataChange": True}}]
        if isinstance(item, Provenance) and item.maintenance is not None:
            info |= {"userMetadata": item.dumps(), "operation": "OPTIMIZE"}
            if item.maintenance != "cheat":
                actions[1]["add"]["dataChange"] = False
        elif isinstance(item, Provenance):
            info["userMetadata"] = item.dumps()
            actions.append({"txn": {"appId": item.app_id, "version": item.txn_version}})
        elif isinstance(item, str):
            info["operation"] = item
            actions = actions[:1] if item != "RESTORE" else actions
        if item == "damaged":
            (log / f"{version:020}.json").write_text("{", encoding="utf-8")
        else:
            (log / f"{version:020}.json").write_text("\n".join(map(json.dumps, actions)), encoding="utf-8")


@pytest.mark.parametrize(
    "commits",
    [
        [stamp(0), stamp(1), stamp(2)],
        [stamp(0), stamp(1), stamp(0, generation=2), stamp(1, generation=2)],
        [stamp(0), "OPTIMIZE", stamp(1)],
        [stamp(0), stamp(1), window(1), stamp(2), window(2, epoch=2), stamp(3)],
        [stamp(0), stamp(0, maintenance="compact"), stamp(0, maintenance="vacuum"), stamp(1)],
        [
            stamp(0),
            stamp(1),
            window(1),
            window(1, maintenance="cluster"),
            window(2),
            stamp(2),
            stamp(2, maintenance="cleanup"),
        ],
    ],
)
def test_a_log_of_whole_generations_holds(tmp_path: Path, commits: list[Any]) -> None:
    write(tmp_path, commits)
    assert audit(spec(tmp_path)).holds


@pytest.mark.parametrize(
    ("commits", "version", "what"),
    [
        ([stamp(0), None, stamp(1)], 1, "is a foreign commit (WRITE)"),
        ([stamp(0), stamp(2)], 1, "is epoch 2 after epoch 0"),
        ([stamp(0), stamp(1), stamp(1)], 2, "is epoch 1 after epoch 1"),
        ([stamp(0), stamp(1, start={"s": {"version": 9}})], 1, "does not start where the commit before it ended"),
        ([stamp(0), stamp(1, generation=1)], 1, "opens generation 1 with epoch 1"),
        ([stamp(0, generation=3), stamp(0, generation=2)], 1, "goes back from generation 3 to 2"),
        ([stamp(0), stamp(1, flow="g")], 1, "was committed by another flow, p.g"),
        ([stamp(0), "RESTORE"], 1, "is a foreign commit (RESTORE)"),
        ([stamp(0), "damaged"], 1, "cannot be read"),
        ([stamp(0), window(1)], 1, "is a backfill at generation 0 epoch 1, after generation 0 epoch 0"),
        ([stamp(0), stamp(1), window(1, to={"s": {"version": 9}})], 2, "not from where that ended"),
        ([stamp(0), stamp(1), window(1, fingerprint="y")], 2, "not from where that ended"),
        ([stamp(0), stamp(1), window(1, start={"s": {"version": 0}})], 2, "is a backfill that moves the position"),
        ([stamp(0), stamp(1), window(1), window(1)], 3, "or goes back"),
        ([stamp(0), stamp(1), window(3)], 2, "or goes back"),
        ([stamp(0), stamp(1), window(1), stamp(3)], 3, "is epoch 3 after epoch 1"),
        ([window(1)], 0, "after nothing"),
        ([stamp(0), stamp(0, maintenance="cheat")], 1, "says that it is maintenance (cheat), and changed rows"),
        ([stamp(0), stamp(1, maintenance="compact")], 1, "which is not the epoch before it"),
        ([stamp(0), None, stamp(0, maintenance="compact")], 1, "is a foreign commit (WRITE)"),
        ([stamp(0), stamp(0, maintenance="compact"), stamp(2)], 2, "is epoch 2 after epoch 0"),
    ],
)
def test_a_commit_that_breaks_an_invariant_is_named(
    tmp_path: Path, commits: list[Any], version: int, what: str
) -> None:
    write(tmp_path, commits)
    (flow,) = audit(spec(tmp_path)).flows
    (finding,) = flow.findings
    assert finding.version == version
    assert what in finding.what


def test_a_quarantine_one_epoch_ahead_is_a_crash_and_two_are_a_loss(tmp_path: Path) -> None:
    write(tmp_path, [stamp(0), stamp(1)])
    write(tmp_path, [stamp(0), stamp(2)], "quarantine")
    assert audit(spec(tmp_path)).holds
    write(tmp_path / "more", [stamp(0)])
    write(tmp_path / "more", [stamp(0), stamp(2)], "quarantine")
    (flow,) = audit(spec(tmp_path / "more")).flows
    assert "which the target never reached" in flow.findings[0].what


def test_the_first_commit_that_a_cleaned_log_tells_of_may_be_maintenance(tmp_path: Path) -> None:
    write(tmp_path, [stamp(0), stamp(0, maintenance="compact"), stamp(1)])
    (tmp_path / "tables" / "p" / "f" / "_delta_log" / f"{0:020}.json").unlink()
    (flow,) = audit(spec(tmp_path)).flows
    assert flow.findings == ()
    assert flow.last_epoch == 1


def test_what_somebody_else_did_does_not_hide_behind_maintenance(tmp_path: Path) -> None:
    write(tmp_path, [stamp(0), None, stamp(0, maintenance="compact")])
    committed, fault = committed_and_fault(FlowPaths.of(spec(tmp_path), FLOW), "p", "f")
    assert committed is not None
    assert committed.version == 0
    assert fault is not None
    assert "version 1 (WRITE)" in fault.what


def test_the_position_is_told_by_maintenance_where_nothing_else_is_left_of_the_log(tmp_path: Path) -> None:
    write(tmp_path, [stamp(0), stamp(1), stamp(1, maintenance="compact")])
    for version in range(2):
        (tmp_path / "tables" / "p" / "f" / "_delta_log" / f"{version:020}.json").unlink()
    committed, fault = committed_and_fault(FlowPaths.of(spec(tmp_path), FLOW), "p", "f")
    assert fault is None
    assert committed is not None
    assert (committed.epoch, committed.to) == (1, {"s": {"version": 1}})
    assert audit(spec(tmp_path)).holds


def test_a_missing_version_is_a_finding(tmp_path: Path) -> None:
    write(tmp_path, [stamp(0), stamp(1), stamp(2)])
    (tmp_path / "tables" / "p" / "f" / "_delta_log" / f"{1:020}.json").unlink()
    (flow,) = audit(spec(tmp_path)).flows
    assert any("missing from the log" in item.what for item in flow.findings)


def test_a_txn_that_disagrees_with_the_stamp_is_a_finding(tmp_path: Path) -> None:
    write(tmp_path, [stamp(0)])
    file = tmp_path / "tables" / "p" / "f" / "_delta_log" / f"{0:020}.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"version": 0}', '"version": 5}'), encoding="utf-8")
    (flow,) = audit(spec(tmp_path)).flows
    assert "its txn says 5" in flow.findings[0].what


def test_a_flow_without_a_table_has_nothing_to_prove(tmp_path: Path) -> None:
    (flow,) = audit(spec(tmp_path)).flows
    assert (flow.commits, flow.findings) == (0, ())
