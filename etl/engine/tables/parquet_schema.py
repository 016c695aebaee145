"""The schemas in Parquet files: through pyarrow where it is installed, else through Spark."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from etl.config.schema.identifiers import quoted
from etl.config.spec import SparkSpec
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

_ARROW = {
    "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INT", "int64": "BIGINT", "uint8": "SMALLINT", "uint16": "INT",
    "uint32": "BIGINT", "uint64": "DECIMAL(20,0)", "float": "FLOAT", "double": "DOUBLE", "string": "STRING", "large_string": "STRING",
    "binary": "BINARY", "large_binary": "BINARY", "date32[day]": "DATE", "null": "STRING",
    **{f"duration[{unit}]": "BIGINT" for unit in ("s", "ms", "us", "ns")},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column of a Parquet file, from the file's footer.

    Attributes:
        type: Spark's type, as DDL; empty where no column can hold its values: a time of day, for one.
        empty: whether it holds nothing, and so has no type of its own: it is NULL under any.
        nanoseconds: whether its instants are finer than Spark's.
        stored: the file's own word for the type.
    """

    name: str
    type: str
    empty: bool = False
    nanoseconds: bool = False
    stored: str = ""


def parquet_columns(file: str) -> tuple[FileColumn, ...]:
    """The columns of a Parquet file. Raises EnvironmentProblem where its footer cannot be read."""
    return _by_spark(file) if find_spec("pyarrow") is None else _by_arrow(file)


def _by_arrow(file: str) -> tuple[FileColumn, ...]:
    import pyarrow as pa  # noqa: PLC0415  # it may not be installed
    import pyarrow.parquet as pq  # noqa: PLC0415  # it may not be installed

    try:
        schema = pq.read_schema(file)
    except (OSError, pa.ArrowException) as cause:
        message = f"{file} cannot be read as Parquet: {cause}"
        raise EnvironmentProblem(message, hint="look whether the file is whole") from cause
    columns = []
    for field in schema:
        kind, fine = _arrow_type(field.type) or "", pa.types.is_timestamp(field.type) and field.type.unit == "ns"
        empty = pa.types.is_null(field.type)
        columns.append(FileColumn(str(field.name), kind, empty=empty, nanoseconds=fine, stored=str(field.type)))
    return tuple(columns)


def _arrow_type(kind: Any) -> str | None:
    import pyarrow.types as t  # noqa: PLC0415  # it may not be installed

    if t.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "TIMESTAMP_NTZ"
    if t.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if t.is_dictionary(kind):
        return _arrow_type(kind.value_type)
    if t.is_fixed_size_binary(kind):
        return "BINARY"
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        inner = _arrow_type(kind.value_type)
        return inner and f"ARRAY<{inner}>"
    if t.is_map(kind):
        key, value = _arrow_type(kind.key_type), _arrow_type(kind.item_type)
        return f"MAP<{key}, {value}>" if key and value else None
    if t.is_struct(kind):
        fields = [(quoted(field.name), _arrow_type(field.type)) for field in kind]
        return (
            None
            if any(inner is None for _, inner in fields)
            else f"STRUCT<{', '.join(f'{name}: {inner}' for name, inner in fields)}>"
        )
    return _ARROW.get(str(kind))


def _by_spark(file: str) -> tuple[FileColumn, ...]:
    from pyspark.errors import AnalysisException  # noqa: PLC0415  # Spark only where nothing else can tell

    from etl.engine.session.start import open_session  # noqa: PLC0415  # likewise

    handle = open_session(SparkSpec(), app_name="etl init", short=True)
    try:
        schema: StructType = handle.spark.read.parquet(file).schema
    except AnalysisException as cause:  # of nanoseconds, for one, Spark says only that the type is illegal
        message = f"Spark cannot tell the columns of {file}: {str(cause).splitlines()[0]}"
        raise EnvironmentProblem(message, hint="install pyarrow, which can: pip install pyarrow") from cause
    finally:
        handle.close()
    return tuple(FileColumn(field.name, _spark_type(field.dataType.jsonValue())) for field in schema)


def _spark_type(json_type: Any) -> str:
    """DDL for Spark's own JSON of a type, with every name in quotes."""
    if isinstance(json_type, str):
        return json_type.upper()
    if json_type["type"] == "array":
        return f"ARRAY<{_spark_type(json_type['elementType'])}>"
    if json_type["type"] == "map":
        return f"MAP<{_spark_type(json_type['keyType'])}, {_spark_type(json_type['valueType'])}>"
    fields = [(quoted(field["name"]), _spark_type(field["type"])) for field in json_type["fields"]]
    return f"STRUCT<{', '.join(f'{name}: {kind}' for name, kind in fields)}>"
