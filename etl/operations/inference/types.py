"""Types inferred from values: the narrowest of Spark's that every value seen fits, and that Spark's readers parse without being told how."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass, field

NULLS = ("NA", "N/A", "#N/A", "NULL", "Null", "null", "None", "nan", "\\N", "-")
_INT = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.(?P<fraction>[0-9]{1,9}))?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_SPECIAL = frozenset({"NaN", "Inf", "-Inf", "Infinity", "-Infinity"})
_ZEROS = re.compile(r"0[0-9]+")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]{1,3}(?:\.?[0-9]{3})*,[0-9]+")
_OTHER_DATE = re.compile(r"[0-9]{1,2}([./-])[0-9]{1,2}\1[0-9]{4}")
_MICROSECONDS = 6  # digits of a second that a TIMESTAMP holds
_INT_MOST, _BIGINT_MOST = 2**31, 2**63
_EXACT_DIGITS = 15  # what a double surely keeps
_DECIMAL_DIGITS = 38


def form(text: str) -> str:
    """What one value looks like: int, number, special, boolean, date, timestamp, fine (an instant with nanoseconds) or text."""
    if _INT.fullmatch(text):
        return "int"
    if _NUMBER.fullmatch(text):
        return "number"
    if text in _SPECIAL:
        return "special"
    if text.lower() in ("true", "false"):
        return "boolean"
    if _DATE.fullmatch(text):
        return "date" if _is_date(text) else "text"
    instant = _TIMESTAMP.fullmatch(text)
    if instant is not None and _is_date(instant[1]) and _is_time(instant[2] + (instant["zone"] or "")):
        return "fine" if (instant["fraction"] or "")[_MICROSECONDS:].strip("0") else "timestamp"
    return "text"


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    try:
        time = dt.time.fromisoformat(text)
    except ValueError:
        return False
    return time.utcoffset() is None or abs(time.utcoffset() or dt.timedelta()) <= dt.timedelta(hours=18)


@dataclass(slots=True)
class Values:
    """What the values of one column looked like.

    Attributes:
        forms: Those that were seen, as `form` calls them.
        tokens: Texts that may stand for null, and how often each was seen.
        empty: How many texts were empty.
        example: The first value that is no null.
    """

    forms: set[str] = field(default_factory=set)
    tokens: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    quoted_empty: bool = False
    padded: bool = False
    largest: int = 0
    whole_digits: int = 0
    scale: int = 0
    exponent: bool = False
    zeros: bool = False
    decimal_comma: bool = False
    example: str | None = None
    other_date: bool = False

    def add(self, text: str, *, quoted: bool = False) -> None:
        """Look at one value."""
        if text == "":
            self.empty += 1
            self.quoted_empty |= quoted
            return
        if text in NULLS:
            self.tokens[text] += 1
            return
        bare = text.strip(" \t")
        kind = form(bare)
        if kind != "text" and bare != text:
            self.padded = True
        self.forms.add(kind)
        if self.example is None and kind != "special" and (kind != "text" or bare == text):
            self.example = bare
        if kind in ("int", "number"):
            self._measure(bare)
        elif kind == "text":
            self.zeros |= _ZEROS.fullmatch(text) is not None
            self.decimal_comma |= _DECIMAL_COMMA.fullmatch(bare) is not None
            self.other_date |= _OTHER_DATE.fullmatch(bare) is not None

    def _measure(self, text: str) -> None:
        if "e" in text or "E" in text:
            self.exponent = True
            return
        whole, _, fraction = text.lstrip("+-").partition(".")
        self.whole_digits = max(self.whole_digits, len(whole))
        self.scale = max(self.scale, len(fraction))
        if not fraction and len(whole) < _DECIMAL_DIGITS:
            self.largest = max(self.largest, int(whole or "0"))

    def type(self) -> str:
        """The type that fits every value but the nulls."""
        forms = self.forms
        if not forms:
            return "STRING"
        if forms == {"boolean"}:
            return "BOOLEAN"
        if forms == {"date"}:
            return "DATE"
        if forms <= {"date", "timestamp"}:
            return "TIMESTAMP"
        if not forms <= {"int", "number", "special"}:
            return "STRING"
        if forms == {"int"}:
            return self._whole()
        digits = self.whole_digits + self.scale
        if _EXACT_DIGITS < digits <= _DECIMAL_DIGITS and not self.exponent and "special" not in forms:
            return f"DECIMAL({digits},{self.scale})"
        return "DOUBLE"

    def _whole(self) -> str:
        if self.whole_digits < _DECIMAL_DIGITS:
            if self.largest < _INT_MOST:
                return "INT"
            if self.largest < _BIGINT_MOST:
                return "BIGINT"
        return f"DECIMAL({self.whole_digits},0)" if self.whole_digits <= _DECIMAL_DIGITS else "STRING"
