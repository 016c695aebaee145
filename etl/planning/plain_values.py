"""Values of a table as they are shown: plain ones, of which JSON has a form, exact to the microsecond and the digit."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from base64 import b64encode
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etl.config.schema.types import Column, Type

_EXACT_DIGITS = 15
"""How many decimal digits each double keeps (C's DBL_DIG): what is longer, readers of JSON round."""

_FRACTION = re.compile(r"(\.\d*?)0+(?=\D|$)")
_FLOATS = ("float", "double")


def plain(raw: Any, shape: Type, zone: dt.tzinfo) -> Any:
    """A value of Python's, or of Spark's JSON, as None, bool, int, float, Decimal, str, list or dict.

    Instants, dates and times are text in ISO 8601, instants in `zone`; BINARY is text in Base64; NaN and the infinities are text, since
    JSON has no number for them; the keys of a map are text.
    """
    if raw is None:
        return None
    if shape.name == "struct":
        return {field.name: plain(raw.get(field.name), field.shape, zone) for field in shape.fields}
    if shape.name == "array":
        return [plain(value, shape.inner[0], zone) for value in raw]
    if shape.name == "map":
        pairs: Iterable[tuple[Any, Any]] = raw.items() if isinstance(raw, dict) else raw
        return {_key(plain(key, shape.inner[0], zone)): plain(value, shape.inner[1], zone) for key, value in pairs}
    return _of_json(raw) if shape.name == "variant" else _simple(raw, shape, zone)


def plain_row(text: str, columns: Iterable[Column], zone: dt.tzinfo) -> dict[str, Any]:
    """The plain values, by column, of a row that Spark has written as JSON."""
    row = json.loads(text, parse_float=Decimal)
    return {column.name: plain(row.get(column.name), column.shape, zone) for column in columns}


def json_values(row: Iterable[Any], columns: Iterable[Column]) -> list[Any]:
    """The plain values of a row as JSON has them: a DECIMAL of more than 15 digits is text, since readers of JSON would round it."""
    return [_json(value, column.shape) for value, column in zip(row, columns, strict=True)]


def _of_json(value: Any) -> Any:
    """A value of a VARIANT, which is JSON already: its numbers as JSON's readers have them."""
    if isinstance(value, dict):
        return {name: _of_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_of_json(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def _simple(raw: Any, shape: Type, zone: dt.tzinfo) -> Any:
    if isinstance(raw, dt.datetime):
        return _instant(raw, zone)
    if isinstance(raw, dt.date | dt.time):
        return raw.isoformat()
    if isinstance(raw, bytes):
        return b64encode(raw).decode()
    if shape.name in _FLOATS and not isinstance(raw, str):
        return _float(float(raw))
    if shape.name == "decimal" and not isinstance(raw, str):
        return Decimal(raw)
    if shape.name.startswith("timestamp") and isinstance(raw, str):
        return _FRACTION.sub(lambda found: "" if found[1] == "." else found[1], raw.replace("+00:00", "Z"))
    return raw if isinstance(raw, bool | int | str) else str(raw)


def _instant(value: dt.datetime, zone: dt.tzinfo) -> str:
    if value.tzinfo is None:
        return _short(value)
    try:
        value = value.astimezone(zone)
    except OverflowError:  # the last hours of year 9999 lie in year 10000 elsewhere
        value = value.astimezone(dt.UTC)
    return _short(value).replace("+00:00", "Z")


def _short(value: dt.datetime) -> str:
    text = value.isoformat()
    return _FRACTION.sub(lambda found: found[1], text) if value.microsecond else text


def _float(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _key(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _json(value: Any, shape: Type) -> Any:
    if isinstance(value, Decimal):
        return (
            str(value)
            if shape.numbers[:1] > (_EXACT_DIGITS,)
            else float(value)
            if shape.numbers[1:] > (0,)
            else int(value)
        )
    if isinstance(value, list):
        return [_json(each, shape.inner[0]) for each in value]
    if isinstance(value, dict) and shape.name == "map":
        return {key: _json(each, shape.inner[1]) for key, each in value.items()}
    if isinstance(value, dict):
        return {field.name: _json(value.get(field.name), field.shape) for field in shape.fields}
    return value
