"""Delta tables read once, their rows dealt into portions, and brought portion by portion into tables that are thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.engine.metadata.delta_log import log_versions
from etl.engine.tables.rows import columns_of
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyspark.sql import DataFrame

    from etl.config.schema.types import Column
    from etl.config.spec import SourceSpec
    from etl.engine.session.start import SessionHandle

_PORTION, _ORDER = "_etl_portion", "_etl_order"


class DealtTables:
    """Reads tables in a session of its own."""

    def __init__(self, handle: SessionHandle) -> None:
        self._session = handle.flow_session("UTC")

    def version(self, source: SourceSpec) -> int:
        """The newest version of a source's table; EnvironmentProblem where there is none."""
        versions = log_versions(source.path)
        if not versions:
            raise EnvironmentProblem(
                f"'{source.name}': there is no Delta table at {source.path}",
                where=str(source.at),
                hint="run the flow that writes it first, correct the source's path, or say --generated",
            )
        return versions[-1]

    def columns(self, source: SourceSpec) -> tuple[Column, ...]:
        """The columns of a source's table."""
        return columns_of(self._read(source, self.version(source)))

    def count(self, kind: str, file: str) -> int:
        """The number of rows in a file whose format needs no schema."""
        return self._session.read.format(kind).load(file).count()

    def keep(self, source: SourceSpec, version: int, place: str, most: int | None) -> int:
        """Copy a version of a source's table, or its first `most` rows, to `place`, and return the number of its rows."""
        rows = self._read(source, version)
        rows = rows if most is None else rows.limit(most)
        rows.withColumn(_ORDER, F.monotonically_increasing_id()).write.parquet(place)
        return self._session.read.parquet(place).count()

    def append(
        self, kept: str, table: str, *, portion: tuple[Collection[int], int], seed: int, by: str | None = None
    ) -> None:
        """Append rows of what was kept to a table: those whose lot, drawn by `seed` of so many, is among `portion`'s.

        `by`: the lots are not drawn, but follow each other in the order of that column.
        """
        chosen, lots = portion
        drawn = F.pmod(F.xxhash64(F.lit(seed), F.col(_ORDER)), F.lit(lots))
        if by is not None:
            drawn = F.ntile(lots).over(Window.orderBy(quoted(by), _ORDER)) - 1
        rows = self._session.read.parquet(kept).withColumn(_PORTION, drawn).filter(F.col(_PORTION).isin(*chosen))
        # Within a portion the rows come in an order that the seed decides.
        mixed = rows.repartition(3, F.xxhash64(F.lit(seed + 1), F.col(_ORDER))).sortWithinPartitions(
            F.xxhash64(F.lit(seed + 2), F.col(_ORDER))
        )
        self._write(mixed.drop(_PORTION, _ORDER), table)

    def whole(self, kept: str, table: str) -> None:
        """Bring all rows, in the order in which they were read."""
        self._write(self._session.read.parquet(kept).drop(_ORDER), table)

    def _read(self, source: SourceSpec, version: int) -> DataFrame:
        return self._session.read.format("delta").option("versionAsOf", str(version)).load(source.path)

    def _write(self, rows: DataFrame, table: str) -> None:
        names = [quoted(name) for name in rows.columns]
        rows.select(*names).write.format("delta").mode("append").save(table)
