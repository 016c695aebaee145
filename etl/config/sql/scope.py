"""Names of columns looked up where they stand in a query: in the tables of its FROM clause, its aliases, the query around it.

The rules are Spark's (https://spark.apache.org/docs/latest/sql-ref-name-resolution.html), tried on Spark 4.2: a name is a column of a table or
alias that stands before it, else a column and fields within it, else an alias of the same SELECT where one may be used.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from etl.config.sql.relation import NamedColumn, Relation, field_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.config.schema.types import Type

_WITHOUT_BRACKETS = frozenset(
    [
        "current_catalog",
        "current_database",
        "current_date",
        "current_path",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "grouping__id",
        "localtimestamp",
        "session_user",
        "user",
    ]
)
"""Functions that Spark calls by their name alone, and the column that GROUPING SETS adds."""
_CATALOGS = frozenset(["session", "system", "spark_catalog", "global_temp"])
"""What may stand before the name of a table."""
_HIDDEN = "_metadata"


@dataclass(frozen=True, slots=True)
class Fault:
    """A name that stands for no column, or for several.

    Attributes:
        name: as it is written.
        part: the part of it that is wrong, or all of it.
        offset, width: where that part stands in the text.
        whose: the table or the column that lacks it; empty where no table has it.
        names: what could have been meant.
        ambiguous_in: the aliases of the tables that have it, where it stands for several columns; one alias may stand there twice.
    """

    name: str
    part: str
    offset: int | None
    width: int
    whose: str = ""
    names: tuple[str, ...] = ()
    ambiguous_in: tuple[str, ...] = ()


@dataclass(slots=True)
class Scope:
    """What a name may stand for at one place of a query.

    Attributes:
        tables: the parts of the FROM clause, each by its alias in lower case; "" for a subquery without one.
        merged: columns that USING or NATURAL puts first, in the order of `*`.
        hidden: columns that are one with a merged one, so that only their table's alias reaches them.
        aliases: columns of the SELECT that may be named here, in lower case.
        outer: the scope of the query around it.
    """

    outer: Scope | None = None
    tables: list[tuple[str, Relation]] = field(default_factory=list)
    merged: list[NamedColumn] = field(default_factory=list)
    hidden: frozenset[NamedColumn] = frozenset()
    aliases: dict[str, NamedColumn] = field(default_factory=dict)

    def chain(self) -> Iterator[Scope]:
        """The scope and the one around it, beyond which Spark does not look."""
        yield self
        if self.outer is not None:
            yield self.outer

    def with_aliases(self, output: Relation) -> Scope:
        """The scope of a clause in which the columns of a SELECT may be named, too."""
        aliases = {column.name.lower(): column for column in output.columns}
        tables = [*self.tables]
        if output.unknown or output.has_generated_names:  # a name of theirs can be meant
            tables.append(("", Relation(unknown=output.unknown, has_generated_names=output.has_generated_names)))
        return replace(self, tables=tables, aliases={**self.aliases, **aliases})

    def only(self, names: Sequence[str]) -> Scope:
        """The scope of what orders distinct rows: of the tables only columns that are shown."""
        shown = {name.lower() for name in names}
        tables = [
            (alias, replace(relation, columns=tuple(each for each in relation.columns if each.name.lower() in shown)))
            for alias, relation in self.tables
        ]
        return replace(self, tables=tables)

    def table(self, alias: str) -> Relation | None:
        """The part of the FROM clause, here or around, that an alias names."""
        named = (relation for scope in self.chain() for name, relation in scope.tables if name == alias.lower())
        return next(named, None)


def is_function(parts: Sequence[Any], scope: Scope) -> bool:
    """Whether a name is that of a function that is called without brackets, and of no column."""
    names = [part.name for part in parts]
    if len(names) > 1 or names[0].lower() not in _WITHOUT_BRACKETS:
        return False
    return all(_in_scope(parts, names, place) is None for place in scope.chain())


def look_up(parts: Sequence[Any], scope: Scope) -> tuple[Type | None, Fault | None]:
    """The type of the column that the identifiers `parts`, separated by dots, stand for (None: not known), and what is wrong with them."""
    names = [part.name for part in parts]
    if _HIDDEN in [name.lower() for name in names[:2]] or (len(names) == 1 and names[0].lower() in _WITHOUT_BRACKETS):
        return None, None
    for place in scope.chain():
        found = _in_scope(parts, names, place)
        if found is not None:
            return found
    if names[0].lower() in _CATALOGS and len(parts) > 1:
        return None, None
    if any(relation.unknown for place in scope.chain() for _, relation in place.tables):
        known = scope.table(names[0]) if len(names) > 1 else None
        if known is None or known.unknown:
            return None, None
    generated = not all(name.isidentifier() and name.isascii() for name in names)
    if generated and any(relation.has_generated_names for place in scope.chain() for _, relation in place.tables):
        return None, None
    return None, _missing(parts, names, scope)


def _in_scope(parts: Sequence[Any], names: Sequence[str], scope: Scope) -> tuple[Type | None, Fault | None] | None:
    """What `look_up` gives, in one scope alone; None where no column of it is meant."""
    for first in (1, 0) if len(names) > 1 else (0,):
        tables = [
            (alias, column)
            for alias, relation in scope.tables
            if not first or alias == names[0].lower()
            for column in relation.find(names[first])
            if first or column not in scope.hidden
        ]
        if not tables:
            continue
        if len({column for _, column in tables}) > 1 and (first or names[0].lower() not in scope.aliases):
            return None, _fault(parts, parts[first], ambiguous_in=tuple(alias for alias, _ in tables))
        return _nested(parts, tables[0][1], first + 1)
    alias = scope.aliases.get(names[0].lower())
    return _nested(parts, alias, 1) if alias is not None else None


def _nested(parts: Sequence[Any], column: NamedColumn, after: int) -> tuple[Type | None, Fault | None]:
    """The type of a field within a column, by the parts that follow those of the column's own name."""
    path = [part.name for part in parts[after:]]
    shape, wrong = field_of(column.shape, path)
    if not wrong:
        return shape, None
    names = tuple(each.name for each in shape.fields) if shape is not None else ()
    return None, _fault(parts, parts[after + path.index(wrong)], whose=column.name, names=names)


def _missing(parts: Sequence[Any], names: Sequence[str], scope: Scope) -> Fault:
    known = scope.table(names[0]) if len(names) > 1 else None
    if known is not None:
        return _fault(parts, parts[1], whose=names[0], names=known.names)
    columns = [name for place in scope.chain() for _, relation in place.tables for name in relation.names]
    columns += [column.name for place in scope.chain() for column in place.aliases.values()]
    aliases = [alias for place in scope.chain() for alias, _ in place.tables if alias]
    meant = (*aliases, *columns) if len(names) > 1 else columns
    return _fault(parts, parts[0], names=tuple(dict.fromkeys(meant)))


def _fault(
    parts: Sequence[Any], part: Any, *, whose: str = "", names: tuple[str, ...] = (), ambiguous_in: tuple[str, ...] = ()
) -> Fault:
    start, end = part.meta.get("start"), part.meta.get("end")
    width = int(end) - int(start) + 1 if start is not None and end is not None else 1
    shown = ".".join(each.name for each in parts)
    return Fault(shown, part.name, None if start is None else int(start), width, whose, names, ambiguous_in)
