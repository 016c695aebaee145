"""Every type with its extremes, written to Parquet by pyarrow, and what flows make of them in plain Python: no Spark has a say in it.

A value is known by its type and a form that Python compares exactly: texts and bytes by their bytes, days and instants by their numbers,
floats by their bits, all NaN alike.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

Value: TypeAlias = Any
Row: TypeAlias = dict[str, Value]

_DAY = 86_400_000_000
_MOMENT = 1_700_000_000_000_000  # when all rows happened, for flows with state
_FIRST, _LAST = -719162, 2932896  # 0001-01-01 and 9999-12-31
_LONGEST = 255 - len("v_string=")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type: its name in DDL and in Arrow, the values that partitions keep, and those that only columns of files keep."""

    ddl: str
    arrow: pa.DataType
    kept: tuple[Value, ...]
    lost: tuple[Value, ...] = ()
    broken: tuple[Value, ...] = ()  # no value of the type to other readers, so kept nowhere but in Spark

    @property
    def column(self) -> str:
        """The name of the column of this type."""
        return "v_" + self.ddl.lower().partition("(")[0]


_FLOATS = (0.0, -0.0, 1.5, -0.1, math.inf, -math.inf, math.nan, 1e7, 1e-4)
_DAYS = (_FIRST, _LAST, -141427, -141428, -25567, 0, 19999)  # the end of the Julian calendar, 1900
_INSTANTS = (
    _FIRST * _DAY,
    (_LAST + 1) * _DAY - 1,
    -12219681599999999,  # in the days that the Gregorian calendar left out
    -5364662399999999,  # 1800, by local mean time
    -1,
    0,
    1729989000000000,  # 02:30 in Berlin, summer time
    1729992600000000,  # 02:30 in Berlin, an hour later
    1711848600000000,  # by a clock, in the hour that Berlin skips
)
KINDS = (
    Kind(
        "STRING",
        pa.string(),
        tuple(
            text.encode()
            for text in (
                *(
                    " ",
                    "null",
                    "NULL",
                    "01",
                    "1",
                    "1.50",
                    "NaN",
                    "2024-01-01",
                    "true",
                    "a/b=c%d:e\"f'*?{}[]^\\#",
                    "line\nend\r\t",
                ),
                *("\x01\x7f", "trail  ", " lead", ".", "..", "ä", "a\u0308", "😀", "%", "%20", "+", "A", "a", "\u2028"),
                *("__hive_default_partition__", "x" * _LONGEST, "ä" * (_LONGEST // 2), "%" * (_LONGEST // 3)),
            )
        ),
        (b"", b"__HIVE_DEFAULT_PARTITION__", b"a\0b", b"x" * (_LONGEST + 1), b"%" * (_LONGEST // 3 + 1), b"x" * 3000),
        (b"\xff", b"a\xc3"),
    ),
    Kind(
        "BINARY",
        pa.binary(),
        (b"a", b"\xc3\xa4", b"\n", b"%", b"1", b"\xef\xbf\xbd", b" "),
        (b"", b"\xff", b"\xfe", b"\0", b"\xed\xa0\x80", b"__HIVE_DEFAULT_PARTITION__"),
    ),
    Kind("BOOLEAN", pa.bool_(), (True, False)),
    Kind("TINYINT", pa.int8(), (127, -128, 0)),
    Kind("SMALLINT", pa.int16(), (32767, -32768)),
    Kind("INT", pa.int32(), (2**31 - 1, -(2**31))),
    Kind("BIGINT", pa.int64(), (2**63 - 1, -(2**63))),
    Kind("FLOAT", pa.float32(), (*_FLOATS, 1.401298464324817e-45, 3.4028234663852886e38)),
    Kind("DOUBLE", pa.float64(), (*_FLOATS, 5e-324, 1.7976931348623157e308, 0.1 + 0.2)),
    Kind(
        "DECIMAL(38,18)",
        pa.decimal128(38, 18),
        tuple(map(Decimal, ("99999999999999999999.999999999999999999", "-0.1", "1E-18", "0", "1000", "-1E-18"))),
    ),
    Kind("DATE", pa.date32(), _DAYS, (_FIRST - 1, _LAST + 1)),
    Kind("TIMESTAMP", pa.timestamp("us", "UTC"), _INSTANTS, (_FIRST * _DAY - 1, (_LAST + 1) * _DAY)),
    Kind("TIMESTAMP_NTZ", pa.timestamp("us"), _INSTANTS, (_FIRST * _DAY - 1, (_LAST + 1) * _DAY)),
)
COLUMNS = tuple(kind.column for kind in KINDS)
OWN = {
    "kind": pa.string(),
    "id": pa.int32(),
    "seq": pa.int32(),
    "qty": pa.int32(),
    "fits": pa.bool_(),
    "at": pa.timestamp("us", "UTC"),
}
SCHEMA = ", ".join(
    [
        "kind STRING, id INT, seq INT, qty INT, fits BOOLEAN, at TIMESTAMP",
        *(f"{kind.column} {kind.ddl}" for kind in KINDS),
    ]
)


def rows_of(random: Random, each: int) -> list[Row]:
    """Rows with one value each, of one type each: every value `each` times, and NULL; no two rows of a key share a sequence.

    But for two pairs of rows that differ in nothing but the sign of their zero.
    """
    found: list[Row] = []
    for kind in KINDS:
        for value in (*kind.kept, *kind.lost):
            found += [
                {"kind": kind.column, kind.column: value, "fits": any(value is kept for kept in kind.kept)}
                for _ in range(each)
            ]
    found += [{"kind": "null", "fits": True} for _ in range(each)]
    random.shuffle(found)
    sequences: dict[Any, int] = {}
    for number, row in enumerate(found):
        key = key_of(row)
        sequences[key] = sequences.get(key, 0) + 1
        row |= {"id": number, "seq": sequences[key], "qty": random.randrange(3)}
    twins = {"seq": 1000, "qty": 7, "fits": True}
    for number, name in enumerate(("v_float", "v_double")):
        found += [{"kind": name, name: zero, "id": 10_000 + number, **twins} for zero in (0.0, -0.0)]
    random.shuffle(found)
    return [{**dict.fromkeys((*OWN, *COLUMNS)), "at": _MOMENT + row["id"], **row} for row in found]


def write(file: Path, rows: Sequence[Row]) -> None:
    """The rows as a Parquet file."""
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in OWN.items()}
    for kind in KINDS:
        columns[kind.column] = _array([row[kind.column] for row in rows], kind.arrow)
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)


def _array(values: Sequence[Value], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array(values, pa.binary()).view(pa.string())  # whatever the bytes
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        number = pa.int64() if pa.types.is_timestamp(kind) else pa.int32()
        return pa.array(values, number).cast(kind)
    return pa.array(values, kind)


def exact(column: str, value: Value) -> Value:
    """A value in a form that is equal only to itself."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack(">f" if column == "v_float" else ">d", value)
    return value


def alike(value: Value) -> Value:
    """A value in a form that is equal to what Spark's keys and groups take for equal."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    return value


def key_of(row: Mapping[str, Value]) -> tuple[Value, ...]:
    """The key that all columns of values are together."""
    return tuple(alike(row.get(name)) for name in COLUMNS)


def rank(value: Value) -> tuple[int, Value]:
    """The order of Spark: NULL, then values, NaN after all others; of equal zeros the negative one first."""
    if value is None:
        return (0, 0)
    if isinstance(value, float):
        return (2, 0) if math.isnan(value) else (1, (value, math.copysign(1.0, value)))
    return (1, value)


def merged(rows: Iterable[Row], key: Callable[[Row], Any], order: Callable[[Row], Any]) -> list[Row]:
    """The greatest row of each key."""
    best: dict[Any, Row] = {}
    for row in rows:
        known = best.get(key(row))
        if known is None or order(row) > order(known):
            best[key(row)] = row
    return list(best.values())


def grouped(rows: Iterable[Row]) -> list[Row]:
    """The rows counted and summed for each combination of values; a group's zero has no sign."""
    groups: dict[Any, Row] = {}
    for row in rows:
        values = {name: row[name] + 0.0 if isinstance(row[name], float) else row[name] for name in COLUMNS}
        group = groups.setdefault(key_of(row), {**values, "n": 0, "qty": 0})
        group["n"] += 1
        group["qty"] += row["qty"]
    return list(groups.values())


def versions(rows: Iterable[Row]) -> list[Row]:
    """The history of each key: a version wherever the quantity changes."""
    histories: dict[Any, list[Row]] = {}
    for row in rows:
        histories.setdefault(key_of(row), []).append(row)
    found: list[Row] = []
    for history in histories.values():
        turns: list[Row] = []
        before = None
        for row in sorted(history, key=lambda item: item["seq"]):
            if before is None or before["qty"] != row["qty"]:
                turns.append(row)
            before = row
        for row, following in zip(turns, [*turns[1:], None], strict=True):
            until = following["seq"] if following else None
            found.append({**row, "valid_from": row["seq"], "valid_to": until, "is_current": until is None})
    return found
