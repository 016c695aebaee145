"""The syntax trees of Spark's SQL, made without Spark.

sqlglot's grammar is not Spark's: what it refuses may be valid (see `parse_errors`), and `understood` then gives no tree.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from etl.config.sql.lexical import FILLER, scan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.diagnostics import Locate, Location

VARIANT_PATH = re.compile(
    rf"[\w{FILLER}\])](?<!\bLIMIT)(?<!\bOFFSET)(?<!\bTHEN)(?<!\bELSE)(?<!\bAND):[A-Za-z_{FILLER}\[]", re.IGNORECASE
)
"""A part of a VARIANT, `v:a.b`; no marker stands directly after a name."""

MARKER = re.compile(r"(?<![:\w\]\)]):([A-Za-z_]\w*)")
"""A `:name` parameter in a text whose strings and comments are blanks."""

# What Spark 4.2 parses and sqlglot does not, and what stands for it while the rest of the text is looked at: as long as itself.
_STANDS_FOR = (
    (re.compile(r">>>"), ">> "),
    (re.compile(r"\bwindow(?=\s*\()", re.IGNORECASE), "w1ndow"),
    (re.compile(r"\bMAX\s+RECURSION\s+LEVEL\s+\d+", re.IGNORECASE), ""),
    (re.compile(r"\bTABLESAMPLE\s*\([^()]*\)", re.IGNORECASE), ""),
)
_KEYWORD = re.compile(
    r"SELECT|DISTINCT|FROM|WHERE|GROUP|BY|HAVING|ORDER|LIMIT|AS|AND|OR|NOT|IN|IS|NULL|LIKE|BETWEEN|CASE|WHEN|THEN|ELSE|END|JOIN|LEFT"
    r"|RIGHT|FULL|INNER|OUTER|CROSS|SEMI|ANTI|ON|USING|UNION|ALL|EXCEPT|INTERSECT|WITH|OVER|PARTITION|CAST",
    re.IGNORECASE,
)


class ParserFailure(ValueError):
    """Sqlglot itself failed, which says nothing of the text: a set operation in pipes ends in an assertion of its own."""


@lru_cache(maxsize=2048)
def parse(text: str) -> Any:
    """The syntax tree of one query, in Spark's dialect, without its hints.

    Raises SqlglotError where sqlglot's grammar refuses the text, ValueError where it is not one query, ParserFailure where sqlglot
    itself fails, and RecursionError where the text is nested too deeply.
    """
    import sqlglot  # noqa: PLC0415  # a tenth of a second that files without SQL need not pay
    from sqlglot import exp  # noqa: PLC0415  # likewise

    dialect = "databricks" if VARIANT_PATH.search(scan(text).bare) else "spark"  # which knows v:a.b
    try:
        trees = [tree for tree in sqlglot.parse(text, dialect=dialect) if tree is not None]
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError) as cause:
        raise ParserFailure(str(cause)) from cause
    if len(trees) != 1:
        raise ValueError(f"one query belongs here, not {len(trees)} statements")
    for hint in list(trees[0].find_all(exp.Hint)) if "/*+" in text else ():
        hint.pop()  # what it names is no table that is read, and changes no value
    return trees[0]


def understood(text: str) -> Any:
    """The syntax tree of one query, or None where only Spark understands it."""
    from sqlglot.errors import SqlglotError  # noqa: PLC0415  # see parse

    try:
        return parse(text)
    except (SqlglotError, ValueError, RecursionError):
        return None


def stand_in(text: str) -> str:
    """The text with what sqlglot does not know replaced by something as long."""
    replaced = text
    for pattern, other in _STANDS_FOR:
        for match in pattern.finditer(scan(text).bare):
            replaced = replaced[: match.start()] + other.ljust(len(match.group())) + replaced[match.end() :]
    return replaced


def normal(text: str) -> str:
    """The query without what changes nothing: layout, comments, the case of the commonest keywords.

    Its own words, never what another grammar makes of them: sqlglot writes `to_char(n, '000')` as a cast, `percentile_disc` as
    `percentile_approx`, `listagg(a)` as `listagg(a, ',')`, and `struct(a AS A)`, whose names are values in `to_json`, in small letters.
    """
    from sqlglot import tokenize  # noqa: PLC0415  # see parse
    from sqlglot.errors import SqlglotError  # noqa: PLC0415  # see parse

    try:
        words = [text[token.start : token.end + 1] for token in tokenize(text.rstrip().rstrip(";"), dialect="spark")]
    except (SqlglotError, ValueError):
        words = []
    if words:
        return " ".join(word.upper() if _KEYWORD.fullmatch(word) else word for word in words)
    pieces = re.finditer(r"\s+|\S+", scan(text).bare)
    return "".join(" " if piece.group().isspace() else text[piece.start() : piece.end()] for piece in pieces).strip()


def with_tables_renamed(text: str, names: Mapping[str, str]) -> str:
    """The query with tables under other names: table → other name.

    A table keeps its name where the query uses either name for anything else, an alias or a column, or only Spark understands it.
    """
    from sqlglot import exp, tokenize  # noqa: PLC0415  # see parse

    tree = understood(stand_in(text)) if names else None
    if tree is None:
        return text
    words = [token.text.lower() for token in tokenize(text, dialect="spark")]
    tables = [table.this for table in tree.find_all(exp.Table) if not table.db]
    tables += [
        column.args["table"] for column in tree.find_all(exp.Column) if column.args.get("table") and not column.db
    ]
    spans = []
    for name, other in names.items():
        uses = [
            (use.meta["start"], use.meta["end"] + 1)
            for use in tables
            if use.name.lower() == name and "start" in use.meta
        ]
        if other not in words and len(uses) == words.count(name):
            spans += [(*use, other) for use in uses]
    for start, end, other in sorted(spans, reverse=True):
        text = text[:start] + (f"`{other}`" if text[start] == "`" else other) + text[end:]
    return text


def markers(text: str) -> frozenset[str]:
    """The `:name` parameters that a query uses."""
    return frozenset(marker_names(understood(text), text))


def may_have_markers(text: str) -> bool:
    """Whether a walk through the text's tree may find a marker: `:name`, or `{name}` as sqlglot has it."""
    return ":" in text or "{" in text


def marker_names(tree: Any, text: str) -> list[str]:
    """The `:name` parameters of a tree, in its order and as often as they stand there; without a tree (None), those of the text."""
    if tree is None:
        return MARKER.findall(scan(text).bare)
    if not may_have_markers(text):
        return []
    from sqlglot import exp  # noqa: PLC0415  # see parse

    return [marker.name for marker in tree.find_all(exp.Placeholder) if marker.name]


def place_of_marker(name: str, text: str, locate: Locate) -> Location:
    """Where a text first says `:name`, as `locate` tells of its characters."""
    match = re.search(rf"(?<![:\w]):{re.escape(name)}\b", scan(text).bare)
    return replace(locate(match.start()), width=len(name) + 1) if match else locate(0)
