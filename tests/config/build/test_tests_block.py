"""The `tests:` of a pipeline: one edit of a valid block each, and what values its rows hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from etl.config.diagnostics import Location
from etl.config.load import load
from etl.config.schema import ddl
from etl.config.schema.rows import Reading, Unfit, Written, as_json, guessed, plain
from etl.config.schema.types import Type, schema
from etl.errors import ConfigurationError

Write = Callable[[Mapping[str, str]], Path]

VALID = """\
version: 1
name: shop
params: {least: {type: int, default: 0}}
sources:
  orders: {format: csv, path: in, schema: "id BIGINT, who STRING, at TIMESTAMP, extra STRUCT<a: INT>"}
  events: {format: delta, path: events}
flows:
  clean:
    inputs: {orders: changes}
    incremental: rows
    expectations: {named: {expr: who IS NOT NULL, on_violation: quarantine}}
  other: {inputs: [events]}
tests:
  - name: one
    flow: clean
    given: {orders: [{id: 1, who: a}, {ID: 2}]}
    params: {least: 5}
    expect: [{id: 1}]
    quarantine: [{id: 2}]
  - name: two
    flow: clean
    given: {orders: [[{id: 1}], []]}
    expect: {rows: [], quarantine: [{id: 1}]}
  - {name: three, flow: other, given: {events: [{what: ever}]}, expect: []}
"""


def test_a_block_is_read_with_its_arrivals_params_and_expectations(project: Write) -> None:
    project({"pipelines/shop.yml": VALID})
    one, two, three = load("shop").tests
    assert (one.name, one.flow, one.params, one.at.line) == ("one", "clean", (("least", 5),), 14)
    assert [len(arrival) for arrival in two.given[0].arrivals] == [1, 0]
    assert one.quarantine is not None
    assert two.expect == ()
    assert two.quarantine == (Written({"id": Written(1)}),)
    assert (three.given[0].dataset, three.quarantine) == ("events", None)


@pytest.mark.parametrize(
    ("before", "after", "code", "line", "said"),
    [
        ("flow: clean\n    given: {orders: [{id: 1, who", "flow: clan\n    given: {orders: [{id: 1, who", "E270", 15, "did you mean 'clean'?"),
        ("given: {orders: [{id: 1, who", "given: {ordrs: [{id: 1, who", "E270", 16, "did you mean 'orders'?"),
        ("{id: 1, who: a}", "{id: 1, whom: a}", "E270", 16, "did you mean 'who'?"),
        ("{id: 1, who: a}", "{id: one, who: a}", "E271", 16, "'one' is no whole number, as BIGINT needs"),
        ("{id: 1, who: a}", "{id: '9223372036854775808'}", "E271", 16, "is beyond BIGINT"),
        ("{id: 1, who: a}", "{at: yesterday}", "E271", 16, "'yesterday' is no time such as"),
        ("{id: 1, who: a}", "{extra: {b: 1}}", "E270", 16, "there is no column 'b'"),
        ("{id: 1, who: a}", "{extra: 3}", "E271", 16, "'3' is no mapping"),
        ("{id: 1, who: a}", "7", "E271", 16, "a row is a mapping"),
        ("[[{id: 1}], []]", "[[{id: 1}], {id: 2}]", "E271", 22, "arrivals are lists of rows, all of them"),
        ("[[{id: 1}], []]", "orders.xlsx", "E272", 22, "a .csv, .json or .parquet file"),
        ("[[{id: 1}], []]", "orders.csv", "E272", 22, "there is no file orders.csv"),
        ("params: {least: 5}", "params: {leest: 5}", "E270", 17, "did you mean 'least'?"),
        ("params: {least: 5}", "params: {least: many}", "E271", 17, "'many' is no whole number"),
        ("    expect: [{id: 1}]\n    quarantine: [{id: 2}]\n", "", "E104", 14, "'expect' is missing"),
        ("expect: [{id: 1}]", "expect: 1", "E271", 18, "rows are a list"),
        ("{rows: [], quarantine", "{rows: [], quarantined", "E103", 23, "did you mean 'quarantine'?"),
        ("expect: []}", "expect: [], quarantine: []}", "E270", 24, "flow 'other' sets none aside"),
        ("name: two", "name: one", "E107", 20, "two tests are named 'one'"),
        ("name: two", "nam: two", "E103", 20, "unknown key 'nam' in test 2"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_line(
    project: Write, before: str, after: str, code: str, line: int, said: str
) -> None:
    assert VALID.count(before) == 1
    project({"pipelines/shop.yml": VALID.replace(before, after)})
    with pytest.raises(ConfigurationError) as raised:
        load("shop")
    found = {item.code: item for item in raised.value.diagnostics}
    assert found[code].at.line == line
    assert said in found[code].render()


BERLIN = Reading(ZoneInfo("Europe/Berlin"))


def column(kind: str) -> Type:
    return ddl.parse(f"c {kind}")[0].shape


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("INT", 1e3, 1000), ("INT", "12", 12), ("DOUBLE", 1, 1.0), ("FLOAT", 0.1, 0.10000000149011612),
        ("DECIMAL(5,2)", 1.5, Decimal("1.50")), ("DECIMAL(38,10)", "1234567890123456789012345678.5", Decimal("1234567890123456789012345678.5")),
        ("STRING", "x", "x"), ("STRING", True, "true"), ("DATE", "2013-01-31", dt.date(2013, 1, 31)),
        ("TIMESTAMP", "2013-07-01 10:00:00", dt.datetime(2013, 7, 1, 8, tzinfo=dt.UTC)),
        ("TIMESTAMP", "2013-07-01T10:00:00.25Z", dt.datetime(2013, 7, 1, 10, 0, 0, 250000, tzinfo=dt.UTC)),
        ("TIMESTAMP_NTZ", "2013-07-01 10:00", dt.datetime(2013, 7, 1, 10)),  # noqa: DTZ001  # a wall clock has no zone
        ("BINARY", "é", "é".encode()), ("ARRAY<INT>", [1, None], (1, None)), ("MAP<STRING, INT>", {"a": 1}, {"a": 1}),
        ("STRUCT<A: INT, b: STRING>", {"a": 1}, {"A": 1, "b": None}), ("INT", None, None),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_column_s_type(kind: str, given: Any, value: Any) -> None:
    found = BERLIN.value(plain(given), column(kind))
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "given"),
    [("INT", 1.5), ("INT", True), ("TINYINT", 128), ("DECIMAL(3,1)", 1.25), ("DECIMAL(3,1)", 100), ("DECIMAL(3,1)", "NaN"), ("BOOLEAN", "yes"),
     ("DOUBLE", "much"), ("DATE", 2013), ("TIMESTAMP_NTZ", "2013-07-01T10:00:00Z"), ("ARRAY<INT>", 1), ("INT", [1]), ("BINARY", 1), ("VOID", 1)],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused(kind: str, given: Any) -> None:
    with pytest.raises(Unfit):
        BERLIN.value(plain(given), column(kind))


def test_a_number_in_a_text_column_is_the_text_that_was_written() -> None:
    line = "    given: {a: [{zip: 012, n: 1e3}]}"
    zip_code = Written(12, Location("f", 1, line.index("012") + 1, 3, line))
    power = Written(1000.0, Location("f", 1, line.index("1e3") + 1, 3, line))
    assert [BERLIN.value(item, column("STRING")) for item in (zip_code, power)] == ["012", "1e3"]


def test_what_no_json_file_can_hold_is_refused() -> None:
    with pytest.raises(Unfit, match="keys are no texts"):
        as_json({1: 2}, column("MAP<INT, INT>"))
    assert as_json(float("nan"), column("DOUBLE")) == "NaN"


def test_the_columns_of_rows_without_a_schema_are_those_of_their_values() -> None:
    rows = [plain({"a": None, "b": 1, "c": {"x": [True]}}), plain({"a": 2.5, "b": 1.5, "d": None})]
    assert [(item.name, item.type) for item in guessed(rows)] == [
        ("a", "double"), ("b", "double"), ("c", "struct<x:array<boolean>>"), ("d", "string"),
    ]  # fmt: skip


def test_a_type_is_written_so_that_it_is_read_back() -> None:
    text = "`a b` STRUCT<`x``y`: DECIMAL(10,2), z: MAP<STRING, ARRAY<TIMESTAMP_NTZ>>>, c INTERVAL DAY TO SECOND"
    assert ddl.parse(schema(ddl.parse(text))) == ddl.parse(text)
