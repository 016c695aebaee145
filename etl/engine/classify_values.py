"""Values that no mode can promise: those that differ from run to run, and those that depend on the order of rows.

Both are followed from the output's columns downwards through projections: what is allowed in a column that `equality:` names is
allowed only as long as nothing else reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.config import run_ts
from etl.config.diagnostics import Diagnostic
from etl.engine.lineage import expressions
from etl.engine.sql_places import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from etl.config.spec import FlowSpec
    from etl.engine.lineage import Expression
    from etl.engine.session_plan import PlanNode

_VOLATILE = {
    "Rand", "Randn", "RandStr", "Uniform", "Uuid", "Shuffle", "CurrentTimestamp", "CurrentDate", "CurrentTime", "Now", "LocalTimestamp",
    "UnixTimestamp0", "MonotonicallyIncreasingID", "SparkPartitionID", "InputFileName", "InputFileBlockStart", "InputFileBlockLength",
    "CurrentBatchTimestamp", "CurrentUser", "CallMethodViaReflection",
}  # fmt: skip
_ORDERED = {
    "CollectList": ("collect_list", "array_agg"),
    "CollectSet": ("collect_set",),
    "First": ("first", "first_value"),
    "Last": ("last", "last_value"),
    "AnyValue": ("any_value",),
    "ListAgg": ("listagg", "string_agg"),
}
"""Aggregates whose value depends on which row comes first → what SQL calls them."""
_APPROXIMATE = {
    "ApproximatePercentile": "percentile_approx", "ApproxTopK": "approx_top_k", "HistogramNumeric": "histogram_numeric",
}  # fmt: skip
"""Aggregates whose answer depends on the order of many rows → what SQL calls them."""
_UNORDERING = (
    "ArraySort", "SortArray", "Size", "ArraySize", "ArrayMax", "ArrayMin", "ArrayContains", "ArraysOverlap", "ArrayExists", "ArrayForAll",
)  # fmt: skip
_PASSING = ("SubqueryAlias", "Filter", "Sort")
_OF_FLOATS = ("Sum", "Average", "TrySum", "TryAverage", "StddevSamp", "StddevPop", "VarianceSamp", "VariancePop")
_DECIDES = {
    "Filter": {"condition": "filters rows"},
    "Join": {"condition": "joins rows"},
    "Aggregate": {"groupingExpressions": "groups rows"},
    "Window": {"partitionSpec": "groups rows"},
}
_LISTS = {"Project": "projectList", "Aggregate": "aggregateExpressions"}


def volatile(plan: PlanNode, flow: FlowSpec) -> list[Diagnostic]:
    """The values that differ from run to run, but for those that end in ignored columns and nowhere else."""
    ignored = {name.lower() for name in flow.equality.ignore}
    columns = _columns(plan)
    free = {item.identity for item in columns if _named(item) in ignored}
    names = dict.fromkeys(_in_sql(name, flow) for name in _volatile_but(plan, free))
    hint = "take the value from the data, or pass it as a param; or name the column that it ends in: equality: {ignore: [column]}"
    never = "differs from run to run, so the two modes could never be equal"
    found = [
        Diagnostic("E262", f"flow '{flow.name}' uses {name}, whose value {never}", flow.at, hint) for name in names
    ]
    if any(node.name == "Sample" for node in plan.walk()):
        message = f"flow '{flow.name}' takes a sample, which {never}"
        hint = "choose rows by a hash of what tells them apart: WHERE pmod(xxhash64(id), 100) < 10"
        found.append(Diagnostic("E262", message, place_of(flow, r"\b(TABLESAMPLE)\b"), hint))
    excused = any(True for node in plan.walk() for _ in _volatile_in(node.expressions))
    if not found and excused:
        found += _deciding(flow, [_named(item) for item in columns], ignored)
    return found


def volatile_names(plan: PlanNode) -> Iterator[str]:
    """The values anywhere in a plan that differ from run to run, as Spark calls them."""
    for node in plan.walk():
        yield from _volatile_in(node.expressions)


def _in_sql(name: str, flow: FlowSpec) -> str:
    """A volatile value as the user wrote it, where that is not what Spark calls it: when a plan is judged, the clock stands in."""
    return "run_ts()" if name == "Now" and run_ts.says(flow) else name


def ordered(plan: PlanNode, flow: FlowSpec) -> list[Diagnostic]:
    """The output's columns that are an aggregate whose value depends on the order of rows, neither sorted nor declared."""
    declared = {name.lower() for name in (*flow.equality.unordered, *flow.equality.ignore)}
    found = []
    for column in _columns(plan):
        aggregate = _aggregate(_main(plan), column)
        if aggregate is None or _named(column) in declared:
            continue
        words, name = _ORDERED[aggregate], column.fields.get("name")
        message = f"flow '{flow.name}': column '{name}' is {words[0]} of rows that have no order, so it differs from run to run"
        better = "array_sort it" if aggregate.startswith("Collect") else "order it, or use min, max, min_by or max_by"
        hint = f"{better}; or, where the order does not matter, say equality: {{{name}: unordered}}"
        found.append(Diagnostic("E264", message, place_of(flow, rf"\b({'|'.join(words)})\s*\("), hint))
    return found


def deciding_floats(plan: PlanNode) -> tuple[str, ...]:
    """What to say where a sum or an average of floats, whose last digits depend on the order of its parts, decides about rows."""
    made: dict[int, str] = {}
    for node in plan.walk():
        for item in expressions(node.fields.get(_LISTS["Aggregate"])):
            parts = [part for part in item.walk() if part.name in _OF_FLOATS]
            if any(_is_float(value) for part in parts for value in part.children):
                made[item.identity] = str(item.fields.get("name"))
    found: dict[str, None] = {}
    for node in plan.walk():
        for field, words in _DECIDES.get(node.name, {}).items():
            read = {part.identity for item in expressions(node.fields.get(field)) for part in item.walk()}
            for identity in read & made.keys():
                found[f"'{made[identity]}', a sum or an average of floats, {words}"] = None
    return tuple(
        f"{what}: its last digits depend on the order of rows, so that rows at the edge may differ between the modes; use DECIMAL, or round it first"
        for what in found
    )


def arbitrary_choices(plan: PlanNode, flow: FlowSpec) -> tuple[str, ...]:
    """What to say where the plan takes any of several rows or values, though none of the data that is there may be such."""
    declared = {name.lower() for name in (*flow.equality.unordered, *flow.equality.ignore)}
    found: dict[str, None] = {}
    for node in plan.walk():
        if node.name == "GlobalLimit" and not _is_sorted(node):
            found["LIMIT without ORDER BY keeps any of the rows, so the modes may keep others: order them"] = None
        for item in expressions(node.fields.get(_LISTS["Aggregate"])):
            for part in item.walk() if _named(item) not in declared else ():
                if part.name == "Mode" and "reverseOpt" not in part.fields:
                    found["mode() takes any of the values that are equally frequent: say mode() WITHIN GROUP (ORDER BY x)"] = None  # fmt: skip
                if part.name in _APPROXIMATE:
                    name = _APPROXIMATE[part.name]
                    found[f"{name}() of many rows depends on their order, so the modes may differ: use an exact one"] = None  # fmt: skip
    return tuple(found)


def _is_sorted(limit: PlanNode) -> bool:
    below = limit
    while (
        below.name in ("GlobalLimit", "LocalLimit", "Offset", "Project", "Filter", "SubqueryAlias") and below.children
    ):
        below = below.children[0]
    return below.name == "Sort" and bool(below.fields["global"])  # SORT BY orders no more than each partition


def _is_float(value: Expression) -> bool:
    """Whether a value is a float, as far as its plan says of what type its parts are."""
    if "dataType" in value.fields:
        return value.fields["dataType"] in ("double", "float")
    return any(map(_is_float, value.children))


def _main(plan: PlanNode) -> PlanNode:
    """The operator that gives the output: of a query WITH others the query itself."""
    while plan.name in ("WithCTE", "SubqueryAlias"):
        plan = next(item for item in (*plan.children, *plan.subplans) if item.name != "CTERelationDef")
    return plan


def _columns(plan: PlanNode) -> list[Expression]:
    """The expressions of the output's columns; none where the last operator is no projection."""
    main = _main(plan)
    return expressions(main.fields.get(_LISTS.get(main.name, "")))


def _volatile_but(node: PlanNode, free: set[int]) -> Iterator[str]:
    """The volatile values below an operator, without those that only the columns `free` are made of."""
    if node.name in _LISTS and free:
        own = expressions(node.fields[_LISTS[node.name]])
        grouped = expressions(node.fields.get("groupingExpressions"))
        others = [*(item for item in own if item.identity not in free), *grouped]
        yield from (name for item in others for name in _volatile_of(item))
        read = {part.identity for item in own if item.identity in free for part in item.walk() if _is_column(part)}
        read -= {part.identity for item in others for part in item.walk() if _is_column(part)}
        for child in node.children:
            yield from _volatile_but(child, read if node.name == "Project" else set())
        for nested in node.subplans:
            yield from _volatile_but(nested, set())
        return
    if node.name != "WithCTE":  # its expressions are those of the operators that it holds
        yield from _volatile_in(node.expressions)
    for child in (*node.children, *node.subplans):
        whole = node.name == "SubqueryAlias" or (node.name == "WithCTE" and child.name != "CTERelationDef")
        yield from _volatile_but(child, free if whole else set())


def _is_column(item: Expression) -> bool:
    return item.name == "AttributeReference"


def _volatile_in(found: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for item in found:
        if item["class"] in _VOLATILE:
            yield str(item["class"])
        elif item["class"] == "PythonUDF" and item.get("udfDeterministic") is False:
            yield f"the non-deterministic function {item.get('name')}"


def _volatile_of(item: Expression) -> Iterator[str]:
    return _volatile_in({**part.fields, "class": part.name} for part in item.walk())


def _deciding(flow: FlowSpec, columns: list[str], ignored: set[str]) -> Iterator[Diagnostic]:
    """Where an ignored value would decide which row a sink keeps."""
    if flow.sink.strategy == "scd2" and not flow.sink.track:
        message = (
            f"flow '{flow.name}' ignores a value that differs from run to run, and scd2 makes a version of every change"
        )
        yield Diagnostic("E262", message, flow.equality.at, "say under sink.track which columns make a version")
    if flow.sink.strategy == "merge":
        first = min((index for index, name in enumerate(columns) if name in ignored), default=len(columns))
        later = [name for name in columns[first:] if name not in ignored]
        if later:
            message = f"flow '{flow.name}': of equal rows a merge keeps the greater, and '{columns[first]}', which differs from run to run, stands before '{later[0]}'"
            yield Diagnostic("E262", message, flow.equality.at, "return ignored columns last")


def _aggregate(node: PlanNode, column: Expression) -> str | None:
    """The order-sensitive aggregate that a column shows, followed through projections; None where none is, or its order does not matter."""
    for value in _shown(column):
        if node.name == "Aggregate" and value.name in _ORDERED:
            if not value.fields.get("orderExpressions"):
                return value.name
        elif _is_column(value) and node.name in _LISTS:
            below = node.children[0] if node.children else None
            while below is not None and below.name in _PASSING:
                below = below.children[0] if below.children else None
            if below is not None and below.name in _LISTS:
                made = [
                    item for item in expressions(below.fields[_LISTS[below.name]]) if item.identity == value.identity
                ]
                found = _aggregate(below, made[0]) if made else None
                if found is not None:
                    return found
    return None


def _shown(item: Expression) -> Iterator[Expression]:
    """An expression and what it is made of, but for what is behind a function to which the order of its values is the same."""
    yield item
    if item.name not in _UNORDERING:
        for child in item.children:
            yield from _shown(child)


def _named(item: Expression) -> str:
    return str(item.fields.get("name")).lower()
