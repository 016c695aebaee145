"""Frames that an epoch reads more than once, cached while it runs and released when it ends, however it ends."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from pyspark.sql import DataFrame


class Caches:
    """Cached frames that live no longer than the `with` block over them: what stays cached would slow a user's whole session down.

    They are released newest first, since Spark plans a cached frame again when one that it was made from goes.
    """

    def __init__(self) -> None:
        self._releases = ExitStack()
        self._kept: list[DataFrame] = []

    def keep(self, frame: DataFrame) -> DataFrame:
        """The frame, computed once by whatever reads it first."""
        kept = frame.persist()
        self._releases.callback(kept.unpersist)
        self._kept.append(kept)
        return kept

    def last(self) -> bool:
        """Whether all that was kept still is: whoever shares the JVM may release it, and then its rows are computed once more."""
        return all(frame.storageLevel.useMemory for frame in self._kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._releases.close()
