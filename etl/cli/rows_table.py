"""Rows as a table of text, as wide as the terminal is."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from etl.cli.layout import cells
from etl.cli.output import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WIDEST = 32  # characters of one cell
_NARROWEST = 9  # to which a narrow terminal may bring it down


def rows_table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[object]], wide: int | None) -> list[str]:
    """The lines of a table with a head of names and types; columns for which there is no room are named below it.

    `wide`: the terminal's columns; None: as many as it takes.
    """
    names = [name for name, _ in columns]
    body = [[_cell(value) for value in row] for row in rows]
    table = [[_short(text, _WIDEST) for text in line] for line in (names, [kind for _, kind in columns], *body)]
    widths = [max(cells(line[i]) for line in table) for i in range(len(names))]
    left_out: list[str] = []
    if wide is not None:
        _narrow(widths, wide)
        while len(widths) > 1 and _whole(widths) > wide:
            widths.pop()
            left_out.insert(0, names[len(widths)])
    lines = ["  ".join(map(_padded, line, widths)).rstrip() for line in table]
    lines.insert(2, "  ".join("-" * width for width in widths))
    if left_out:
        lines.append(f"… and {len(left_out)} more: {', '.join(left_out)} (a wider terminal, or --json, shows them)")
    return lines


def _narrow(widths: list[int], wide: int) -> None:
    """Take from the widest columns what is too much for the terminal, down to what can still be read."""
    while _whole(widths) > wide and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1


def _whole(widths: list[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _padded(text: str, width: int) -> str:
    fitting = _short(text, width)
    return fitting + " " * (width - cells(fitting))


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, str | Decimal) else json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str, width: int) -> str:
    flat = harmless(text).replace("\n", "\\n").replace("\t", "\\t")
    if cells(flat) <= width:
        return flat
    while cells(flat) > width - 1:
        flat = flat[:-1]
    return flat + "…"
