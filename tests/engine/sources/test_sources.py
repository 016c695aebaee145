"""What lies in files, read in both modes: many little sources share one run each way."""

from __future__ import annotations

import bz2
import gzip
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import etl
from etl.errors import ConfigurationError, EnvironmentProblem
from etl.planning.results import FlowResult
from tests.support.independent import rows

pytestmark = pytest.mark.spark

TWO = "id INT, v STRING"
# name → the source's keys, its files, and the rows of it: whether every file is read whole and once, in either mode.
SOURCES: dict[str, tuple[str, dict[str, str | bytes], list[tuple[Any, ...]]]] = {
    "gz": (f"format: csv, schema: '{TWO}'", {"a.csv.gz": gzip.compress(b"1,x\n"), "b.csv": "2,y\n"}, [(1, "x"), (2, "y")]),
    "bz2": (f"format: json, schema: '{TWO}'", {"a.json.bz2": bz2.compress(b'{"id": 1, "v": "x"}\n')}, [(1, "x")]),
    "zst": (f"format: csv, schema: '{TWO}'", {"a.csv.zst": pa.compress(b"1,x\n", codec="zstd", asbytes=True)}, [(1, "x")]),
    "orc": (f"format: orc, schema: '{TWO}'", {}, [(1, "x"), (2, None)]),
    "lines": ("format: text", {"a.txt": "one\r\ntwo\n\n", "b b%20é.txt": "three"}, [("",), ("one",), ("three",), ("two",)]),
    "whole": ("format: text, options: {wholetext: true}", {"a.txt": "one\ntwo\n"}, [("one\ntwo\n",)]),
    "many_lines": (
        f"format: json, schema: '{TWO}', on_malformed: quarantine, options: {{multiLine: true}}",
        {"a.json": '[{"id": 1,\n "v": "x"},\n {"id": 2}]', "b.json": '[{"id": 3,\n "v": ', "c.json": '{"id": 4,\n"v": "z"}'},
        [(1, "x"), (2, None), (4, "z")],
    ),
    "quoted": (
        f"format: csv, schema: '{TWO}', options: {{multiLine: true, header: true}}",
        {"a.csv": 'id,v\n1,"x\ny"\n'}, [(1, "x\ny")],
    ),
    "days": (
        "format: csv, schema: 'dt DATE, id INT, v STRING'",
        {"dt=2024-01-01/a.csv": "1,x\n", "dt=2024-01-02/b.csv": "2,y\n", "dt=__HIVE_DEFAULT_PARTITION__/c.csv": "3,z\n"},
        [("2024-01-01", 1, "x"), ("2024-01-02", 2, "y"), (None, 3, "z")],
    ),
    "unnamed_days": (f"format: csv, schema: '{TWO}'", {"dt=1/a.csv": "1,x\n", "dt=2/b.csv": "2,y\n"}, [(1, "x"), (2, "y")]),
    "text_days": ("format: text, schema: 'value STRING, dt INT'", {"dt=07/a.txt": "x\n"}, [("x", 7)]),
    "some": (
        f"format: csv, path: 'landing/some/[ab]*.{{csv,txt}}', schema: '{TWO}'",
        {"a.csv": "1,x\n", "b1.txt": "2,y\n", "c.csv": "3,z\n", "b.json": "4,z\n"}, [(1, "x"), (2, "y")],
    ),
    "middle": (
        f"format: csv, path: 'landing/middle/*/in/*.csv', schema: '{TWO}'",
        {"eu/in/a.csv": "1,x\n", "us/in/b.csv": "2,y\n", "us/out/c.csv": "3,z\n", "us/in/deep/d.csv": "4,z\n"}, [(1, "x"), (2, "y")],
    ),
    "glob_days": (
        "format: csv, path: 'landing/glob_days/dt=2024-*', schema: 'id INT, dt STRING'",
        {"dt=2024-01/a.csv": "1\n", "dt=2025-01/b.csv": "2\n"}, [(1, "2024-01")],
    ),
    "hidden": (
        f"format: csv, schema: '{TWO}'",
        {"a.csv": "1,x\n", "_SUCCESS": "", ".b.csv": "2,y\n", "_c.csv": "3,y\n", "sub/d.csv": "4,y\n"}, [(1, "x")],
    ),
    "odd_names": (
        f"format: csv, schema: '{TWO}'",
        {"a b.csv": "1,x\n", "c[1].csv": "2,x\n", "d{x}.csv": "3,x\n", "é%20#.csv": "4,x\n"}, [(1, "x"), (2, "x"), (3, "x"), (4, "x")],
    ),
    "little": (
        f"format: csv, schema: '{TWO}', options: {{header: true}}",
        {"empty.csv": "", "header.csv": "id,v\n", "bom.csv": b"\xef\xbb\xbfid,v\r\n1,x\r\n", "case.csv": "ID,V\n2,y"}, [(1, "x"), (2, "y")],
    ),
    "bom": (f"format: json, schema: '{TWO}'", {"a.json": b'\xef\xbb\xbf{"id": 1, "v": "x"}\r\n\r\n'}, [(1, "x")]),
    "by_place": (
        f"format: csv, schema: '{TWO}', options: {{header: true, enforceSchema: true}}", {"a.csv": "number,name\n1,x\n"}, [(1, "x")],
    ),
}  # fmt: skip


def write_project(root: Path, names: Iterator[str]) -> etl.Pipeline:
    sources, flows = [], []
    for name in names:
        keys, files, _ = SOURCES[name]
        path = "" if "path:" in keys else f", path: landing/{name}"
        sources.append(f"  {name}: {{{keys}{path}}}\n")
        for kind in ("rows", "full"):
            flows.append(f"  {name}_{kind}: {{inputs: [{name}], incremental: {kind}}}\n")
        (root / "landing" / name).mkdir(parents=True, exist_ok=True)
        for index, (file, content) in enumerate(files.items()):
            place = root / "landing" / name / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
            os.utime(place, (1_700_000_000 + index, 1_700_000_000 + index))
    (root / "pipelines").mkdir(exist_ok=True)
    text = "version: 1\nname: many\nsources:\n" + "".join(sources) + "flows:\n" + "".join(flows)
    (root / "pipelines" / "many.yml").write_text(text, encoding="utf-8")
    return etl.load(root / "pipelines" / "many.yml")


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> tuple[Path, dict[str, FlowResult]]:
    """Every source through a `rows` flow, whose epoch is a micro-batch, and through a `full` one, which reads files by name."""
    root = tmp_path_factory.mktemp("sources")
    pipeline = write_project(root, iter(SOURCES))
    draft = root / "orc"
    spark.createDataFrame([(1, "x"), (2, None)], TWO).coalesce(1).write.orc(str(draft))
    for file in draft.glob("*.orc"):
        file.rename(root / "landing" / "orc" / file.name)
    return root, {flow.flow: flow for flow in pipeline.run(mode="stream").flows}


@pytest.mark.parametrize("kind", ["rows", "full"])
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_read_whole_and_once(streamed: tuple[Path, dict[str, FlowResult]], name: str, kind: str) -> None:
    root, flows = streamed
    assert flows[f"{name}_{kind}"].failure is None
    table = root / ".etl/local/tables/many" / f"{name}_{kind}"
    shown = "CAST(dt AS VARCHAR), id, v" if name == "days" else "*"
    assert rows(table, shown) == sorted(SOURCES[name][2], key=repr)


def test_afterwards_neither_mode_finds_anything_new(streamed: tuple[Path, dict[str, FlowResult]]) -> None:
    pipeline = etl.load(streamed[0] / "pipelines" / "many.yml")
    found = {item.flow.name: item.action for mode in ("stream", "batch") for item in pipeline.plan(mode=mode).flows}  # type: ignore[arg-type]  # a literal each
    assert {name for name, action in found.items() if action != "unchanged"} == set()


@pytest.mark.parametrize("kind", ["rows", "full"])
def test_a_file_that_is_malformed_as_a_whole_is_one_quarantined_row(
    streamed: tuple[Path, dict[str, FlowResult]], kind: str
) -> None:
    root, flows = streamed
    counts = flows[f"many_lines_{kind}"].counts
    assert (counts.written, counts.quarantined) == (3, 1)
    assert rows(root / f".etl/local/quarantine/many/many_lines_{kind}", "_etl_reason, _etl_record") == [
        ("malformed", '[{"id": 3,\n "v": ')
    ]


BROKEN = """
version: 1
name: broken
sources:
  swapped: {format: csv, path: landing/swapped, schema: "id INT, v STRING", options: {header: true}}
  zipped: {format: csv, path: landing/zipped, schema: "id INT, v STRING"}
  uneven: {format: csv, path: landing/uneven, schema: "id INT, dt STRING"}
  cut: {format: json, path: landing/cut, schema: "id INT, v STRING", on_malformed: drop}
flows:
  swapped_rows: {inputs: [swapped], incremental: rows}
  swapped_full: {inputs: [swapped], incremental: full}
  zipped_rows: {inputs: [zipped], incremental: rows}
  zipped_full: {inputs: [zipped], incremental: full}
  uneven_rows: {inputs: [uneven], incremental: rows}
  uneven_full: {inputs: [uneven], incremental: full}
  cut_rows: {inputs: [cut], incremental: rows}
  cut_full: {inputs: [cut], incremental: full}
"""


def test_what_would_be_misread_is_refused_in_both_modes_and_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"id": %d, "v": "%x"}\n' % (n, n * 7919) for n in range(5000)))
    for name, content in (
        ("swapped/a.csv", b"v,id\n1,2\n"),
        ("zipped/a.zip", b"PK"),
        ("uneven/a.csv", b"1,x\n"),
        ("uneven/dt=1/b.csv", b"2\n"),
        ("cut/a.json.gz", whole[: len(whole) // 2]),
    ):
        place = tmp_path / "landing" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "broken.yml").write_text(BROKEN, encoding="utf-8")
    flows = {flow.flow: flow for flow in etl.load(tmp_path / "pipelines" / "broken.yml").run(mode="stream").flows}
    for kind in ("rows", "full"):
        for name, said in (
            ("swapped", "header"),
            ("zipped", "ZIP archives"),
            ("uneven", "dt=…"),
            ("cut", "damaged or cut off"),
        ):
            failure = flows[f"{name}_{kind}"].failure
            assert failure is not None
            assert said in failure.message, failure
            assert not failure.transient
    assert list((tmp_path / ".etl/local/tables").rglob("_delta_log/*.json")) == []


RATE = """
version: 1
name: clock
sources:
  ticks: {format: rate, options: {rowsPerSecond: 5}}
flows:
  ticked: {inputs: [ticks], transform: {sql: "SELECT value FROM ticks"}, incremental: rows}
"""


def test_a_rate_source_streams_each_row_once_and_never_in_a_batch(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "clock.yml").write_text(RATE, encoding="utf-8")
    pipeline = etl.load(tmp_path / "pipelines" / "clock.yml")
    first = pipeline.run(mode="stream").flows[0]
    assert first.failure is None
    assert first.counts.written == 0  # its clock starts now
    time.sleep(1.1)
    second = pipeline.run(mode="stream").flows[0]
    assert second.failure is None
    assert second.counts.written >= 5
    total = first.counts.written + second.counts.written
    assert rows(tmp_path / ".etl/local/tables/clock/ticked") == sorted([(value,) for value in range(total)], key=repr)
    assert pipeline.audit().holds
    with pytest.raises(ConfigurationError, match="no whole that a batch could read"):
        pipeline.run(mode="batch")


TABLE = """
version: 1
name: shared
sources:
  given: {format: table, table: lent.things}
flows:
  copied: {inputs: [given], incremental: rows}
"""


def test_a_table_of_the_catalog_is_read_by_its_name(tmp_path: Path, spark: SparkSession) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "shared.yml").write_text(TABLE, encoding="utf-8")
    pipeline = etl.load(tmp_path / "pipelines" / "shared.yml")
    with pytest.raises(EnvironmentProblem, match=r"no table 'lent.things'"):
        pipeline.run(mode="stream")
    place = str(tmp_path / "a place")
    spark.createDataFrame([(1,)], "id INT").write.format("delta").save(place)
    spark.sql("CREATE SCHEMA lent")
    try:
        spark.sql(f"CREATE TABLE lent.things USING DELTA LOCATION '{place}'")
        assert pipeline.run(mode="stream").flows[0].failure is None
        spark.createDataFrame([(2,)], "id INT").write.format("delta").mode("append").save(place)
        assert pipeline.run(mode="stream").flows[0].reason.startswith("given: versions 1 to 1")
        assert rows(tmp_path / ".etl/local/tables/shared/copied") == [(1,), (2,)]
        assert pipeline.plan(mode="batch").flows[0].action == "unchanged"
    finally:
        spark.sql("DROP SCHEMA lent CASCADE")
