"""Counts taken in the pass that moves the rows anyway."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError
from pyspark.sql import Observation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column, DataFrame

_PATIENCE_S = 10.0


class Tally:
    """Aggregates over a DataFrame that are known once an action has read it."""

    def __init__(self, frame: DataFrame, aggregates: Sequence[Column]) -> None:
        self._frame = frame
        self._aggregates = list(aggregates)
        self._observation = Observation()
        self._found: dict[str, int] = {}
        self.frame = frame.observe(self._observation, *self._aggregates)

    def result(self) -> Mapping[str, int]:
        """The counts, after an action on something made from `frame`.

        Where the optimiser found that the action need not read the frame at all (a filter that is never true, an input that
        is never used), Spark reports nothing, and waiting would never end: then, and only then, the rows are counted.
        """
        if not self._found:
            waiting = threading.Thread(target=self._collect, daemon=True)
            waiting.start()
            waiting.join(_PATIENCE_S)
        if not self._found:
            row = self._frame.agg(*self._aggregates).first()
            self._found = _numbers({} if row is None else row.asDict())
        return self._found

    def _collect(self) -> None:
        try:
            self._found = _numbers(self._observation.get)
        except Py4JError:
            # Where a plan came to nothing, Spark may end an observation with a row without columns, which pyspark cannot read.
            self._found = {}


def _numbers(row: Mapping[str, object]) -> dict[str, int]:
    return {name: int(str(value or 0)) for name, value in row.items()}
