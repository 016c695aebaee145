"""The grammar's values made into the frozen spec: defaults applied, paths resolved, texts read, places attached."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from etl.config.build.equality import build_equality
from etl.config.build.groups import build_groups
from etl.config.build.sinks import build_sink
from etl.config.build.sources import build_source, storage_path
from etl.config.build.state import build_state
from etl.config.build.table_names import with_tables
from etl.config.build.tests import build_tests
from etl.config.build.transforms import build_transform
from etl.config.grammar import models
from etl.config.schema import ddl
from etl.config.spec import (
    ColumnSpec,
    ExpectationSpec,
    FlowSpec,
    InputSpec,
    MaintenanceSpec,
    PipelineSpec,
    RetrySpec,
    RunSpec,
    SparkSpec,
)
from etl.config.sql.expressions import check_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.build.given import Given
    from etl.config.spec import Incremental


def build(given: Given, model: models.Pipeline, overlays: Sequence[models.Environment]) -> PipelineSpec:
    """The spec of a pipeline with its environment's `overlays` laid over it, the last one on top.

    Its links to other pipelines are still open (see `links`), and its parts are not yet held against each other (see `checks`).
    """
    run = _run([model.run, *(overlay.run for overlay in overlays)])
    catalog = next((overlay.catalog for overlay in reversed(overlays) if overlay.catalog), None)
    flows = {name: _flow(given, name, flow, run) for name, flow in model.flows.items()}
    spec = PipelineSpec(
        name=model.name,
        file=given.files.file,
        folder=given.files.folder,
        project=given.files.project,
        environment=given.environment,
        storage=storage_path(given, next((each.storage for each in reversed(overlays) if each.storage), None)),
        sources=tuple(build_source(given, name, source, run.timezone) for name, source in model.sources.items()),
        flows=with_tables(given, [flow for name, flow in flows.items() if model.flows[name].enabled], model, catalog),
        disabled=tuple(flow for name, flow in flows.items() if not model.flows[name].enabled),
        params=tuple(given.params.items()),
        run=run,
        spark=_spark(given, overlays),
        description=model.description,
        tags=model.tags,
        references=tuple(sorted(given.written.items(), key=str)),
    )
    return replace(spec, tests=build_tests(given, spec, model.tests))


def _spark(given: Given, overlays: Sequence[models.Environment]) -> SparkSpec:
    conf = {name: value for overlay in overlays for name, value in overlay.spark.conf.items()}
    secret = tuple(name for name in conf if ("spark", "conf", name) in given.written)
    master = next((overlay.spark.master for overlay in reversed(overlays) if overlay.spark.master), None)
    said = (overlay.spark.class_data_archive for overlay in reversed(overlays))
    class_data = next((flag for flag in said if flag is not None), True)
    return SparkSpec(master, tuple(conf.items()), secret, class_data)


def _run(layers: Sequence[models.Run]) -> RunSpec:
    spec = RunSpec()
    for layer in layers:
        settings = {name: getattr(layer, name) for name in ("mode", "trigger", "timezone", "max_concurrent_flows")}
        spec = replace(
            spec,
            **{name: value for name, value in settings.items() if value is not None},
            retry=_retry(layer.retry, spec.retry),
        )
    return spec


def _retry(layer: models.Retry, under: RetrySpec) -> RetrySpec:
    return replace(under, **{name: value for name, value in layer.model_dump().items() if value is not None})


def _flow(given: Given, name: str, model: models.Flow, run: RunSpec) -> FlowSpec:
    inputs = _inputs(given, name, model)
    expectations = _expectations(given, name, model)
    instance = given.instance("flows", name)
    return FlowSpec(
        name=name,
        family=instance.family,
        variables=tuple(instance.variables.items()),
        inputs=inputs,
        transform=build_transform(given, name, model),
        incremental=_incremental(model.incremental),
        groups=build_groups(given, name, model, inputs),
        state=build_state(given, name, model, inputs),
        trusted=model.trusted,
        expectations=expectations,
        columns=_columns(given, name, model),
        primary_key=model.primary_key,
        equality=build_equality(given, name, model),
        sink=build_sink(given, name, model.sink),
        description=model.description,
        tags=model.tags,
        mode=model.run.mode or run.mode,
        trigger=model.run.trigger or run.trigger,
        timezone=model.run.timezone or run.timezone,
        retry=_retry(model.run.retry, run.retry),
        maintenance=MaintenanceSpec(**model.maintenance.model_dump()),
        was=model.was or "",
        at=given.document.place(("flows", name), key=True),
    )


def _inputs(given: Given, flow: str, model: models.Flow) -> tuple[InputSpec, ...]:
    return tuple(
        InputSpec(
            given.expanded.datasets.get((flow, name), name),
            source.read,
            source.on_change,
            given.document.place(("flows", flow, "inputs", name), key=True),
            name,
        )
        for name, source in model.inputs.items()
    )


def _expectations(given: Given, flow: str, model: models.Flow) -> tuple[ExpectationSpec, ...]:
    expectations = []
    for name, rule in model.expectations.items():
        path = ("flows", flow, "expectations", name, "expr")
        locate = given.document.locate(path, rule.expr)
        params = given.params_of(flow)
        given.diagnostics.extend(check_expression(rule.expr, locate, f"expectation '{name}'", params))
        expectations.append(ExpectationSpec(name, rule.expr, rule.on_violation, given.document.place(path)))
    return tuple(expectations)


def _incremental(value: models.Groups | models.State | Literal["rows", "full", "auto"]) -> Incremental:
    if isinstance(value, models.Groups):
        return "groups"
    return "state" if isinstance(value, models.State) else value


def _columns(given: Given, flow: str, model: models.Flow) -> tuple[ColumnSpec, ...]:
    columns: list[ColumnSpec] = []
    for name, column in model.columns.items():
        path = ("flows", flow, "columns", name)
        if any(name.lower() == other.name.lower() for other in columns):
            message = f"flow '{flow}': column '{name}' stands twice; names of columns do not differ by case"
            given.report("E107", message, path, "keep one of them", key=True)
        if column.type is not None:
            _check_type(given, flow, name, column.type)
        at = given.document.place(path, key=True)
        columns.append(ColumnSpec(name, column.type, column.description, column.sensitive, at))
    return tuple(columns)


def _check_type(given: Given, flow: str, column: str, text: str) -> None:
    path = ("flows", flow, "columns", column, "type")
    try:
        types = ddl.parse(f"c {text}")
    except ddl.DdlError as cause:
        given.report(cause.code, f"the type of column '{column}' of flow '{flow}': {cause}", path, cause.hint)
        return
    if len(types) != 1:
        given.report("E310", f"'{text}' is more than one type", path, "write one type")
