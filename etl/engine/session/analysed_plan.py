"""Spark's analysed plan of a DataFrame, as a frozen tree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import DataFrame


_SESSION, _WINDOW, _TIMED = "spark.sessionWindow", "spark.timeWindow", "spark.watermarkDelayMs"
_OF_INSTANTS = ("Deduplicate", "WithState")  # parts of the names of operators
_GROUPING = ("Aggregate", "Distinct", "Except")  # the last two group by all of their columns by the time they run
_MARKERS = ("PipeOperator",)  # operators that only say how a query was written
_CTE_NUMBERS = {"CTERelationDef": "id", "CTERelationRef": "cteId"}
_TEXTS_TO_TIMES = ("Cast", "ParseToTimestamp", "ParseToDate")


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One operator of a plan.

    Attributes:
        name: the simple name of its class.
        fields: its fields, as Spark serialises them.
        children: the operators that it reads; of a WITH the definitions of its names, and its body last.
        expressions: every expression in its fields.
        subplans: the plans of subquery expressions in its fields.
    """

    name: str
    fields: dict[str, Any]
    children: tuple[PlanNode, ...]
    expressions: tuple[dict[str, Any], ...]
    subplans: tuple[PlanNode, ...]

    @property
    def cte(self) -> str:
        """The number that a definition in a WITH shares with the operators that read it; empty for any other operator."""
        return str(self.fields.get(_CTE_NUMBERS.get(self.name, ""), ""))

    def definitions(self) -> tuple[PlanNode, ...]:
        """The definitions of a WITH, each after those that it reads; none for any other operator."""
        return tuple(child for child in self.children if child.name == "CTERelationDef")

    def body(self) -> PlanNode:
        """The query of a WITH that may read its definitions; any other operator is its own."""
        return self.children[-1] if self.name == "WithCTE" else self

    def walk(self) -> Iterator[PlanNode]:
        """This node and everything below it, subqueries among it."""
        yield self
        for node in (*self.children, *self.subplans):
            yield from node.walk()


def analysed_plan(frame: DataFrame) -> PlanNode:
    """The analysed plan, from the one call that serialises it whole. Runs nothing."""
    text = frame._jdf.queryExecution().analyzed().toJSON()  # noqa: SLF001  # no public way to a plan's structure
    nodes = json.loads(text)
    return _build(nodes, 0)[0]


def plan_in(fields: Mapping[str, Any]) -> PlanNode | None:
    """The plan inside of a subquery expression, by its fields; None of what holds none."""
    value = fields.get("plan")
    if not isinstance(value, list) or not value or not isinstance(value[0], dict) or "num-children" not in value[0]:
        return None
    return _build(value, 0)[0]


class Unplannable(Exception):
    """A stream that Spark would refuse only when it runs."""


def check_streaming(frame: DataFrame, output_mode: str) -> None:
    """Raise AnalysisException, or Unplannable, where Spark could not run `frame` as a stream in that mode. Runs nothing."""
    if any(node.getClass().getSimpleName() == "Window" and node.isStreaming() for node in _nodes(frame)):
        raise Unplannable("window functions (OVER) are not supported on streams, only windows of time")
    jvm = frame.sparkSession._jvm  # noqa: SLF001  # no public way to ask without starting the query
    if jvm is None:
        raise ValueError(output_mode)
    mode = getattr(jvm.org.apache.spark.sql.streaming.OutputMode, output_mode.capitalize())()
    checker = jvm.org.apache.spark.sql.catalyst.analysis.UnsupportedOperationChecker
    checker.checkForStreaming(frame._jdf.queryExecution().analyzed(), mode)  # noqa: SLF001  # likewise


def streaming_leaves(frame: DataFrame) -> list[set[int]]:
    """The sources of a stream in the order of its offset log, each by the ids of its columns.

    Spark's offset log has a line for each leaf of the analysed plan that streams, in the order of the tree.
    """
    leaves = frame._jdf.queryExecution().analyzed().collectLeaves()  # noqa: SLF001  # no public way to a plan's structure
    columns = []
    for i in range(leaves.size()):
        leaf = leaves.apply(i)
        if leaf.isStreaming():
            output = leaf.output()
            columns.append({int(output.apply(k).exprId().id()) for k in range(output.size())})
    return columns


def compares_instants(frame: DataFrame) -> bool:
    """Whether a stateful operator holds the time of a row itself against the watermark, and not the end of its window.

    Spark marks the columns that windows make, in metadata that no other form of the plan shows.
    """
    for node in _nodes(frame):
        if not node.isStreaming():
            continue
        name, children = node.getClass().getSimpleName(), node.children()
        if any(part in name for part in _OF_INSTANTS) or _is_marked(node, _SESSION):
            return True
        if name == "Join" and all(children.apply(i).isStreaming() for i in range(children.size())):
            return True
        if name in _GROUPING and not _groups_windows(node):
            return True
    return False


def _groups_windows(node: Any) -> bool:
    """Whether the times that rows are grouped by are windows, and none is a row's own."""
    is_aggregate = node.getClass().getSimpleName() == "Aggregate"
    keys = node.groupingExpressions() if is_aggregate else node.output()
    of_keys = []
    for i in range(keys.size()):
        columns = keys.apply(i).references().toSeq()
        of_keys += [columns.apply(k).metadata() for k in range(columns.size())]
    windows = [metadata.contains(_WINDOW) for metadata in of_keys if metadata.contains(_TIMED)]
    return bool(windows) and all(windows)


def keeps_python_state(frame: DataFrame) -> bool:
    """Whether a function of the user's keeps state by `transformWithState`."""
    return any("TransformWithState" in node.getClass().getSimpleName() for node in _nodes(frame))


def waits_by_the_clock(frame: DataFrame) -> bool:
    """Whether state of the user's own has timers that go by the clock of the machine."""
    for node in _nodes(frame):
        name = node.getClass().getSimpleName()
        if "TransformWithState" in name and "ProcessingTime" in str(node.timeMode().toString()):
            return True
        if "WithState" in name and "MapGroups" in name and "ProcessingTime" in str(node.timeout().toString()):
            return True
    return False


def _is_marked(node: Any, mark: str) -> bool:
    output = node.output()
    return any(output.apply(i).metadata().contains(mark) for i in range(output.size()))


def _nodes(frame: DataFrame) -> Iterator[Any]:
    """The operators of the analysed plan, as the JVM has them; those of subqueries not among them."""
    waiting = [frame._jdf.queryExecution().analyzed()]  # noqa: SLF001  # likewise
    while waiting:
        node = waiting.pop()
        yield node
        children = node.children()
        waiting += [children.apply(i) for i in range(children.size())]


def simple(name: str) -> str:
    """`Project` of `org.apache.spark.sql.catalyst.plans.logical.Project`."""
    return name.rsplit(".", 1)[-1].removesuffix("$")


def _build(nodes: list[dict[str, Any]], index: int) -> tuple[PlanNode, int]:
    """The tree whose root is at `index` of a list in pre-order, and the index after it."""
    own = nodes[index]
    children = []
    following = index + 1
    for _ in range(int(own["num-children"])):
        child, following = _build(nodes, following)
        children.append(child)
    if simple(own["class"]) in _MARKERS:
        return children[0], following
    expressions: list[dict[str, Any]] = []
    subplans: list[PlanNode] = []
    for key, value in own.items():
        if key not in ("class", "num-children"):
            _gather(value, expressions, subplans)
    return PlanNode(simple(own["class"]), own, tuple(children), tuple(expressions), tuple(subplans)), following


def _gather(value: Any, expressions: list[dict[str, Any]], subplans: list[PlanNode]) -> None:
    if isinstance(value, list):
        if (
            value
            and isinstance(value[0], dict)
            and "num-children" in value[0]
            and ".plans." in str(value[0].get("class"))
        ):
            subplans.append(_build(value, 0)[0])
            return
        for part in value:
            _gather(part, expressions, subplans)
    elif isinstance(value, dict):
        if "class" in value and "num-children" in value:
            expressions.append({**value, "class": simple(str(value["class"]))})
        for part in value.values():
            _gather(part, expressions, subplans)


def jvm_timezone(frame: DataFrame) -> str:
    """The name of the JVM's own time zone, in which the JSON of a plan writes instants."""
    jvm: Any = frame.sparkSession._jvm  # noqa: SLF001  # Spark has no setting that tells it
    return str(jvm.java.util.TimeZone.getDefault().getID())


def constant_texts(frame: DataFrame) -> list[tuple[str, str]]:
    """The texts, computed of constants alone, that a plan casts to times, each with the name of the type. Runs nothing."""
    texts: list[tuple[str, str]] = []
    waiting = [frame._jdf.queryExecution().analyzed()]  # noqa: SLF001  # no public way to a plan's structure
    while waiting:
        node = waiting.pop()
        waiting += _all(node.children())
        expressions = _all(node.expressions())
        while expressions:
            expression = expressions.pop()
            name = expression.getClass().getSimpleName()
            expressions += _all(expression.children())
            if "Subquery" in name or name == "Exists":
                waiting.append(expression.plan())
            if name in _TEXTS_TO_TIMES:
                text = expression.children().apply(0)
                if text.foldable() and text.dataType().typeName() == "string":
                    texts.append((str(text.eval(None)), str(expression.dataType().typeName())))
    return texts


def _all(sequence: Any) -> list[Any]:
    return [sequence.apply(index) for index in range(sequence.size())]
