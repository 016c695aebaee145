"""Faults that Spark, Delta, Java and Python really raise, one a flow, in one run: what stays is not tried again, and nobody reads of py4j."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

import etl
from etl.planning.results import FlowResult

pytestmark = pytest.mark.spark

Project = Callable[[Mapping[str, str]], Path]

PYTHON = """
from pyspark.sql import DataFrame, functions as F

def in_worker(things: DataFrame) -> DataFrame:
    def broken(n):
        raise PermissionError("[Errno 13] Permission denied, and java.io.IOException, in a function of the user's")
    return things.select(F.udf(broken, "int")("n").alias("n"))

def in_driver(things: DataFrame) -> DataFrame:
    raise KeyError("no such thing")

def no_frame(things: DataFrame) -> DataFrame:
    return 7
"""

SQL = {
    "cast": ("SELECT CAST(v AS INT) AS x FROM things", "CAST_INVALID_INPUT"),
    "overflow": ("SELECT n + 2147483647 AS x FROM things", "ARITHMETIC_OVERFLOW"),
    "divided": ("SELECT n / (n - n) AS x FROM things", "DIVIDE_BY_ZERO"),
    "no_column": ("SELECT `max(v)` AS x FROM (SELECT max(n) FROM things)", "UNRESOLVED_COLUMN"),
    "no_function": ("SELECT nosuch(n) AS x FROM things", "UNRESOLVED_ROUTINE"),
    "wrong_type": ("SELECT n + array(1) AS x FROM things", "DATATYPE_MISMATCH"),
    "no_element": ("SELECT element_at(array(n), 5) AS x FROM things", "INVALID_ARRAY_INDEX"),
    "no_date": ("SELECT CAST(v AS DATE) AS x FROM things", "CAST_INVALID_INPUT"),
    "key_twice": ("SELECT map_keys(map(n, 1, n, 2)) AS x FROM things", "DUPLICATED_MAP_KEY"),
    "two_rows": ("SELECT n, (SELECT w.n FROM things w WHERE w.n > 0) AS x FROM things", "SCALAR_SUBQUERY_TOO_MANY_ROWS"),
    "raised": ("SELECT CAST(raise_error('of the user''s own: ' || v) AS INT) AS x FROM things", "of the user's own: "),
    "asserted": ("SELECT n FROM things WHERE assert_true(n < 0, 'never') IS NULL", "never"),
    "out_of_range": ("SELECT CAST(n * 1000000 AS DECIMAL(3, 2)) AS x FROM things", "NUMERIC_VALUE_OUT_OF_RANGE"),
    "no_pattern": ("SELECT v RLIKE ('(' || v) AS x FROM things", "INVALID_PARAMETER_VALUE"),
    "no_zone": ("SELECT from_utc_timestamp(TIMESTAMP'2024-01-01 00:00:00', 'Mars/' || v) AS x FROM things", "Mars/"),
    "no_json": ("SELECT parse_json('{' || v) AS x FROM things", "MALFORMED_RECORD_IN_PARSING|does not fit|MALFORMED"),
    "timed": ("SELECT n, array(TIME'12:00:00') AS at FROM things", "E345.*time of day"),
    "interval": ("SELECT n, named_struct('d', INTERVAL 1 DAY) AS at FROM things", "E345.*an interval"),
    "nothing": ("SELECT n, array(NULL) AS x FROM things", "E345.*VOID"),
    "collated": ("SELECT n, v COLLATE UTF8_LCASE AS x FROM things", "E345.*UTF8_LCASE"),
}  # fmt: skip
SOURCES = {
    "folder": ({"format": "csv", "path": "hive", "schema": "id INT, k STRING", "options": {"header": True}}, "the folder 'k=' has no value"),
    "damaged": ({"format": "parquet", "path": "damaged", "schema": "id INT"}, "damaged or cut off.*damaged/1.parquet"),
    "retyped": ({"format": "parquet", "path": "retyped", "schema": "id DATE"}, "PARQUET_COLUMN_DATA_TYPE_MISMATCH.*retyped/1.parquet"),
    "headed": ({"format": "csv", "path": "headed", "schema": "id INT, k STRING", "options": {"header": True}}, "a file's header is not"),
    "zipped": ({"format": "json", "path": "zipped", "schema": "id INT"}, "a compressed file is damaged or cut off"),
    "malformed": ({"format": "json", "path": "malformed", "schema": "id INT"}, "a row does not fit its source's schema"),
    "too_new": ({"format": "delta", "path": "too_new"}, "DELTA_UNSUPPORTED_FEATURES_FOR_READ"),
    "lost": ({"format": "delta", "path": "lost"}, "FILE_NOT_EXIST.*lost/"),
}  # fmt: skip


def pipeline() -> str:
    flows: dict[str, object] = {
        name: {
            "inputs": ["things"],
            "incremental": "full" if name == "two_rows" else "rows",
            "transform": {"sql": text},
        }
        for name, (text, _) in SQL.items()
    }
    flows |= {f"f_{name}": {"inputs": [name], "incremental": "rows"} for name in SOURCES}
    for name in ("in_worker", "in_driver", "no_frame"):
        flows[name] = {"inputs": ["things"], "incremental": "rows", "transform": {"python": f"faults:{name}"}}
    flows["unsequenced"] = {"inputs": ["things"], "sink": {"strategy": "merge", "keys": ["n"], "sequence_by": "s"}}
    flows["expected"] = {"inputs": ["things"], "expectations": {"small": {"expr": "n < 0", "on_violation": "fail"}}}
    things = {"format": "json", "path": "things", "schema": "n INT, v STRING, s INT"}
    return json.dumps(
        {
            "version": 1,
            "name": "faults",
            "sources": {"things": things} | {name: source for name, (source, _) in SOURCES.items()},
            "flows": flows,
            "run": {
                "retry": {"max_retries": 1, "min_retry_interval": "0.01 seconds", "max_retry_interval": "0.01 seconds"}
            },
        }
    )


@pytest.fixture(scope="module")
def told(spark: object, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FlowResult]:  # the session it runs in
    root = tmp_path_factory.mktemp("faults")
    for name in ("pipelines/faults", "things", "hive/k=", "damaged", "retyped", "headed", "zipped", "malformed"):
        (root / name).mkdir(parents=True)
    (root / "pipelines/faults/pipeline.yml").write_text(pipeline(), encoding="utf-8")
    (root / "pipelines/faults/faults.py").write_text(PYTHON, encoding="utf-8")
    (root / "things/1.json").write_text('{"n": 1, "v": "x"}\n{"n": 2, "v": "y"}\n', encoding="utf-8")
    (root / "hive/k=/1.csv").write_text("id\n1\n", encoding="utf-8")
    (root / "headed/1.csv").write_text("k,id\na,1\n", encoding="utf-8")
    (root / "malformed/1.json").write_text('{"id": "one"}\n', encoding="utf-8")
    (root / "zipped/1.json.gz").write_bytes(gzip.compress(b'{"id": 1}\n' * 1000)[:-20])
    pq.write_table(pa.table({"id": [1, 2]}), root / "damaged/1.parquet")
    whole = (root / "damaged/1.parquet").read_bytes()
    (root / "damaged/1.parquet").write_bytes(whole[: len(whole) // 2])
    pq.write_table(pa.table({"id": ["one"]}), root / "retyped/1.parquet")
    for name in ("too_new", "lost"):
        write_deltalake(str(root / name), pa.table({"id": [1, 2]}))
    log = root / "too_new/_delta_log/00000000000000000000.json"
    wanted = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["nosuch"], "writerFeatures": ["nosuch"]}
    log.write_text(
        re.sub(r'\{"protocol":.*\}', json.dumps({"protocol": wanted}), log.read_text(encoding="utf-8")),
        encoding="utf-8",
    )
    for file in (root / "lost").glob("*.parquet"):
        file.unlink()
    result = etl.load(root / "pipelines/faults").run(mode="batch")
    return {flow.flow: flow for flow in result.flows}


WORDS = {
    **{name: words for name, (_, words) in SQL.items()},
    **{f"f_{name}": words for name, (_, words) in SOURCES.items()},
    "in_worker": "PermissionError: ",
    "in_driver": "KeyError: 'no such thing'",
    "no_frame": "E340",
    "unsequenced": "'s' is NULL, so the newest row",
    "expected": "expectation 'small' (n < 0) is violated",
}


PASSING = {"f_lost"}  # a file that goes away between listing and reading is not listed by the next try


def test_each_fault_is_told_in_its_own_words_once_and_without_the_bridge_to_the_jvm(
    told: dict[str, FlowResult], tell: Callable[[str], None]
) -> None:
    wrong = []
    for name, words in WORDS.items():
        failure = told[name].failure
        text = f"{failure.where} {failure.message} {failure.hint}" if failure else ""
        if failure is None or not (re.search(words, text.replace("\n", " ")) or words in text):
            wrong.append(f"{name}: {failure}")
        elif re.search(r"[Pp]y4[Jj]|An error occurred while calling|\bo\d+\.|JVM stacktrace|\tat |network", text):
            wrong.append(f"{name} says too much: {text}")
        elif (failure.transient, told[name].attempts) != ((True, 2) if name in PASSING else (False, 1)):
            wrong.append(f"{name} was tried {told[name].attempts} times: {text}")
    assert not wrong, "\n".join(wrong)
    tell(f"{len(WORDS)} real faults of a run: each told in its own words, {len(PASSING)} tried again")
