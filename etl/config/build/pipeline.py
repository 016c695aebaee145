"""The grammar's values made into the frozen spec: defaults applied, paths resolved, texts read, places attached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from etl.config.build import equality, groups, state
from etl.config.build.sinks import plugin_strategy
from etl.config.build.sources import build_source, storage_path
from etl.config.build.table_names import with_tables
from etl.config.build.tests import build_tests
from etl.config.build.transforms import transform
from etl.config.diagnostics import Diagnostic
from etl.config.grammar import delta_properties, models
from etl.config.schema import ddl
from etl.config.spec import (
    ColumnSpec,
    ExpectationSpec,
    FlowSpec,
    InputSpec,
    PipelineSpec,
    RetrySpec,
    RunSpec,
    SinkSpec,
    SparkSpec,
)
from etl.config.sql.expressions import check_expression

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.config.build.given import Given
    from etl.config.spec import Incremental


def build(
    parts: Given, model: models.Pipeline, overlays: Sequence[models.Environment]
) -> tuple[PipelineSpec, list[Diagnostic]]:
    """The spec, and what was found wrong on the way to it."""
    found: list[Diagnostic] = []
    place = parts.place
    run = _run([model.run, *(item.run for item in overlays)])
    storage = next((item.storage for item in reversed(overlays) if item.storage), None)
    spark_conf: dict[str, str] = {}
    for item in overlays:
        spark_conf.update(item.spark.conf)
    master = next((item.spark.master for item in reversed(overlays) if item.spark.master), None)
    catalog = next((item.catalog for item in reversed(overlays) if item.catalog), None)
    flows = [(item.enabled, _flow(parts, name, item, run, found)) for name, item in model.flows.items()]
    spec = PipelineSpec(
        name=model.name,
        file=place.file,
        folder=place.folder,
        project=place.project,
        environment=parts.environment,
        storage=storage_path(storage or f".etl/{parts.environment}", place.project, parts.storage_at, found),
        sources=tuple(build_source(parts, name, item, run.timezone, found) for name, item in model.sources.items()),
        flows=with_tables([flow for enabled, flow in flows if enabled], model, catalog, parts.document, found),
        disabled=tuple(flow for enabled, flow in flows if not enabled),
        params=tuple(parts.params.items()),
        run=run,
        spark=SparkSpec(
            master,
            tuple(spark_conf.items()),
            tuple(name for name in spark_conf if ("spark", "conf", name) in parts.written),
        ),
        description=model.description,
        tags=model.tags,
        references=tuple(sorted(parts.written.items(), key=str)),
    )
    return replace(spec, tests=build_tests(parts, spec, model.tests, found)), found


def _run(layers: Sequence[models.Run]) -> RunSpec:
    spec = RunSpec()
    for layer in layers:
        given = {name: getattr(layer, name) for name in ("mode", "trigger", "timezone", "max_concurrent_flows")}
        spec = replace(
            spec,
            **{key: item for key, item in given.items() if item is not None},
            retry=_retry(layer.retry, spec.retry),
        )
    return spec


def _retry(layer: models.Retry, under: RetrySpec) -> RetrySpec:
    return replace(under, **{key: item for key, item in layer.model_dump().items() if item is not None})


def _flow(parts: Given, name: str, model: models.Flow, run: RunSpec, found: list[Diagnostic]) -> FlowSpec:
    document, path = parts.document, ("flows", name)
    inputs = tuple(
        InputSpec(
            parts.expanded.datasets.get((name, known), known),
            item.read,
            item.on_change,
            document.place((*path, "inputs", known), key=True),
            known,
        )
        for known, item in model.inputs.items()
    )
    expectations = []
    for key, item in model.expectations.items():
        place = document.place((*path, "expectations", key, "expr"))
        found += check_expression(
            item.expr, document.locate((*path, "expectations", key, "expr"), item.expr), f"expectation '{key}'"
        )
        expectations.append(ExpectationSpec(key, item.expr, item.on_violation, place))
    made = parts.instance("flows", name)
    return FlowSpec(
        name=name,
        family=made.family,
        variables=tuple(made.variables.items()),
        inputs=inputs,
        transform=transform(parts, name, model, found),
        incremental=_incremental(model.incremental),
        groups=groups.build(document, name, model, inputs, found),
        state=state.build(document, name, model, inputs, found),
        trusted=model.trusted,
        expectations=tuple(expectations),
        columns=_columns(parts, name, model, found),
        primary_key=model.primary_key,
        equality=equality.build(document, name, model, found),
        sink=_sink(parts, name, model.sink, found),
        description=model.description,
        tags=model.tags,
        mode=model.run.mode or run.mode,
        trigger=model.run.trigger or run.trigger,
        timezone=model.run.timezone or run.timezone,
        retry=_retry(model.run.retry, run.retry),
        at=document.place(path, key=True),
    )


def _incremental(given: models.Groups | models.State | Literal["rows", "full", "auto"]) -> Incremental:
    if isinstance(given, models.Groups):
        return "groups"
    return "state" if isinstance(given, models.State) else given


def _columns(parts: Given, name: str, model: models.Flow, found: list[Diagnostic]) -> tuple[ColumnSpec, ...]:
    columns: list[ColumnSpec] = []
    for key, item in model.columns.items():
        path = ("flows", name, "columns", key)
        at = parts.document.place(path, key=True)
        if any(key.lower() == other.name.lower() for other in columns):
            message = f"flow '{name}': column '{key}' stands twice; names of columns do not differ by case"
            found.append(Diagnostic("E107", message, at, "keep one of them"))
        if item.type is not None:
            place = parts.document.place((*path, "type"))
            try:
                single = len(ddl.parse(f"c {item.type}")) == 1
            except ddl.DdlError as cause:
                found.append(
                    Diagnostic(cause.code, f"the type of column '{key}' of flow '{name}': {cause}", place, cause.hint)
                )
            else:
                if not single:
                    found.append(Diagnostic("E310", f"'{item.type}' is more than one type", place, "write one type"))
        columns.append(ColumnSpec(key, item.type, item.description, item.sensitive, at))
    return tuple(columns)


def _properties(parts: Given, name: str, model: models.Sink, path: tuple[str, ...]) -> Iterator[Diagnostic]:
    """What is wrong with a sink's table properties, and what their readers should know."""
    for key, value in model.properties.items():
        within = (*path, "properties", key)
        place = parts.document.place(within, key=True)
        wrong = delta_properties.wrong(key, value)
        if within in parts.written and (wrong is None or key.lower().startswith("delta.")):
            message = f"flow '{name}': '{key}' would write a secret into the table's log, which every reader sees"
            yield Diagnostic("E236", message, place, "write the value out, or use a param")
            continue
        if wrong is not None:
            at = parts.document.place(within) if wrong.value else place
            yield Diagnostic(wrong.code, f"flow '{name}': {wrong.message}", at, wrong.hint)
        elif told := delta_properties.warning(key, value):
            yield Diagnostic("W175", f"flow '{name}': {told}", place, "leave it out, or tell who reads the table")
    apart = delta_properties.wrong_together(model.properties)
    if apart is not None:
        at = parts.document.place((*path, "properties"), key=True)
        yield Diagnostic(apart.code, f"flow '{name}': {apart.message}", at, apart.hint)


def _sink(parts: Given, name: str, model: models.Sink, found: list[Diagnostic]) -> SinkSpec:
    document, path = parts.document, ("flows", name, "sink")
    at = document.place(path, key=True)
    if model.path is not None:
        inside = Path(model.path)
        if inside.is_absolute() or ".." in inside.parts or urlsplit(model.path).scheme or not inside.parts:
            found.append(
                Diagnostic(
                    "E206",
                    f"flow '{name}': sink.path stays inside storage",
                    document.place((*path, "path")),
                    "a relative path without '..'",
                )
            )
    for key in ("keys", "sequence_by", "except_columns", "partition_by", "cluster_by"):
        columns: tuple[str, ...] = getattr(model, key)
        for index, column in enumerate(columns):
            if column.lower() in {item.lower() for item in columns[:index]}:
                found.append(
                    Diagnostic(
                        "E237",
                        f"flow '{name}': '{column}' stands twice in {key}",
                        document.place((*path, key, index)),
                        "keep one of them; capitals make no difference",
                    )
                )
    if model.partition_by and model.cluster_by:
        found.append(
            Diagnostic(
                "E235",
                f"flow '{name}': a table is partitioned or clustered, not both",
                document.place((*path, "cluster_by"), key=True),
                "leave one of them out",
            )
        )
    found += _properties(parts, name, model, path)
    takes, options = plugin_strategy(parts, name, model, found)
    return SinkSpec(
        strategy=model.strategy,
        keys=model.keys,
        sequence_by=model.sequence_by,
        insert_only=model.insert_only,
        delete_when=model.delete_when,
        except_columns=model.except_columns,
        track=model.track,
        schema_evolution=model.schema_evolution,
        partition_by=model.partition_by,
        cluster_by=model.cluster_by,
        properties=tuple(sorted((delta_properties.canonical(key), value) for key, value in model.properties.items())),
        path=model.path,
        options=options,
        takes=takes,
        at=at,
    )
