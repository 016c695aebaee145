"""Which column each name of a query stands for, found without Spark, and the columns that the query returns.

What is not certain is never called wrong: a table whose columns are not known may have any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from etl.config.sql.relation import NamedColumn, Relation
from etl.config.sql.scope import Fault, Scope, is_function, look_up
from etl.config.sql.shapes import WINDOW, WINDOWS, rows_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ONLY_SPARK = Relation(unknown="only Spark tells what part of its SQL returns")
_ADDED = "\0"  # no alias: a column that no `*` shows
_ORDERING = ("order", "sort", "cluster", "distribute")
_CLAUSES_OF_OUTPUT = ("having", "qualify", *_ORDERING)
_UNIT_FIRST = frozenset(  # with three arguments: timestampadd(HOUR, 1, at)
    ["timestampadd", "timestampdiff", "dateadd", "date_add", "datediff", "date_diff", "timediff"]
)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The columns that a query returns, and the names in it that stand for none or for several, in the order of the text."""

    output: Relation
    faults: tuple[Fault, ...]


def resolve(tree: exp.Expression, inputs: Mapping[str, Relation]) -> Resolution:
    """The resolution of a query over its `inputs`, by their names. Raises RecursionError where it is nested too deeply."""
    resolver = _Resolver({name.lower(): relation for name, relation in inputs.items()})
    output = resolver.query(tree, {}, None)
    return Resolution(output, _in_order(resolver.faults))


def resolve_expression(tree: exp.Expression, rows: Relation) -> tuple[Fault, ...]:
    """The names in an expression over one row that stand for none of its columns, in the order of the text."""
    resolver = _Resolver({})
    resolver.walk([tree], {}, Scope(tables=[("", rows)]))
    return _in_order(resolver.faults)


def _in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: fault.offset or 0))


class _Resolver:
    """Goes through a query from its tables to its output; `ctes` are the queries of WITH, by their names in lower case."""

    def __init__(self, inputs: Mapping[str, Relation]) -> None:
        self._inputs = inputs
        self.faults: list[Fault] = []

    def query(self, node: Any, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        """The columns of a query's output; the faults in it are added to `faults`."""
        ctes = self._definitions(node, ctes, outer)
        if isinstance(node, exp.Select):
            return self._select(node, ctes, outer)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, ctes, outer)
        if isinstance(node, exp.Subquery):
            if isinstance(node.this, exp.Table):  # FROM (a JOIN b): what is around it has looked at it
                return _ONLY_SPARK
            output = self.query(node.this, ctes, outer)
            self._ordered(node, output, ctes, outer)
            return output
        if isinstance(node, exp.Values):
            return self._values(node, ctes, Scope(outer))
        return _ONLY_SPARK

    def walk(self, nodes: Iterable[Any], ctes: Mapping[str, Relation], scope: Scope) -> None:
        """Look up each name within expressions; a query within them is one whose outer scope this is."""
        stack = list(nodes)
        while stack:
            node = stack.pop()
            if isinstance(node, list):
                stack += node
            elif isinstance(node, exp.Column):
                self._column(node, scope)
            elif isinstance(node, exp.Query):
                self.query(node, ctes, scope)
            elif isinstance(node, exp.Kwarg | exp.PropertyEQ):
                stack.append(node.expression)
            elif isinstance(node, exp.Anonymous) and node.name.lower() in _UNIT_FIRST:
                stack += node.expressions[-2:]
            elif isinstance(node, exp.Expression) and not isinstance(node, exp.DataType):
                stack += node.iter_expressions()

    def _column(self, node: exp.Column, scope: Scope) -> None:
        if isinstance(node.this, exp.Star):
            parts = node.parts[:-1]
            if len(parts) > 1 or scope.table(parts[0].name) is None:
                _, fault = look_up(parts, scope)
                self.faults += [fault] if fault is not None else []
        elif all(isinstance(part, exp.Identifier) for part in node.parts):
            _, fault = look_up(node.parts, scope)
            self.faults += [fault] if fault is not None else []

    def _definitions(self, node: Any, ctes: Mapping[str, Relation], outer: Scope | None) -> Mapping[str, Relation]:
        """The queries of a WITH, each of which may read those before it, added to those that are known."""
        with_ = node.args.get("with_") or node.args.get("with")
        known = dict(ctes)
        for cte in with_.expressions if with_ is not None else ():
            names = [column.name for column in cte.args["alias"].columns]
            inside = known
            if with_.recursive:
                first = cte.this
                while isinstance(first, exp.SetOperation):
                    first = first.this
                anchor = _Resolver(self._inputs).query(first, known, outer)  # its faults are found below
                inside = {**known, cte.alias.lower(): anchor.renamed(names)}
            known[cte.alias.lower()] = self.query(cte.this, inside, outer).renamed(names)
        return known

    def _set_operation(self, node: Any, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        operands = [node.expression]
        first = node.this
        while isinstance(first, exp.SetOperation) and not (first.args.get("with_") or first.args.get("with")):
            operands.append(first.expression)
            first = first.this
        output = self.query(first, ctes, outer)
        others = [self.query(operand, ctes, outer) for operand in reversed(operands)]
        by_name = node.args.get("by_name") or any(part.args.get("by_name") for part in node.find_all(exp.SetOperation))
        if by_name:
            more = [name for other in others for name in other.names if not output.find(name)]
            unknown = next((other.unknown for other in others if other.unknown), output.unknown)
            output = replace(output.with_columns(dict.fromkeys(more)), unknown=unknown)
        output = replace(output, columns=tuple(NamedColumn(name) for name in output.names))  # of types that both share
        self._ordered(node, output, ctes, outer)
        return output

    def _ordered(self, node: Any, output: Relation, ctes: Mapping[str, Relation], outer: Scope | None) -> None:
        scope = Scope(outer, [("", output)])
        self.walk([node.args[key] for key in _CLAUSES_OF_OUTPUT if node.args.get(key)], ctes, scope)

    def _select(self, node: exp.Select, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        scope = Scope(outer)
        from_ = node.args.get("from_") or node.args.get("from")
        if from_ is not None:
            self._add_table(from_.this, ctes, scope)
        for join in node.args.get("joins") or ():
            self._join(join, ctes, scope)
        for lateral in node.args.get("laterals") or ():
            self._add_table(lateral, ctes, scope)
        if node.args.get("pivots"):
            scope.tables = [("", _ONLY_SPARK)]
        self.walk([node.args[key] for key in ("where", "prewhere") if node.args.get(key)], ctes, scope)
        scope.tables += [(_ADDED, Relation((NamedColumn(name, WINDOW),))) for name in _windows(node)]
        output = self._projected(node, ctes, scope)
        by_output = scope.with_aliases(output)
        if node.args.get("group"):  # an expression of GROUP BY may be named by its text
            by_output.tables.append((_ADDED, Relation(has_generated_names=True)))
        self.walk([node.args[key] for key in ("group", "windows") if node.args.get(key)], ctes, by_output)
        for key in _CLAUSES_OF_OUTPUT:
            if node.args.get(key):
                shown = by_output.only(output.names) if key in _ORDERING and node.args.get("distinct") else by_output
                self.walk([node.args[key]], ctes, shown)
        return output

    def _projected(self, node: exp.Select, ctes: Mapping[str, Relation], scope: Scope) -> Relation:
        """The columns of a SELECT list; each may name the aliases before it."""
        columns: list[NamedColumn] = []
        unknown, generated = "", False
        inner = replace(scope, tables=[*scope.tables], aliases=dict(scope.aliases))
        for expression in node.expressions:
            faults = len(self.faults)
            self.walk([expression], ctes, inner)
            part = self._named(expression, inner)
            if len(self.faults) > faults:  # what it would be called is not known, and needs no second message
                part = replace(part, unknown=part.unknown or "a name in its SQL is wrong")
            columns += part.columns
            unknown, generated = unknown or part.unknown, generated or part.has_generated_names
            star = expression.this if isinstance(expression, exp.Column) else expression
            if isinstance(star, exp.Star):
                shown = self._all(scope) if star is expression else self._starred(expression, scope)
                self._except(star.args.get("except_") or star.args.get("except") or (), shown, scope)
            inner.aliases |= {column.name.lower(): column for column in part.columns}
            if part.unknown or part.has_generated_names:  # which may be named by its text, too
                inner.tables.append((_ADDED, Relation(has_generated_names=True)))
        if node.args.get("operation_modifiers") or any(
            isinstance(each, exp.QueryTransform) for each in node.expressions
        ):
            unknown = unknown or _ONLY_SPARK.unknown
        return Relation(tuple(columns), unknown, generated)

    def _except(self, names: Iterable[Any], shown: Relation, scope: Scope) -> None:
        """Look up what `* EXCEPT (…)` leaves out: a column that the star shows, perhaps by its table's alias, or a field of one."""
        for name in names:
            parts = name.parts if isinstance(name, exp.Column) else [name]
            inside = Scope(tables=[("", shown)]) if shown.find(parts[0].name) else scope
            _, fault = look_up(parts, inside)
            self.faults += [fault] if fault is not None and not fault.ambiguous_in else []

    def _named(self, expression: Any, scope: Scope) -> Relation:
        """The columns that one expression of a SELECT list makes."""
        if isinstance(expression, exp.Star):
            return self._all(scope).without(_left_out(expression))
        if isinstance(expression, exp.Column) and isinstance(expression.this, exp.Star):
            return self._starred(expression, scope).without(_left_out(expression.this))
        if isinstance(expression, exp.Aliases):
            rows = rows_of(expression.this, scope) or Relation()
            return rows.renamed([each.name for each in expression.expressions])
        if isinstance(expression, exp.Alias):
            made = rows_of(expression.this, scope)
            if made is None and isinstance(expression.this, exp.Column):
                made = self._passed_on(expression.this, scope)
            return (made or Relation((NamedColumn("", shape_of(expression.this, scope)),))).renamed([expression.alias])
        while isinstance(expression, exp.Paren):
            expression = expression.this
        if isinstance(expression, exp.Column):
            return self._passed_on(expression, scope)
        if _is_path(expression):
            return Relation((NamedColumn(str(expression.name), shape_of(expression, scope)),))
        if isinstance(expression, exp.Literal | exp.Boolean | exp.Null):
            return Relation((NamedColumn(expression.name or expression.sql("spark")),), has_generated_names=True)
        if isinstance(expression, exp.Anonymous) and expression.name.lower() in WINDOWS:
            return Relation((NamedColumn(WINDOWS[expression.name.lower()], WINDOW),))
        made = rows_of(expression, scope) if isinstance(expression, exp.Func | exp.UDTF) else None
        if made is not None and not isinstance(expression, exp.Anonymous):
            return made
        value = expression.find(exp.Placeholder, exp.Anonymous)  # named by the value; perhaps a generator of columns
        return _ONLY_SPARK if value is not None else Relation(has_generated_names=True)

    def _passed_on(self, expression: exp.Column, scope: Scope) -> Relation:
        """A column that is returned as it is: the same one, where it is no field of another."""
        if is_function(expression.parts, scope):
            return Relation(has_generated_names=True)
        name = str(expression.name)
        columns = [
            column for alias, relation in scope.tables if _is_of(expression, alias) for column in relation.find(name)
        ]
        if len(expression.parts) <= 2 and len(columns) == 1 and columns[0].name == name:  # noqa: PLR2004  # alias.column
            return Relation((columns[0],))
        return Relation((NamedColumn(name, shape_of(expression, scope)),))

    def _all(self, scope: Scope) -> Relation:
        """The columns of `*`: merged ones first and once, then those of each table."""
        others = [
            column
            for alias, relation in scope.tables
            for column in (relation.columns if alias != _ADDED else ())
            if column not in scope.merged and column not in scope.hidden
        ]
        unknown = next((relation.unknown for _, relation in scope.tables if relation.unknown), "")
        generated = any(relation.has_generated_names for _, relation in scope.tables)
        return Relation((*scope.merged, *others), unknown, generated)

    def _starred(self, node: exp.Column, scope: Scope) -> Relation:
        """The columns of `t.*` or, of a struct, `s.*`."""
        parts = node.parts[:-1]
        table = scope.table(parts[0].name) if len(parts) == 1 else None
        if table is not None:
            return table
        shape, _ = look_up(parts, scope)
        if shape is None or shape.name != "struct":
            return _ONLY_SPARK
        return Relation(tuple(NamedColumn(field.name, field.shape) for field in shape.fields))

    def _add_table(self, node: Any, ctes: Mapping[str, Relation], scope: Scope) -> None:
        """Add one part of a FROM clause, with what is joined to it inside brackets, to the scope."""
        before = len(scope.tables)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery):
            self._add_table(node.this, ctes, scope)
            for join in node.args.get("joins") or ():
                self._join(join, ctes, scope)
            if node.alias:
                inside = replace(scope, tables=scope.tables[before:])
                scope.tables[before:] = [(node.alias.lower(), self._all(inside).renamed(_alias_columns(node)))]
        else:
            relation = self._table(node, ctes, scope).renamed(_alias_columns(node))
            name = node.alias_or_name if isinstance(node, exp.Table) else node.alias
            scope.tables.append((name.lower(), relation))
            for join in node.args.get("joins") or ():
                self._join(join, ctes, scope)
            for lateral in node.args.get("laterals") or ():
                self._add_table(lateral, ctes, scope)
        for pivot in node.args.get("pivots") or ():
            inside = replace(scope, tables=scope.tables[before:])
            named = [
                field.expressions if pivot.args.get("unpivot") else field.this
                for field in pivot.args.get("fields") or ()
            ]
            self.walk([*([] if pivot.args.get("unpivot") else pivot.expressions), *named], ctes, inside)
            scope.tables[before:] = [((pivot.alias or "").lower(), _ONLY_SPARK)]

    def _table(self, node: Any, ctes: Mapping[str, Relation], scope: Scope) -> Relation:
        if isinstance(node, exp.Table):
            if isinstance(node.this, exp.Func):
                self.walk(node.this.iter_expressions(), ctes, scope)
                return rows_of(node.this, scope) or _ONLY_SPARK
            name = node.name.lower()
            known = None if node.db else ctes.get(name) or self._inputs.get(name)
            return known.read_again() if known is not None else _ONLY_SPARK
        if isinstance(node, exp.Lateral):
            if isinstance(node.this, exp.Query):
                return self.query(node.this, ctes, scope)
            self.walk([node.this], ctes, scope)
            return rows_of(node.this, scope) or _ONLY_SPARK
        if isinstance(node, exp.Values):
            return self._values(node, ctes, scope)
        if isinstance(node, exp.Query):
            return self.query(node, ctes, scope.outer)
        return _ONLY_SPARK

    def _values(self, node: exp.Values, ctes: Mapping[str, Relation], scope: Scope) -> Relation:
        self.walk(node.expressions, ctes, scope)
        first = node.expressions[0] if node.expressions else None
        width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
        return Relation(tuple(NamedColumn(f"col{place}") for place in range(1, width + 1))).renamed(
            _alias_columns(node)
        )

    def _join(self, join: exp.Join, ctes: Mapping[str, Relation], scope: Scope) -> None:
        before = len(scope.tables)
        self._add_table(join.this, ctes, scope)
        left, right = (
            Scope(tables=tables, hidden=scope.hidden) for tables in (scope.tables[:before], scope.tables[before:])
        )
        if join.args.get("on"):
            self.walk([join.args["on"]], ctes, scope)
        using = [_identifier(name) for name in join.args.get("using") or ()]
        for identifier in using:
            for side in (left, right):
                _, fault = look_up([identifier], side)
                self.faults += [fault] if fault is not None and not fault.ambiguous_in else []
        names = [str(identifier.name) for identifier in using]
        if join.method == "NATURAL":
            names = [name for name in self._all(left).names if self._all(right).find(name)]
        first = [column for name in names for column in self._all(left).find(name)[:1]]
        scope.hidden |= {column for name in names for column in self._all(right).find(name)}
        scope.merged = [*first, *(column for column in scope.merged if column not in first)]
        if join.kind in ("SEMI", "ANTI"):
            del scope.tables[before:]


def _windows(node: exp.Select) -> list[str]:
    """The columns that the windows of time in a SELECT, not in queries within it, add to its tables."""
    stack = [*node.expressions, *([node.args["group"]] if node.args.get("group") else [])]
    names: list[str] = []
    while stack:
        part = stack.pop()
        if isinstance(part, exp.Anonymous) and part.name.lower() in WINDOWS:
            names.append(WINDOWS[part.name.lower()])
        elif not isinstance(part, exp.Query):
            stack += part.iter_expressions()
    return list(dict.fromkeys(names))


def _is_path(expression: Any) -> bool:
    """Whether an expression is a column and fields of it, whose name is that of the last field."""
    while isinstance(expression, exp.Dot) and isinstance(expression.expression, exp.Identifier):
        expression = expression.this
        if isinstance(expression, exp.Column):
            return True
    return False


def _is_of(expression: exp.Column, alias: str) -> bool:
    return not expression.table or expression.table.lower() == alias


def _left_out(star: exp.Star) -> list[str]:
    return [str(each.name) for each in star.args.get("except_") or star.args.get("except") or ()]


def _alias_columns(node: Any) -> list[str]:
    alias = node.args.get("alias")
    return [column.name for column in alias.columns] if isinstance(alias, exp.TableAlias) else []


def _identifier(node: Any) -> Any:
    return node.this if isinstance(node, exp.Column) else node
