"""A path with `..` means the same files to Spark, which reads them, and to us, who list them: in both modes, run after run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from tests.support.independent import rows

Write = Callable[[Mapping[str, str]], Path]
PIPELINE = """
version: 1
name: shop
sources: {{orders: {{format: csv, path: "{path}", schema: "day INT, id INT"}}}}
flows: {{clean: {{inputs: {{orders: changes}}, incremental: rows, transform: {{sql: "SELECT id FROM orders"}}}}}}
"""


@pytest.mark.parametrize(
    "path", ["../exports", "./a/../../exports/", "link/../../exports/./*.csv", "../project/../exports//*"]
)
def test_what_was_read_is_found_again(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for folder in ("project/pipelines", "exports", "elsewhere/deep"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "project" / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    (tmp_path / "project" / "pipelines" / "shop.yml").write_text(PIPELINE.format(path=path), encoding="utf-8")
    (tmp_path / "exports" / "1.csv").write_text("1,1\n1,2\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "project")
    pipeline = etl.load("shop")
    assert pipeline.spec.sources[0].path.startswith(str(tmp_path / "exports"))

    def ran(mode: str) -> tuple[str, int, int]:
        (flow,) = pipeline.run(mode=mode).raise_for_status().flows  # type: ignore[arg-type]  # one of the two modes
        return flow.status, flow.generation or 0, flow.counts.read

    assert ran("batch") == ("succeeded", 0, 2)
    assert ran("batch") == ("unchanged", 0, 0)
    (tmp_path / "exports" / "2.csv").write_text("2,3\n", encoding="utf-8")
    assert ran("stream") == ("succeeded", 0, 1)
    assert ran("stream") == ("unchanged", 0, 0)
    (tmp_path / "exports" / "3.csv").write_text("3,4\n", encoding="utf-8")
    assert ran("stream") == ("succeeded", 0, 1)
    assert ran("batch")[0] == "unchanged"
    assert rows(tmp_path / "project/.etl/local/tables/shop/clean") == [(1,), (2,), (3,), (4,)]
