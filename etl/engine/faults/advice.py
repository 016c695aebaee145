"""Advice in Spark's messages that nobody can follow here, and what can be done in its stead.

Spark says how to switch a check off, by settings that are pinned for every flow (`config/pinned.py`), or by options of a writer that is
the framework's.
"""

from __future__ import annotations

import re

from etl.config.checks.pinned_settings import DELTA, PINNED, UNSET

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`'\"\[(])")
_OWN = re.compile("|".join(re.escape(name) for name in (*PINNED, *UNSET, *DELTA)) + r"|\bANSI mode\b|\bmergeSchema\b")
_CLAUSE = re.compile(
    r"(?:,? or|;|,)?\s*(?:(?:if necessary|please|to disable this check|you can|consider),?\s+)*(?:to\s+)?\bset(?:ting)?\b[^.]*(?:"
    + _OWN.pattern
    + r").*$",
    re.IGNORECASE | re.DOTALL,
)
_FOR_OTHERS = re.compile(r"^\s*For other operations, set the session configuration")
_INSTEAD = (
    (r"DIVIDE_BY_ZERO", "try_divide", "use try_divide to get NULL instead"),
    (r"REMAINDER_BY_ZERO", "try_mod", "use try_mod to get NULL instead"),
    (r"DATETIME_FIELD_OUT_OF_BOUNDS|CANNOT_PARSE_TIMESTAMP", "try_", "use try_to_timestamp or try_make_timestamp to get NULL instead"),
    (r"ARITHMETIC_OVERFLOW", "try_", "use a wider type, or try_add, try_subtract, try_multiply or try_cast to get NULL instead"),
    (r"NUMERIC_VALUE_OUT_OF_RANGE", "try_", "use a wider DECIMAL, or try_cast to get NULL instead"),
    (r"CAST_WITH_CONF_SUGGESTION|CAST_WITH_FUNC_SUGGESTION|CAST_OVERFLOW|CAST_INVALID_INPUT", "try_cast", "use try_cast to get NULL instead, or convert by way of another type"),
    (r"DELTA_METADATA_MISMATCH|A schema mismatch detected", "schema_evolution", "say schema_evolution: add_columns in the flow's sink, or --full-refresh"),
)  # fmt: skip
"""A condition; the word without which its message lacks something to do; what that is."""


def followable(message: str) -> str:
    """The message without advice to change what is pinned, and with what can be done instead."""
    if not _OWN.search(message):
        return message
    first, *parts = _SENTENCE.split(message)
    kept = [part for part in parts if not (_OWN.search(part) and _is_advice(part))]
    rest = " ".join([_CLAUSE.sub("", first), *kept]).strip()
    for condition, word, instead in _INSTEAD:
        if re.search(condition, message) and word not in rest:
            separator = "" if rest.endswith((".", "!", "?")) else ";" if rest else ""
            words = instead if separator else instead[:1].upper() + instead[1:] + "."
            return f"{rest}{separator} {words}".strip()
    return rest or message


def _is_advice(sentence: str) -> bool:
    """Whether a sentence tells somebody to do something, or says by which setting a thing was decided."""
    return bool(
        re.search(r"\b(set|setting|config\w*|enable|disable|turn|unset|bypass)\b", sentence, re.IGNORECASE)
    ) or bool(_FOR_OTHERS.match(sentence))
