"""What may be said of a source, format by format, and who opens it: the built-in formats and those of plug-ins are the same values.

No Spark here: `opens` names a class of the engine (or of a plug-in) by text, and only the engine imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from pydantic import BaseModel


Options: TypeAlias = "Mapping[str, str] | type[BaseModel] | None"


@dataclass(frozen=True, slots=True)
class Format:
    """A format of sources: what its YAML may say, and the class that reads it.

    opens: `module:Class`; called with the SourceSpec it gives an `etl.engine.sources.source.Source`.
    options: name → meaning, or a pydantic model, of all that `options:` may hold; None: whatever Spark's reader takes.
    """

    opens: str
    place: Literal["path", "table", "nowhere"] = "path"  # the key that says where it lies
    schema: Literal["required", "optional", "own"] = "required"  # own: it knows its columns, so `schema:` is refused
    columns: str | None = None  # DDL of an own schema, or where `schema:` is left out; None: only the table knows
    options: Options = None
    malformed: bool = False  # whether a row may fail to parse, so that on_malformed means something
    limits: frozenset[str] = frozenset({"files", "bytes"})  # what rate_limit can count
    replays: bool = True  # False: what it brought can never be read again, so it is for streams only


_FILES = "etl.engine.sources.files:FileSource"
_DELTA = "etl.engine.sources.delta:DeltaSource"

FORMATS: Mapping[str, Format] = {
    "csv": Format(_FILES, malformed=True),
    "json": Format(_FILES, malformed=True),
    "parquet": Format(_FILES, malformed=True),
    "orc": Format(_FILES),
    "text": Format(_FILES, schema="optional", columns="value STRING"),
    "delta": Format(_DELTA, schema="own"),
    "table": Format(_DELTA, place="table", schema="own"),
    "rate": Format(
        "etl.engine.sources.rate:RateSource",
        place="nowhere",
        schema="own",
        columns="timestamp TIMESTAMP, value BIGINT",
        options={
            "rowsPerSecond": "Rows for each second since the generation began (default 1).",
            "rampUpTime": "How long it takes to reach that rate, such as 5s (default 0s).",
            "numPartitions": "The partitions of each epoch.",
        },
        limits=frozenset(),
        replays=False,
    ),
}


def wrong_options(declared: Options, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each option that does not fit the declared ones, and its fault: `unknown`, `missing`, or a sentence."""
    if declared is None:
        return []
    if isinstance(declared, Mapping):
        names = {name.lower() for name in declared}
        return [(name, "unknown") for name in options if name.lower() not in names]
    from pydantic import ValidationError  # noqa: PLC0415  # spec and engine read this room without pydantic

    try:
        declared.model_validate(dict(options))
    except ValidationError as cause:
        return [_wrong(error) for error in cause.errors(include_url=False)]
    return []


def option_names(declared: Options) -> tuple[str, ...]:
    """The names of the declared options; empty where Spark's reader takes any."""
    if declared is None:
        return ()
    if isinstance(declared, Mapping):
        return tuple(declared)
    return tuple(field.alias or name for name, field in declared.model_fields.items())


def _wrong(error: Any) -> tuple[str, str]:
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return name, "unknown"
    return name, "missing" if error["type"] == "missing" else str(error["msg"]).removeprefix("Value error, ")
