"""HTML for notebooks: what is not markup is escaped and without secrets; colours for a light page and for a dark one."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal

from etl.config.secrets import redact

_COLOURS = {
    "succeeded": "#2f9e58", "holds": "#2f9e58", "unchanged": "#808890", "waiting": "#808890", "skipped": "#b7791f",
    "running": "#3d85e0", "failed": "#dd4b4b", "BROKEN": "#dd4b4b", "warning": "#b7791f",
    "resume": "#3d85e0", "new generation": "#b7791f", "after upstream": "#3d85e0",
}  # fmt: skip
_CELL = "padding:2px 12px 2px 0;vertical-align:top;background:none;"
_LINE = "border-bottom:1px solid rgba(128,128,128,.35);"
_QUIET = "opacity:.7"


class Markup(str):
    """A text that is HTML already; every other value is escaped where it meets one."""

    __slots__ = ()


def escaped(value: object) -> Markup:
    """A value as HTML: markup as it is, numbers with their thousands apart, None as nothing, anything else escaped.

    In the place of a secret's value stands its reference.
    """
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup()
    if isinstance(value, int) and not isinstance(value, bool):
        return Markup(f"{value:,}")
    return Markup(html.escape(redact(str(value))))


class Number(Markup):
    """A number of the user's data, as HTML: it may be an identifier, so no thousands are set apart."""

    __slots__ = ()


def datum(value: object) -> Markup:
    """A value of the user's data, as it is."""
    if value is None:
        return quiet("NULL")
    text = str(value) if isinstance(value, str | Decimal) else json.dumps(value, ensure_ascii=False, default=str)
    shown = html.escape(redact(text))
    return Number(shown) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else Markup(shown)


def element(tag: str, *children: object, style: str = "") -> Markup:
    """One element around its children."""
    attribute = f' style="{html.escape(style)}"' if style else ""
    return Markup(f"<{tag}{attribute}>{''.join(map(escaped, children))}</{tag}>")


def status(word: str) -> Markup:
    """A status in its colour."""
    colour = _COLOURS.get(word)
    return element("b", word, style=f"color:{colour}") if colour else element("b", word)


def line(*children: object) -> Markup:
    """A line of its own."""
    return element("div", *children)


def alert(message: object) -> Markup:
    """A line in the colour of warnings, without the word."""
    return element("div", message, style=f"color:{_COLOURS['warning']}")


def quiet(value: object) -> Markup:
    """What is there for the second look."""
    return element("span", value, style=_QUIET)


def code(value: object) -> Markup:
    """A name or a place, as it is written."""
    return element("code", value, style="background:none;color:inherit")


def preformatted(value: object) -> Markup:
    """A message of several lines with its caret where it belongs."""
    return element("pre", value, style="margin:4px 0;background:none;color:inherit;white-space:pre-wrap")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """A table; a column whose first cell is a number stands to the right."""
    body = [list(row) for row in rows]
    numeric = (
        {index for index, value in enumerate(body[0]) if isinstance(value, int | float | Number)} if body else set()
    )

    def cells(tag: str, row: Sequence[object], extra: str = "") -> list[Markup]:
        sides = ("right" if index in numeric else "left" for index in range(len(row)))
        return [
            element(tag, value, style=f"{_CELL}text-align:{side};{extra}")
            for value, side in zip(row, sides, strict=True)
        ]

    lines = [element("tr", *cells("td", row), style="background:none") for row in body]
    return element(
        "table",
        element("thead", element("tr", *cells("th", head, _LINE))),
        element("tbody", *lines),
        style="border-collapse:collapse;margin:6px 0",
    )


def warnings(messages: Iterable[str]) -> Markup:
    """A line for each warning."""
    return Markup("".join(line(status("warning"), f" {message}") for message in messages))


def folded(title: object, *children: object) -> Markup:
    """Something that opens at a click."""
    return element("details", element("summary", title, style=f"cursor:pointer;{_QUIET}"), *children)


def card(title: Iterable[object], *children: object) -> Markup:
    """The whole of what an object shows: a line of what it is, and below it the rest."""
    heading = [part for item in title for part in (item, " ")][:-1]
    return element("div", element("div", *heading), *children, style="font-size:13px;line-height:1.45;color:inherit")


def counted(number: int, noun: str) -> str:
    """A number of things: `1 row`, `1,234 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
