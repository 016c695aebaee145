"""What an edit changed: a definition compared with the one that a generation was opened for, in sentences for a person.

A definition is what `fingerprint` looks at, by name, as JSON: queries in their own words, code as digests, secrets as their references.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from etl.config.sql.syntax import stand_in, understood
from etl.planning.kinds import KIND_TRAITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST = 12
_LONG = 60  # letters of an expression, from which on only its parts that differ are shown
_SQL, _CODE = "the SQL", "the code"
_VIOLATIONS = ("warn", "drop", "quarantine", "fail")
_CLAUSES = {"from_": "FROM", "joins": "JOIN", "group": "GROUP BY", "order": "ORDER BY", "laterals": "LATERAL VIEW"}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence for each difference between two definitions, those of the query first; at most a dozen."""
    lines: list[str] = []
    for name in sorted(before.keys() | now.keys(), key=lambda name: (not name.startswith(_SQL), name)):
        old, new = before.get(name), now.get(name)
        if old != new:
            lines += _changed(name, old, new)
    return (*lines[:_MOST], f"and {len(lines) - _MOST} more") if len(lines) > _MOST else tuple(lines)


def _changed(name: str, old: Any, new: Any) -> Iterator[str]:
    kind, _, view = name.partition(" of view ")
    prefix = f"view {view}: " if view else ""
    if kind == _SQL and isinstance(old, str) and isinstance(new, str):
        yield from (f"{prefix}{line}" for line in query_changes(old, new))
    elif kind == _CODE and old is not None and new is not None:
        yield f"{prefix}the code of the function changed"
    elif kind == "inputs":
        yield from _inputs(old or [], new or [])
    elif kind == "expectations":
        yield from _named("expectation", _rules(old), _rules(new))
    elif kind == "incremental" and old and new:
        yield _difference("incremental", _processing(old), _processing(new))
    elif kind == "session" and old and new and old[0] != new[0]:
        yield _difference("timezone", old[0], new[0])
    elif kind == "columns":
        yield from _named("column promised", _pairs(old), _pairs(new))
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) == new.get(key):
                continue
            if key == "schema" and kind.startswith("source "):
                yield from _named(f"{name}: column", _pairs(old.get(key)), _pairs(new.get(key)))
            else:
                yield _difference(
                    f"{name}{': ' if kind.startswith('source ') else ' '}{key}", old.get(key), new.get(key)
                )
    else:
        yield _difference(name, old, new)


def _inputs(old: list[Any], new: list[Any]) -> Iterator[str]:
    def read(inputs: list[Any]) -> dict[str, Any]:
        return {
            dataset: f"{way}{f', on_change: {on_change}' if on_change else ''}" for dataset, way, on_change in inputs
        }

    yield from _named("input", read(old), read(new), "read ")


def _processing(value: list[Any]) -> str:
    """How a flow is processed: its kind, with its groups or watermarks, and whether it is trusted."""
    kind, parts, more = value
    if kind in KIND_TRAITS and KIND_TRAITS[kind].keeps_state:
        marks = ", ".join(f"{name}.{column} within {delay} ms" for name, column, delay in parts)
        return f"state ({marks}, {more})"
    groups = ", ".join(
        f"{column} by {', '.join(expression.removesuffix(' IS NULL') for _, expression in expressions)}"
        for column, expressions in parts
    )
    return f"{kind}{f' ({groups})' if groups else ''}{', trusted' if more else ''}"


def _rules(rules: list[Any] | None) -> dict[str, Any]:
    """The expectations by name; after them stands the order of those that quarantine, which is texts."""
    return {rule[0]: f"{rule[1]} ({rule[2]})" for rule in rules or [] if rule[-1] in _VIOLATIONS}


def _pairs(pairs: list[Any] | None) -> dict[str, Any]:
    return {pair[0]: pair[1] for pair in pairs or []}


def _named(what: str, old: Mapping[str, Any], new: Mapping[str, Any], verb: str = "") -> Iterator[str]:
    """The differences of two mappings of names; where they have the same, something about their order differs."""
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield _difference(f"{what} {name}", old.get(name), new.get(name), verb)
    if old == new:
        yield f"{what}s: their order"


def _difference(what: str, old: Any, new: Any, verb: str = "") -> str:
    if old in (None, [], {}):
        return f"{what} added: {verb}{_shown(new)}"
    if new in (None, [], {}):
        return f"{what} removed"
    return f"{what}: {verb}{_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def query_changes(old: str, new: str) -> list[str]:
    """What differs between two queries: columns of the output, clauses, parts of WITH; only that they differ, where Spark alone knows them."""
    before, after = understood(stand_in(old)), understood(stand_in(new))
    if before is None or after is None:
        return ["the SQL changed"]
    return list(_query(before, after, "")) or ["the SQL changed in its wording"]


def _query(old: Any, new: Any, prefix: str) -> Iterator[str]:
    from sqlglot import exp  # noqa: PLC0415  # only a plan that explains a change needs it

    parts = {cte.alias: cte.this for cte in old.ctes}, {cte.alias: cte.this for cte in new.ctes}
    for name in {**parts[0], **parts[1]}:
        before, after = (part.get(name) for part in parts)
        if before is None or after is None:
            yield f"{prefix}WITH {name} {'added' if before is None else 'removed'}"
        elif before != after:
            yield from _query(before, after, f"{prefix}WITH {name}: ")
    if isinstance(old, exp.SetOperation) and type(old) is type(new):
        for side, name in (("left", "first"), ("right", "second")):
            before, after = getattr(old, side), getattr(new, side)
            if before != after:
                yield from _query(before, after, f"{prefix}{name} query: ")
        if old.args.get("distinct") != new.args.get("distinct"):
            yield f"{prefix}{_operator(old)} → {_operator(new)}"
        yield from _clauses(old, new, prefix, but={"this", "expression", "with_", "distinct"})
        return
    if not isinstance(old, exp.Select) or not isinstance(new, exp.Select):
        if old != new:
            yield f"{prefix}{_edits(old, new)}"
        return
    columns = _columns(old), _columns(new)
    for name in {**columns[0], **columns[1]}:
        yield from _expression(f"{prefix}column {name}", columns[0].get(name), columns[1].get(name))
    if columns[0] == columns[1] and list(columns[0]) != list(columns[1]):
        yield f"{prefix}the order of the columns"
    yield from _clauses(old, new, prefix, but={"expressions", "with_", "hint"})


def _operator(query: Any) -> str:
    return f"{query.key.upper()}{'' if query.args.get('distinct') else ' ALL'}"


def _clauses(old: Any, new: Any, prefix: str, *, but: set[str]) -> Iterator[str]:
    """The differences of the clauses of two queries, WHERE and the like."""
    for clause in sorted((old.args.keys() | new.args.keys()) - but):
        before, after = old.args.get(clause), new.args.get(clause)
        if (before or None) != (after or None):
            yield from _expression(f"{prefix}{_CLAUSES.get(clause, clause.strip('_').upper())}", before, after)


def _columns(query: Any) -> dict[str, Any]:
    """Output column → its expression; one without a name goes by its text."""
    return {column.alias_or_name or column.sql(dialect="spark"): column.unalias() for column in query.expressions}


def _expression(what: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    before, after = _text(old), _text(new)
    if not before or not after:
        yield f"{what} {'added' if after else 'removed'}: {_cut(after or before)}"
    elif (len(before) <= _LONG and len(after) <= _LONG) or isinstance(old, list) or isinstance(new, list):
        yield f"{what}: {_cut(before)} → {_cut(after)}"
    else:
        yield f"{what}: {_edits(old, new)}"


def _text(part: Any) -> str:
    """An expression, or a clause without its own word, as SQL."""
    from sqlglot import exp  # noqa: PLC0415  # see _query

    if isinstance(part, list):
        return " ".join(_text(item) for item in part)
    if isinstance(part, exp.Where | exp.Having | exp.From | exp.Qualify):
        part = part.this
    elif isinstance(part, exp.Limit | exp.Offset):
        part = part.expression
    elif isinstance(part, exp.Group | exp.Order) and not any(
        value for key, value in part.args.items() if key != "expressions"
    ):
        return ", ".join(_text(item) for item in part.expressions)
    return part.sql(dialect="spark").strip() if isinstance(part, exp.Expression) else str(part or "")


def _edits(old: Any, new: Any) -> str:
    """The parts of an expression that went and came, by sqlglot's diff: the greatest of them only."""
    from sqlglot.diff import Insert, Remove, Update, diff  # noqa: PLC0415  # see _query

    edits = diff(old, new, delta_only=True)
    inserted = {id(edit.expression) for edit in edits if isinstance(edit, Insert)}
    removed = {id(edit.expression) for edit in edits if isinstance(edit, Remove)}
    told = [
        f"{'with' if isinstance(edit, Insert) else 'without'} {_cut(edit.expression.sql(dialect='spark'))}"
        for edit in edits
        if (isinstance(edit, Insert) and id(edit.expression.parent) not in inserted)
        or (isinstance(edit, Remove) and id(edit.expression.parent) not in removed)
    ]
    told += [
        f"{_cut(edit.source.sql(dialect='spark'))} → {_cut(edit.target.sql(dialect='spark'))}"
        for edit in edits
        if isinstance(edit, Update)
    ]
    return "; ".join(sorted(told)[:3]) or "the order of its parts"


def _cut(text: str) -> str:
    return text if len(text) <= 2 * _LONG else f"{text[: 2 * _LONG - 1]}…"
