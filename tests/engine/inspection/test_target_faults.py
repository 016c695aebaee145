"""What a target's own log tells of what befell it; the logs here are written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etl.config.spec import FlowSpec, InputSpec, PipelineSpec, SourceSpec
from etl.engine.inspection.target_faults import committed_and_fault, greatest_number, unfinished_rollback
from etl.engine.metadata.delta_log import last_committed, last_stamp
from etl.engine.metadata.generations import Generation, newest_opened, open_generation
from etl.engine.metadata.provenance import Provenance
from etl.engine.storage.layout import FlowPaths
from etl.operations.audit import audit

FLOW = FlowSpec("f", (InputSpec("s"),))


def spec(root: Path) -> PipelineSpec:
    return PipelineSpec("p", root / "p.yml", root, root, "local", str(root), (SourceSpec("s", "delta", "/d"),), (FLOW,))


def stamp(generation: int, epoch: int, *, rolled_back_upto: int = -1, flow: str = "f") -> Provenance:
    start = {"s": {"version": epoch - 1}} if epoch else None
    return Provenance(
        "p", flow, "r", generation, epoch, start, {"s": {"version": epoch}}, "x", rolled_back_upto=rolled_back_upto
    )


def write(root: Path, commits: list[Any], place: str = "tables") -> FlowPaths:
    """A commit is a stamp, the name of a foreign operation, or (stamp or None, the version that a RESTORE goes back to)."""
    log = root / place / "p" / "f" / "_delta_log"
    log.mkdir(parents=True)
    for version, item in enumerate(commits):
        info: dict[str, Any] = {"operation": item if isinstance(item, str) else "WRITE"}
        own, restored = item if isinstance(item, tuple) else (item, None)
        actions: list[dict[str, Any]] = [{"commitInfo": info}]
        if isinstance(own, Provenance):
            info["userMetadata"] = own.dumps()
        if isinstance(item, tuple):
            info |= {"operation": "RESTORE", "operationParameters": {"version": restored, "timestamp": None}}
        elif isinstance(own, Provenance):
            actions.append({"txn": {"appId": own.app_id, "version": own.epoch}})
        if item != "OPTIMIZE":
            actions.append({"add": {"path": "x", "dataChange": True}})
        (log / f"{version:020}.json").write_text("\n".join(map(json.dumps, actions)), encoding="utf-8")
    return FlowPaths.of(spec(root), FLOW)


@pytest.mark.parametrize(
    ("commits", "told", "refused"),
    [
        ([stamp(0, 0), stamp(0, 1)], None, False),
        ([stamp(0, 0), "OPTIMIZE"], None, False),
        ([stamp(0, 0), "DELETE", (None, 0)], None, False),
        ([stamp(0, 0), "DELETE", stamp(1, 0)], None, False),
        ([stamp(0, 0), stamp(0, 1), (None, 0)], "taken back to version 0 by a RESTORE (version 2)", False),
        ([stamp(0, 0), stamp(0, 1), (None, None)], "taken back by a RESTORE (version 2)", False),
        ([stamp(0, 0), stamp(0, 1), (None, 0), "OPTIMIZE"], "taken back to version 0", False),
        ([stamp(0, 0), "DELETE"], "somebody else has changed rows of the target", True),
        ([stamp(0, 0), "DELETE", "WRITE", (None, 1)], "version 1 (DELETE)", True),
        ([stamp(0, 0, flow="g")], "was written by another flow, p.g", True),
        (["WRITE"], "no run of this flow has written", True),
    ],
)
def test_a_log_tells_what_befell_the_target(
    tmp_path: Path,
    commits: list[Any],
    told: str | None,
    refused: bool,
) -> None:
    _, fault = committed_and_fault(write(tmp_path, commits), "p", "f")
    assert (fault is not None and bool(fault.hint)) == refused
    assert (fault is None) == (told is None)
    assert told is None or (fault is not None and told in fault.what)


@pytest.mark.parametrize(
    "commits",
    [
        [stamp(0, 0), "DELETE", stamp(1, 0)],
        [stamp(0, 0), "DELETE", (None, 0), stamp(0, 1)],
        ["WRITE", stamp(1, 0)],
        [stamp(0, 0), stamp(0, 1), stamp(1, 0), (stamp(0, 1, rolled_back_upto=1), 1), stamp(0, 2, rolled_back_upto=1)],
        [stamp(0, 0), stamp(1, 0), (stamp(0, 0, rolled_back_upto=1), 0), stamp(2, 0)],
    ],
)
def test_an_audit_holds_over_what_was_replaced_taken_back_or_rolled_back_by_us(
    tmp_path: Path, commits: list[Any]
) -> None:
    write(tmp_path, commits)
    (found,) = audit(spec(tmp_path)).flows
    assert found.findings == ()
    assert found.notes


@pytest.mark.parametrize(
    ("commits", "told"),
    [
        ([stamp(0, 0), stamp(0, 1), (None, 0)], "is a foreign commit (RESTORE)"),
        ([stamp(0, 0), "DELETE", stamp(0, 1)], "is a foreign commit (DELETE)"),
        ([stamp(0, 0), "DELETE", "WRITE", (None, 1)], "is a foreign commit (DELETE)"),
        ([stamp(0, 0), stamp(1, 0), (stamp(0, 0, rolled_back_upto=1), 1)], "version 1 is not its end"),
        (
            [stamp(0, 0), stamp(1, 0), (stamp(0, 0, rolled_back_upto=1), 0), stamp(1, 0)],
            "is of generation 1, which was rolled back",
        ),
        (
            [stamp(0, 0), stamp(0, 1), stamp(1, 0), (stamp(0, 1, rolled_back_upto=1), 1), stamp(0, 3)],
            "is epoch 3 after epoch 1",
        ),
    ],
)
def test_an_audit_names_what_is_not_ours_and_what_does_not_follow_a_rollback(
    tmp_path: Path, commits: list[Any], told: str
) -> None:
    write(tmp_path, commits)
    (found,) = audit(spec(tmp_path)).flows
    assert any(told in item.what for item in found.findings), found


def test_a_generation_that_was_rolled_back_counts_no_more_and_its_number_is_never_used_again(tmp_path: Path) -> None:
    paths = write(
        tmp_path, [stamp(0, 0), stamp(1, 0), (stamp(0, 0, rolled_back_upto=1), 0), stamp(0, 1, rolled_back_upto=1)]
    )
    for number in range(2):
        open_generation(Generation(number, paths.generation(number), "x", "rows", "r"))
    committed, fault = committed_and_fault(paths, "p", "f")
    assert committed is not None
    assert (committed.generation, committed.epoch, committed.rolled_back_upto, fault) == (0, 1, 1, None)
    opened = newest_opened(paths, committed=committed)
    assert opened is not None
    assert opened.number == 0
    assert greatest_number(paths, committed) == 1


def test_a_rollback_that_reached_only_the_target_is_found(tmp_path: Path) -> None:
    paths = write(tmp_path, [stamp(0, 0), stamp(1, 0), (stamp(0, 0, rolled_back_upto=1), 0)])
    write(tmp_path, [stamp(0, 0), stamp(1, 0)], "state")
    committed, fault = committed_and_fault(paths, "p", "f")
    assert unfinished_rollback(paths, committed) == [paths.state]
    assert fault is not None
    assert "a rollback to generation 0 was interrupted before it reached" in fault.what


def test_what_a_restored_table_holds_is_what_it_was_taken_back_to(tmp_path: Path) -> None:
    paths = write(tmp_path, [stamp(0, 0), stamp(0, 1), (None, 0), "OPTIMIZE"])
    found = last_committed(paths.target)
    assert found is not None
    assert (found.version, found.epoch) == (0, 0)
    assert last_stamp(str(tmp_path / "nowhere")) is None
