"""`_metadata` of file sources in every kind, format and mode: what it tells is what the file system says."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet
import pytest
from pyspark.sql import SparkSession

import etl
from tests.support.independent import rows

pytestmark = pytest.mark.spark

PIPELINE = """
version: 1
name: p
sources:
  lines: {format: json, path: landing/lines, schema: "id INT, at TIMESTAMP", on_malformed: quarantine}
  days: {format: csv, path: landing/days, schema: "day INT, id INT", options: {header: true}}
  wide: {format: parquet, path: landing/wide, schema: "id BIGINT"}
  orcs: {format: orc, path: landing/orcs, schema: "id BIGINT"}
  texts: {format: text, path: landing/texts}
  many: {format: json, path: landing/many, schema: "id INT", on_malformed: drop, options: {multiLine: true}}
flows:
  seen: {inputs: [lines], sink: {strategy: view}, transform: {sql: "SELECT *, _metadata.file_name AS name FROM lines"}}
  through_a_view: {inputs: [seen], incremental: rows, transform: {sql: "SELECT * FROM seen"}}
  told: {inputs: [lines], incremental: rows, transform: {sql: "SELECT l._metadata.file_path AS path, l.*, _metadata.file_size AS size, _metadata.file_modification_time AS modified FROM lines l"}}
  per_file: {inputs: [lines], incremental: {groups: {name: _metadata.file_name}}, transform: {sql: "SELECT _metadata.file_name AS name, count(*) AS n FROM lines GROUP BY _metadata.file_name"}}
  per_path: {inputs: [days], incremental: {groups: {path: "_metadata.file_path"}}, transform: {sql: "SELECT _metadata.file_path AS path, sum(id) AS n FROM days GROUP BY 1"}}
  newest: {inputs: [lines], incremental: full, transform: {sql: "SELECT max(_metadata.file_modification_time) AS modified, count(DISTINCT _metadata.file_path) AS n FROM lines"}}
  watched: {inputs: [lines], incremental: {state: {watermark: at, delay: 1 hour}}, transform: {sql: "SELECT *, _metadata.file_name AS name FROM lines"}}
  by_python: {inputs: [lines], incremental: rows, transform: {python: "functions:by_python"}}
  counted: {inputs: [lines], incremental: full, transform: {python: "functions:counted"}}
  joined: {inputs: {lines: changes, days: snapshot}, incremental: rows, transform: {sql: "SELECT *, l._metadata.file_name AS one, d._metadata.file_name AS other FROM lines l JOIN days d USING (id)"}}
  of_days: {inputs: [days], incremental: rows, transform: {sql: "SELECT *, _metadata.file_name AS name FROM days"}}
  of_wide: {inputs: [wide], incremental: rows, transform: {sql: "SELECT *, _metadata.file_name AS name FROM wide"}}
  of_orcs: {inputs: [orcs], incremental: rows, transform: {sql: "SELECT *, _metadata.file_name AS name FROM orcs"}}
  of_texts: {inputs: [texts], incremental: rows, transform: {sql: "SELECT *, _metadata.file_name AS name FROM texts"}}
  of_many: {inputs: [many], incremental: rows, transform: {sql: "SELECT *, _metadata.file_name AS name FROM many"}}
"""
FUNCTIONS = """
def by_python(lines):
    return lines.selectExpr("*", "_metadata.file_name AS name")


def counted(lines):
    return lines.groupBy(lines["_metadata.file_name"].alias("name")).count()
"""
SECOND = 1_700_000_000
# Of two arrivals; ETL_MODES=stream-stream,stream-batch tries others.
MODES = [item.split("-") for item in os.environ.get("ETL_MODES", "batch-stream").split(",")]
AT = datetime(2024, 1, 1, tzinfo=UTC)
FILES = ["a b é%20.json", "b.json"]


def land(root: Path, number: int) -> None:
    """The files of one arrival: in each source one more, each with the row `number`."""
    contents: dict[str, bytes] = {
        f"lines/{FILES[number]}": (json.dumps({"id": number, "at": AT.isoformat()}) + "\ngarbled\n").encode(),
        f"days/day={number}/{number}.csv": f"id\n{number}\n".encode(),
        f"texts/{number}.txt": f"{number}\n".encode(),
        f"many/{number}.json": f'[{{"id":\n{number}}}]'.encode(),
    }
    for name, write in (("wide", pyarrow.parquet.write_table), ("orcs", pyarrow.orc.write_table)):
        draft = root / f"{name}.draft"
        write(pa.table({"id": [number]}), draft)
        contents[f"{name}/{number}.{name}"] = draft.read_bytes()
    for file, content in contents.items():
        place = root / "landing" / file
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}")
        draft.write_bytes(content)
        os.utime(draft, (SECOND + number, SECOND + number))
        draft.replace(place)


def path_of(place: Path) -> str:
    """A file's path as Spark spells it: a URI without an empty authority, letters of other alphabets as they are."""
    return place.as_uri().replace("file:///", "file:/").replace("%C3%A9", "é").replace("%3D", "=")


def model(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    lines = [root / "landing" / "lines" / name for name in FILES]
    paths = [path_of(file) for file in lines]
    names = [path.rsplit("/", 1)[1] for path in paths]
    times = [datetime.fromtimestamp(SECOND + number, tz=UTC) for number in (0, 1)]
    both = (0, 1)
    found: dict[str, list[tuple[Any, ...]]] = {
        "told": [(paths[i], i, AT, lines[i].stat().st_size, times[i]) for i in both],
        "per_file": [(names[i], 1) for i in both],
        "per_path": [(path_of(root / f"landing/days/day={i}/{i}.csv"), i) for i in both],
        "newest": [(times[1], 2)],
        "counted": [(names[i], 1) for i in both],
        "joined": [(i, AT, i, names[i], f"{i}.csv") for i in both],
        "of_days": [(i, i, f"{i}.csv") for i in both],
        "of_texts": [(str(i), f"{i}.txt") for i in both],
        "of_many": [(i, f"{i}.json") for i in both],
    }
    found |= {name: [(i, AT, names[i]) for i in both] for name in ("through_a_view", "watched", "by_python")}
    found |= {f"of_{name}": [(i, f"{i}.{name}") for i in both] for name in ("wide", "orcs")}
    return {name: sorted(item, key=repr) for name, item in found.items()}


def write_project(root: Path) -> None:
    (root / "pipelines" / "p").mkdir(parents=True)
    (root / "pipelines" / "p" / "pipeline.yml").write_text(PIPELINE, encoding="utf-8")
    (root / "pipelines" / "p" / "functions.py").write_text(FUNCTIONS, encoding="utf-8")


@pytest.mark.parametrize("modes", MODES)
def test_rows_tell_of_their_files_in_every_kind_format_and_mode(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, modes: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    for number in (0, 1):
        land(tmp_path, number)
        result = etl.load("p").run(mode=modes[number])  # type: ignore[arg-type]  # a literal each
        assert {flow.flow: flow.failure for flow in result.flows if flow.failure} == {}
    tables = tmp_path / ".etl/local/tables/p"
    assert {name: rows(tables / name) for name in model(tmp_path)} == model(tmp_path)


def test_the_plan_says_where_no_input_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    land(tmp_path, 0)
    file = tmp_path / "pipelines" / "p" / "pipeline.yml"
    late = '  after: {inputs: [told], incremental: rows, transform: {sql: "SELECT *, _metadata.file_path FROM told"}}\n'
    file.write_text(PIPELINE + late, encoding="utf-8")
    etl.load("p").run(mode="batch", select=["told"])
    result = etl.load("p").run(mode="batch", select=["after"])
    (after,) = result.flows
    assert after.failure is not None
    assert "uses _metadata" in after.failure.message
