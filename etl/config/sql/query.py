"""SQL of the user's, checked without Spark: syntax, tables, parameters.

sqlglot's grammar is not Spark's. What it refuses is a mistake, unless the text holds something that Spark is known to accept and
sqlglot is not: that is a warning, and Spark has the last word when the plan is made.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, Locate, Location, did_you_mean
from etl.config.sql import volatile
from etl.config.sql.lexical import FILLER, scan

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_PARAM = re.compile(r"(?<![:\w\]\)]):([A-Za-z_]\w*)")
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
_PATH = re.compile(
    rf"[\w{FILLER}\])](?<!\bLIMIT)(?<!\bOFFSET)(?<!\bTHEN)(?<!\bELSE)(?<!\bAND):[A-Za-z_{FILLER}\[]", re.IGNORECASE
)
"""A part of a VARIANT, `v:a.b`; no marker stands directly after a name."""
_TABLE = re.compile(r"\s*TABLE\s+\w", re.IGNORECASE)
_BEYOND = re.compile(
    r"\|>|\|\s*(?:SELECT|WHERE|EXTEND|SET|DROP|AS|AGGREGATE|JOIN|LEFT|ORDER|LIMIT|UNION|PIVOT)\b|\bTABLE\b|\bMATCH_RECOGNIZE\b|\bTRANSFORM\b"
    rf"|\bUSING\s+{FILLER}|{_PATH.pattern}|\{{|>>>|\bWATERMARK\b|\bSTREAM\b|\bIDENTIFIER\s*\(|\bINTERVAL\s+[-+]|\bNEAREST\b|\bPIVOT\b"
    r"|\bGEO(?:GRAPHY|METRY)\s*\(",
    re.IGNORECASE,
)
"""What Spark takes and sqlglot may not, so that a text that holds it is no mistake where sqlglot does not parse it."""
_NAMED_BY_VALUE = re.compile(r"\bIDENTIFIER\s*\(|\bTABLE\s*\(", re.IGNORECASE)
_ARGUMENTS = re.compile(
    r"number of provided arguments"
    r"|missing for <class '[\w.]*\.(?:aggregate|array|functions|json|math|string|temporal)\.(?!(?:Try)?Cast'|Case'|Extract'|If')"
)
"""How sqlglot says that a function takes other arguments: Spark's own are Spark's to judge."""


class _Lost(ValueError):
    """Sqlglot itself failed, which says nothing of the text: a set operation in pipes ends in an assertion of its own."""


@lru_cache(maxsize=2048)
def parse(text: str) -> Any:
    """The syntax tree of one query, in Spark's dialect; sqlglot's errors where it is none."""
    import sqlglot  # noqa: PLC0415  # a tenth of a second that files without SQL need not pay
    from sqlglot import exp  # noqa: PLC0415  # likewise

    dialect = "databricks" if _PATH.search(scan(text).bare) else "spark"  # which knows v:a.b
    try:
        found = [item for item in sqlglot.parse(text, dialect=dialect) if item is not None]
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError) as cause:
        raise _Lost(str(cause)) from cause
    if len(found) != 1:
        raise ValueError(f"one query belongs here, not {len(found)} statements")
    for hint in list(found[0].find_all(exp.Hint)):
        hint.pop()  # what it names is no table that is read, and changes no value
    return found[0]


def understood(text: str) -> Any:
    """The syntax tree of one query, or None where only Spark understands it."""
    from sqlglot.errors import SqlglotError  # noqa: PLC0415  # see parse

    try:
        return parse(text)
    except (SqlglotError, ValueError, RecursionError):
        return None


def normal(text: str) -> str:
    """The query without what changes nothing: layout, comments, the case of the commonest keywords.

    Its own words, never what another grammar makes of them: sqlglot writes `to_char(n, '000')` as a cast, `percentile_disc` as
    `percentile_approx`, `listagg(a)` as `listagg(a, ',')`, and `struct(a AS A)`, whose names are values in `to_json`, in small letters.
    """
    from sqlglot import tokenize  # noqa: PLC0415  # see parse
    from sqlglot.errors import SqlglotError  # noqa: PLC0415  # see parse

    try:
        words = [text[item.start : item.end + 1] for item in tokenize(text.rstrip().rstrip(";"), dialect="spark")]
    except (SqlglotError, ValueError):
        words = []
    if words:
        return " ".join(word.upper() if _KEYWORD.fullmatch(word) else word for word in words)
    pieces = re.finditer(r"\s+|\S+", scan(text).bare)
    return "".join(" " if item.group().isspace() else text[item.start() : item.end()] for item in pieces).strip()


def check_sql(
    text: str, locate: Locate, *, inputs: Mapping[str, Location], params: Collection[str], flow: str
) -> list[Diagnostic]:
    """What is wrong with a transform's SQL."""
    from sqlglot import exp  # noqa: PLC0415  # see parse

    what = f"the SQL of flow '{flow}'"
    scanned = scan(text)
    if scanned.flaw is not None:
        return [Diagnostic("E300", f"{what}: {scanned.flaw.message}", locate(scanned.flaw.offset), scanned.flaw.hint)]
    if not scanned.statements:
        return [Diagnostic("E308", f"{what} holds no query", locate(0), "write one SELECT")]
    if len(scanned.statements) > 1:
        place = locate(scanned.statements[1])
        return [
            Diagnostic(
                "E301",
                f"{what} is one query, and a second statement begins here",
                place,
                "delete it; a flow of its own may hold it",
            )
        ]
    tree, wrong = _tree(text, locate, what)
    if tree is None:
        return wrong
    if _TABLE.match(scanned.bare):  # `TABLE t` is a query of Spark's, and a column with an alias to sqlglot
        return [_beyond(what, locate)]
    if not isinstance(tree, exp.Query | exp.Values):
        said = (
            "no query"
            if isinstance(tree, exp.Expression) and tree.key in ("alias", "column")
            else f"a {tree.key.upper()} statement, not a query"
        )
        return [
            Diagnostic(
                "E301",
                f"{what} is {said}",
                locate(scanned.statements[0]),
                "write one SELECT; the sink does the writing",
            )
        ]
    found = [*wrong, *_misplaced(tree, text, locate, what), *_tables(tree, text, locate, inputs, flow)]
    for name in dict.fromkeys(_markers(tree, text)):
        if name not in params:
            hint = did_you_mean(name, params) or "declare it under params"
            found.append(
                Diagnostic("E303", f"{what} uses :{name}, which is no param", _marker(name, text, locate), hint)
            )
    return found


def _tree(text: str, locate: Locate, what: str) -> tuple[Any, list[Diagnostic]]:
    """The syntax tree, perhaps of a stand-in; None and what is wrong where there is none."""
    from sqlglot.errors import ParseError, SqlglotError  # noqa: PLC0415  # see parse

    try:
        return parse(text), _apart(parse(text), text, locate, what)
    except (SqlglotError, ValueError, RecursionError) as cause:
        problem: Exception = cause
    other = stand_in(text)
    if other != text and (tree := understood(other)) is not None:
        return tree, []
    if isinstance(problem, RecursionError):
        return None, [Diagnostic("E300", f"{what} is nested too deeply", locate(0), "split it into several flows")]
    if isinstance(problem, _Lost) or _BEYOND.search(scan(text).bare) or _ARGUMENTS.search(str(problem)):
        return None, [_beyond(what, locate)]
    first = problem.errors[0] if isinstance(problem, ParseError) and problem.errors else {}
    token = str(first.get("highlight") or " ")
    place = (
        replace(locate(_offset(text, int(first["line"]), int(first["col"]), len(token))), width=len(token))
        if first
        else locate(0)
    )
    return None, [Diagnostic("E300", f"{what} does not parse {_near(token)}", place, _in_plain_words(first, problem))]


def _apart(tree: Any, text: str, locate: Locate, what: str) -> list[Diagnostic]:
    """`> >` is no operator of Spark's, but one of sqlglot's."""
    from sqlglot import exp  # noqa: PLC0415  # see parse

    found = re.search(r"(>|<)\s+\1", scan(text).bare)
    if found is None or tree.find(exp.BitwiseRightShift, exp.BitwiseLeftShift) is None:
        return []
    place = locate(found.start())
    return [
        Diagnostic(
            "E300", f"{what} does not parse {_near(found.group())}", place, "a value is missing between two operators"
        )
    ]


def _misplaced(tree: Any, text: str, locate: Locate, what: str) -> list[Diagnostic]:
    """Markers where no value can stand: inside a type, as the name of a table or a column."""
    from sqlglot import exp  # noqa: PLC0415  # see parse

    places = {
        exp.DataTypeParam: "inside a type",
        exp.Table: "as a table",
        exp.Column: "as a column",
        exp.Alias: "as a name",
    }
    found = []
    for item in tree.find_all(exp.Placeholder):
        where = next((words for kind, words in places.items() if isinstance(item.parent, kind)), "")
        if item.name and where and not (isinstance(item.parent, exp.Alias) and item.arg_key == "this"):
            message = f"{what} has :{item.name} {where}, and a marker stands for a value"
            hint = (
                "write the number out: one type holds in every run"
                if where == "inside a type"
                else "write the name out; for_each writes a flow for each of several"
            )
            found.append(Diagnostic("E350", message, _marker(item.name, text, locate), hint))
    return found


def stand_in(text: str) -> str:
    """The text with what sqlglot does not know replaced by something as long."""
    found = text
    for pattern, other in _STANDS_FOR:
        for match in pattern.finditer(scan(text).bare):
            found = found[: match.start()] + other.ljust(len(match.group())) + found[match.end() :]
    return found


def _near(token: str) -> str:
    return f"at '{token}'" if token.strip() else "here"


def _in_plain_words(first: Any, problem: Exception) -> str:
    said = str(first.get("description") or problem).split("\n")[0].rstrip(".")
    if said.startswith(("Required keyword", "Expected")):
        return "something is missing before or after it"
    if said.startswith("Expecting "):
        return f"{said.removeprefix('Expecting ')} belongs before it"
    return "look at what stands before and after it: a comma, an operator, a keyword"


def _tables(tree: Any, text: str, locate: Locate, inputs: Mapping[str, Location], flow: str) -> list[Diagnostic]:
    """Tables that are no inputs, and inputs that no table is."""
    from sqlglot import exp  # noqa: PLC0415  # see parse

    found: list[Diagnostic] = []
    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    known = {name.lower(): name for name in inputs}
    used: set[str] = set()
    named_by_value = _NAMED_BY_VALUE.search(scan(text).bare) is not None
    hidden = named_by_value  # a name that only Spark resolves may be any of the inputs
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Placeholder):  # told by itself
            hidden = True
            continue
        if isinstance(table.this, exp.Func):  # range(10), explode(…), IDENTIFIER(…)
            hidden = hidden or isinstance(table.this, exp.Anonymous)
            continue
        name = table.name.lower()
        if not table.db and name in named and name not in known:
            continue
        if (table.db or name not in known) and not named_by_value:
            shown = f"{table.db}.{table.name}" if table.db else table.name
            hint = did_you_mean(table.name, inputs) or f"the inputs of this flow are: {', '.join(inputs)}"
            message = f"flow '{flow}' reads '{shown}', which is none of its inputs"
            found.append(Diagnostic("E302", message, _of(table.args.get("db") or table.this, locate), hint))
        elif name in known:
            used.add(name)
    if not found and not hidden:
        for name, at in inputs.items():
            if name.lower() not in used:
                message = f"input '{name}' of flow '{flow}' is never read by its SQL"
                found.append(Diagnostic("E304", message, at, "read it, or take it out of inputs"))
    return found


def _beyond(what: str, locate: Locate) -> Diagnostic:
    message = f"{what} is beyond what can be checked without Spark"
    return Diagnostic("W103", message, locate(0), "only Spark can judge it: etl plan does")


def check_expression(text: str, locate: Locate, what: str) -> list[Diagnostic]:
    """What is wrong with an expression over one row."""
    from sqlglot import exp  # noqa: PLC0415  # see parse
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    scanned = scan(text)
    if scanned.flaw is not None:
        return [Diagnostic("E306", f"{what} is no expression: {scanned.flaw.message}", locate(0), scanned.flaw.hint)]
    if ";" in scanned.bare:
        return [Diagnostic("E306", f"{what} is no expression: ';' ends a statement", locate(0), "leave it out")]
    if scanned.comment is not None:
        return [Diagnostic("E306", f"{what} holds a comment of SQL's", locate(0), "write it in the YAML, after #")]
    if not scanned.statements:
        return [Diagnostic("E306", f"{what} is empty", locate(0), "such as: quantity > 0")]
    for name, offset in volatile.found_in(text):
        message = f"{what} uses {name}, whose value differs from run to run, so the two modes could never be equal"
        return [Diagnostic("E262", message, replace(locate(offset), width=len(name)), volatile.FROM_DATA)]
    try:
        tree = parse(f"SELECT 1 FROM _etl_row WHERE ({text}\n)")
    except (SqlglotError, ValueError, RecursionError) as cause:
        if isinstance(cause, _Lost) or _BEYOND.search(scanned.bare) or _ARGUMENTS.search(str(cause)):
            return [_beyond(what, locate)]
        first = getattr(cause, "errors", None) or [{}]
        near = str(first[0].get("highlight") or " ")
        ends = near == ")"  # our own bracket
        near = _near(" " if ends else near)
        return [
            Diagnostic(
                "E306",
                f"{what} does not parse {near}",
                locate(0),
                "it breaks off: a value is missing at its end" if ends else _in_plain_words(first[0], cause),
            )
        ]
    where = tree.args.get("where")
    inner = where.this.this if where is not None and isinstance(where.this, exp.Paren) else None
    if (
        len(tree.args.get("expressions") or ()) != 1
        or inner is None
        or isinstance(inner, exp.Alias | exp.Tuple | exp.Star)
    ):
        return [Diagnostic("E306", f"{what} is not one expression", locate(0), "one condition, such as: quantity > 0")]
    if apart := _apart(tree, text, locate, what):
        return [Diagnostic("E306", apart[0].message, apart[0].at, apart[0].hint)]
    hint = "compute the value in the transform, then test it"
    for forbidden, name in (
        (exp.Query, "a subquery"),
        (exp.Window, "a window"),
        (exp.AggFunc, "an aggregate"),
        (exp.UDTF, "a function that makes rows"),
    ):
        if inner.find(forbidden):
            return [Diagnostic("E307", f"{what} has {name}; it is judged row by row", locate(0), hint)]
    if any(item.name.lower() == "run_ts" for item in inner.find_all(exp.Anonymous)):
        hint = "SELECT run_ts() AS at in the transform, then name the column"
        return [Diagnostic("E309", f"{what} uses run_ts(), which is known in a transform's SQL alone", locate(0), hint)]
    for name in _markers(inner, text):
        return [
            Diagnostic(
                "E309",
                f"{what} uses :{name}, and has no params",
                locate(0),
                f"SELECT :{name} AS {name} in the transform, then name the column",
            )
        ]
    return []


def markers(text: str) -> frozenset[str]:
    """The `:name` parameters that a query uses."""
    return frozenset(_markers(understood(text), text))


def _markers(tree: Any, text: str) -> list[str]:
    if tree is None:
        return _PARAM.findall(scan(text).bare)
    from sqlglot import exp  # noqa: PLC0415  # see parse

    return [item.name for item in tree.find_all(exp.Placeholder) if item.name]


def _offset(text: str, line: int, column: int, width: int) -> int:
    """Sqlglot tells a token by the line and the column of its last character."""
    start = sum(len(item) + 1 for item in text.split("\n")[: line - 1])
    return max(0, min(start + column - width, len(text) - 1))


def _of(identifier: Any, locate: Locate) -> Location:
    meta = getattr(identifier, "meta", {})
    if "start" not in meta:
        return locate(0)
    return replace(locate(int(meta["start"])), width=int(meta["end"]) - int(meta["start"]) + 1)


def _marker(name: str, text: str, locate: Locate) -> Location:
    found = re.search(rf":{re.escape(name)}\b", scan(text).bare)
    return replace(locate(found.start()), width=len(name) + 1) if found else locate(0)
