"""The graph, the selectors, and what a query's text tells of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.config.spec import FlowSpec, InputSpec, PipelineSpec, SourceSpec, SqlTransform
from etl.errors import ConfigurationError
from etl.planning.graph import Graph
from etl.planning.selectors import select
from etl.planning.sql import classify

SPEC = PipelineSpec(
    "p", Path("/p.yml"), Path("/"), Path("/"), "local", "/s",
    sources=(SourceSpec("s", "delta", "/d"),),
    flows=(
        FlowSpec("late", (InputSpec("early"), InputSpec("side"))),
        FlowSpec("early", (InputSpec("s"),), tags=("nightly",)),
        FlowSpec("side", (InputSpec("s"),)),
        FlowSpec("last", (InputSpec("late"),), tags=("nightly",)),
    ),
)  # fmt: skip
GRAPH = Graph.of(SPEC)


def test_each_flow_comes_after_those_it_reads_and_else_in_the_order_of_the_file() -> None:
    assert GRAPH.order == ("early", "side", "late", "last")


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ([], [], ("early", "side", "late", "last")),
        (["late"], [], ("late",)),
        (["+late"], [], ("early", "side", "late")),
        (["early+"], [], ("early", "late", "last")),
        (["+late+"], ["side"], ("early", "late", "last")),
        (["tag:nightly"], [], ("early", "last")),
        ([], ["tag:nightly"], ("side", "late")),
    ],
)
def test_selectors_choose(include: list[str], exclude: list[str], expected: tuple[str, ...]) -> None:
    assert select(GRAPH, SPEC, include, exclude) == expected


@pytest.mark.parametrize(
    ("include", "exclude", "said"),
    [
        (["lat"], [], "did you mean 'late'?"),
        (["tag:nightli"], [], "did you mean 'nightly'?"),
        (["late"], ["late"], "nothing is selected"),
    ],
)
def test_a_selector_that_means_nothing_is_an_error(include: list[str], exclude: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        select(GRAPH, SPEC, include, exclude)
    assert said in str(caught.value)


INPUTS = (InputSpec("a"), InputSpec("b", "snapshot"))


@pytest.mark.parametrize(
    ("sql", "kind", "operator"),
    [
        ("SELECT a.id, upper(v) FROM a JOIN b ON a.id = b.id WHERE v > 'x'", "rows", ""),
        ("WITH c AS (SELECT * FROM a) SELECT * FROM c LEFT JOIN b USING (id)", "rows", ""),
        ("SELECT id, explode(xs) AS x FROM a", "rows", ""),
        ("SELECT id FROM a WHERE id IN (SELECT id FROM b)", "rows", ""),
        ("SELECT id, count(*) FROM a GROUP BY id", "full", "an aggregate"),
        ("SELECT id FROM a GROUP BY id", "full", "GROUP BY"),
        ("SELECT max(id) FROM a", "full", "an aggregate"),
        ("SELECT id, row_number() OVER (ORDER BY id) FROM a", "full", "a window"),
        ("SELECT DISTINCT id FROM a", "full", "DISTINCT"),
        ("SELECT id FROM a ORDER BY id", "full", "ORDER BY"),
        ("SELECT id FROM a LIMIT 1", "full", "LIMIT"),
        ("SELECT id FROM a UNION SELECT id FROM b", "full", "a set operation"),
        ("SELECT x.id FROM a x JOIN a y ON x.id = y.id", "full", "more than one read of changes"),
        ("SELECT * FROM b LEFT JOIN a USING (id)", "full", "join"),
        ("SELECT * FROM b RIGHT JOIN a USING (id)", "full", "join"),
        ("SELECT * FROM a FULL JOIN b USING (id)", "full", "join"),
        ("SELECT id FROM b WHERE id IN (SELECT id FROM a)", "full", "subquery"),
        ("SELECT my_aggregate(id) FROM a", "full", "not known"),
    ],
)
def test_a_query_s_text_tells_its_kind_and_in_doubt_full(sql: str, kind: str, operator: str) -> None:
    found = classify(SqlTransform(sql), INPUTS)
    assert found.kind == kind
    assert operator in found.operator
