"""The single values of the grammar: names, texts, durations, options, rows."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from etl.config.grammar.formats import FORMATS
from etl.config.grammar.plugins import one_of
from etl.config.grammar.strategies import STRATEGIES

TRIGGERS = ("available_now", "continuous")
"""The triggers that are no interval."""

_LONGEST = 100 * 366 * 86400.0
_SIZES = ("B", "KB", "MB", "GB", "TB")
_WHOLE = 100.0
_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


def seconds(value: Any) -> float:
    """The seconds of a duration: `5 seconds`, `2 hours`, `1 day`, or a number of seconds.

    Raises PydanticCustomError of the type `duration` where it is none, is negative, or exceeds a century.
    """
    hint = "write it as '10 seconds', '5 minutes', '2 hours' or '1 day', or as a number of seconds"
    if isinstance(value, int | float) and not isinstance(value, bool):
        duration = float(value)
    else:
        parts = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(second|minute|hour|day)s?\s*", str(value))
        if parts is None or not isinstance(value, str):
            raise PydanticCustomError("duration", "{value} is no duration", {"value": _quoted(value), "hint": hint})
        duration = float(parts.group(1)) * _UNITS[parts.group(2)]
    if not 0 <= duration <= _LONGEST:
        raise PydanticCustomError("duration", "a duration is never negative, and ends within a century", {"hint": hint})
    return duration


def size(value: Any) -> int:
    """The bytes of a size: `128 MB`, `1 GB`, or a number of bytes. A kB is 1,024 bytes, as it is for Spark and Delta.

    Raises PydanticCustomError of the type `size` where it is none, or not between one byte and 1,024 TB.
    """
    hint = "write it as '64 MB' or '1 GB', or as a number of bytes"
    if isinstance(value, int) and not isinstance(value, bool):
        total = value
    else:
        parts = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(B|kB|KB|MB|GB|TB)\s*", str(value))
        if parts is None or not isinstance(value, str):
            raise PydanticCustomError("size", "{value} is no size", {"value": _quoted(value), "hint": hint})
        total = int(float(parts.group(1)) * 1024 ** _SIZES.index(parts.group(2).upper()))
    if not 0 < total <= 1024**5:
        raise PydanticCustomError("size", "a size is at least one byte, and at most 1,024 TB", {"hint": hint})
    return total


def share(value: Any) -> float:
    """The part of a whole that a percentage means: `10%` is 0.1. Raises PydanticCustomError of the type `share` where it is none."""
    hint = "write it as '10%'"
    parts = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*%\s*", value) if isinstance(value, str) else None
    if parts is None:
        raise PydanticCustomError("share", "{value} is no percentage", {"value": _quoted(value), "hint": hint})
    if not 0 < float(parts.group(1)) <= _WHOLE:
        raise PydanticCustomError("share", "a share is more than nothing, and at most 100%", {"hint": hint})
    return float(parts.group(1)) / _WHOLE


def _quoted(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str | int | float | bool) else "this"


def _texts(value: Any) -> Any:
    """One text counts as a list of one."""
    return [value] if isinstance(value, str) else value


def _option(value: Any) -> Any:
    """Options reach Spark as text: true → "true", 5 → "5"."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _trigger(value: Any) -> Any:
    if isinstance(value, str) and value not in TRIGGERS and seconds(value) <= 0:
        raise PydanticCustomError(
            "duration", "the interval of a trigger is longer than nothing", {"hint": "such as '10 seconds'"}
        )
    return value


def _strategy(value: str) -> str:
    return one_of(value, STRATEGIES, "etl.sinks")


def _format(value: str) -> str:
    return one_of(value, FORMATS, "etl.sources")


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_texts)]
Duration = Annotated[float, BeforeValidator(seconds)]
Size = Annotated[int, BeforeValidator(size)]
Share = Annotated[float, BeforeValidator(share)]
Option = Annotated[str, BeforeValidator(_option)]
Trigger = Annotated[str, BeforeValidator(_trigger)]
ForEach = Annotated[dict[Name, Annotated[tuple[str | int, ...], Field(min_length=1)]], Field(min_length=1)]
Format = Annotated[str, AfterValidator(_format), WithJsonSchema({"enum": list(FORMATS), "type": "string"})]
Flag = Annotated[bool, Field(strict=True)]  # `yes` and "true" are text
Strategy = Annotated[str, AfterValidator(_strategy), WithJsonSchema({"enum": list(STRATEGIES), "type": "string"})]
_ROWS: dict[str, Any] = {"type": "array", "items": {"type": "object"}}
_ARRIVALS = {"type": "array", "items": _ROWS}
# Their shape is judged row by row, where each stands: see `tests`.
Rows = Annotated[Any, WithJsonSchema(_ROWS)]
GivenRows = Annotated[Any, WithJsonSchema({"anyOf": [_ROWS, _ARRIVALS, {"type": "string"}]})]
ExpectedRows = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                _ROWS,
                {"type": "object", "properties": {"rows": _ROWS, "quarantine": _ROWS}, "additionalProperties": False},
            ]
        }
    ),
]
Positive = Annotated[int, Field(gt=0, strict=True)]
