"""Python into which no plan can look, in a flow of groups: it runs with its author's word and a verification that passed, and not before."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

import etl
from etl.cli import main
from tests.support.independent import rows

pytestmark = pytest.mark.spark

PIPELINE = """
version: 1
name: shares
sources:
  orders: {format: json, path: orders, schema: "id BIGINT, who STRING, n BIGINT"}
flows:
  share:
    inputs: [orders]
    transform: {python: "shares_functions:share"}
    incremental: {groups: {who: who}}
    trusted: true
tests:
  - name: a share is of all that one has
    flow: share
    given: {orders: [{id: 1, who: a, n: 1}, {id: 2, who: a, n: 3}]}
    expect: [{id: 1, who: a, share: 0.25}, {id: 2, who: a, share: 0.75}]
"""
FUNCTIONS = """
import pandas as pd
from pyspark.sql import DataFrame


def of_all(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(share=rows["n"] / rows["n"].sum())[["id", "who", "share"]]


def share(orders: DataFrame) -> DataFrame:
    return orders.groupBy(KEY).applyInPandas(of_all, "id BIGINT, who STRING, share DOUBLE")
"""
GROUPS = "abcdefgh"
APART, MIXING = FUNCTIONS.replace("KEY", '"who"'), FUNCTIONS.replace("KEY", "")


def refused(root: Path, *asked: str) -> str:
    done = CliRunner().invoke(main, ["run", "shares", "--json", *asked])
    assert done.exit_code == 2, done.output
    (flow,) = json.loads(done.stdout)["flows"]
    assert not list(root.rglob("generation.json"))
    assert not list(root.rglob("tables"))
    return str(flow["error"])


def test_it_is_run_when_a_verification_has_found_it_equal_as_it_is(
    project: Callable[[Mapping[str, str]], Path],
) -> None:
    orders = "\n".join(json.dumps({"id": number, "who": GROUPS[number % 8], "n": number}) for number in range(1, 13))
    root = project(
        {
            "pipelines/shares/pipeline.yml": PIPELINE,
            "pipelines/shares/shares_functions.py": MIXING,
            "orders/1.json": orders,
        }
    )
    for mode in ("batch", "stream"):
        error = refused(root, "--mode", mode)
        assert (
            "pipelines/shares/pipeline.yml:7:3 [E267] flow 'share' says trusted: true, and its plan has applyInPandas"
            in error
        )
        assert "etl verify shares --select share" in error
    assert etl.load("shares").verify(splits=2, seed=1).status == "differs"
    assert "E267" in refused(root)
    assert sum("trusted" in warning for warning in etl.load("shares").plan().warnings) == 1

    project({"pipelines/shares/shares_functions.py": APART})
    assert CliRunner().invoke(main, ["test", "shares"]).exit_code == 0, "a trial needs no proof"
    assert "E267" in refused(root), "another definition than the one that was verified"
    assert etl.load("shares").verify(splits=1, seed=1).status == "equal"
    for mode, number in (("batch", 13), ("stream", 14)):
        line = json.dumps({"id": number, "who": "b", "n": number})
        (root / "orders" / f"{number}.json").write_text(line, encoding="utf-8")
        result = etl.load("shares").run(mode=mode)  # type: ignore[arg-type]  # a text of the test's own
        assert result.status == "succeeded", result.flows[0].failure
        assert result.flows[0].warnings == ()
    found = rows(root / ".etl" / "local" / "tables" / "shares" / "share")
    given = [(number, GROUPS[number % 8], number) for number in range(1, 13)] + [(13, "b", 13), (14, "b", 14)]
    whole = Counter[str]()
    for _, who, n in given:
        whole[who] += n
    assert sorted((i, who, round(share, 9)) for i, who, share in found) == [
        (i, who, round(n / whole[who], 9)) for i, who, n in given
    ]
