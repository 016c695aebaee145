"""Rows that a person wrote, made into values of a schema: what fits, what does not, and where it stands.

The same values are made of what Spark writes of a table's rows as JSON, so that both can be compared. Null is None; a timestamp an
instant in UTC; an array a tuple; a struct or map a dict.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import math
import re
import struct
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeAlias

from etl.config.diagnostics import NOWHERE, Location, did_you_mean
from etl.config.schema.types import Column, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from zoneinfo import ZoneInfo

    from etl.config.document.document import Document, Path_

Value: TypeAlias = Any
"""None, bool, int, float, Decimal, str, bytes, date, datetime, a tuple, or a dict of them."""

_NUMBER = re.compile(r"[-+]?[0-9a-fA-Fox.]+(?:[eE][-+]?[0-9]+)?")
_BITS = {"tinyint": 8, "byte": 8, "smallint": 16, "short": 16, "int": 32, "integer": 32, "bigint": 64, "long": 64}
_FLOATS = frozenset({"float", "real", "double"})
_DECIMALS = frozenset({"decimal", "dec", "numeric"})
_TEXTS = frozenset({"string", "char", "character", "varchar"})
_FEW_DIGITS = 10  # Spark's precision of a DECIMAL without numbers


@dataclass(frozen=True, slots=True)
class Written:
    """A value of YAML with its place; in a list or mapping each item is again one."""

    value: Any
    at: Location = field(default=NOWHERE, compare=False, repr=False)
    key: Location = field(default=NOWHERE, compare=False, repr=False)  # in a mapping, where its name stands


class Unfit(ValueError):
    """A value does not fit its column; `at` is where it stands."""

    def __init__(self, message: str, at: Location = NOWHERE, hint: str = "") -> None:
        super().__init__(message)
        self.at, self.hint = at, hint


class UnknownColumn(Unfit):
    """A row names a column, or a field of a struct, that is not there."""


def written(document: Document, path: Path_, value: Any) -> Written:
    """`value`, which stands at `path`, with the places of all that is in it."""
    if isinstance(value, dict):
        inner: Any = {str(key): written(document, (*path, key), each) for key, each in value.items()}
    elif isinstance(value, list):
        inner = [written(document, (*path, index), each) for index, each in enumerate(value)]
    else:
        inner = value
    return Written(inner, document.place(path), document.place(path, key=True))


def plain(value: Any) -> Written:
    """A value of Python's as if somebody had written it."""
    if isinstance(value, dict):
        return Written({str(key): plain(each) for key, each in value.items()})
    return Written([plain(each) for each in value] if isinstance(value, list | tuple) else value)


@dataclass(frozen=True, slots=True)
class Reading:
    """How values are read: where a timestamp without an offset lies, and whether Spark wrote them (binary in base64)."""

    zone: ZoneInfo | dt.tzinfo
    stored: bool = False

    def row(self, row: Written | Mapping[str, Any], columns: Mapping[str, Column]) -> dict[str, Value]:
        """The values of a row by the columns' own names; the keys of `columns` are their names in lower case.

        Raises UnknownColumn where the row names a column that is not there, and Unfit where a value does not fit, or stands twice.
        """
        values: dict[str, Value] = {}
        items, at = (row.value, row.at) if isinstance(row, Written) else (row, NOWHERE)
        for name, value in items.items():
            column = columns.get(name.lower())
            if column is None:
                names = [each.name for each in columns.values()]
                hint = did_you_mean(name, names) or f"there are: {', '.join(names)}"
                raise UnknownColumn(
                    f"there is no column '{name}'", value.key if isinstance(value, Written) else at, hint
                )
            if column.name in values:
                raise Unfit(f"column '{column.name}' stands twice in one row", at)
            try:
                values[column.name] = self.value(value, column.shape)
            except Unfit as cause:
                raise type(cause)(f"column '{column.name}': {cause}", cause.at, cause.hint) from None
        return values

    def value(self, written: Any, kind: Type) -> Value:
        """The value of that type; of null None. Raises Unfit, with its place, where it is none."""
        raw, at = (written.value, written.at) if isinstance(written, Written) else (written, NOWHERE)
        if raw is None:
            return None
        try:
            return self._read(raw, kind, at)
        except Unfit as cause:
            raise type(cause)(str(cause), cause.at if cause.at != NOWHERE else at, cause.hint) from None

    def _read(self, raw: Any, kind: Type, at: Location) -> Value:
        name = kind.name
        if name in ("array", "map", "struct"):
            return self._nested(raw, kind)
        if name == "variant":
            return _unwrapped(raw)
        if isinstance(raw, dict | list):
            raise Unfit(f"a {'mapping' if isinstance(raw, dict) else 'list'} does not fit {kind.ddl()}")
        if name in _BITS:
            return _whole(raw, _BITS[name], kind)
        if name in _FLOATS:
            return _float(raw, kind)
        if name in _DECIMALS:
            return _decimal(raw, kind)
        simple: Mapping[str, Callable[[Any], Value]] = {
            "boolean": _boolean,
            "date": _date,
            "timestamp": self._instant,
            "timestamp_ltz": self._instant,
            "timestamp_ntz": _wall_clock,
            "binary": self._binary,
        }
        if name in simple:
            return simple[name](raw)
        if name in _TEXTS or name.startswith(("interval", "string")):
            return _text(raw, at)
        raise Unfit(f"a {kind.ddl()} cannot be written here")

    def _nested(self, raw: Any, kind: Type) -> Value:
        if kind.name == "array":
            if not isinstance(raw, list | tuple):
                raise Unfit(f"{_shown(raw)} is no list, as {kind.ddl()} needs")
            return tuple(self.value(item, kind.inner[0]) for item in raw)
        if not isinstance(raw, dict):
            raise Unfit(f"{_shown(raw)} is no mapping, as {kind.ddl()} needs")
        if kind.name == "map":
            return {self.value(key, kind.inner[0]): self.value(item, kind.inner[1]) for key, item in raw.items()}
        fields = {item.name.lower(): item for item in kind.fields}
        values = self.row(raw, fields)
        return {item.name: values.get(item.name) for item in kind.fields}

    def _instant(self, raw: Any) -> dt.datetime:
        moment = _moment(raw)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=self.zone)
        return aware.astimezone(dt.UTC)

    def _binary(self, raw: Any) -> bytes:
        if isinstance(raw, bytes | bytearray):
            return bytes(raw)
        if not isinstance(raw, str):
            raise Unfit(f"{_shown(raw)} is no text, as BINARY needs (its bytes in UTF-8)")
        try:
            return base64.b64decode(raw, validate=True) if self.stored else raw.encode()
        except (binascii.Error, UnicodeEncodeError) as cause:
            raise Unfit(f"{_shown(raw)} is no BINARY: {cause}") from None


def _unwrapped(raw: Any) -> Any:
    if isinstance(raw, Written):
        return _unwrapped(raw.value)
    if isinstance(raw, dict):
        return {key: _unwrapped(item) for key, item in raw.items()}
    return [_unwrapped(item) for item in raw] if isinstance(raw, list) else raw


def _shown(raw: Any) -> str:
    if isinstance(raw, dict | list):
        return "a mapping" if isinstance(raw, dict) else "a list"
    return f"'{str(raw).lower() if isinstance(raw, bool) else raw}'"


def _whole(raw: Any, bits: int, kind: Type) -> int:
    try:
        if isinstance(raw, bool) or (isinstance(raw, float | Decimal) and raw != int(raw)):
            raise ValueError
        number = int(raw)
    except (ValueError, OverflowError):
        raise Unfit(f"{_shown(raw)} is no whole number, as {kind.ddl()} needs") from None
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise Unfit(f"{number} is beyond {kind.ddl()}")
    return number


def _float(raw: Any, kind: Type) -> float:
    try:
        if isinstance(raw, bool):
            raise TypeError
        number = float(raw)
        return (
            number
            if kind.name == "double" or not math.isfinite(number)
            else struct.unpack("f", struct.pack("f", number))[0]
        )
    except (ValueError, TypeError, OverflowError):
        raise Unfit(f"{_shown(raw)} is no number that fits {kind.ddl()}") from None


def _decimal(raw: Any, kind: Type) -> Decimal:
    precision, scale = (*kind.numbers, *(_FEW_DIGITS, 0)[len(kind.numbers) :])
    try:
        if isinstance(raw, bool):
            raise InvalidOperation
        number = Decimal(str(raw))
        if not number.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise Unfit(f"{_shown(raw)} is no number, as {kind.ddl()} needs") from None
    _, digits, exponent = number.normalize().as_tuple()
    places = -int(exponent)
    if places > scale or len(digits) - places > precision - scale:
        raise Unfit(f"{raw} does not fit {kind.ddl()}")
    return number.quantize(Decimal(1).scaleb(-scale)) if precision <= 28 else number  # noqa: PLR2004  # Python's own precision


def _boolean(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise Unfit(f"{_shown(raw)} is neither true nor false")
    return raw


def _text(raw: Any, at: Location) -> str:
    if isinstance(raw, str):
        return raw
    # 012 or 1e3 means a text here, so the text counts that was written, not the number that YAML has made of it.
    as_written = at.text[at.column - 1 : at.column - 1 + at.width]
    return as_written if _NUMBER.fullmatch(as_written) else json.dumps(raw, default=str)


def _date(raw: Any) -> dt.date:
    if isinstance(raw, dt.date) and not isinstance(raw, dt.datetime):
        return raw
    try:
        return dt.date.fromisoformat(raw)
    except (TypeError, ValueError):
        raise Unfit(f"{_shown(raw)} is no date such as 2013-01-31") from None


def _moment(raw: Any) -> dt.datetime:
    if isinstance(raw, dt.datetime):
        return raw
    try:
        return dt.datetime.fromisoformat(raw)
    except (TypeError, ValueError):
        raise Unfit(f"{_shown(raw)} is no time such as 2013-01-31 08:15:00") from None


def _wall_clock(raw: Any) -> dt.datetime:
    moment = _moment(raw)
    if moment.tzinfo is not None:
        raise Unfit(f"{_shown(raw)} has an offset, and a TIMESTAMP_NTZ has none")
    return moment


def as_json(value: Value, kind: Type) -> Any:
    """The value as a JSON file holds it for Spark's reader. Raises Unfit where no JSON can hold a value of that type."""
    if value is None:
        return None
    if kind.name == "array":
        return [as_json(item, kind.inner[0]) for item in value]
    if kind.name == "struct":
        return {item.name: as_json(value.get(item.name), item.shape) for item in kind.fields}
    if kind.name == "map":
        if kind.inner[0].name not in _TEXTS:
            raise Unfit(f"rows cannot hold a {kind.ddl()}, whose keys are no texts", hint="give a parquet file instead")
        return {key: as_json(item, kind.inner[1]) for key, item in value.items()}
    if kind.name.startswith("interval"):
        raise Unfit(f"rows cannot hold an {kind.ddl()}", hint="give a parquet file instead")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def guessed(rows: Iterable[Written]) -> tuple[Column, ...]:
    """The columns of rows whose schema nobody knows, by the values in them; a column that is always null is text."""
    types: dict[str, Type] = {}
    for row in rows:
        for name, value in row.value.items():
            kind = _guess(value)
            if name not in types or types[name].name == "void" or (types[name].name, kind.name) == ("bigint", "double"):
                types[name] = kind
    return tuple(Column(name, _solid(kind)) for name, kind in types.items())


def _guess(written: Written) -> Type:
    raw = written.value
    if isinstance(raw, dict):
        return Type("struct", fields=tuple(Column(name, _solid(_guess(inner))) for name, inner in raw.items()))
    if isinstance(raw, list):
        return Type("array", inner=(_solid(_guess(raw[0]) if raw else Type("void")),))
    python_types = (
        (bool, "boolean"),
        (int, "bigint"),
        (float, "double"),
        (dt.datetime, "timestamp"),
        (dt.date, "date"),
    )
    name = next((name for python, name in python_types if isinstance(raw, python)), "string")
    return Type("void" if raw is None else "binary" if isinstance(raw, bytes) else name)


def _solid(kind: Type) -> Type:
    return Type("string") if kind.name == "void" else kind
