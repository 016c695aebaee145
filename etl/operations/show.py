"""`etl show` and `p.read(…)`: the rows of a flow's target, of its quarantine or of a source. Without a JVM where delta-rs reads them right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from etl.config.diagnostics import Diagnostic
from etl.config.masking import MASK
from etl.engine.metadata.delta_log import log_versions
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import must_be_readable
from etl.errors import ConfigurationError, EnvironmentProblem, RunError
from etl.operations.datasets import dataset_of
from etl.planning.excerpt import Excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.config.schema.types import Column
    from etl.config.spec import PipelineSpec
    from etl.engine.lookup.delta_table import OpenTable
    from etl.engine.run.excerpt import SparkDataset
    from etl.operations.datasets import Dataset

Result = TypeVar("Result")

_QUERY = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*(?:select|with|values|from)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """What is to be shown of a dataset.

    Attributes:
        sql: A query that knows the dataset by its name; None: all of its columns.
        version: Of a Delta table; None: its newest.
        quarantine: The flow's quarantine, and not its target.
    """

    dataset: str
    sql: str | None = None
    version: int | None = None
    limit: int = 20
    quarantine: bool = False


def show(spec: PipelineSpec, request: ShowRequest) -> Excerpt:
    """The first rows of a dataset, or of a query over it; sensitive values are masked, for the query too.

    Raises ConfigurationError where there is no such dataset, or the query is none; RunError where the query or the reading fails.
    """
    must_be_readable(spec)
    if request.sql is not None and not _QUERY.match(request.sql):
        hint = "begin it with SELECT or WITH; nothing can be written here"
        raise ConfigurationError([Diagnostic("E301", "--sql is not one query", hint=hint)])
    dataset = dataset_of(spec, request.dataset, quarantine=request.quarantine, version=request.version)
    table, reason = _opened(dataset, request.version)
    if table is not None:
        columns, rows = _without_spark(table, dataset, request)
        notes: tuple[str, ...] = ()
    else:
        columns, rows = _with_spark(
            spec,
            dataset,
            request.version,
            lambda shown: shown.rows(sql=request.sql, limit=request.limit + 1, hidden=dataset.hidden),
        )
        notes = (f"read by Spark: {reason}",)
    return Excerpt(
        pipeline=spec.name,
        dataset=dataset.name,
        version=_version(dataset, table, request.version),
        columns=columns,
        rows=rows[: request.limit],
        is_whole=len(rows) <= request.limit,
        notes=notes,
    )


def arrow(spec: PipelineSpec, name: str, *, version: int | None = None) -> Any:
    """All rows of a dataset as a `pyarrow.Table`, sensitive values as they are.

    Raises what `show` does, and EnvironmentProblem where pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  # an extra of the package
    except ImportError as cause:
        message = "a table in Arrow's form needs the package pyarrow"
        raise EnvironmentProblem(message, hint="pip install 'twilight-etl[pandas]'") from cause
    must_be_readable(spec)
    dataset = dataset_of(spec, name, quarantine=False, version=version)
    table, _ = _opened(dataset, version)
    if table is None:
        return _with_spark(spec, dataset, version, lambda shown: shown.arrow())
    whole = pa.table(table.whole())
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}  # most programs do not know views yet
    return whole.cast(pa.schema([field.with_type(plain.get(field.type, field.type)) for field in whole.schema]))


def _opened(dataset: Dataset, version: int | None) -> tuple[OpenTable | None, str]:
    """The table as delta-rs has it; None, and the reason, where only Spark reads the dataset right."""
    if dataset.table is None:
        return None, f"it is a source of format {dataset.source.format}" if dataset.source else ""
    if dataset.with_int96:
        return None, "it has timestamps as INT96"
    from deltalake.exceptions import DeltaError, TableNotFoundError  # noqa: PLC0415  # --help need not pay for it

    from etl.engine.lookup.delta_table import Unreadable, open_table  # noqa: PLC0415  # likewise

    try:
        ours = dataset.with_int96 is False
        return open_table(dataset.name, dataset.table, version=version, ours=ours), ""
    except Unreadable as cause:
        return None, str(cause)
    except (DeltaError, TableNotFoundError) as cause:
        return None, f"delta-rs does not open it: {_words(cause)}"


def _without_spark(
    table: OpenTable, dataset: Dataset, request: ShowRequest
) -> tuple[tuple[Column, ...], tuple[tuple[Any, ...], ...]]:
    from deltalake.exceptions import DeltaError  # noqa: PLC0415  # --help need not pay for it

    from etl.engine.lookup.arrow_values import columns_of, rows_of  # noqa: PLC0415  # likewise

    sql = request.sql if request.sql is not None else f'SELECT * FROM "{dataset.name}"'
    try:
        result = table.query(sql, limit=request.limit + 1, hidden=dataset.hidden, mask=MASK)
        columns = columns_of(result, stored=table.column_names)
        return columns, rows_of(result, columns, ZoneInfo(dataset.flow.timezone))
    except DeltaError as cause:
        hint = "--sql is SQL of DataFusion's: https://datafusion.apache.org/user-guide/sql"
        message = f"the query of --sql is not valid: {_words(cause)}"
        raise ConfigurationError([Diagnostic("E300", message, hint=hint)]) from cause
    except Exception as cause:
        if type(cause) not in (Exception, ValueError, OSError):
            raise
        message = f"the rows of '{dataset.name}' cannot be shown: {_words(cause)}"
        raise RunError(message, where=str(dataset.table), hint="etl audit looks at the table") from cause


def _with_spark(
    spec: PipelineSpec, dataset: Dataset, version: int | None, look: Callable[[SparkDataset], Result]
) -> Result:
    """What `look` makes of the dataset, in a session that is gone, or left as it was, afterwards."""
    sessions = Sessions(spec.spark, storage=spec.storage, app_name=f"etl show {spec.name}", short=True)
    try:
        from etl.engine.faults.translation import translated  # noqa: PLC0415  # pyspark only where it is needed
        from etl.engine.run.excerpt import SparkDataset  # noqa: PLC0415  # likewise

        zone = dataset.flow.timezone
        session = sessions.get().flow_session(zone, secret_options=spec.secret_options)
        with translated(dataset.flow):
            return look(SparkDataset(session, dataset.name, dataset.table, version, dataset.source, zone))
    finally:
        sessions.close()


def _version(dataset: Dataset, table: OpenTable | None, version: int | None) -> int | None:
    if table is not None:
        return table.version
    if dataset.table is None or version is not None:
        return version
    return log_versions(dataset.table)[-1]


def _words(cause: BaseException) -> str:
    """What delta-rs or its engine says, in one line; what follows the third line is where in its own code that was."""
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return " ".join(lines[:3]) if lines else type(cause).__name__
