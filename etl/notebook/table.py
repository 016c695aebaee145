"""A table that is read from Python: `etl.load("shop").read("clean")`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.operations.show import ShowRequest, arrow, show

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from etl.config.spec import PipelineSpec
    from etl.planning.excerpt import Excerpt


@dataclass(frozen=True, slots=True)
class Table:
    """A flow's target or a source, at a version or at its newest; nothing is read before it is asked for.

    Shown in a notebook, it is its first rows, with sensitive values masked. `to_arrow` and `to_pandas` give all values as they are.
    """

    spec: PipelineSpec
    name: str
    version: int | None

    def to_arrow(self) -> pa.Table:
        """All rows, in memory. Needs `pip install 'twilight-etl[pandas]'`; a session of Spark's only for what show needs one for."""
        rows: pa.Table = arrow(self.spec, self.name, version=self.version)
        return rows

    def to_pandas(self) -> pd.DataFrame:
        """All rows, in memory, as pandas has them: whole numbers with NULLs among them become floats."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def head(self, limit: int = 20) -> Excerpt:
        """The first rows."""
        return show(self.spec, ShowRequest(self.name, version=self.version, limit=limit))

    def __repr__(self) -> str:
        at = "" if self.version is None else f" at version {self.version}"
        return f"Table {self.spec.name}.{self.name}{at}"

    def _repr_html_(self) -> str:
        return self.head()._repr_html_()
