"""The values that a partition keeps: Delta stores the values of partition columns as text, by way of a folder's name, and some have none.

A TIMESTAMP is kept exactly where its folder is named in UTC: by another clock the two instants of an hour that it repeats have one name.
A row with a value that no name keeps is refused in the pass that writes it; what is there is never changed.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DateType,
    MapType,
    StringType,
    StructType,
    TimestampNTZType,
    TimestampType,
    VariantType,
)

from etl.config.diagnostics import Diagnostic
from etl.config.masking import MASK, sensitive
from etl.config.object_uris import is_object
from etl.config.schema.identifiers import quoted
from etl.engine.faults import markers
from etl.engine.metadata.table_properties import COLUMN_MAPPING
from etl.engine.transform.contract import masked
from etl.engine.transform.expectations import DROPPED, REASON
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import DataType, StructField

    from etl.config.spec import FlowSpec
    from etl.engine.job import Job
    from etl.engine.transform.expectations import Checked

_NULL = "__HIVE_DEFAULT_PARTITION__"  # what the folder of NULL is called
_NAME_BYTES = 255  # of one file or folder, in every file system that is in use
_ESCAPED = r"""["#%'*/:=?\\\x01-\x1f\x7f{\[\]^]"""  # what the name of a folder spells with three characters
_SHOWN, _ROW_SHOWN = 60, 300
_ZONE = "spark.sql.session.timeZone"
_FIRST_DAY, _LAST_DAY = -719162, 2932896  # 0001-01-01 and 9999-12-31
_DAY_MICROS = 86_400_000_000


def check(flow: FlowSpec, output: DataFrame) -> None:
    """Raise ConfigurationError for a column that no Delta table is partitioned by, or where no column would be left for its files."""
    partition_columns = {name.lower() for name in flow.sink.partition_by}
    kinds = {field.name.lower(): field.dataType for field in output.schema.fields}
    left_out = {name.lower() for name in flow.sink.except_columns}
    at = flow.sink.at if flow.sink.at.line else flow.at
    for name in flow.sink.partition_by:
        kind = kinds[name.lower()]
        if isinstance(kind, ArrayType | MapType | StructType | VariantType):
            message = f"sink.partition_by of flow '{flow.name}' names '{name}', which is of type {kind.simpleString()}; a partition is of plain values"
            raise ConfigurationError([Diagnostic("E157", message, at, "take a plain column, or none")])
    if partition_columns and partition_columns >= kinds.keys() - left_out and flow.sink.strategy != "scd2":
        message = f"sink.partition_by of flow '{flow.name}' names every column; the files of a table hold at least one"
        raise ConfigurationError([Diagnostic("E157", message, at, "leave one of them out")])


def guarded(job: Job, checked: Checked) -> Checked:
    """The same rows and columns; computing a partition column fails at a good row with a value that its partition would not keep."""
    fields = {field.name.lower(): field for field in checked.rows.schema.fields}
    columns = {}
    for name in job.flow.sink.partition_by:
        field = fields.get(name.lower())
        refusal = None if field is None else _refusal(job, checked, field)
        if field is not None and refusal is not None:
            columns[field.name] = refusal
    if not columns:
        return checked
    guarding = [
        columns[field.name].alias(field.name, metadata=field.metadata)
        if field.name in columns
        else F.col(quoted(field.name))
        for field in checked.rows.schema.fields
    ]
    return replace(checked, rows=checked.rows.select(*guarding))


def names_instants(job: Job, rows: DataFrame) -> bool:
    """Whether folders are named after instants by a clock that may be set back, so that rows are to be written by `in_utc`."""
    partition_columns = {name.lower() for name in job.flow.sink.partition_by}
    return job.flow.timezone != "UTC" and any(
        isinstance(field.dataType, TimestampType) and field.name.lower() in partition_columns
        for field in rows.schema.fields
    )


@contextmanager
def in_utc(session: SparkSession) -> Iterator[None]:
    """Name the folders that the body writes in UTC. What it writes must be computed already, and its SQL analysed: both go by this clock, too."""
    before = session.conf.get(_ZONE) or "UTC"
    session.conf.set(_ZONE, "UTC")
    try:
        yield
    finally:
        session.conf.set(_ZONE, before)


def _refusal(job: Job, checked: Checked, field: StructField) -> Column | None:
    """The column, which fails in a good row whose value would be lost; None where a partition keeps all values of its type."""
    column = F.col(quoted(field.name))
    lost = _lost(job, column, field.name, field.dataType)
    if not lost:
        return None
    good = []
    if checked.drops:
        good.append(~F.col(DROPPED))
    if checked.quarantines:
        good.append(F.col(REASON).isNull())
    is_any = reduce(lambda left, right: left | right, [condition for condition, _ in lost])
    why = F.coalesce(*(F.when(condition, F.lit(reason)) for condition, reason in lost))
    hidden = sensitive(job.flow)
    row = F.substring(F.to_json(F.struct(*masked(checked.columns, hidden))), 1, _ROW_SHOWN)
    value = F.lit(MASK) if field.name.lower() in hidden else _shown(column, field.dataType)
    message = F.concat(
        F.lit(f"[{markers.PARTITION_VALUE}] '{field.name}', by which the table is partitioned, is "),
        value,
        F.lit(" in the row "),
        row,
        why,
    )
    refused = reduce(lambda left, right: left & right, [*good, is_any])
    return F.when(refused, F.raise_error(message).cast(field.dataType)).otherwise(column)


def _lost(job: Job, column: Column, name: str, kind: DataType) -> list[tuple[Column, str]]:
    """Conditions on values that a partition of that type does not keep, each with what would become of them."""
    if isinstance(kind, DateType):
        return _far(F.unix_date(column), 1)
    if isinstance(kind, TimestampType):
        return _far(F.unix_micros(column), _DAY_MICROS)
    if isinstance(kind, TimestampNTZType):
        return _far(F.unix_date(column.cast("date")), 1)
    if not isinstance(kind, StringType | BinaryType):
        return []
    text = column.cast("string") if isinstance(kind, BinaryType) else column
    lost = [
        (F.octet_length(column) == 0, ": a partition keeps no empty value, it would become NULL"),
        (text == F.lit(_NULL), ": so the partition of NULL is called, it would become NULL"),
        (~F.is_valid_utf8(text), ": it is no UTF-8, a partition would keep other bytes"),
        (F.locate("\0", text) > 0, ": no folder has a NUL in its name"),
    ]
    mapped = dict(job.flow.sink.properties).get(COLUMN_MAPPING, "none") != "none"  # its folders have names of their own
    if not mapped and not is_object(job.paths.target):
        most = _NAME_BYTES - len(name.encode()) - 1
        spelt = F.octet_length(F.regexp_replace(text, _ESCAPED, "%00"))
        is_long = (F.octet_length(text) > most // 3) & (spelt > most)
        lost.append((is_long, f": its folder would have a name of more than {_NAME_BYTES} bytes"))
    return lost


def _far(number: Column, unit: int) -> list[tuple[Column, str]]:
    """The condition on instants or days (of `unit` numbers a day, since 1970) that not every reader takes from a partition."""
    is_far = (number < _FIRST_DAY * unit) | (number >= (_LAST_DAY + 1) * unit)
    return [(is_far, ": other readers take only the years 1 to 9999 from a partition")]


def _shown(column: Column, kind: DataType) -> Column:
    """The value as SQL would spell it, cut off where it is long; where it is no text, by its bytes."""
    if not isinstance(kind, StringType | BinaryType):
        return column.cast("string")
    plain = F.is_valid_utf8(column.cast("string")) & (F.locate("\0", column.cast("string")) == 0)
    by_bytes = F.concat(F.lit("X'"), F.substring(F.hex(column), 1, _SHOWN), F.lit("'"))
    if isinstance(kind, BinaryType):
        return by_bytes
    cut = F.when(F.length(column) > _SHOWN, F.lit("…")).otherwise(F.lit(""))
    return F.when(plain, F.concat(F.lit("'"), F.substring(column, 1, _SHOWN), cut, F.lit("'"))).otherwise(by_bytes)
