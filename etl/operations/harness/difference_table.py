"""A difference as a person reads it: expected and actual rows one above the other, the cells that differ marked."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.operations.harness.difference import Difference, Pair

MOST_ROWS = 20
_MOST_COLUMNS = 8
_WIDEST = 40
_RED, _GREEN, _BOLD, _DIM, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def difference_text(difference: Difference, *, colour: bool = False, most: int = MOST_ROWS) -> str:
    """At most `most` differing rows as a table; differing cells are red and green on a terminal, else between » and «."""
    columns, left_out = _columns(difference)
    lines = [[("", ""), *((name, "head") for name in columns)]]
    for pair in difference.pairs[:most]:
        lines += _lines(pair, columns, difference.masked)
    text = [_counts(difference), *_table(lines, colour=colour)]
    if len(difference.pairs) > most or difference.beyond:
        text.append(f"… and {max(0, len(difference.pairs) - most) + difference.beyond} more rows that differ")
    if left_out:
        text.append(f"not shown, since equal in all of these rows: {', '.join(left_out)}")
    return "\n".join(text)


def value_text(value: Any) -> str:
    """One value, so that null, the text NULL, an empty text and blanks at an end can be told apart."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        odd = value in ("", "null", "true", "false") or value != value.strip() or not value.isprintable()
        return json.dumps(value, ensure_ascii=False) if odd else value
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ").replace("+00:00", "Z")
    if isinstance(value, bytes):
        try:
            return value_text(value.decode())
        except UnicodeDecodeError:
            return f"0x{value.hex()}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{value_text(key)}: {value_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _counts(difference: Difference) -> str:
    parts = [f"{difference.equal} as expected"]
    parts += [
        f"{count} {word}"
        for count, word in (
            (difference.different, "different"),
            (difference.missing, "missing"),
            (difference.unexpected, "unexpected"),
        )
        if count
    ]
    by = f" (rows are matched by {', '.join(difference.keys)})" if difference.keys else ""
    return f"{difference.of}: {', '.join(parts)}{by}"


def _columns(difference: Difference) -> tuple[list[str], list[str]]:
    """The columns to show, and those that are left out of a wide table because they are equal wherever rows have partners."""
    if len(difference.columns) <= _MOST_COLUMNS or difference.different < len(difference.pairs):
        return list(difference.columns), []
    telling = {name for pair in difference.pairs for name in pair.differing} | set(difference.keys)
    shown = [name for name in difference.columns if name in telling]
    return shown, [name for name in difference.columns if name not in telling]


def _lines(pair: Pair, columns: Sequence[str], masked: frozenset[str]) -> list[list[tuple[str, str]]]:
    if pair.expected is None or pair.actual is None:
        word, row, style = (
            ("missing", pair.expected, "expected") if pair.actual is None else ("unexpected", pair.actual, "actual")
        )
        return [[(word, style), *((_cell(row or {}, name, masked), style) for name in columns)]]
    return [
        [(word, "word"), *((_cell(row, name, masked), word if name in pair.differing else "") for name in columns)]
        for word, row in (("expected", pair.expected), ("actual", pair.actual))
    ]


def _cell(row: Mapping[str, Any], name: str, masked: frozenset[str]) -> str:
    if name in masked:
        return "***"
    text = value_text(row.get(name))
    return text if cell_len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _table(lines: Sequence[Sequence[tuple[str, str]]], *, colour: bool) -> list[str]:
    marked = [
        [
            f"»{text}«" if not colour and index and style in ("expected", "actual") and _is_paired(line) else text
            for index, (text, style) in enumerate(line)
        ]
        for line in lines
    ]
    widths = [max(cell_len(row[index]) for row in marked) for index in range(len(lines[0]))]
    return [
        "  ".join(
            _painted(text + " " * (width - cell_len(text)), style, colour=colour)
            for text, width, (_, style) in zip(row, widths, line, strict=True)
        ).rstrip()
        for row, line in zip(marked, lines, strict=True)
    ]


def _is_paired(line: Sequence[tuple[str, str]]) -> bool:
    return line[0][1] == "word"


def _painted(text: str, style: str, *, colour: bool) -> str:
    paint = {"expected": _GREEN, "actual": _RED, "head": _BOLD, "word": _DIM}.get(style)
    return f"{paint}{text}{_PLAIN}" if colour and paint else text
