"""What is guessed of one's own files: how they are written, what their columns are, and what a person must know."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.errors import ConfigurationError
from etl.operations.inference.sources import InferredSource, infer_sources
from etl.operations.inference.types import form


def learn(tmp_path: Path, text: str, name: str = "rows.csv", *, header: bool | None = None) -> InferredSource:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    (found,) = infer_sources(str(tmp_path / name), header=header)
    return found


def types(found: InferredSource) -> dict[str, str]:
    return {column.name: column.type for column in found.columns}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", "int"), ("-7", "int"), ("0", "int"), ("007", "text"), ("1_000", "text"), ("٣", "text"), ("7.", "number"), (".5", "number"),
        ("1e9", "number"), ("1,5", "text"), ("0x10", "text"), ("NaN", "special"), ("true", "boolean"), ("TRUE", "boolean"), ("yes", "text"),
        ("2024-02-29", "date"), ("2023-02-29", "text"), ("2024-2-9", "text"), ("2024-01-01 10:00", "timestamp"),
        ("2024-01-01T10:00:00.123456789Z", "fine"), ("2024-01-01T10:00:00.123456000Z", "timestamp"), ("2024-01-01T10:00:00+05:30", "timestamp"), ("2024-01-01 24:00:00", "text"),
        ("2024-01-01T10:00:00+19:00", "text"),
    ],
)  # fmt: skip
def test_a_value_has_a_form(text: str, expected: str) -> None:
    assert form(text) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("1 2 3", "INT"), ("1 2147483648", "BIGINT"), ("9223372036854775808 1", "DECIMAL(19,0)"), ("1 2.5", "DOUBLE"),
        ("1234567890123456.78 1", "DECIMAL(18,2)"), ("1 NaN", "DOUBLE"), ("true FALSE", "BOOLEAN"), ("2024-01-01 2024-01-02", "DATE"),
        ("2024-01-01 2024-01-01T10:00:00", "TIMESTAMP"), ("1 x", "STRING"), ("1 true", "STRING"), ("01 02", "STRING"), ("1e3 2", "DOUBLE"),
        ("9" * 40 + " 1", "STRING"),
    ],
)  # fmt: skip
def test_a_column_has_the_narrowest_type_that_fits(tmp_path: Path, values: str, expected: str) -> None:
    found = learn(tmp_path, "k,v\n" + "".join(f"a,{value}\n" for value in values.split()))
    assert types(found) == {"k": "STRING", "v": expected}


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path: Path, sep: str) -> None:
    found = learn(tmp_path, f"a{sep}b{sep}c\n1{sep}x, y{sep}2\n" if sep != "," else "a,b,c\n1,x;y,2\n")
    assert types(found) == {"a": "INT", "b": "STRING", "c": "INT"}
    assert dict(found.options).get("sep", ",") == sep


def test_nulls_do_not_make_a_number_text_and_spark_is_told_of_them(tmp_path: Path) -> None:
    found = learn(tmp_path, 'n,country\n1,NA\nNA,DE\n"",FR\n')
    assert types(found) == {"n": "INT", "country": "STRING"}
    assert dict(found.options) == {"header": True, "nullValue": "NA", "emptyValue": "NA"}
    assert any("'NA' is read as null" in note for note in found.notes)


def test_two_words_for_null_make_a_column_text_since_spark_knows_one(tmp_path: Path) -> None:
    found = learn(tmp_path, "a,b\n1,1\nNA,2\nNA,NULL\n")
    assert types(found) == {"a": "INT", "b": "STRING"}
    assert any("'b' stays text: it has NULL" in note for note in found.notes)


def test_text_that_looks_like_null_stays_text(tmp_path: Path) -> None:
    found = learn(tmp_path, "k,country\n1,NA\n2,DE\n")
    assert "nullValue" not in dict(found.options)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('a,b\n1,"say ""hi"""\n', {"escape": '"'}),
        ('a,b\n1,"C:\\dir\\"\n', {"escape": '"'}),
        ('a,b\n1,"say \\"hi\\", then"\n', {}),
        ('a,b\n1,"two\nlines"\n', {"multiLine": True}),
        ("a,b\n1 , x\n", {"ignoreLeadingWhiteSpace": True, "ignoreTrailingWhiteSpace": True}),
        ("# made on Monday\na,b\n1,x\n", {"comment": "#"}),
    ],
)
def test_how_a_file_is_written_becomes_options(tmp_path: Path, text: str, options: dict[str, object]) -> None:
    found = learn(tmp_path, text)
    assert dict(found.options) == {"header": True, **options}
    assert types(found) == {"a": "INT", "b": "STRING"}


def test_a_first_line_of_values_is_no_header_unless_somebody_says_so(tmp_path: Path) -> None:
    assert types(learn(tmp_path, "x,1\ny,2\n")) == {"column_1": "STRING", "column_2": "INT"}
    assert types(learn(tmp_path, "x,2019\ny,2\n", header=True)) == {"x": "STRING", "2019": "INT"}
    assert types(learn(tmp_path, "a,b\nc,d\n", header=False)) == {"column_1": "STRING", "column_2": "STRING"}
    assert types(learn(tmp_path, "a,b\na,d\n")) == {"column_1": "STRING", "column_2": "STRING"}


def test_odd_names_become_valid_ones_and_are_said(tmp_path: Path) -> None:
    found = learn(tmp_path, "Order ID,a.b,,x,X,order,_etl_record,größe,2019,a`b\n" + ",".join("1234567890") + "\n")
    assert [column.name for column in found.columns] == [
        "Order ID", "a.b", "column_3", "x", "X_2", "order", "etl_record", "größe", "2019", "a`b",
    ]  # fmt: skip
    assert [column.output for column in found.columns] == [
        "order_id", "a_b", "column_3", "x", "X_2", "order", "etl_record", "grosse", "c_2019", "a_b_2",
    ]  # fmt: skip
    assert "'Order ID' becomes order_id in the table" in found.notes
    assert "the name 'X' of column 5 is written 'X_2'" in found.notes


def test_rows_of_another_width_are_counted_and_do_not_disturb(tmp_path: Path) -> None:
    found = learn(tmp_path, "a,b\n1,2\n3\n\n4,5,6\n7,8\n")
    assert types(found) == {"a": "INT", "b": "INT"}
    assert any(note.startswith("2 of 4 rows have another number of cells") for note in found.notes)


def test_a_column_without_a_value_is_text_and_said(tmp_path: Path) -> None:
    found = learn(tmp_path, "a,b\n1,\n2,\n")
    assert types(found) == {"a": "INT", "b": "STRING"}
    assert any("'b' has no value" in note for note in found.notes)


def test_decimal_commas_and_other_dates_are_named_with_a_way_out(tmp_path: Path) -> None:
    notes = learn(tmp_path, "p;d\n1,5;31.12.2024\n").notes
    assert any("decimal commas" in note for note in notes)
    assert any("to_date" in note for note in notes)


def test_nanoseconds_are_text_and_said(tmp_path: Path) -> None:
    texts = ["2024-01-01T10:00:00Z", "2024-01-01T10:00:00.123456789Z"]
    for found in (
        learn(tmp_path, "\n".join(["at,n", *(f"{text},1" for text in texts)])),
        learn(tmp_path, "\n".join(json.dumps({"at": text, "n": 1}) for text in texts), "rows.json"),
    ):
        assert types(found) == {"at": "STRING", "n": "INT"}
        assert any("CAST(at AS TIMESTAMP) cuts them off" in note for note in found.notes)


def test_a_parquet_column_that_no_column_here_can_hold_is_left_out_and_said(tmp_path: Path) -> None:
    times = pa.array([1, 2], pa.time64("us"))
    lengths = pa.array([1, 2], pa.duration("us"))
    pq.write_table(
        pa.table({"id": [1, 2], "at": times, "took": lengths, "u": pa.array([1, 2], pa.uint64())}),
        tmp_path / "a.parquet",
    )
    (found,) = infer_sources(str(tmp_path / "a.parquet"), header=None)
    assert types(found) == {"id": "BIGINT", "took": "BIGINT", "u": "DECIMAL(20,0)"}
    assert "'at' is time64[us], which no column can hold: it is not read" in found.notes


def test_compressed_files_and_files_in_latin_1_are_read(tmp_path: Path) -> None:
    text = "name,n\nJosé,1\n"
    for name, data in (
        ("a.csv.gz", gzip.compress(text.encode())),
        ("b.csv.bz2", bz2.compress(text.encode())),
        ("c.csv", text.encode("latin-1")),
        ("d.csv", b"\xef\xbb\xbf" + text.encode()),
    ):
        (tmp_path / name).write_bytes(data)
        (found,) = infer_sources(str(tmp_path / name))
        assert types(found) == {"name": "STRING", "n": "INT"}
        assert dict(found.options).get("encoding") == ("ISO-8859-1" if name == "c.csv" else None)


def test_json_lines_have_structs_arrays_and_dates(tmp_path: Path) -> None:
    found = learn(
        tmp_path,
        '{"id": 1, "at": "2024-01-01T00:00:00Z", "user": {"name": "a", "age": 3}, "tags": ["x"], "ok": true, "n": 1}\n'
        '{"id": 2, "at": null, "user": {"name": "b", "city": "c"}, "tags": [], "ok": false, "n": 2.5}\n'
        '{"id": 3, "at',
        "events.jsonl",
    )
    assert types(found) == {
        "id": "INT", "at": "TIMESTAMP", "user": "STRUCT<`name`: STRING, `age`: INT, `city`: STRING>", "tags": "ARRAY<STRING>",
        "ok": "BOOLEAN", "n": "DOUBLE",
    }  # fmt: skip
    assert any(note.startswith("1 of 3 rows are no JSON objects") for note in found.notes)
    assert not next(column for column in found.columns if column.name == "user").type.startswith("MAP")


def test_a_json_document_for_the_whole_file_is_multi_line(tmp_path: Path) -> None:
    for text in ('[\n {"a": 1},\n {"a": 2}\n]\n', '{\n "a": 1\n}\n'):
        found = learn(tmp_path, text, "rows.json")
        assert (types(found), dict(found.options)) == ({"a": "INT"}, {"multiLine": True})


def test_json_values_of_several_kinds_and_names_that_no_table_holds_are_text(tmp_path: Path) -> None:
    found = learn(tmp_path, '{"a": 1, "b": {"x y": 1}, "c": {}, "A": 2, "d": "5"}\n{"a": "x", "d": 5}\n', "rows.json")
    assert types(found) == {"a": "STRING", "b": "STRING", "c": "STRING", "d": "STRING"}
    assert any("the name 'A'" in note for note in found.notes)
    assert any("'b' is read as JSON text" in note for note in found.notes)


def test_files_of_a_folder_are_one_source_and_partitions_are_columns(tmp_path: Path) -> None:
    for day in ("2024-01-01", "2024-01-02"):
        (tmp_path / "sales" / f"day={day}").mkdir(parents=True)
        (tmp_path / "sales" / f"day={day}" / "part.csv").write_text("n\n1\n", encoding="utf-8")
    (tmp_path / "sales" / "_SUCCESS").touch()
    (found,) = infer_sources(str(tmp_path / "sales"))
    assert (found.name, found.path, found.files, found.rows) == ("sales", str(tmp_path / "sales"), 2, 2)
    assert types(found) == {"n": "INT", "day": "DATE"}


def test_files_of_different_columns_are_sources_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("id,who\n1,a\n", encoding="utf-8")
    (tmp_path / "people.csv").write_text("who,name\na,Anna\n", encoding="utf-8")
    found = infer_sources(str(tmp_path))
    assert {item.name: item.path for item in found} == {
        "orders": str(tmp_path / "orders.csv"),
        "people": str(tmp_path / "people.csv"),
    }


def test_other_files_beside_are_left_out_by_a_glob(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("id\n1\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("hello\n", encoding="utf-8")
    (found,) = infer_sources(str(tmp_path))
    assert found.path == f"{tmp_path}/*.csv"


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({}, "nothing.csv", "there is nothing at"),
        ({}, "*.csv", "there is nothing at"),
        ({"a.xlsx": b"PK\0"}, "a.xlsx", "there is no csv, json or parquet file"),
        ({"d/a.txt": b"x"}, "d", "there is no csv, json or parquet file"),
        ({"d/a.csv": b"x\n1\n", "d/a.json": b"{}"}, "d", "several formats: csv, json"),
        ({"a.csv": b""}, "a.csv", "there is no row in"),
        ({"a.json": b"hello\n"}, "a.json", "holds no JSON objects"),
        ({"a.csv": "a,b\n".encode("utf-16")}, "a.csv", "is no text in UTF-8"),
        ({"a.csv.gz": b"no gzip"}, "a.csv.gz", "cannot be read"),
        ({"d/a1.csv": b"a\n1\n", "d/a2.csv": b"b\n1\n", "d/a3.csv": b"a\n1\n"}, "d", "have different columns"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_refused_with_the_reason(
    tmp_path: Path, files: dict[str, bytes], path: str, message: str
) -> None:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigurationError) as failed:
        infer_sources(str(tmp_path / path))
    (said,) = failed.value.diagnostics
    assert said.code == "E131"
    assert message in said.message
