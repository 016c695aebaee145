"""Raw rows of an input made ready for the transform: malformed ones quarantined, all of them counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.frames.tally import KnownCounts, Tally
from etl.engine.output import ParsedInput
from etl.engine.sources.files import CORRUPT, ORIGIN
from etl.engine.sources.source import StaticSource, open_source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.frames.tally import Counted
    from etl.engine.job import Input
    from etl.planning.position import Pin


def parse_input(
    flow_input: Input,
    raw: DataFrame,
    caches: Caches,
    *,
    keep_malformed: bool,
    is_batch_of_stream: bool,
    counted: bool = True,
    row_count: int | None = None,
) -> ParsedInput:
    """The rows of `raw` that parsed, with the input's columns, and those that did not, as `malformed` has them.

    `keep_malformed`: this epoch is the one that quarantines malformed rows. `counted`: and the one that counts what was read.
    `row_count`: how many rows `raw` has, where that is known without reading them.
    """
    tally = _tally(flow_input, raw, row_count) if counted and flow_input.spec.read == "changes" else None
    frame = tally.frame if tally else raw
    if flow_input.source.on_malformed == "fail":
        return ParsedInput(frame, None, tally)
    keeps = flow_input.source.on_malformed == "quarantine" and keep_malformed
    # A static source parses only the columns that are asked for, so whether a row is malformed would depend on the query; and
    # two branches over one source would read it twice.
    if keeps or not is_batch_of_stream:
        frame = caches.keep(frame)
    parsed = frame.filter(F.col(CORRUPT).isNull()).drop(CORRUPT, *(name for name, _, _ in ORIGIN))
    return ParsedInput(parsed, malformed(frame) if keeps else None, tally)


def read_input(
    session: SparkSession, flow_input: Input, pin: Pin, caches: Caches, *, keep_malformed: bool, counted: bool = True
) -> ParsedInput:
    """An input read statically at a pin; of `counted` rows the number is told by the files, where nothing in them can be malformed."""
    source, is_told = open_source(flow_input.source), counted and flow_input.spec.read == "changes"
    row_count = source.row_count(pin) if is_told and isinstance(source, StaticSource) else None
    raw = source.as_of(session, pin)
    return parse_input(
        flow_input,
        raw,
        caches,
        keep_malformed=keep_malformed,
        is_batch_of_stream=False,
        counted=counted,
        row_count=row_count,
    )


def malformed(frame: DataFrame) -> DataFrame:
    """The rows that did not parse: `_etl_record STRING`, `_etl_file STRING`, `_etl_file_time TIMESTAMP`; a plug-in's rows lie in no file."""
    names = set(frame.columns)
    origin = (F.col(name) if name in names else F.lit(None).cast(kind).alias(name) for name, kind, _ in ORIGIN)
    return frame.filter(F.col(CORRUPT).isNotNull()).select(CORRUPT, *origin)


def _tally(flow_input: Input, raw: DataFrame, row_count: int | None) -> Counted:
    if row_count is not None and flow_input.source.on_malformed == "fail":
        return KnownCounts(raw, {"read": row_count, "malformed": 0})
    malformed = F.expr("false") if flow_input.source.on_malformed == "fail" else F.col(CORRUPT).isNotNull()
    return Tally(raw, [F.count(F.lit(1)).alias("read"), F.count_if(malformed).alias("malformed")])
