"""Whether results that are still open decide which rows a state flow has, in its update mode.

Each epoch brings the results that it has changed, and a merge puts them in the place of the older ones with their keys. So a result may
change, and must not go: one that comes to be filtered out, or gets other keys, would leave behind what it was before. A filter that a
result passes for good once it has passed it (a count above a limit, a least value below one) leaves nothing behind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from etl.config.diagnostics import Diagnostic
from etl.config.sql.locations import place_of
from etl.engine.analysis.inputs import Moving
from etl.engine.analysis.lineage import expressions, output_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etl.config.spec import FlowSpec
    from etl.engine.analysis.lineage import Expression
    from etl.engine.session.analysed_plan import PlanNode

_Way = Literal["rises", "falls", "moves"]
_Column = tuple[int, _Way | None]  # its identity; how later rows change it, None where they do not

_WAYS: Mapping[str, _Way] = {
    "Count": "rises", "CountIf": "rises", "Max": "rises", "BoolOr": "rises", "Min": "falls", "BoolAnd": "falls",
}  # fmt: skip
_OPPOSITE: Mapping[_Way, _Way] = {"rises": "falls", "falls": "rises", "moves": "moves"}
_ABOVE, _BELOW = ("GreaterThan", "GreaterThanOrEqual"), ("LessThan", "LessThanOrEqual")
_DIGITS = {"byte": 3, "short": 5, "integer": 10, "long": 19}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_PASSING = {
    "SubqueryAlias", "View", "Distinct", "Deduplicate", "DeduplicateWithinWatermark", "EventTimeWatermark", "CollectMetrics", "Repartition",
    "RepartitionByExpression", "ResolvedHint", "UnresolvedHint",
    "Sort", "GlobalLimit", "LocalLimit", "Window",  # which Spark refuses, and says why
}  # fmt: skip


class _Unsettled(Exception):  # not an error: what later rows decide, in words
    """An operator whose rows depend on results that are still open; `word`: what says it in SQL."""

    def __init__(self, what: str, word: str = "") -> None:
        super().__init__(what)
        self.word = word


def unsettled(plan: PlanNode, flow: FlowSpec, changes: frozenset[str]) -> Diagnostic | None:
    """What open results decide in a flow whose mode is update; None where they decide nothing."""
    if flow.state is None or flow.state.output_mode != "update":
        return None
    try:
        _States(plan, changes).look_at_output(flow.sink.keys)
    except _Unsettled as found:
        return Diagnostic(
            "E266",
            f"flow '{flow.name}' updates results that are still open, and {found}: one that changes would leave its earlier row behind",
            place_of(flow, rf"\b({found.word})\b") if found.word else flow.at,
            "let an expectation drop or quarantine such results, which takes them back; or write closed results only:"
            " incremental: {state: {output_mode: append}}; groups takes any query",
        )
    return None


class _States:
    def __init__(self, plan: PlanNode, changes: frozenset[str]) -> None:
        self._plan, self._moving = plan, Moving(plan, changes)
        self._defined: dict[str, list[_Column]] = {}

    def look_at_output(self, keys: tuple[str, ...]) -> None:
        """Judge the whole plan, then its sink's keys."""
        ways = dict(self.look(self._plan))
        named = {name.lower() for name in keys}
        for identity, name in output_columns(self._plan):
            if name.lower() in named and ways.get(identity) is not None:
                raise _Unsettled(f"its key '{name}' is such a result")

    def look(self, node: PlanNode) -> list[_Column]:
        """The operator's columns; _Unsettled where results that are open decide about its rows."""
        if node.name == "WithCTE":
            return self._with(node)
        if node.name == "CTERelationRef":
            defined = self._defined.get(str(node.fields.get("cteId")), [])
            own = expressions(node.fields.get("output"))
            return [(item.identity, way) for item, (_, way) in zip(own, defined, strict=True)] if defined else []
        if not self._moving.reads(node) or self._moving.is_input(node):
            return [(identity, None) for identity, _ in output_columns(node)]
        parts = [self.look(child) for child in node.children]
        if node.name == "Union":
            return [(column[0][0], _common(way for _, way in column)) for column in zip(*parts, strict=True)]
        below = [column for part in parts for column in part]
        known = {identity: way for identity, way in below if way is not None}
        if node.name == "Aggregate":
            return [(item.identity, _way(item, known)) for item in expressions(node.fields["aggregateExpressions"])]
        if node.name == "Project":
            return [(item.identity, _way(item, known)) for item in expressions(node.fields["projectList"])]
        if not known or node.name in _PASSING:
            return _of(node, known)
        if node.name == "Filter":
            open_ones = [
                item for item in expressions(node.fields["condition"]) if _way(item, known) not in (None, "rises")
            ]
            if open_ones:
                raise _Unsettled(f"filters them by {_named(open_ones[0], known)}", "HAVING")
        elif node.name == "Join":
            for item in expressions(node.fields.get("condition")):
                if _reads(item, known):
                    raise _Unsettled(f"joins them by {_named(item, known)}")
        elif node.name == "Generate":
            for item in expressions(node.fields["generator"]):
                if _reads(item, known):
                    raise _Unsettled(f"makes rows out of {_named(item, known)}")
        else:
            raise _Unsettled(f"has the operator {node.name} over them, which may leave some out")
        return _of(node, known)

    def _with(self, node: PlanNode) -> list[_Column]:
        parts = (*node.children, *node.subplans)
        for definition in (item for item in parts if item.name == "CTERelationDef"):
            self._defined[str(definition.fields.get("id"))] = self.look(definition.children[0])
        return self.look(next(item for item in parts if item.name != "CTERelationDef"))


def _of(node: PlanNode, known: Mapping[int, _Way]) -> list[_Column]:
    return [(identity, known.get(identity)) for identity, _ in output_columns(node)]


def _way(item: Expression, known: Mapping[int, _Way]) -> _Way | None:
    """How later rows change a value; of a condition: whether it comes to hold and then holds for good (it rises), or the other way round."""
    if item.name == "AttributeReference":
        return known.get(item.identity)
    if item.name == "AggregateExpression":
        return _WAYS.get(item.children[0].name, "moves")
    if not _reads(item, known):
        return None
    parts = [_way(child, known) for child in item.children]
    if item.name in ("Alias", "And", "Or") or (item.name == "Cast" and _widens(item)):
        return _common(parts)
    if item.name == "Not" and parts[0] is not None:
        return _OPPOSITE[parts[0]]
    if item.name == "IsNotNull" and parts[0] != "moves":
        return "rises"
    if item.name in (*_ABOVE, *_BELOW):
        more, less = parts if item.name in _ABOVE else reversed(parts)
        return _common((more, _OPPOSITE[less] if less else None))
    return "moves"


def _widens(cast: Expression) -> bool:
    """Whether a cast takes every number as it is. Others keep no order: of texts '10' is before '9', and what does not fit may be NULL."""
    given, wanted = _type(cast.children[0]), str(cast.fields["dataType"])
    exact, target = _digits(given), _digits(wanted)
    if exact is None:
        return wanted == "double" and given in ("float", "double")
    if target is None:
        return wanted == "double"
    return target[0] >= exact[0] and target[1] >= exact[1]


def _type(item: Expression) -> str:
    """The type of a value that rises or falls, by its name in Spark's JSON; empty of others."""
    if item.name in ("Count", "CountIf"):
        return "long"
    if item.name in ("Alias", "AggregateExpression", "Max", "Min"):
        return _type(item.children[0])
    return str(item.fields.get("dataType", ""))


def _digits(name: str) -> tuple[int, int] | None:
    """How many digits an exact number has before and after its point."""
    if name in _DIGITS:
        return _DIGITS[name], 0
    found = _DECIMAL.fullmatch(name)
    return (int(found[1]) - int(found[2]), int(found[2])) if found else None


def _common(ways: Iterable[_Way | None]) -> _Way | None:
    found = {way for way in ways if way is not None}
    return found.pop() if len(found) == 1 else "moves" if found else None


def _reads(item: Expression, known: Mapping[int, _Way]) -> bool:
    """Whether a value is made of results that are open."""
    return any(
        part.identity in known or part.name == "AggregateExpression" or "UDAF" in part.name for part in item.walk()
    )


def _named(item: Expression, known: Mapping[int, _Way]) -> str:
    names = [str(part.fields.get("name")) for part in item.walk() if part.identity in known]
    return ", ".join(f"'{name}'" for name in dict.fromkeys(names))
