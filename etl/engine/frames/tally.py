"""Counts observed in the pass that moves the rows anyway."""

from __future__ import annotations

import contextlib
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from py4j.protocol import Py4JError
from pyspark.sql import Observation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column, DataFrame

_PATIENCE_S = 10.0


class Counted(Protocol):
    """Rows with named counts of them."""

    @property
    def frame(self) -> DataFrame:
        """The rows."""

    def result(self) -> Mapping[str, int]:
        """The counts by their names, after an action on something made from `frame`."""

    def recount(self, rows: DataFrame | None = None) -> Mapping[str, int]:
        """The counts, exact however often Spark has computed a row."""


class KnownCounts:
    """Counts that are known without a look at the rows, whose columns and filters the optimiser may therefore push down."""

    def __init__(self, frame: DataFrame, counts: Mapping[str, int]) -> None:
        self.frame = frame
        self._counts = counts

    def result(self) -> Mapping[str, int]:
        return self._counts

    def recount(self, rows: DataFrame | None = None) -> Mapping[str, int]:  # noqa: ARG002  # they are exact
        return self._counts


class Tally:
    """Named counts over a DataFrame, observed while an action reads it; `result()` waits for them for up to 10 s.

    Spark adds to them whenever it computes the rows, so below a cache that did not last they count twice: whoever caches what is made
    from `frame` asks for the result while the cache is there, or for a `recount`.
    """

    def __init__(self, frame: DataFrame, aggregates: Sequence[Column]) -> None:
        self._frame = frame
        self._aggregates = list(aggregates)
        self._observation = Observation()
        self._counts: Mapping[str, int] = {}

    @cached_property
    def frame(self) -> DataFrame:
        """The same rows, observed."""
        return self._frame.observe(self._observation, *self._aggregates)

    def result(self) -> Mapping[str, int]:
        """The counts by the aggregates' names, after an action on something made from `frame`.

        Where the optimiser found that the action need not read the frame at all (a filter that is never true, an input that
        is never used), Spark reports nothing, and waiting would never end: then, and only then, the rows are counted.
        """
        if not self._counts:
            observed: list[Mapping[str, int]] = []
            waiting = threading.Thread(target=self._wait, args=(observed,), daemon=True)
            waiting.start()
            waiting.join(_PATIENCE_S)
            self._counts = observed[0] if observed else {}
        return self._counts or self.recount()

    def recount(self, rows: DataFrame | None = None) -> Mapping[str, int]:
        """The counts by an action of their own, which is exact however often Spark computes a row; over `rows`, where they are kept."""
        row = (rows or self._frame).agg(*self._aggregates).first()
        self._counts = _numbers({} if row is None else row.asDict())
        return self._counts

    def _wait(self, observed: list[Mapping[str, int]]) -> None:
        # Where a plan came to nothing, Spark may end an observation with a row without columns, which pyspark cannot read. A JVM that is
        # gone is met again by whoever counts.
        with contextlib.suppress(Py4JError, OSError):
            observed.append(_numbers(self._observation.get))


def _numbers(row: Mapping[str, object]) -> Mapping[str, int]:
    return {name: int(str(value or 0)) for name, value in row.items()}
