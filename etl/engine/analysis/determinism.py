"""Values that no mode can promise: those that differ from run to run, and those that depend on the order of rows.

Both are followed from the output's columns downwards through projections: what is allowed in a column that `equality:` names is
allowed only as long as nothing else reads it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.config.spec import SqlTransform
from etl.config.sql import run_ts
from etl.config.sql.locations import place_of
from etl.config.sql.volatile import IN_COLUMN, found_in
from etl.engine.analysis.ignored import volatile_but
from etl.engine.analysis.lineage import Derivations, expressions, output_columns
from etl.engine.analysis.volatile import computed_clocks, read_clocks, volatile_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame

    from etl.config.diagnostics import Location
    from etl.config.spec import FlowSpec
    from etl.engine.analysis.lineage import Expression
    from etl.engine.session.analysed_plan import PlanNode

ORDERED = {
    "CollectList": ("collect_list", "array_agg"),
    "CollectSet": ("collect_set",),
    "First": ("first", "first_value"),
    "Last": ("last", "last_value"),
    "AnyValue": ("any_value",),
    "ListAgg": ("listagg", "string_agg"),
    "HllSketchAgg": ("hll_sketch_agg",),
    "HllUnionAgg": ("hll_union_agg",),
    "ApproxTopK": ("approx_top_k",),
    "ApproxTopKAccumulate": ("approx_top_k_accumulate",),
    "ApproxTopKCombine": ("approx_top_k_combine",),
    "TupleSketchAggDouble": ("tuple_sketch_agg_double",),
    "TupleSketchAggInteger": ("tuple_sketch_agg_integer",),
    "TupleUnionAggDouble": ("tuple_union_agg_double",),
    "TupleUnionAggInteger": ("tuple_union_agg_integer",),
    "VectorAvg": ("vector_avg",),
    "VectorSum": ("vector_sum",),
}
"""Aggregates whose value depends on which row comes first → what SQL calls them."""
_APPROXIMATE = {
    "ApproximatePercentile": "percentile_approx", "HistogramNumeric": "histogram_numeric",
}  # fmt: skip
"""Aggregates whose answer depends on the order of many rows → what SQL calls them."""
UNORDERING = (
    "ArraySort", "SortArray", "Size", "ArraySize", "ArrayMax", "ArrayMin", "ArrayContains", "ArraysOverlap", "ArrayExists", "ArrayForAll",
    "TupleSketchEstimateDouble", "TupleSketchEstimateInteger", "TupleSketchThetaDouble", "TupleSketchThetaInteger",
    "TupleSketchSummaryDouble", "TupleSketchSummaryInteger",
)  # fmt: skip
"""Functions to which the order of the values that they are given is the same."""


def volatile(plan: PlanNode, flow: FlowSpec, output: DataFrame, since: datetime | None) -> list[Diagnostic]:
    """Diagnostics of the values that differ from run to run, but for those that end in ignored columns and nowhere else.

    `output`: the frame whose plan it is, made after `since`: the clock may stand in it as a constant.
    """
    ignored = {name.lower() for name in flow.equality.ignore}
    columns = output_columns(plan)
    free = {identity for identity, name in columns if name.lower() in ignored}
    clocks = read_clocks(plan, output, flow, since or datetime.now(UTC) - timedelta(minutes=1))
    names = dict.fromkeys(
        _in_sql(name, flow) for name in (*volatile_but(plan, free, clocks), *computed_clocks(plan, output))
    )
    never = "differs from run to run, so the two modes could never be equal"
    diagnostics = [
        Diagnostic("E262", f"flow '{flow.name}' uses {name}, whose value {never}", _place(name, flow), IN_COLUMN)
        for name in names
    ]
    if any(node.name == "Sample" for node in plan.walk()):
        message = f"flow '{flow.name}' takes a sample, which {never}"
        hint = "choose rows by a hash of what tells them apart: WHERE pmod(xxhash64(id), 100) < 10"
        diagnostics.append(Diagnostic("E262", message, place_of(flow, r"\b(TABLESAMPLE)\b"), hint))
    excused = any(True for node in plan.walk() for _ in volatile_in(node, clocks))
    if not diagnostics and excused:
        diagnostics += _deciding(flow, [name.lower() for _, name in columns], ignored)
    return diagnostics


def volatile_names(plan: PlanNode) -> Iterator[str]:
    """The values anywhere in a plan that differ from run to run, as SQL calls them."""
    for node in plan.walk():
        yield from volatile_in(node)


def _place(name: str, flow: FlowSpec) -> Location:
    """The place of a volatile value in the flow's SQL; the flow's own where it does not stand there, or in other words."""
    function, quoted = re.match(r"\w+(?=\(\))", name), re.match(r"'([^']*)' as a", name)
    if function is not None:
        return place_of(flow, rf"\b({function.group()})\b")
    for part in (flow, *flow.views):
        if isinstance(part.transform, SqlTransform):
            for text, offset in found_in(part.transform.text):
                if "(" not in text or "'" in text:
                    return part.transform.place(offset, len(text))
            if quoted is not None and (at := part.transform.text.find(quoted.group(1))) > 0:
                return part.transform.place(at - 1, len(quoted.group(1)) + 2)
    return flow.at


def _in_sql(name: str, flow: FlowSpec) -> str:
    """A volatile value as the user wrote it, where that is not what Spark calls it: when a plan is judged, the clock stands in."""
    return "run_ts()" if name == "now()" and run_ts.says(flow) else name


def ordered(plan: PlanNode, flow: FlowSpec) -> list[Diagnostic]:
    """Diagnostics of the output's columns that are an aggregate whose value depends on the order of rows, neither sorted nor declared."""
    declared = {name.lower() for name in (*flow.equality.unordered, *flow.equality.ignore)}
    diagnostics, derivations = [], Derivations(plan)
    for identity, name in output_columns(plan):
        aggregate = None if name.lower() in declared else _aggregate(identity, derivations, set())
        if aggregate is None:
            continue
        words = ORDERED[aggregate]
        message = f"flow '{flow.name}': column '{name}' is {words[0]} of rows that have no order, so it differs from run to run"
        hint = f"{_better(aggregate)}; or, where the order does not matter, say equality: {{{name}: unordered}}"
        diagnostics.append(Diagnostic("E264", message, place_of(flow, rf"\b({'|'.join(words)})\s*\("), hint))
    return diagnostics


def _better(aggregate: str) -> str:
    advice = {
        "Collect": "array_sort it",
        "Hll": "use theta_sketch_agg or approx_count_distinct, whose answers have no order",
        "ApproxTopK": "count them: GROUP BY",
        "Tuple": "show what it estimates: tuple_sketch_estimate_double(…)",
        "Vector": "sum its parts as DECIMAL",
    }
    return next(
        (words for begin, words in advice.items() if aggregate.startswith(begin)),
        "order it, or use min, max, min_by or max_by",
    )


def arbitrary_choices(plan: PlanNode, flow: FlowSpec) -> tuple[str, ...]:
    """Warnings where the plan takes any of several rows or values, though none of the data that is there may be such."""
    declared = {name.lower() for name in (*flow.equality.unordered, *flow.equality.ignore)}
    warnings: dict[str, None] = {}
    for node in plan.walk():
        if node.name == "GlobalLimit" and not _is_sorted(node):
            warnings["LIMIT without ORDER BY keeps any of the rows, so the modes may keep others: order them"] = None
        for expression in expressions(node.fields.get("aggregateExpressions")):
            for part in expression.walk() if _named(expression) not in declared else ():
                if part.name == "Mode" and "reverseOpt" not in part.fields:
                    warnings["mode() takes any of the values that are equally frequent: say mode() WITHIN GROUP (ORDER BY x)"] = None  # fmt: skip
                if part.name in _APPROXIMATE:
                    name = _APPROXIMATE[part.name]
                    warnings[f"{name}() of many rows depends on their order, so the modes may differ: use an exact one"] = None  # fmt: skip
    return tuple(warnings)


def _is_sorted(limit: PlanNode) -> bool:
    below = limit
    while (
        below.name in ("GlobalLimit", "LocalLimit", "Offset", "Project", "Filter", "SubqueryAlias") and below.children
    ):
        below = below.children[0]
    return below.name == "Sort" and bool(below.fields["global"])  # SORT BY orders no more than each partition


def _deciding(flow: FlowSpec, columns: list[str], ignored: set[str]) -> Iterator[Diagnostic]:
    """Diagnostics of ignored values that would decide which row a sink keeps."""
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


def _aggregate(identity: int, derivations: Derivations, seen: set[int]) -> str | None:
    """The order-sensitive aggregate that a column shows, wherever in the plan; None where none is, or its order does not matter."""
    seen.add(identity)
    for operator, whole in derivations.of(identity):
        for value in _shown(whole):
            if operator == "Aggregate" and value.name in ORDERED and not value.fields.get("orderExpressions"):
                return value.name
            for other in (value.identity, *value.outcome()) if value is not whole or value.outcome() else ():
                aggregate = _aggregate(other, derivations, seen) if other not in seen else None
                if aggregate is not None:
                    return aggregate
    return None


def _shown(expression: Expression) -> Iterator[Expression]:
    """An expression and what it is made of, but for what is behind a function to which the order of its values is the same."""
    yield expression
    if expression.name not in UNORDERING:
        for child in expression.children:
            yield from _shown(child)


def _named(expression: Expression) -> str:
    return str(expression.fields.get("name")).lower()
