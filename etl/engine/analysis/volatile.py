"""The parts of Spark's analysed plan that differ from run to run: functions, casts of texts that stand for the clock, the clock itself as a literal.

Spark marks most of these as deterministic. The list is held against Spark's own registry of functions by a test.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etl.config.spec import PythonTransform, SqlTransform
from etl.config.sql.volatile import found_in, is_clock
from etl.engine.analysis.lineage import expressions
from etl.engine.session.analysed_plan import constant_texts, jvm_timezone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame

    from etl.config.spec import FlowSpec
    from etl.engine.analysis.lineage import Expression
    from etl.engine.session.analysed_plan import PlanNode

Clocks = frozenset[tuple[str, str]]
"""Constants that the clock was read for: their texts in a plan's JSON, their types."""

_FUNCTIONS = {
    "Rand": "rand()", "Randn": "randn()", "RandStr": "randstr()", "Uniform": "uniform()", "Uuid": "uuid()", "Shuffle": "shuffle()",
    "CurrentTimestamp": "current_timestamp()", "CurrentDate": "current_date()", "CurrentTime": "current_time()", "Now": "now()",
    "LocalTimestamp": "localtimestamp()", "UnixTimestamp0": "unix_timestamp()", "CurrentBatchTimestamp": "current_timestamp()",
    "MonotonicallyIncreasingID": "monotonically_increasing_id()", "SparkPartitionID": "spark_partition_id()",
    "InputFileName": "input_file_name()", "InputFileBlockStart": "input_file_block_start()",
    "InputFileBlockLength": "input_file_block_length()", "CallMethodViaReflection": "reflect()",
    "CurrentUser": "current_user()", "CurrentDatabase": "current_database()", "CurrentCatalog": "current_catalog()",
    "CurrentPath": "current_path()", "SparkVersion": "version()",
    "KllSketchAggBigint": "kll_sketch_agg_bigint()", "KllSketchAggDouble": "kll_sketch_agg_double()",
    "KllSketchAggFloat": "kll_sketch_agg_float()", "KllMergeAggBigint": "kll_merge_agg_bigint()",
    "KllMergeAggDouble": "kll_merge_agg_double()", "KllMergeAggFloat": "kll_merge_agg_float()",
    "KllSketchMergeBigint": "kll_sketch_merge_bigint()", "KllSketchMergeDouble": "kll_sketch_merge_double()",
    "KllSketchMergeFloat": "kll_sketch_merge_float()",
}  # fmt: skip
"""Classes of expressions → what SQL calls them."""
_TIMES = ("timestamp", "timestamp_ntz", "date")
_PARSED = {"ParseToTimestamp": "timestamp", "ParseToDate": "date"}
_MODE, _IV = 2, 4  # where aes_encrypt takes them
_DAYS = re.compile(r"\b(?:now|today|tomorrow|yesterday)\b", re.IGNORECASE)


def volatile_in(node: PlanNode, clocks: Clocks = frozenset()) -> Iterator[str]:
    """The SQL names of what differs from run to run in an operator's own expressions."""
    for value in node.fields.values():
        for expression in expressions(value):
            yield from volatile_of(expression, clocks)


def volatile_of(expression: Expression, clocks: Clocks = frozenset()) -> Iterator[str]:
    """The SQL names of what differs from run to run in an expression; `clocks`: the constants that the clock was read for."""
    for part in expression.walk():
        if part.name in _FUNCTIONS:
            yield _FUNCTIONS[part.name]
        elif part.name == "PythonUDF" and part.fields.get("udfDeterministic") is False:
            yield f"the non-deterministic function {part.fields.get('name')}"
        elif part.name == "AesEncrypt" and _draws_a_vector(part):
            yield "aes_encrypt() without a vector of its own"
        elif clocks and part.name == "Literal" and _constant(part) in clocks:
            yield "the clock, as a constant"
        elif (kind := _time_of(part)) and (text := _literal(part.children[0])) is not None and is_clock(text, kind):
            yield f"'{text}' as a {kind.upper()}"


def computed_clocks(plan: PlanNode, frame: DataFrame) -> Iterator[str]:
    """Texts that stand for the clock once Spark has computed them of other constants: `CAST(lower('NOW') AS DATE)`."""
    computed = any(
        _time_of(part) and part.children[0].name != "Literal" and not _reads(part)
        for node in plan.walk()
        for value in node.fields.values()
        for expression in expressions(value)
        for part in expression.walk()
    )
    for text, kind in constant_texts(frame) if computed else ():
        if is_clock(text, kind):
            yield f"'{text}' as a {kind.upper()}"


def read_clocks(plan: PlanNode, frame: DataFrame, flow: FlowSpec, since: datetime) -> Clocks:
    """The constants that the clock was read for while the plan was made, by Python or by Spark's parser.

    An instant is the clock's if it lies between `since` and now. A day is if the flow speaks of such days.
    """
    constants = {
        _constant(part)
        for node in plan.walk()
        for value in node.fields.values()
        for expression in expressions(value)
        for part in expression.walk()
        if part.name == "Literal" and part.fields.get("dataType") in _TIMES
    }
    if not constants:
        return frozenset()
    now = datetime.now(UTC)
    zone = ZoneInfo(frame.sparkSession.conf.get("spark.sql.session.timeZone") or "UTC")
    days = {(now.astimezone(zone) + timedelta(days=days)).date().isoformat() for days in (-1, 0, 1)}
    speaks = any(map(_speaks_of_days, (flow, *flow.views)))

    def is_read(text: str, kind: str) -> bool:
        if kind == "date":
            return speaks and text in days
        instant = _instant(text, kind, zone, frame)
        midnight = instant.astimezone(zone).time() == time.min and instant.astimezone(zone).date().isoformat() in days
        return since <= instant <= now or (speaks and midnight)

    return frozenset(constant for constant in constants if is_read(*constant))


def _speaks_of_days(flow: FlowSpec) -> bool:
    """Whether a transform says `today` or the like: Python anywhere, SQL as a text that is a time."""
    transform = flow.transform
    if isinstance(transform, PythonTransform):
        return _DAYS.search(Path(transform.file).read_text(encoding="utf-8")) is not None
    return isinstance(transform, SqlTransform) and any(_DAYS.search(name) for name, _ in found_in(transform.text))


def _constant(literal: Expression) -> tuple[str, str]:
    """The text and the type of a literal."""
    return str(literal.fields.get("value")), str(literal.fields.get("dataType"))


def _instant(text: str, kind: str, zone: ZoneInfo, frame: DataFrame) -> datetime:
    """The instant of a literal as a plan's JSON tells it: of TIMESTAMP in the JVM's own zone, of TIMESTAMP_NTZ as microseconds."""
    try:
        if kind == "timestamp_ntz":
            local = datetime(1970, 1, 1) + timedelta(microseconds=int(text))  # noqa: DTZ001  # a flow's own time
            return local.replace(tzinfo=zone)
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(jvm_timezone(frame)))
    except (ValueError, OverflowError):  # NULL, or a year that Python does not have: no clock's
        return datetime(1, 1, 2, tzinfo=UTC)


def _draws_a_vector(call: Expression) -> bool:
    """Whether an aes_encrypt has no vector, in a mode that takes one (ECB takes none)."""
    vector, mode = _literal(call.children[_IV]), _literal(call.children[_MODE])
    return vector == "" and (mode is None or mode.upper() != "ECB")


def _time_of(expression: Expression) -> str:
    """The type that an expression makes of its text, where that is a time; else empty."""
    if expression.name in _PARSED and len(expression.children) == 1:  # no format is given
        return str(expression.fields.get("dataType") or _PARSED[expression.name])
    kind = str(expression.fields.get("dataType"))
    return kind if expression.name == "Cast" and kind in _TIMES else ""


def _literal(value: Expression) -> str | None:
    """The text of a constant; None where it is none, or not known before it is computed."""
    while value.name == "Cast":
        value = value.children[0]
    if value.name != "Literal" or value.fields.get("dataType") not in ("string", "binary"):
        return None
    return str(value.fields.get("value"))


def _reads(expression: Expression) -> bool:
    """Whether an expression reads a column, or something that is not resolved yet."""
    return any("exprId" in part.fields or part.name.startswith("Unresolved") for part in expression.walk())
