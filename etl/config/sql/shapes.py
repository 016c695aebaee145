"""The types of expressions, as far as their text tells: of what a name's fields may be looked for in, and of what makes rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from etl.config.schema.ddl import DdlError, parse
from etl.config.schema.types import Column, Type
from etl.config.sql.relation import UNKNOWN, NamedColumn, Relation, field_of
from etl.config.sql.scope import look_up

if TYPE_CHECKING:
    from etl.config.sql.scope import Scope

WINDOWS = {"window": "window", "w1ndow": "window", "session_window": "session_window"}
"""Functions that put rows into windows of time: as a tree calls them → the column that they add to their table."""
WINDOW = Type("struct", fields=(Column("start", Type("timestamp")), Column("end", Type("timestamp"))))
_OF_ITS_ARGUMENT = frozenset(
    ["max", "min", "first", "last", "firstvalue", "lastvalue", "anyvalue", "argmax", "argmin", "lag", "lead"]
)
_LISTS = frozenset(["arrayagg", "arrayuniqueagg"])  # collect_list, collect_set
_UNKNOWN = "only Spark tells what a function in its SQL returns"


def shape_of(expression: Any, scope: Scope) -> Type | None:
    """The type of an expression where it has fields, or holds what has; None where it is not known."""
    if isinstance(expression, exp.Paren | exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        return shape_of(expression.this, scope)
    if isinstance(expression, exp.Column):
        parts = expression.parts
        return look_up(parts, scope)[0] if all(isinstance(part, exp.Identifier) for part in parts) else None
    if isinstance(expression, exp.Struct):
        return _struct(expression, scope)
    if isinstance(expression, exp.Dot) and isinstance(expression.expression, exp.Identifier):
        return field_of(shape_of(expression.this, scope), [expression.expression.name])[0]
    if isinstance(expression, exp.Bracket):
        inner = shape_of(expression.this, scope)
        return inner.inner[-1] if inner is not None and inner.inner else None
    if isinstance(expression, exp.Anonymous) and expression.name.lower() in WINDOWS:
        return WINDOW
    if not isinstance(expression, exp.Func):
        return None
    if expression.key in _OF_ITS_ARGUMENT:
        return shape_of(expression.this, scope)
    if expression.key in _LISTS:
        element = shape_of(expression.this, scope)
        return Type("array", inner=(element,)) if element is not None else None
    if expression.key == "fromjson" or expression.name.lower() == "from_json":
        return _declared(expression)
    return None


def rows_of(function: Any, scope: Scope) -> Relation | None:
    """The columns of a function that makes rows, named as Spark names them; None where the expression is no such function."""
    key = function.key.lstrip("_").removesuffix("outer")
    name = function.name.lower() if isinstance(function, exp.Anonymous) else ""
    if key in ("explode", "posexplode"):
        shape = shape_of(function.this, scope)
        place = (NamedColumn("pos", Type("int")),) if key == "posexplode" else ()
        if shape is None or not shape.inner:
            return Relation(unknown=_UNKNOWN)
        names = ("key", "value") if shape.name == "map" else ("col",)
        return Relation((*place, *(NamedColumn(each, inner) for each, inner in zip(names, shape.inner, strict=True))))
    if key == "inline" or name in ("inline", "inline_outer"):
        argument = function.expressions[0] if name and function.expressions else function.this
        shape = shape_of(argument, scope)
        if shape is None or shape.name != "array" or shape.inner[0].name != "struct":
            return Relation(unknown=_UNKNOWN)
        return Relation(tuple(NamedColumn(field.name, field.shape) for field in shape.inner[0].fields))
    if name == "json_tuple":
        return Relation(tuple(NamedColumn(f"c{place}") for place in range(len(function.expressions) - 1)))
    if name == "range":
        return Relation((NamedColumn("id", Type("bigint")),))
    return Relation(unknown=_UNKNOWN) if isinstance(function, exp.UDTF | exp.Anonymous) or key == "stack" else None


def _struct(expression: exp.Struct, scope: Scope) -> Type | None:
    fields = []
    for place, each in enumerate(expression.expressions, 1):
        if isinstance(each, exp.PropertyEQ | exp.Alias):
            value = each.expression if isinstance(each, exp.PropertyEQ) else each.this
            fields.append((each.name if isinstance(each, exp.PropertyEQ) else each.alias, value))
        elif isinstance(each, exp.Column) and not isinstance(each.this, exp.Star):
            fields.append((each.name, each))
        elif isinstance(each, exp.Star | exp.Column):
            return None
        else:
            fields.append((f"col{place}", each))
    if not all(name for name, _ in fields):
        return None
    unknown = Type(UNKNOWN)
    return Type("struct", fields=tuple(Column(name, shape_of(value, scope) or unknown) for name, value in fields))


def _declared(expression: Any) -> Type | None:
    """The type that the second argument of `from_json` declares as a text."""
    schema = expression.args.get("expression")
    if not isinstance(schema, exp.Literal) or not schema.is_string:
        return None
    try:
        return Type("struct", fields=parse(schema.name))
    except DdlError:  # or the DDL of one type, or a schema in JSON
        return None
