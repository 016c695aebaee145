"""`etl preview`: the real code over a sample, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession

import etl
from etl.cli import main

Write = Callable[[Mapping[str, str]], Path]
PIPELINE = """
version: 1
name: shop
sources:
  orders:
    format: csv
    path: landing/orders
    schema: "id INT, who STRING, amount INT"
    options: {header: true}
    on_malformed: quarantine
  people: {format: csv, path: landing/people.csv, schema: "who STRING, email STRING", options: {header: true}}
flows:
  clean:
    inputs: {orders: changes, people: snapshot}
    transform: {sql: "SELECT o.id, o.amount, p.email FROM orders o LEFT JOIN people p ON o.who = p.who"}
    incremental: rows
    columns: {email: {sensitive: true}}
    expectations:
      positive: {expr: amount > 0, on_violation: drop}
      known: {expr: email IS NOT NULL, on_violation: quarantine}
      small: {expr: amount < 100, on_violation: fail}
  totals:
    inputs: [clean]
    transform: {sql: "SELECT count(*) AS n, sum(amount) AS total FROM clean"}
  seen: {inputs: [clean], sink: {strategy: view}}
  read: {inputs: [seen]}
"""


@pytest.fixture
def shop(project: Write) -> Path:
    files = {f"landing/orders/{day:02}.csv": f"id,who,amount\n{day},a,{day}\n" for day in range(1, 11)}
    files["landing/orders/11.csv"] = "id,who,amount\n11,zz,5\n12,a,-1\n13,a,500\nbroken,a,1\n"
    return project({"pipelines/shop.yml": PIPELINE, "landing/people.csv": "who,email\na,a@example.org\n", **files})


def files(root: Path) -> list[str]:
    return sorted(str(item) for item in root.rglob("*"))


def test_a_sample_goes_through_the_real_code_and_leaves_nothing_behind(spark: SparkSession, shop: Path) -> None:
    before = files(shop)
    found = etl.load("shop").preview("clean")
    assert dict(found.columns) == {"id": "int", "amount": "int", "email": "string"}
    # the last eight of eleven files; what does not parse never reaches the transform
    assert sorted(row["id"] for row in found.rows) == [4, 5, 6, 7, 8, 9, 10, 13]
    assert {row["email"] for row in found.rows} == {"***"}
    assert (found.sampled, found.dropped, found.quarantined) == (10, 1, 1)
    assert dict(found.violated) == {"small": 1}
    assert "orders: the last 8 of 11 files" in found.notes[0]
    totals = etl.load("shop").preview("totals")
    assert totals.rows == ({"n": 8, "total": 549},)
    assert any("clean: computed from its own inputs" in note for note in totals.notes)
    assert etl.load("shop").preview("read", limit=2).rows != ()
    assert files(shop) == before
    assert "a@example.org" not in found._repr_html_()


def test_one_that_has_run_is_read_and_not_computed_again(spark: SparkSession, shop: Path) -> None:
    (shop / "landing" / "orders" / "11.csv").unlink()
    assert etl.load("shop").run(mode="batch", select=["clean"]).status == "succeeded"
    found = etl.load("shop").preview("totals")
    assert found.rows == ({"n": 10, "total": 55},)
    assert found.notes == ("clean: at most 10,000 rows",)


def command(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["preview", *words])
    return done.exit_code, done.stdout, done.stderr


def test_the_flow_s_name_is_enough_where_it_is_the_only_one(spark: SparkSession, shop: Path) -> None:
    code, out, _ = command("totals", "--json")
    document: dict[str, Any] = json.loads(out)
    assert (code, document["pipeline"], document["rows"]) == (0, "shop", [{"n": 8, "total": 549}])
    code, out, _ = command("shop", "clean", "--limit", "1")
    assert code == 0
    assert "10 rows from the sample: 8 would be written, 1 dropped, 1 quarantined, 'small' is violated by 1" in out
    assert "Nothing was written." in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("claen",), "no pipeline here has a flow 'claen'"),
        (("shop", "claen"), "did you mean 'clean'?"),
        (("shop", "seen"), "preview a flow that reads it: read"),
        (("shop.totls",), "did you mean 'totals'?"),
        (("clean",), "several pipelines have a flow 'clean': shop, twin"),
    ],
)
def test_what_cannot_be_previewed_is_told(shop: Path, words: tuple[str, ...], said: str) -> None:
    if words == ("clean",):
        (shop / "pipelines" / "twin.yml").write_text(PIPELINE.replace("name: shop", "name: twin"), encoding="utf-8")
    code, _, err = command(*words)
    assert code == 2
    assert said in err
