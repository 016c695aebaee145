"""What results that are still open must not decide: which rows an update-mode state flow has, and under which keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import etl
from tests.support.independent import rows

pytestmark = pytest.mark.spark

Project = Callable[[Mapping[str, str]], Path]

PIPELINE = """
version: 1
name: shop
sources:
  clicks: {format: json, path: landing/clicks, schema: "at TIMESTAMP, who STRING, n BIGINT"}
  people: {format: csv, path: landing/people.csv, schema: "who STRING, least BIGINT", options: {header: true}}
flows:
"""
FLOW = """
  NAME:
    inputs: INPUTS
    transform:
      sql: |
        QUERY
    incremental: {state: {watermark: at, delay: 10 minutes}}
    sink: {strategy: merge, keys: [at, who]}
"""
BY = "FROM clicks WHERE n IS NOT NULL GROUP BY window(at, '10 minutes'), who"
SELECT = "SELECT window(at, '10 minutes').start AS at, who"
COUNTED = f"{SELECT}, count(*) AS c, sum(n) AS s, max(n) AS m, min(n) AS l, bool_or(n > 4) AS b, max(CAST(n AS STRING)) AS t {BY}"


@pytest.fixture
def shop(project: Project) -> Callable[[str], Path]:
    def made(**queries: str) -> Path:
        text = PIPELINE
        for name, query in queries.items():
            inputs = "{clicks: changes, people: snapshot}" if "people" in query else "[clicks]"
            text += FLOW.replace("NAME", name).replace("INPUTS", inputs).replace("QUERY", query)
        root = project({"pipelines/shop.yml": text})
        (root / "landing" / "clicks").mkdir(parents=True)
        (root / "landing" / "people.csv").write_text("who,least\na,2\nb,1\n", encoding="utf-8")
        return root

    return made


def land(root: Path, number: int, who: str, n: int) -> None:
    line = json.dumps({"at": f"2024-01-01T08:{number:02}:00Z", "who": who, "n": n})
    (root / "landing" / "clicks" / f"{number}.json").write_text(line, encoding="utf-8")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (f"{SELECT}, count(*) AS c {BY}\n        HAVING count(*) < 3", "filters them by 'c'"),
        (f"{SELECT}, count(*) AS c {BY}\n        HAVING sum(n) > 3", "filters them by 'sum(n)'"),
        (f"{SELECT}, count(*) AS c {BY}\n        HAVING count(*) > 3 AND NOT (max(n) > 3)", "filters them by 'c', 'max(n)'"),
        (f"WITH c AS ({COUNTED}) SELECT * FROM c WHERE s > 3", "filters them by 's'"),
        (f"SELECT * FROM (SELECT at, who, c % 2 AS odd FROM ({COUNTED})) WHERE odd = 1", "filters them by 'odd'"),
        (f"SELECT at, who FROM ({COUNTED}) WHERE t > 8", "filters them by 't'"),
        (f"SELECT at, who FROM ({COUNTED}) WHERE CAST(t AS DOUBLE) > 8", "filters them by 't'"),
        (f"SELECT at, who FROM ({COUNTED}) WHERE try_cast(m AS DECIMAL(3, 1)) > 8", "filters them by 'm'"),
        (f"SELECT c.* FROM ({COUNTED}) c JOIN people p ON c.who = p.who AND c.s > p.least", "joins them by 's'"),
        (f"SELECT at, who, explode(sequence(1, c)) AS i FROM ({COUNTED})", "makes rows out of 'c'"),
        (f"SELECT at, concat(who, c) AS who FROM ({COUNTED})", "its key 'who' is such a result"),
    ],
)  # fmt: skip
def test_a_result_that_may_come_to_go_is_refused_before_anything_is_written(
    shop: Callable[..., Path], query: str, said: str
) -> None:
    root = shop(seen=query)
    land(root, 1, "a", 1)
    for mode in ("batch", "stream"):
        (flow,) = etl.load("shop").run(mode=mode).flows  # type: ignore[arg-type]  # a text of the test's own
        assert flow.failure is not None
        assert flow.failure.kind == "configuration"
        place = "14:9" if "\n" in query else "9:3"
        wanted = f"pipelines/shop.yml:{place} [E266] flow 'seen' updates results that are still open, and {said}: "
        assert wanted in flow.failure.message
    assert not (root / ".etl" / "local" / "tables").exists()
    assert not list((root / ".etl" / "local").rglob("generation.json"))


LASTING = {
    "often": f"{SELECT}, count(*) AS c {BY} HAVING count(*) > 1",
    "alert": f"{SELECT}, sum(n) AS s {BY} HAVING 2.5D < count(*) OR max(n) >= 5",
    "known": f"{SELECT}, sum(n) AS s {BY} HAVING min(n) <= 1 AND who IS NOT NULL AND NOT (count(*) < 2)",
    "widened": f"{SELECT}, sum(n) AS s {BY} HAVING CAST(max(CAST(n AS INT)) AS BIGINT) >= 5L OR CAST(max(CAST(n AS DECIMAL(9, 2))) AS DOUBLE) > 2.5D OR count(*) > 2.5",
    "joined": f"WITH c AS ({COUNTED}) SELECT c.at, c.who, c.s, p.least FROM c LEFT JOIN people p ON c.who = p.who WHERE b AND m > l IS NOT NULL",
    "limited": f"SELECT c.at, c.who, c.s FROM ({COUNTED}) c JOIN people p ON c.who = p.who AND p.least < 2 WHERE m IS NOT NULL",
    "exploded": f"SELECT at, who, e FROM (SELECT *, explode(array(who)) AS e FROM ({COUNTED})) WHERE e = 'a' AND c > 1",
}


def test_filters_that_are_passed_for_good_leave_what_one_batch_leaves(shop: Callable[..., Path]) -> None:
    root = shop(**LASTING)
    found: dict[str, list[Any]] = {name: [] for name in LASTING}
    for number, (who, n) in enumerate([("a", 3), ("b", 1), ("a", 1), ("b", 5), ("b", -9), ("a", -7)]):
        land(root, number, who, n)
        result = etl.load("shop").run(mode="stream")
        assert result.status == "succeeded", [flow.failure for flow in result.flows]
        for name, seen in found.items():
            seen.append(rows(root / ".etl" / "local" / "tables" / "shop" / name))
        if number in (2, 5):
            assert etl.load("shop").run(mode="batch", full_refresh=True).status == "succeeded"
            for name, seen in found.items():
                assert rows(root / ".etl" / "local" / "tables" / "shop" / name) == seen[-1], name
    assert all(seen[0] != seen[-1] for seen in found.values())
