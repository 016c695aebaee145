"""Every byte of a file is in a row, in a malformed row, or in an error: made up by a seed, in every format, in all three ways.

`ETL_FILES=200` makes so many files of each format (8 by default), `ETL_SEEDS=1,2,3` tries these seeds.
"""

from __future__ import annotations

import datetime as dt
import gzip
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

import etl
from tests.engine.sources import file_cases as cases
from tests.engine.sources.file_cases import Made
from tests.support.independent import connection, rows

FILES = int(os.environ.get("ETL_FILES", "8"))
SEEDS = [int(text) for text in os.environ.get("ETL_SEEDS", "1").split(",")]
WAYS = {"batch": ("batch",), "stream": ("stream", "stream"), "batch, then stream": ("batch", "stream")}

# source → its keys, and what tells the rows of its table apart from one another.
SOURCES = {
    "json": f"format: json, schema: '{cases.JSON_SCHEMA}', on_malformed: quarantine",
    "documents": f"format: json, schema: '{cases.JSON_SCHEMA}', on_malformed: quarantine, options: {{multiLine: true}}",
    "csv": f"format: csv, schema: '{cases.CSV_SCHEMA}', on_malformed: quarantine, options: {{escape: '\"'}}",
    "headed": f"format: csv, schema: '{cases.CSV_SCHEMA}', on_malformed: drop, options: {{escape: '\"', header: true}}",
    "lines": f"format: csv, schema: '{cases.CSV_SCHEMA}', on_malformed: quarantine, options: {{escape: '\"', multiLine: true}}",
    "parquet": f"format: parquet, schema: '{cases.PARQUET_SCHEMA}', on_malformed: quarantine",
    "orc": f"format: orc, schema: '{cases.ORC_SCHEMA}'",
    "text": "format: text",
    "folders": "format: json, schema: 'id BIGINT, k STRING, day DATE', on_malformed: quarantine",
}
SHOWN = {"parquet": 'id, t, u, i, epoch_us("at"::TIMESTAMPTZ), s'}


def made(name: str, seed: int, arrival: int, folder: Path) -> Made:
    """The files of one arrival of a source."""
    chance, first = random.Random(f"{name} {seed} {arrival}"), 1_000_000 * arrival  # no secret
    if name == "documents":
        return cases.documents(chance, FILES, first=first)
    if name == "parquet":
        return cases.parquet(chance, FILES, first=first, folder=folder)
    if name == "orc":
        return cases.orc(chance, FILES, first=first, folder=folder)
    if name == "text":
        return cases.text(chance, FILES, first=first)
    if name == "folders":
        return _in_folders(chance, first)
    if name == "json":
        return cases.lines(chance, cases.JSON, FILES, name="", first=first)
    header = "ID,t,D,s,day,x,AT" if name == "headed" else ""
    records = cases.CSV_OVER_LINES if name == "lines" else cases.CSV
    return cases.lines(chance, records, FILES, name="", first=first, header=header)


def _in_folders(chance: random.Random, first: int) -> Made:
    found = Made()
    for index in range(FILES):
        key = chance.choice(["007", "1e3", "a b%", "é", "NULL", "1.0"])
        name = f"K={key.replace('%', '%25')}/Day=2024-02-29/{first + index}.json"
        found.files[name] = b'{"ID":%d}\n' % (first + index)
        found.rows.append((first + index, key, cases.DAY))
    return found


def land(root: Path, seed: int, arrival: int) -> dict[str, Made]:
    """Bring one arrival of every source."""
    found = {}
    for name in SOURCES:
        folder = root / "landing" / name
        folder.mkdir(parents=True, exist_ok=True)
        draft = root / "draft" / name
        draft.mkdir(parents=True, exist_ok=True)
        found[name] = made(name, seed, arrival, draft)
        for file, content in found[name].files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
    return found


def project(root: Path, sources: dict[str, str], kinds: tuple[str, ...] = ("rows",)) -> etl.Pipeline:
    text = "version: 1\nname: bytes\nsources:\n"
    text += "".join(f"  {name}: {{{keys}, path: landing/{name}}}\n" for name, keys in sources.items()) + "flows:\n"
    text += "".join(
        f"  {name}_{kind}: {{inputs: [{name}], incremental: {kind}}}\n" for name in sources for kind in kinds
    )
    (root / "pipelines").mkdir(exist_ok=True)
    (root / "pipelines" / "bytes.yml").write_text(text, encoding="utf-8")
    return etl.load(root / "pipelines" / "bytes.yml")


def canonical(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(found, key=repr)


@pytest.mark.spark
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", WAYS)
def test_every_byte_is_a_row_or_malformed(
    tmp_path: Path, spark: SparkSession, way: str, seed: int, tell: Callable[[str], None]
) -> None:
    arrivals = [land(tmp_path, seed, 0)]
    pipeline, counts = project(tmp_path, SOURCES), Counter[str]()
    for number, mode in enumerate(WAYS[way]):
        if number:
            arrivals.append(land(tmp_path, seed, number))
        for flow in pipeline.run(mode=mode).flows:  # type: ignore[arg-type]  # a literal each
            assert flow.failure is None, flow
            counts[f"{flow.flow} read"] += flow.counts.read
            counts[f"{flow.flow} aside"] += flow.counts.quarantined + flow.counts.dropped
    for name, keys in SOURCES.items():
        expected = [row for arrival in arrivals for row in arrival[name].rows]
        malformed = [text for arrival in arrivals for text in arrival[name].malformed]
        table = tmp_path / ".etl/local/tables/bytes" / f"{name}_rows"
        assert rows(table, SHOWN.get(name, "*")) == canonical(expected), name
        assert counts[f"{name}_rows read"] == len(expected) + len(malformed), name
        assert counts[f"{name}_rows aside"] == len(malformed), name
        if "quarantine" in keys:
            aside = [text for (text,) in rows(tmp_path / ".etl/local/quarantine/bytes" / f"{name}_rows", "_etl_record")]
            if name == "parquet":
                aside = [text.removeprefix('{"id":').split(",")[0] for text in aside]
            assert Counter(aside) == Counter(malformed), name
    files = sum(len(item.files) for arrival in arrivals for item in arrival.values())
    records = sum(len(item.rows) + len(item.malformed) for arrival in arrivals for item in arrival.values())
    tell(f"{way}, seed {seed}: {files} files of {len(SOURCES)} sources, {records} records, none wrong")


# Where DuckDB says otherwise of a record, and why the promise does.
DUCKDB_SAYS = {
    "capitals": "it finds names by their capitals, and NULL for others; csv and Parquet columns have none",
    "two values in two spellings": "likewise",
    "two values inside": "likewise",
    "a number as text": "it writes the number again, 1.5 for 1.50",
    "an object as text": "it writes the object again, without its spaces",
    "a list of rows": "a line of several rows is Spark's own; DuckDB knows it of whole files",
    "beyond DOUBLE": "it makes 1e400 infinite: another number",
    "a fraction": "it rounds",
    "a number in quotes": "it casts",
    "a word for a truth": "it casts",
    "a space": "it trims",
    "a value over lines": "it takes a value over lines whenever there is one; here multiLine asks for it, so that files can be split",
    "a value over three lines, a row among them": "likewise",
    "a day and an hour": "it drops the hour; here a value is read whole or not at all",
    "more than a day": "it drops what follows the day in csv, and refuses it in JSON",
    "nanoseconds": "it cuts them off; here they are malformed in csv, JSON and Parquet alike",
    "digits beyond DECIMAL": "it rounds",
    "digits beyond DECIMAL, as text": "it rounds",
    "zero in quotes": "it keeps it; Spark's parser would drop it where a quote escapes itself, so the row is malformed",
}


def _duckdb_on(name: str, record: cases.Record, folder: Path) -> list[tuple[Any, ...]] | None:
    place = folder / f"one.{name}"
    place.write_bytes(record.text(7) + b"\n")
    columns = {
        "json": "id: 'BIGINT', t: 'TINYINT', i: 'INT', d: 'DOUBLE', x: 'DECIMAL(10,2)', s: 'VARCHAR', b: 'BOOLEAN', day: 'DATE',"
        " n: 'STRUCT(a INT)', 'at': 'TIMESTAMP', m: 'MAP(VARCHAR, INT)'",
        "csv": "id: 'BIGINT', t: 'TINYINT', d: 'DOUBLE', s: 'VARCHAR', day: 'DATE', x: 'DECIMAL(10,2)', 'at': 'TIMESTAMP'",
    }[name]
    options = {
        "json": "format = 'newline_delimited'",
        "csv": "header = false, auto_detect = false, delim = ',', quote = '\"', escape = '\"'",
    }[name]
    try:
        return connection().sql(f"SELECT * FROM read_{name}('{place}', {options}, columns = {{{columns}}})").fetchall()
    except duckdb.Error:
        return None


def test_duckdb_says_the_same_of_each_record_or_it_stands_here_why_not(tmp_path: Path) -> None:
    other = set()
    for name, records in (("json", cases.JSON), ("csv", cases.CSV)):
        for kind, record in records.items():
            found = _duckdb_on(name, record, tmp_path)
            if found != record.rows(7) and not (found == [] and record.rows(7) is None):
                other.add(kind)
    assert other == set(DUCKDB_SAYS)


@pytest.mark.parametrize("seed", SEEDS)
def test_pyarrow_and_duckdb_read_the_made_files_as_they_were_meant(tmp_path: Path, seed: int) -> None:
    parquet = cases.parquet(random.Random(seed), 3 * FILES, first=0, folder=tmp_path)  # no secret
    meant = {str(row[0]): row for row in parquet.rows}
    for file in parquet.files:
        table = pq.read_table(tmp_path / file)
        table = table.rename_columns([name.lower() for name in table.column_names])
        times = _micros(table["at"])
        others = table.drop_columns(["at"]).to_pylist()
        ours = [(row["id"], row["t"], row["u"], row["i"], at, row["s"]) for row, at in zip(others, times, strict=True)]
        shown = 'id, t, u, i, epoch_us("at"::TIMESTAMPTZ), s'
        theirs = connection().sql(f"SELECT {shown} FROM read_parquet('{tmp_path / file}')").fetchall()
        for read in (ours, theirs):
            assert [row for row in read if str(row[0]) in meant] == [meant[str(n)] for n, *_ in ours if str(n) in meant]
    orc = cases.orc(random.Random(seed), FILES, first=0, folder=tmp_path)  # no secret
    found = [row for file in orc.files for row in pyarrow.orc.read_table(tmp_path / file).to_pylist()]
    assert [(row["ID"], row.get("i"), row.get("d"), None) for row in found] == orc.rows


def _micros(instants: pa.ChunkedArray) -> list[int | None]:
    """Whole microseconds, rounded down, whatever the unit."""
    parts = {"ns": (1, 1000), "us": (1, 1), "ms": (1000, 1)}[instants.type.unit]
    return [None if item is None else item * parts[0] // parts[1] for item in instants.cast(pa.int64()).to_pylist()]


def _arrow(table: pa.Table, place: Path) -> bytes:
    pq.write_table(table, place)
    return place.read_bytes()


def _orc(values: pa.Array, place: Path) -> bytes:
    pyarrow.orc.write_table(pa.table({"id": values}), place)
    return place.read_bytes()


def broken(folder: Path) -> dict[str, tuple[str, dict[str, bytes], str]]:
    """Sources with one record that is no row each: their keys, their files, and what a run says."""
    odd = pa.array([0, 1_700_000_000_123_456_789], pa.timestamp("ns"))
    wide = pa.table({"id": pa.array([1, 200], pa.uint8())})
    pyarrow.orc.write_table(pa.table({"id": pa.array([5_000_000_000])}), folder / "wide.orc")
    one = "schema: 'id INT, v STRING'"
    return {
        "trailing": (f"format: json, {one}", {"a b.json": b'{"id":1}\n\n{"id":4,"v":"d"} trailing\n'}, "landing/trailing/a b.json:3"),
        "documents": (f"format: json, {one}", {"a.json": b'{"id":1}{"id":2}'}, "something follows the first document"),
        "twice": (f"format: json, {one}", {"a.json": b'{"id":1,"ID":2}'}, "two values for 'id'"),
        "whole": (f"format: json, {one}, options: {{multiLine: true}}", {"a.json": b'{"id":1}\n\n;'}, "landing/whole/a.json:3"),
        "over": (f"format: csv, {one}", {"a.csv": b'1,a\n2,"x\ny"\n'}, "landing/over/a.csv:2 (a value in quotes goes on"),
        "open": (f"format: csv, {one}, options: {{header: true}}", {"a.csv.gz": gzip.compress(b'id,v\n1,"x\n2,y\n')}, "a.csv.gz:2"),
        "bytes": (f"format: csv, {one}", {"a.csv": b"1,a\n2,\xff\n"}, "landing/bytes/a.csv:2 (bytes that are no UTF-8)"),
        "latin": ("format: text", {"a.txt": b"a\n\xe9\n"}, "landing/latin/a.txt:2"),
        "clock": ("format: json, schema: 'id INT, at TIMESTAMP'", {"a.json": b'{"id":1,"at":"2024-01-01 12:30"}\n{"id":2,"at":"12:30"}\n'}, "landing/clock/a.json:2 (12:30 is a time without a date"),
        "hours": ("format: csv, schema: 'id INT, at TIMESTAMP'", {"a.csv": b"1,2024-01-01 12:30\n2,T12:30:00Z\n"}, "landing/hours/a.csv:2 (T12:30:00Z is a time without a date"),
        "wraps": ("format: parquet, schema: 'id TINYINT'", {"a.parquet": _arrow(wide, folder / "w")}, "a.parquet, row 2 (column 'id': 200 is no TINYINT)"),
        "fine": ("format: parquet, schema: 'at TIMESTAMP_NTZ'", {"a.parquet": _arrow(pa.table({"at": odd}), folder / "f")}, "row 2 (column 'at': 1700000000123456789 nanoseconds"),
        "orc": ("format: orc, schema: 'id INT'", {"a.orc": (folder / "wide.orc").read_bytes()}, "column 'id' is bigint in the file and INT in the schema"),
        "torn": (f"format: csv, {one}, options: {{escape: '\"'}}", {"a.csv": b'1,"a "b" c"\n'}, "a.csv:1 (a quote inside of quotes that is not escaped"),
        "cut": (f"format: csv, {one}, options: {{multiLine: true}}", {"a.csv": b'1,"a\nb"\n2,"x\n3,y\n'}, "a.csv:3 (a quote that is never closed"),
        "digits": ("format: json, schema: 'day DATE'", {"a.json": b'{"day":"20240229"}\n'}, "a.json:1 (20240229 is no date in full"),
        "millis": ("format: json, schema: 'at TIMESTAMP'", {"a.json": b'{"at":1709209845123}\n'}, "a.json:1 (1709209845123 seconds lie outside of the years"),
        "comma": ("format: csv, schema: 'x DECIMAL(6,2)', options: {sep: ;}", {"a.csv": b"1,25\n"}, "a.csv:1 (1,25 has a comma"),
        "days": ("format: parquet, schema: 'day INT'", {"a.parquet": _arrow(pa.table({"day": pa.array([19782], pa.date32())}), folder / "day")}, "'day' is optional int32 day (DATE) in the file and INT in the schema"),
        "unsigned": ("format: parquet, schema: 'n DOUBLE'", {"a.parquet": _arrow(pa.table({"n": pa.array([2**32 - 1], pa.uint32())}), folder / "n")}, "'n' is optional int32 n (INTEGER(32,false)) in the file and DOUBLE in the schema"),
        "plain": ("format: parquet, schema: 'v STRING'", {"a.parquet": _arrow(pa.table({"v": [b"a", b"\xff"]}), folder / "v")}, "a.parquet, row 2 (column 'v': bytes that are no UTF-8"),
        "truth": ("format: orc, schema: 'id INT'", {"a.orc": _orc(pa.array([True]), folder / "b")}, "column 'id' is boolean in the file and INT in the schema"),
        "ticks": ("format: orc, schema: 'id TIMESTAMP'", {"a.orc": _orc(odd, folder / "t")}, "a.orc, row 2: an instant with nanoseconds"),
        "early": ("format: orc, schema: 'id TIMESTAMP'", {"a.orc": _orc(pa.array([0, -1_500_000], pa.timestamp("us")), folder / "e")}, "a.orc, row 2: an instant before 1970"),
        "julian": ("format: orc, schema: 'id DATE'", {"a.orc": _orc(pa.array([dt.date(1500, 1, 1)]), folder / "j")}, "a.orc, row 1: a date before 1582-10-15"),
        "folder": ("format: csv, schema: 'k INT, id INT'", {"k=1e3/a.csv": b"1\n"}, "the folder 'k=1e3' says no INT"),
        "unnamed": ("format: csv, schema: 'k STRING, id INT'", {"k=/a.csv": b"1\n"}, "the folder 'k=' has no value"),
    }  # fmt: skip


@pytest.mark.spark
def test_what_is_no_row_fails_by_its_file_and_line_in_both_modes(tmp_path: Path, spark: SparkSession) -> None:
    sources = broken(tmp_path)
    for name, (_, files, _) in sources.items():
        for file, content in files.items():
            place = tmp_path / "landing" / name / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    pipeline = project(tmp_path, {name: keys for name, (keys, _, _) in sources.items()}, ("rows", "full"))
    for flow in pipeline.run(mode="stream").flows:
        said = sources[flow.flow.rpartition("_")[0]][2]
        assert flow.failure is not None, flow
        assert said in flow.failure.message, flow.failure
        assert not flow.failure.transient
    assert list((tmp_path / ".etl/local/tables").rglob("_delta_log/*.json")) == []


PANDAS = "version: 1\nname: days\nsources:\n  given: {format: parquet, path: given, schema: 'id BIGINT, at TIMESTAMP, note STRING, n INT'}\nflows:\n  all_days: {inputs: [given]}\n"


@pytest.mark.spark
def test_files_as_pandas_writes_them_are_read_whole(tmp_path: Path, spark: SparkSession) -> None:
    at = pa.array([1_719_835_200_500_000_000, None], pa.timestamp("ns"))
    for day, note in (("1", pa.array(["a", "b"])), ("2", pa.nulls(2))):
        (tmp_path / "given").mkdir(exist_ok=True)
        pq.write_table(
            pa.table({"id": [1, 2], "at": at, "note": note, "n": pa.nulls(2)}), tmp_path / "given" / f"{day}.parquet"
        )
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "days.yml").write_text(PANDAS, encoding="utf-8")
    pipeline = etl.load(tmp_path / "pipelines" / "days.yml")
    instant = dt.datetime(2024, 7, 1, 12, 0, 0, 500000)  # noqa: DTZ001  # as a table in UTC says it
    for mode in ("stream", "batch"):
        assert pipeline.run(mode=mode).flows[0].failure is None  # type: ignore[arg-type]  # a literal each
        found = rows(tmp_path / ".etl/local/tables/days/all_days", 'id, "at"::TIMESTAMP, note, n')
        assert found == canonical(
            [(1, instant, "a", None), (1, instant, None, None), (2, None, "b", None), (2, None, None, None)]
        )


@pytest.mark.spark
def test_orc_times_are_those_that_were_written_or_refused_where_the_jvm_would_move_them(
    tmp_path: Path, spark: SparkSession
) -> None:
    noon = 1_719_835_200_000_000
    (tmp_path / "landing" / "orc").mkdir(parents=True)
    (tmp_path / "landing" / "orc" / "a.orc").write_bytes(_orc(pa.array([noon], pa.timestamp("us")), tmp_path / "o"))
    pipeline = project(tmp_path, {"orc": "format: orc, schema: 'id TIMESTAMP'"})
    jvm: Any = spark._jvm  # noqa: SLF001  # Spark has no setting of it
    zones = jvm.java.util.TimeZone
    before = zones.getDefault()
    zones.setDefault(zones.getTimeZone("Asia/Kolkata"))
    try:
        (flow,) = pipeline.run(mode="batch").flows
    finally:
        zones.setDefault(before)
    assert flow.failure is not None
    assert "landing/orc/a.orc: its times were written in the zone GMT" in flow.failure.message
    assert "-Duser.timezone=GMT" in flow.failure.message
    zones.setDefault(zones.getTimeZone("UTC"))
    try:
        (flow,) = pipeline.run(mode="batch").flows
    finally:
        zones.setDefault(before)
    assert flow.failure is None
    assert rows(flow.target, 'epoch_us("id")') == [(noon,)]
