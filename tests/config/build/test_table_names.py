"""Names of tables: whole, checked, and each of one flow only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.errors import ConfigurationError

Write = Callable[[Mapping[str, str]], Path]
YAML = """\
version: 1
name: p
sources:
  s: {format: csv, path: landing, schema: "id INT"}
flows:
  one: {inputs: [s], sink: {table: sales.orders}}
  two: {inputs: [s]}
"""


@pytest.mark.parametrize(("conf", "whole"), [("storage: x\n", "sales.orders"), ("catalog: dev\n", "dev.sales.orders")])
def test_the_environment_s_catalog_stands_before_the_name(project: Write, conf: str, whole: str) -> None:
    root = project({"pipelines/p.yml": YAML, "conf/local.yml": conf})
    flow = load(root / "pipelines" / "p.yml").flow("one")
    assert flow is not None
    assert flow.sink.table == whole


@pytest.mark.parametrize(
    ("old", "new", "conf", "code", "said"),
    [
        ("sales.orders", "sales.or ders", "storage: x", "E209", "'or ders' is none of its parts"),
        ("sales.orders", "sales..orders", "storage: x", "E209", "is none of its parts"),
        ("sales.orders", "a.b.c.d", "storage: x", "E209", "has 4 parts"),
        ("sales.orders", "sales.orders", "catalog: dev.raw", "E209", "the environment puts 'dev.raw' before it"),
        ("two: {inputs: [s]}", "two: {inputs: [s], sink: {table: Sales.Orders}}", "storage: x", "E206", "'one' and 'two'"),
        ("sales.orders", "sales.orders, strategy: view", "storage: x", "E245", "'table' means nothing"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_told(project: Write, old: str, new: str, conf: str, code: str, said: str) -> None:
    assert YAML.count(old) == 1
    root = project({"pipelines/p.yml": YAML.replace(old, new), "conf/local.yml": conf + "\n"})
    with pytest.raises(ConfigurationError) as caught:
        load(root / "pipelines" / "p.yml")
    assert any(item.code == code and said in item.render() for item in caught.value.diagnostics), str(caught.value)
