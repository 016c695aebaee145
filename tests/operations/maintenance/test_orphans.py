"""What is left in storage of flows that are no more: named with its size, removed on demand, and never more than that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from etl.config.load import load
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import flow_lock
from etl.operations.maintenance.orphans import Orphans, orphan_names, orphans, remove
from tests.support.independent import rows
from tests.support.s3 import S3

Write = Callable[[Mapping[str, str]], Path]
ROOT = Path(__file__).parents[3]
YAML = """
version: 1
name: shop
sources: {s: {format: csv, path: landing, schema: "id INT"}}
flows:
  kept: {inputs: [s]}
  renamed: {inputs: [s], was: first_name}
  resting: {inputs: [s], enabled: false}
  elsewhere: {inputs: [s], sink: {path: tables/shop/borrowed}}
"""
FOLDERS = ("tables", "quarantine", "state", "checkpoints")


def fill(root: Path, name: str, *, versions: int = 2) -> None:
    """What a flow leaves: a table, its quarantine, its state, two generations."""
    storage = root / ".etl/local"
    for kind in FOLDERS[:3]:
        for version in range(versions):
            data = pa.table({"id": [version]})
            deltalake.write_deltalake(str(storage / kind / "shop" / name), data, mode="append")
    for number in (0, 1):
        generation = storage / "checkpoints/shop" / name / f"g{number}"
        (generation / "offsets").mkdir(parents=True)
        (generation / "generation.json").write_text("{}", encoding="utf-8")
        (generation / "offsets/0").write_text("v1", encoding="utf-8")
    (storage / "checkpoints/shop" / name / "lock").touch()


@pytest.fixture
def shop(project: Write) -> Path:
    root = project({"pipelines/shop.yml": YAML})
    for name in ("kept", "first_name", "resting", "elsewhere", "gone", "old"):
        fill(root, name)
    deltalake.write_deltalake(str(root / ".etl/local/tables/shop/borrowed"), pa.table({"id": [7]}))
    return root


def etl(root: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAVA_HOME": "/nowhere", **more}
    return subprocess.run(
        [sys.executable, "-m", "etl", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def content(root: Path) -> dict[str, bytes]:
    return {str(item.relative_to(root)): item.read_bytes() for item in root.rglob("*") if item.is_file()}


def removed(root: Path) -> Orphans:
    spec = load(root / "pipelines/shop.yml")
    return remove(spec, orphans(spec), lambda _: None)


def test_the_flows_that_are_no_more_are_named_and_nobody_else(shop: Path) -> None:
    before = content(shop)
    found = orphans(load(shop / "pipelines/shop.yml"))
    # What lies where `elsewhere` would, had it no sink.path, is no orphan: its quarantine, state and checkpoints lie there.
    assert [orphan.flow for orphan in found.orphans] == ["gone", "old"]
    (gone, _) = found.orphans
    own = [item for kind in FOLDERS for item in (shop / ".etl/local" / kind / "shop/gone").rglob("*") if item.is_file()]
    own = [item for item in own if item.name != "lock"]
    assert (gone.files, gone.bytes) == (len(own), sum(item.stat().st_size for item in own))
    assert [Path(folder).parts[-3] for folder in gone.places] == list(FOLDERS)
    newest = deltalake.DeltaTable(str(shop / ".etl/local/tables/shop/gone")).history(1)[0]["timestamp"]
    assert gone.last_commit is not None
    assert abs(_ms(gone.last_commit) - newest) < 1000
    assert content(shop) == before, "who only looks writes nothing"


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def test_a_removal_takes_what_it_named_and_leaves_every_other_byte(shop: Path) -> None:
    before = content(shop)
    found = removed(shop)
    assert [(orphan.flow, orphan.removed, orphan.reason) for orphan in found.orphans] == [
        ("gone", True, ""),
        ("old", True, ""),
    ]
    kept = {name: data for name, data in before.items() if "shop/gone/" not in name and "shop/old/" not in name}
    assert content(shop) == kept
    assert not list((shop / ".etl/local").rglob("gone")), "nor an empty folder"
    assert orphans(load(shop / "pipelines/shop.yml")).orphans == ()


def test_a_flow_without_was_that_is_renamed_leaves_an_orphan_and_with_it_none(shop: Path) -> None:
    (shop / "pipelines/shop.yml").write_text(YAML.replace(", was: first_name", ""), encoding="utf-8")
    assert orphan_names(load(shop / "pipelines/shop.yml")) == ("first_name", "gone", "old")


def test_the_command_says_what_is_there_and_what_goes(shop: Path) -> None:
    listed = etl(shop, "orphans", "shop")
    assert listed.returncode == 0, listed.stderr
    assert "shop: 2 orphans in" in listed.stdout
    assert "  gone: " in listed.stdout
    assert "last commit 20" in listed.stdout
    assert str(shop / ".etl/local/quarantine/shop/old") in listed.stdout
    document = json.loads(etl(shop, "orphans", "shop", "--json").stdout)
    assert [(orphan["flow"], orphan["removed"]) for orphan in document["orphans"]] == [("gone", False), ("old", False)]
    planned = etl(shop, "plan", "shop", "--select", "kept")
    assert "orphans: gone, old: no flow is called so any more (etl orphans shop)" in planned.stdout
    assert json.loads(etl(shop, "plan", "shop", "--select", "kept", "--json").stdout)["orphans"] == ["gone", "old"]
    gone = etl(shop, "orphans", "shop", "--remove")
    assert gone.returncode == 0, gone.stderr
    assert "  removing gone: " in gone.stdout
    again = etl(shop, "orphans", "shop", "--remove")
    assert (again.returncode, again.stdout.splitlines()[0][:15]) == (0, "shop: no orphan")
    assert "orphans:" not in etl(shop, "plan", "shop", "--select", "kept").stdout


@pytest.mark.crash
def test_a_removal_that_is_killed_leaves_a_table_that_can_be_read_or_none_and_the_next_ends_it(shop: Path) -> None:
    tables = [shop / ".etl/local" / kind / "shop/gone" for kind in FOLDERS[:3]]
    kills = 0
    while True:
        died = etl(shop, "orphans", "shop", "--remove", ETL_CRASH_AT=f"orphaned_file_removed:{1 + kills % 3}")
        if died.returncode == 0:
            break
        assert died.returncode == -signal.SIGKILL, died.stderr
        kills += 1
        for table in tables:
            if deltalake.DeltaTable.is_deltatable(str(table)) and list(table.glob("_delta_log/*.json")):
                held = rows(table)
                assert held in ([(0,)], [(0,), (1,)]), held
    assert kills > 8
    assert orphans(load(shop / "pipelines/shop.yml")).orphans == ()
    assert rows(shop / ".etl/local/tables/shop/kept") == [(0,), (1,)]


def test_one_on_which_a_run_works_stays_and_the_others_go(shop: Path) -> None:
    spec = load(shop / "pipelines/shop.yml")
    storage = str(shop / ".etl/local")
    paths = FlowPaths(*(f"{storage}/{kind}/shop/gone" for kind in FOLDERS))
    with flow_lock(paths, flow="gone", run_id="a-run"):
        told = etl(shop, "orphans", "shop", "--remove")
        assert told.returncode == 5
        assert "gone stays: flow 'gone' is being worked on by run a-run" in told.stderr
        assert [orphan.flow for orphan in orphans(spec).orphans] == ["gone"]
        assert rows(paths.target) == [(0,), (1,)]
    assert removed(shop).orphans[0].removed


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_link_out_of_storage_is_told_of_and_never_followed(shop: Path, tmp_path_factory: Any, kind: str) -> None:
    outside = tmp_path_factory.mktemp("outside") / "gone"
    folder = shop / ".etl/local" / kind / "shop/gone"
    folder.rename(outside)
    folder.symlink_to(outside)
    before = content(outside)
    told = etl(shop, "orphans", "shop", "--remove")
    assert told.returncode == 1
    assert "gone stays: " in told.stderr
    assert content(outside) == before
    assert folder.is_symlink()


def test_a_link_within_is_removed_and_what_it_leads_to_is_not(shop: Path, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "file").write_text("precious", encoding="utf-8")
    table = shop / ".etl/local/tables/shop/gone"
    (table / "linked").symlink_to(outside)
    (table / "to_file").symlink_to(outside / "file")
    assert all(orphan.removed for orphan in removed(shop).orphans)
    assert content(outside) == {"file": b"precious"}
    assert not table.exists()


def test_what_another_pipeline_of_that_name_or_by_its_path_owns_is_no_orphan(shop: Path) -> None:
    twin = YAML.replace("kept:", "old:").replace("  elsewhere: {inputs: [s], sink: {path: tables/shop/borrowed}}\n", "")
    (shop / "pipelines/twin.yml").write_text(twin, encoding="utf-8")
    other = "version: 1\nname: other\nsources: {s: {format: csv, path: x, schema: 'id INT'}}\n"
    other += "flows: {f: {inputs: [s], sink: {path: tables/shop/gone}}}\n"
    (shop / "pipelines/other.yml").write_text(other, encoding="utf-8")
    found = removed(shop)
    assert [(orphan.flow, len(orphan.places)) for orphan in found.orphans] == [("gone", 3)]
    assert rows(shop / ".etl/local/tables/shop/gone") == [(0,), (1,)]
    assert rows(shop / ".etl/local/tables/shop/old") == [(0,), (1,)]


def test_nothing_is_removed_while_another_pipeline_cannot_be_read(shop: Path) -> None:
    (shop / "pipelines/other.yml").write_text("version: 1\nname: other\nflwos: {}\n", encoding="utf-8")
    listed = etl(shop, "orphans", "shop")
    assert listed.returncode == 0
    assert "pipeline 'other' has mistakes, so what it owns is not known" in listed.stderr
    before = content(shop)
    told = etl(shop, "orphans", "shop", "--remove")
    assert told.returncode == 2
    assert "pipelines/other.yml:3:1 [E103]" in told.stderr
    assert content(shop) == before


def test_in_an_object_store_it_is_the_same(project: Write, s3: S3) -> None:
    bucket = s3.make_bucket("orphans")
    conf = "\n".join(f"    {name}: '{value}'" for name, value in s3.conf().items())
    root = project({"pipelines/shop.yml": YAML, "conf/local.yml": f"storage: {bucket}/deep\nspark:\n  conf:\n{conf}\n"})
    store = s3.client("orphans")
    for name in ("kept", "gone", "gone_too"):
        for kind in FOLDERS:
            store.put(f"deep/{kind}/shop/{name}/part", b"12345")
    spec = load(root / "pipelines/shop.yml")
    assert orphan_names(spec) == ("gone", "gone_too")
    found = orphans(spec)
    assert [(orphan.flow, orphan.files, orphan.bytes) for orphan in found.orphans] == [
        ("gone", 4, 20),
        ("gone_too", 4, 20),
    ]
    one = Orphans(found.pipeline, found.storage, found.orphans[:1])
    assert remove(spec, one, lambda _: None).orphans[0].removed
    left = sorted(item["path"] for page in store.list() for item in page)
    assert left == sorted(f"deep/{kind}/shop/{name}/part" for kind in FOLDERS for name in ("kept", "gone_too"))
