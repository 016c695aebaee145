"""A project of one pipeline, changed under its runs by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

import etl
from etl.planning.results import FlowResult
from tests.support.independent import rows

HEAD = """
version: 1
name: p
run: {retry: {max_retries: 0}}
sources:
"""
CSV = '{format: csv, path: landing, schema: "id INT, v STRING", options: {header: true}}'
THINGS = f"{HEAD}  things: {CSV}\nflows:\n"


@dataclass(frozen=True)
class Place:
    """A project of one pipeline, and what its runs did."""

    root: Path
    spark: SparkSession

    def define(self, text: str) -> None:
        (self.root / "pipelines" / "p.yml").write_text(text, encoding="utf-8")

    def land(self, number: int, *lines: str) -> Path:
        return self.put(f"landing/{number}.csv", "id,v", *(lines or (f"{number},x",)))

    def put(self, name: str, *lines: str) -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def append(self, *numbers: int) -> Path:
        table = self.root / "lake"
        for number in numbers:
            frame = self.spark.createDataFrame([(number, "x")], "id INT, v STRING")
            frame.coalesce(1).write.format("delta").mode("append").save(str(table))
        return table

    def pipeline(self) -> etl.Pipeline:
        return etl.load(self.root / "pipelines" / "p.yml")

    def run(self, mode: Any = "stream", **asked: Any) -> FlowResult:
        """What became of the last flow."""
        return self.pipeline().run(mode=mode, **asked).flows[-1]

    def good(self, mode: Any = "stream", **asked: Any) -> FlowResult:
        """The same of a run of which all flows succeeded, and whose tables hold."""
        found = self.pipeline().run(mode=mode, **asked)
        assert found.status in ("succeeded", "unchanged"), [item.failure for item in found.flows]
        audit = self.pipeline().audit()
        assert audit.holds, audit
        return found.flows[-1]

    def planned(self, mode: Any = "stream", **asked: Any) -> tuple[str, str]:
        found = self.pipeline().plan(mode=mode, **asked).flows[-1]
        return found.action, found.reason

    def rows(self, flow: str = "f", columns: str = "*", place: str = "tables") -> list[tuple[Any, ...]]:
        return rows(self.root / ".etl" / "local" / place / "p" / flow, columns)

    def spark_rows(self, place: str, column: str) -> list[Any]:
        """The values of a column of flow `f`, for the tables that deltalake does not read: those with mapped columns."""
        frame = self.spark.read.format("delta").load(str(self.root / ".etl" / "local" / place / "p" / "f"))
        return sorted(row[0] for row in frame.selectExpr(column).collect())
