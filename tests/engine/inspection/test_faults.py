"""What befell a target, an input or a checkpoint is found before the first write, named, and has one outcome.

The texts that a person reads stand in faults.txt beside this file; ETL_GOLDEN=write writes them again.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

import etl
from tests.support.independent import rows

pytestmark = pytest.mark.spark

GOLDEN = Path(__file__).with_name("faults.txt")
PIPELINE = """
version: 1
name: p
sources:
  things: {format: csv, path: landing, schema: "id INT, v STRING", options: {header: true}}
  lake: {format: delta, path: lake}
  ticks: {format: csv, path: ticks, schema: "id INT, at TIMESTAMP"}
flows:
  copied: {inputs: [things], incremental: rows}
  mirrored: {inputs: [lake], incremental: rows}
  grouped: {inputs: [lake], transform: {sql: "SELECT v, count(*) AS n FROM lake GROUP BY v"}, incremental: {groups: {v: v}}}
  totals: {inputs: [things], transform: {sql: "SELECT count(*) AS n FROM things"}, incremental: full}
  late: {inputs: [things], incremental: rows}
  kept:
    inputs: [things]
    incremental: rows
    expectations: {known: {expr: v IS NOT NULL, on_violation: quarantine}}
    sink: {strategy: merge, keys: [id], sequence_by: [id], delete_when: v = 'gone'}
  once:
    inputs: [ticks]
    transform: {sql: "SELECT DISTINCT id, at FROM ticks"}
    incremental: {state: {watermark: at, delay: 1 hour}}
    sink: {strategy: merge, keys: [id, at]}
"""


@dataclass(frozen=True)
class World:
    """A project whose flows `copied`, `mirrored`, `grouped`, `totals`, `kept` and `once` have each committed epochs 0, 1 and 2."""

    root: Path
    spark: SparkSession

    @property
    def storage(self) -> Path:
        return self.root / ".etl" / "local"

    def target(self, flow: str = "copied") -> Path:
        return self.storage / "tables" / "p" / flow

    def checkpoint(self, flow: str = "copied") -> Path:
        return self.storage / "checkpoints" / "p" / flow / "g0"

    def pipeline(self) -> etl.Pipeline:
        return etl.load(self.root / "pipelines" / "p.yml")

    def land(self, number: int) -> None:
        (self.root / "landing" / f"{number}.csv").write_text(f"id,v\n{number},x\n", encoding="utf-8")
        (self.root / "ticks" / f"{number}.csv").write_text(f"{number},2024-01-01T00:00:00Z\n" * 2, encoding="utf-8")
        self.append(self.root / "lake", number)

    def append(self, table: Path, number: int) -> None:
        frame = self.spark.createDataFrame([(number, "x")], "id INT, v STRING")
        frame.coalesce(1).write.format("delta").mode("append").save(str(table))

    def sql(self, text: str, table: Path) -> None:
        self.spark.sql(text.format(f"delta.`{table}`"))

    def model(self, flow: str) -> list[tuple[Any, ...]]:
        files = [path.read_text(encoding="utf-8").splitlines()[1:] for path in (self.root / "landing").iterdir()]
        things = sorted((int(line.split(",")[0]), line.split(",")[1]) for lines in files for line in lines)
        if flow in ("copied", "late", "kept"):
            return sorted(things, key=repr)
        if flow == "totals":
            return [(len(things),)]
        if flow == "once":
            ticked = [int(path.stem) for path in (self.root / "ticks").iterdir()]
            return sorted((number, datetime(2024, 1, 1, tzinfo=UTC)) for number in ticked)
        lake = rows(self.root / "lake", "id, v")
        if flow == "mirrored":
            return lake
        kinds = [kind for _, kind in lake]
        return sorted(((kind, kinds.count(kind)) for kind in set(kinds)), key=repr)

    def log(self, flow: str) -> list[str]:
        return sorted(path.name for path in (self.target(flow) / "_delta_log").glob("*.json"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> tuple[World, Path]:
    world = World(tmp_path_factory.mktemp("faults"), spark)
    (world.root / "pipelines").mkdir()
    (world.root / "landing").mkdir()
    (world.root / "ticks").mkdir()
    (world.root / "pipelines" / "p.yml").write_text(PIPELINE, encoding="utf-8")
    for number in range(3):
        world.land(number)
        result = world.pipeline().run(mode="stream", exclude=["late"])
        assert result.status == "succeeded", result
    kept = tmp_path_factory.mktemp("kept") / "world"
    shutil.copytree(world.root, kept)
    return world, kept


@pytest.fixture
def world(prepared: tuple[World, Path]) -> World:
    """The prepared project as it was: under the same paths, since Spark's checkpoints hold them."""
    found, kept = prepared
    shutil.rmtree(found.root)
    shutil.copytree(kept, found.root)
    found.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # noqa: SLF001  # it takes the copy for the table it knew
    return found


def drop(world: World) -> None:
    shutil.rmtree(world.target())


def recreate(world: World) -> None:
    drop(world)
    world.append(world.target(), 9)


def restore(world: World) -> None:
    world.sql("RESTORE TABLE {} TO VERSION AS OF 1", world.target())


def restore_by_time(world: World) -> None:
    moment = DeltaTable(world.target()).history()[1]["timestamp"]  # of version 1, in milliseconds
    (said,) = world.spark.sql(f"SELECT CAST(timestamp_millis({moment}) AS STRING)").first() or ()
    world.sql(f"RESTORE TABLE {{}} TO TIMESTAMP AS OF '{said}'", world.target())


def write(world: World) -> None:
    world.append(world.target(), 9)


def delete(world: World) -> None:
    world.sql("DELETE FROM {} WHERE id = 1", world.target())


def write_and_take_back(world: World) -> None:
    write(world)
    world.sql("RESTORE TABLE {} TO VERSION AS OF 2", world.target())


def compact(world: World) -> None:
    world.sql("OPTIMIZE {}", world.target())


def drop_full(world: World) -> None:
    shutil.rmtree(world.target("totals"))


def drop_quarantine(world: World) -> None:
    shutil.rmtree(world.storage / "quarantine" / "p" / "kept")


def drop_state(world: World) -> None:
    shutil.rmtree(world.storage / "state" / "p" / "kept")


def recreate_state(world: World) -> None:
    drop_state(world)
    world.append(world.storage / "state" / "p" / "kept", 9)


def drop_state_and_lose_file(world: World) -> None:
    drop_state(world)
    lose_file(world)


def occupy(world: World) -> None:
    world.append(world.target("late"), 9)


def recreate_source(world: World) -> None:
    shutil.rmtree(world.root / "lake")
    for number in range(5, 9):
        world.append(world.root / "lake", number)


def replace_source(world: World) -> None:
    world.sql("CREATE OR REPLACE TABLE {} USING delta AS SELECT 7 AS id, 'y' AS v", world.root / "lake")


def restore_source(world: World) -> None:
    world.sql("RESTORE TABLE {} TO VERSION AS OF 0", world.root / "lake")


def clean_log(world: World) -> None:
    world.append(world.root / "lake", 5)
    world.append(world.root / "lake", 6)
    DeltaTable(world.root / "lake").create_checkpoint()
    for version in range(4):
        (world.root / "lake" / "_delta_log" / f"{version:020}.json").unlink()


def vacuum_source(world: World) -> None:
    lake = world.root / "lake"
    world.append(lake, 5)
    world.sql("OPTIMIZE {}", lake)
    DeltaTable(lake).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def lose_file(world: World) -> None:
    (world.root / "landing" / "1.csv").unlink()


def rewrite_file(world: World) -> None:
    (world.root / "landing" / "1.csv").write_text("id,v\n1,changed\n", encoding="utf-8")


def old_file(world: World) -> None:
    path = world.root / "landing" / "old.csv"
    path.write_text("id,v\n100,old\n", encoding="utf-8")
    os.utime(path, (946684800, 946684800))


def lose_checkpoint(world: World) -> None:
    shutil.rmtree(world.checkpoint())


def cut(name: str, flow: str = "copied") -> Callable[[World], None]:
    def make(world: World) -> None:
        path = world.checkpoint(flow) / name
        path.write_bytes(path.read_bytes()[:5])
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)

    return make


def lose_line(world: World) -> None:
    path = world.checkpoint() / "sources" / "0" / "1"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]).rstrip(), encoding="utf-8")


def lose_line_and_sum(world: World) -> None:
    lose_line(world)
    (world.checkpoint() / "sources" / "0" / ".1.crc").unlink()


def lose_last_entry(world: World) -> None:
    for name in ("2", ".2.crc"):
        (world.checkpoint() / "sources" / "0" / name).unlink()


def lose_lists(world: World) -> None:
    shutil.rmtree(world.checkpoint() / "sources")


def lose_one_and_rewrite_one(world: World) -> None:
    (world.root / "landing" / "0.csv").unlink()
    rewrite_file(world)


def hole(world: World) -> None:
    (world.checkpoint() / "offsets" / "1").unlink()


def lose_state(world: World) -> None:
    (world.checkpoint("once") / "state" / "0" / "0" / "2.changelog").unlink()


def empty_state(world: World) -> None:
    (world.checkpoint("once") / "state" / "0" / "1" / "3.changelog").write_bytes(b"")


def lose_list_and_file(world: World) -> None:
    cut("sources/0/1")(world)
    lose_file(world)
    world.land(8)


CASES: list[tuple[str, Callable[[World], None], str, Any, str]] = [
    ("the target dropped", drop, "copied", "stream", "succeeded"),
    ("the target of a full flow dropped", drop_full, "totals", "stream", "succeeded"),
    ("the target dropped and recreated", recreate, "copied", "batch", "succeeded"),
    ("the target restored", restore, "copied", "stream", "succeeded"),
    ("the target restored to a time", restore_by_time, "copied", "batch", "succeeded"),
    ("rows added by somebody else", write, "copied", "stream", "failed"),
    ("rows deleted by somebody else", delete, "copied", "batch", "failed"),
    ("rows added by somebody else and taken back", write_and_take_back, "copied", "batch", "unchanged"),
    ("the target compacted", compact, "copied", "stream", "unchanged"),
    ("the quarantine dropped", drop_quarantine, "kept", "stream", "succeeded"),
    ("the state dropped", drop_state, "kept", "stream", "succeeded"),
    ("the state dropped and recreated", recreate_state, "kept", "batch", "succeeded"),
    ("the state dropped and a file gone", drop_state_and_lose_file, "kept", "stream", "failed"),
    ("somebody else's table where a flow would begin", occupy, "late", "stream", "failed"),
    ("a Delta source dropped and recreated", recreate_source, "mirrored", "stream", "succeeded"),
    ("a Delta source replaced, under groups", replace_source, "grouped", "stream", "succeeded"),
    ("a Delta source restored", restore_source, "mirrored", "stream", "succeeded"),
    ("the log of a Delta source cleaned", clean_log, "mirrored", "stream", "succeeded"),
    ("a Delta source vacuumed before it was read", vacuum_source, "mirrored", "stream", "succeeded"),
    ("a file gone, under a batch", lose_file, "copied", "batch", "failed"),
    ("a file gone, under a stream", lose_file, "copied", "stream", "unchanged"),
    ("a file rewritten", rewrite_file, "copied", "stream", "succeeded"),
    ("a file from the year 2000", old_file, "copied", "stream", "succeeded"),
    ("the checkpoint gone", lose_checkpoint, "copied", "stream", "succeeded"),
    ("the newest offsets cut off", cut("offsets/2"), "copied", "stream", "succeeded"),
    ("an entry of the commit log cut off", cut("commits/2"), "copied", "batch", "succeeded"),
    ("a list of files cut off", cut("sources/0/1"), "copied", "stream", "succeeded"),
    ("the query's metadata cut off", cut("metadata"), "copied", "stream", "succeeded"),
    ("a generation's record cut off", cut("generation.json"), "copied", "stream", "succeeded"),
    ("a hole in the offsets", hole, "copied", "stream", "succeeded"),
    ("a file of the state gone", lose_state, "once", "stream", "succeeded"),
    ("a file of the state emptied", empty_state, "once", "batch", "succeeded"),
    ("the state's description cut off", cut("state/0/_metadata/metadata", "once"), "once", "stream", "succeeded"),
    ("a line of a list of files gone", lose_line, "copied", "stream", "succeeded"),
    ("a line of a list of files gone, and its checksum", lose_line_and_sum, "copied", "stream", "succeeded"),
    ("the newest list of files gone", lose_last_entry, "copied", "stream", "succeeded"),
    ("all lists of files gone", lose_lists, "copied", "stream", "succeeded"),
    ("a file gone and another rewritten", lose_one_and_rewrite_one, "copied", "stream", "failed"),
    ("a list of files cut off and a file gone", lose_list_and_file, "copied", "stream", "failed"),
]


@pytest.mark.parametrize(("name", "make", "flow", "mode", "status"), CASES, ids=[case[0] for case in CASES])
def test_every_fault_is_found_before_the_first_write_named_and_has_one_outcome(
    world: World, name: str, make: Callable[[World], None], flow: str, mode: Any, status: str
) -> None:
    make(world)
    pipeline, log = world.pipeline(), world.log(flow)
    told = [name, *(line for each in ("batch", "stream") for line in planned(pipeline, flow, each))]
    (done,) = pipeline.run(mode=mode, select=[flow]).flows
    told.append(f"  run {mode}: {done.status}, generation {done.generation}: {done.reason}")
    if done.failure is not None:
        told += [f"    {done.failure.message}", f"    {done.failure.hint}"]
    golden(name, neutral("\n".join(told), world))
    assert done.status == status
    if status == "succeeded":
        assert rows(world.target(flow)) == world.model(flow)
        (found,) = [item for item in pipeline.audit().flows if item.flow == flow]
        assert found.findings == ()
        assert pipeline.run(mode=mode, select=[flow]).status == "unchanged"
    else:
        assert world.log(flow) == log


def planned(pipeline: etl.Pipeline, flow: str, mode: Any) -> list[str]:
    found = pipeline.plan(mode=mode, select=[flow])
    (item,) = found.flows
    return [
        f"  plan {mode}: {item.action}, generation {item.generation}: {item.reason}",
        *(f"    {line}" for line in found.warnings),
    ]


def neutral(text: str, world: World) -> str:
    text = re.sub(r"\(id \w+, now \w+\)", "(id …, now …)", text)
    return text.replace(str(world.root), "…")


def golden(name: str, text: str) -> None:
    """Compare a text with the one in the golden file, or write it there."""
    known = GOLDEN.read_text(encoding="utf-8") if GOLDEN.exists() else ""
    parts = {part.split("\n", 1)[0]: part.rstrip("\n") for part in known.split("\n\n") if part.strip()}
    if os.environ.get("ETL_GOLDEN") == "write":
        parts[name] = text
        order = [case[0] for case in CASES]
        GOLDEN.write_text("\n\n".join(parts[item] for item in order if item in parts) + "\n", encoding="utf-8")
    assert parts.get(name) == text
