"""The quarantine tells of a malformed row in which file it lay, alike in every kind and mode; a table of an older build goes on."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable
from pyspark.sql import SparkSession

import etl
from etl.cli import main
from tests.support.independent import rows

pytestmark = pytest.mark.spark

PIPELINE = """
version: 1
name: p
sources:
  lines: {format: json, path: landing/lines, schema: "id INT, at TIMESTAMP", on_malformed: quarantine}
  books: {format: csv, path: landing/books, schema: "id INT, v STRING", on_malformed: quarantine, options: {multiLine: true}}
flows:
  straight: {inputs: [lines], incremental: rows}
  merged: {inputs: [lines], incremental: rows, sink: {strategy: merge, keys: [id], insert_only: true}}
  grouped: {inputs: [lines], transform: {sql: "SELECT id, count(*) AS n FROM lines GROUP BY id"}, incremental: {groups: {id: id}}}
  whole: {inputs: [lines], transform: {sql: "SELECT count(*) AS n FROM lines"}, incremental: full}
  seen: {inputs: [lines], incremental: {state: {watermark: at, delay: 1 hour}}}
  judged: {inputs: [books], incremental: rows, expectations: {odd: {expr: id % 2 = 1, on_violation: quarantine}}}
"""
SECOND = 1_700_000_000
# Of two arrivals; ETL_MODES=stream-stream,stream-batch tries others.
MODES = [item.split("-") for item in os.environ.get("ETL_MODES", "batch-stream").split(",")]
AT = datetime.fromtimestamp(SECOND, tz=UTC)


def land(root: Path, file: str, text: str) -> str:
    """A file, and how Spark spells its path."""
    place = root / "landing" / file
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}")
    draft.write_text(text, encoding="utf-8")
    os.utime(draft, (SECOND, SECOND))
    draft.replace(place)
    return place.as_uri().replace("file:///", "file:/").replace("%C3%A9", "é").replace("%3D", "=")


def aside(root: Path, flow: str) -> list[tuple[Any, ...]]:
    return rows(root / ".etl/local/quarantine/p" / flow, "_etl_reason, _etl_record, _etl_file, _etl_file_time")


@pytest.mark.parametrize("modes", MODES)
def test_a_malformed_row_tells_its_file_in_every_kind_and_mode(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, modes: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "p.yml").write_text(PIPELINE, encoding="utf-8")
    good = json.dumps({"id": 1, "at": "2024-01-01T00:00:00Z"})
    arrivals = [("lines/a b é.json", f"{good}\ngarbled 1\n"), ("lines/b.json", f"garbled 2\n{good}\n")]
    files, books = [], []
    for number, arrival in enumerate(arrivals):
        files.append(land(tmp_path, *arrival))
        books.append(land(tmp_path, f"books/{number}.csv", "2,even\nx,broken\n"))
        result = etl.load("p").run(mode=modes[number])  # type: ignore[arg-type]  # a literal each
        assert result.status == "succeeded", [flow.failure for flow in result.flows]
    model = [("malformed", f"garbled {number + 1}", file, AT) for number, file in enumerate(files)]
    for flow in ("straight", "merged", "grouped", "whole", "seen"):
        assert aside(tmp_path, flow) == sorted(model, key=repr), flow
    broken = [("malformed", "x,broken", file, AT) for file in books]
    assert aside(tmp_path, "judged") == sorted([*broken, *([("odd", None, None, None)] * 2)], key=repr)


def test_a_quarantine_of_an_older_build_gets_the_columns_when_there_is_something_to_write(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "p.yml").write_text(PIPELINE, encoding="utf-8")
    land(tmp_path, "books/1.csv", "1,odd\n")
    assert etl.load("p").run(mode="batch", select=["judged"]).status == "succeeded"
    table = tmp_path / ".etl/local/quarantine/p/judged"
    log = table / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for action in actions:  # as a build without these columns has written it; there are no rows yet
        if "metaData" in action:
            schema = json.loads(action["metaData"]["schemaString"])
            schema["fields"] = [item for item in schema["fields"] if not item["name"].startswith("_etl_file")]
            action["metaData"]["schemaString"] = json.dumps(schema)
    log.write_text("".join(json.dumps(action) + "\n" for action in actions), encoding="utf-8")
    for file in table.glob("_delta_log/*.crc"):
        file.unlink()
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]  # noqa: SLF001  # it knows the table as it was
    file = land(tmp_path, "books/2.csv", "2,even\nx,broken\n")
    assert etl.load("p").run(mode="stream", select=["judged"]).status == "succeeded"
    assert aside(tmp_path, "judged") == [("malformed", "x,broken", file, AT), ("odd", None, None, None)]
    names = [field.name for field in DeltaTable(str(table)).schema().fields]
    assert names[:7] == ["_etl_reason", "_etl_input", "_etl_record", "_etl_file", "_etl_file_time", "_etl_generation", "_etl_epoch"]  # fmt: skip
    assert etl.load("p").audit().holds
    done = CliRunner().invoke(main, ["quarantine", "list", "p", "--reason", "malformed"])
    assert 'malformed from books landing/books/2.csv: "x,broken"' in done.output
