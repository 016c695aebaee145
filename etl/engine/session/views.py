"""Names that SQL in a session knows DataFrames by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def name_frame(frame: DataFrame, name: str) -> None:
    """Let SQL in the frame's own session know it by `name`, which may have stood for another one; nothing that is cached is touched.

    `CREATE OR REPLACE TEMP VIEW` releases whatever was cached of a view of that name, in every session of the JVM: another flow's rows,
    which are then computed, and counted, twice, and those of a user in whose session the flow works.
    """
    frame.sparkSession._jsparkSession.sessionState().catalog().dropTempView(name)  # noqa: SLF001  # the public ways release caches
    frame.createTempView(name)
