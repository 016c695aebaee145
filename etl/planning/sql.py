"""What kind of processing a query allows, told from its text alone: `rows` only where that is certain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etl.config.spec import PythonTransform, SqlTransform
from etl.config.sql import run_ts
from etl.config.sql.syntax import understood

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.diagnostics import Location
    from etl.config.spec import FlowSpec, InputSpec
    from etl.planning.kinds import Kind


@dataclass(frozen=True, slots=True)
class SqlClassification:
    """A kind, the operator that decided it, and where that stands."""

    kind: Kind
    operator: str
    at: Location


def classify_flow(flow: FlowSpec) -> SqlClassification | None:
    """The kind that a flow allows together with the views in it; None where Python has a part in it."""
    moving = {item.dataset for item in flow.inputs if item.read == "changes"}
    classification = SqlClassification("rows", "no transform", flow.at)
    for part, reads in (*((view, view.inputs) for view in flow.views), (flow, flow.reads or flow.inputs)):
        inputs = [replace(item, read="changes" if item.dataset in moving else "snapshot") for item in reads]
        if not any(item.read == "changes" for item in inputs) and part is not flow:
            continue
        if isinstance(part.transform, PythonTransform):
            return None
        if isinstance(part.transform, SqlTransform):
            classification = classify(part.transform, inputs)
        if classification.kind == "full":
            return classification
        moving.add(part.name)
    return classification


def classify(transform: SqlTransform, inputs: Sequence[InputSpec]) -> SqlClassification:
    """`rows` for projections, filters, generators and joins of one changes input with snapshots; else `full`.

    In doubt `full`: Spark's analysed plan has the last word under a declared `rows`.
    """
    from sqlglot import exp  # noqa: PLC0415  # a tenth of a second that pipelines without SQL need not pay

    tree = understood(transform.text)
    if tree is None:
        return SqlClassification("full", "SQL that only Spark understands", transform.at)
    changes = {item.name.lower() for item in inputs if item.read == "changes"}

    def full(operator: str, node: Any) -> SqlClassification:
        return SqlClassification("full", operator, _place(node, transform))

    refused = (
        (exp.AggFunc, "an aggregate"),
        (exp.Group, "GROUP BY"),
        (exp.Having, "HAVING"),
        (exp.Window, "a window"),
        (exp.Distinct, "DISTINCT"),
        (exp.Limit, "LIMIT"),
        (exp.Offset, "OFFSET"),
        (exp.Order, "ORDER BY"),
        (exp.Sort, "SORT BY"),
        (exp.SetOperation, "a set operation"),
        (exp.TableSample, "TABLESAMPLE"),
        (exp.Pivot, "PIVOT"),
        (exp.Qualify, "QUALIFY"),
        (exp.Fetch, "FETCH"),
        (exp.Anonymous, "a function that is not known here"),
    )
    for node in tree.walk():
        for kind, name in refused:
            if isinstance(node, kind) and not (kind is exp.Anonymous and node.name.lower() == run_ts.NAME):
                return full(name, node)
    read = [table for table in tree.find_all(exp.Table) if table.name.lower() in changes and not table.db]
    if len(changes) != 1 or len(read) != 1:
        return full(
            "more than one read of changes" if len(read) > 1 or len(changes) > 1 else "no read of changes",
            read[-1] if read else tree,
        )
    for join in tree.find_all(exp.Join):
        joined = join.find(exp.Table)
        side = (join.side or "").upper()
        if side in ("RIGHT", "FULL") or (
            joined is not None and any(table is read[0] for table in join.find_all(exp.Table))
        ):
            return full(f"a {side.lower() + ' ' if side else ''}join that keeps rows of another input", join)
    for nested in tree.find_all(exp.Subquery, exp.Exists, exp.In):
        if any(table is read[0] for table in nested.find_all(exp.Table)) and not isinstance(nested.parent, exp.From):
            return full("a subquery over changes", nested)
    return SqlClassification("rows", "no operator that joins rows together", transform.at)


def _place(node: Any, transform: SqlTransform) -> Location:
    for item in node.walk():
        meta = getattr(item, "meta", {})
        if "start" in meta and "end" in meta:
            return transform.place(int(meta["start"]), int(meta["end"]) - int(meta["start"]) + 1)
    return transform.at
