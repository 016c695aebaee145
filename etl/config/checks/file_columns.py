"""`_metadata`, which tells of each row of a file source the file it came from: who asks for it, and SQL in which no `*` shows it.

In Spark the column is hidden, and a temporary view cuts it off. So it is given to a transform as a column like others, where its text
says `_metadata`, and each `*` over it leaves it out.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic
from etl.config.grammar.formats import FORMATS
from etl.config.schema import ddl
from etl.config.schema.identifiers import quoted
from etl.config.spec import IdentityTransform, PythonTransform, SqlTransform
from etl.config.sql.lexical import scan
from etl.config.sql.syntax import stand_in, understood

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.diagnostics import Location
    from etl.config.spec import FlowSpec, GroupSpec, PipelineSpec, SourceSpec

COLUMN = "_metadata"
FIELDS = (
    ("file_path", "STRING"),
    ("file_name", "STRING"),
    ("file_size", "BIGINT"),
    ("file_modification_time", "TIMESTAMP"),
)
"""What `_metadata` tells: field → type. All of it follows from the file."""
_OF_SPLITS = ("file_block_start", "file_block_length")
_SAID = re.compile(rf"(?<![\w.`$])(?:(?:\w+|`[^`]+`)\s*\.\s*)?`?{COLUMN}\b`?(?:\s*\.\s*`?(\w+))?", re.IGNORECASE)
_ALIASED = re.compile(rf"\bAS\s+{COLUMN}\b", re.IGNORECASE)  # a column of the query's own
_OPEN = re.compile(r"\*|\bTABLE\s+\w|\|>|^\s*FROM\b", re.IGNORECASE)  # what may show all columns without naming them
_EXCEPT = re.compile(r"\s*(?:EXCEPT|EXCLUDE)\s*\(([^()]*)\)", re.IGNORECASE)


class Shown(Exception):  # not an error: why a text cannot be rewritten, in words
    """A `*`, or what amounts to one, from which `_metadata` cannot be left out."""


def has_files(source: SourceSpec) -> bool:
    """Whether the rows of a source lie in files that `_metadata` tells of: not where it has such a column of its own."""
    format_ = FORMATS.get(source.format)
    if format_ is None or format_.place != "path" or format_.schema == "own" or not source.in_files:
        return False
    names = _names(source)
    return names is not None and COLUMN not in names


def asks(part: FlowSpec, name: str) -> bool:
    """Whether the transform of a flow or view, or its groups over the input `name`, say `_metadata`."""
    mentioned = any(True for _ in _fields(part))
    return mentioned or any(_SAID.search(_bare(group.of(name))) for group in _grouped(part, name))


def metadata_inputs(flow: FlowSpec) -> frozenset[str]:
    """The names of the datasets of which the flow, or a view in it, says `_metadata`, whether or not they have it."""
    parts = [(view, view.inputs) for view in flow.views] + [(flow, flow.reads or flow.inputs)]
    return frozenset(input_.dataset for part, reads in parts for input_ in reads if asks(part, input_.name))


def _bare(text: str) -> str:
    """The text without what is no code; the name counts in quotes, too."""
    return scan(re.sub(f"`({COLUMN})`", r" \1 ", text, flags=re.IGNORECASE)).bare


def _grouped(part: FlowSpec, name: str) -> list[GroupSpec]:
    return [group for group in part.groups if name in dict(group.expressions)]


def _fields(part: FlowSpec) -> Iterator[str]:
    """Each mention of `_metadata` in a transform: the field that follows, or "" where none does."""
    if isinstance(part.transform, SqlTransform):
        yield from (match.group(1) or "" for match in _SAID.finditer(_bare(part.transform.text)))
    elif isinstance(part.transform, PythonTransform):
        try:
            changed = Path(part.transform.file).stat().st_mtime_ns
        except OSError:
            return  # reported where the transform stands
        yield from _in_python(part.transform.file, part.transform.function, changed)


@lru_cache(maxsize=256)
def _in_python(file: str, function: str, changed: int) -> tuple[str, ...]:  # noqa: ARG001  # a file that changed is read again
    """The mentions in the texts and attributes of one function."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ()  # reported where the transform stands
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function]
    texts: list[str] = []
    for node in (node for each in functions for node in ast.walk(each)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
        elif isinstance(node, ast.Attribute) and node.attr == COLUMN:
            texts.append(COLUMN)
    return tuple(match.group(1) or "" for text in texts for match in _SAID.finditer(text))


def check(spec: PipelineSpec) -> Iterator[Diagnostic]:
    """The mistakes in the use that a pipeline's flows and views make of `_metadata`."""
    for part in (*spec.flows, *spec.views):
        reads = part.reads or part.inputs
        asking = [input_.name for input_ in reads if asks(part, input_.name)]
        sources = [source for input_ in reads if (source := spec.source(input_.dataset)) is not None]
        if asking:
            yield from _check(part, sources, complete=len(sources) == len(reads))


def _check(part: FlowSpec, sources: list[SourceSpec], *, complete: bool) -> Iterator[Diagnostic]:
    at = _place(part)
    with_files = frozenset(source.name for source in sources if has_files(source))
    others = [source for source in sources if source.name not in with_files]
    columns_of_others = [_names(source) for source in others]
    if not with_files:
        if complete and all(names is not None and COLUMN not in names for names in columns_of_others):
            yield no_files(part)
        return
    aliased = isinstance(part.transform, SqlTransform) and _ALIASED.search(_bare(part.transform.text)) is not None
    # It may then be a column of a table's own.
    may_be_own = aliased or not complete or any(names is None or COLUMN in names for names in columns_of_others)
    for field in dict.fromkeys(name.lower() for name in _fields(part) if name):
        if field in _OF_SPLITS and not aliased:
            message = f"flow '{part.name}' uses {COLUMN}.{field}, which tells how Spark has cut a file for its tasks, and differs from run to run"
            yield Diagnostic("E262", message, at, f"use {COLUMN}.file_path")
        elif field not in dict(FIELDS) and not may_be_own:
            message = f"flow '{part.name}' uses {COLUMN}.{field}, which is not told of a row"
            yield Diagnostic("E186", message, at, f"there are: {', '.join(dict(FIELDS))}")
    if isinstance(part.transform, SqlTransform):
        names = frozenset(input_.name for input_ in part.reads or part.inputs if input_.dataset in with_files)
        try:
            hiding(part.transform.text, names)
        except Shown as why:
            message = f"flow '{part.name}' uses {COLUMN} beside {why}"
            yield Diagnostic("E187", message, at, "name the columns instead")


def _place(part: FlowSpec) -> Location:
    return part.at if isinstance(part.transform, IdentityTransform) else part.transform.at


def no_files(part: FlowSpec) -> Diagnostic:
    """The mistake of a flow that says `_metadata`, where none of its inputs has it."""
    message = f"flow '{part.name}' uses {COLUMN}, which rows of csv, json, parquet, orc and text sources have; none of its inputs is one"
    return Diagnostic(
        "E185", message, _place(part), "let the flow that reads the files return what is needed of it as a column"
    )


def _names(source: SourceSpec) -> frozenset[str] | None:
    """The names of a source's columns in lower case; None where only Spark knows them."""
    format_ = FORMATS.get(source.format)
    text = source.schema or (format_.columns if format_ is not None else None)
    try:
        return frozenset(column.name.lower() for column in ddl.parse(text)) if text else None
    except ddl.DdlError:
        return None  # reported where the schema stands


@lru_cache(maxsize=256)
def hiding(text: str, with_files: frozenset[str]) -> str:
    """The query with each `*` over an input among `with_files` leaving `_metadata` out.

    Raises Shown where the query has a `*`, or what amounts to one, of which SQL cannot say that.
    """
    from sqlglot import exp  # noqa: PLC0415  # a tenth of a second that files without SQL need not pay
    from sqlglot.errors import SqlglotError  # noqa: PLC0415  # likewise
    from sqlglot.optimizer.scope import traverse_scope  # noqa: PLC0415  # likewise

    tree = understood(text) or understood(stand_in(text))
    if tree is None:
        if _OPEN.search(scan(text).bare):
            raise Shown("a * in SQL that only Spark understands")
        return text
    if any(True for _ in tree.find_all(exp.Pivot)):
        raise Shown("PIVOT or UNPIVOT, which group by all columns that they do not name")
    inputs = {name.lower() for name in with_files}
    edits: list[tuple[int, int, str]] = []
    try:
        scopes = traverse_scope(tree)
    except SqlglotError as cause:
        raise Shown("a * in SQL that only Spark understands") from cause
    for scope in scopes:
        aliases = [
            alias
            for alias, (_, source) in scope.selected_sources.items()
            if isinstance(source, exp.Table) and source.name.lower() in inputs and not source.db
        ]
        if len(aliases) > 1 and any(join.method == "NATURAL" for join in scope.find_all(exp.Join)):
            raise Shown("a NATURAL JOIN of two inputs that have it")
        for star in scope.find_all(exp.Star) if aliases else ():
            over = _over(star, aliases)
            if over:
                edits.append(_edit(text, star, over))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _over(star: Any, aliases: list[str]) -> list[str]:
    """The inputs of which a `*` would show `_metadata`: none where it counts rows."""
    from sqlglot import exp  # noqa: PLC0415  # see hiding

    column = star.parent if isinstance(star.parent, exp.Column) else None
    if isinstance((column or star).parent, exp.Count):
        return []
    if column is None:
        return aliases
    return [alias for alias in aliases if alias.lower() == column.table.lower()]


def _edit(text: str, star: Any, over: list[str]) -> tuple[int, int, str]:
    """The edit that makes a `*` leave `_metadata` of the inputs `over` out: first and last offset of what is replaced, and the new text."""
    end = star.meta.get("end")
    if end is None or text[end] != "*":
        raise Shown("a query that shows all columns without a *")
    names = ", ".join(f"{quoted(alias)}.{COLUMN}" for alias in over)
    match = _EXCEPT.match(text, end + 1)
    if match:
        return match.start(), match.end(), f" EXCEPT ({match.group(1)}, {names})"
    return end + 1, end + 1, f" EXCEPT ({names})"


def telling(source: SourceSpec, flow: FlowSpec) -> SourceSpec:
    """The source as the flow reads it: with a column `_metadata` where the flow says that name and the source has files."""
    return replace(source, tells_files=True) if source.name in metadata_inputs(flow) and has_files(source) else source
