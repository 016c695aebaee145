"""What a flow over Spark's state says of time: the column of each changes input, how late its rows may come, what is written when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.build.per_input import check_per_input
from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.grammar import models
from etl.config.spec import SqlTransform, StateSpec, WatermarkSpec
from etl.config.sql.run_ts import NAME, first, found_in, says

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etl.config.build.given import Given
    from etl.config.diagnostics import Location
    from etl.config.document.document import Document
    from etl.config.spec import FlowSpec, InputSpec, OutputMode

_LEFT = ("sequence_by", "insert_only", "delete_when", "except_columns")


def build_state(given: Given, flow: str, model: models.Flow, inputs: Sequence[InputSpec]) -> StateSpec | None:
    """What `incremental: {state: …}` says; None for the other kinds of processing."""
    if not isinstance(model.incremental, models.State):
        return None
    state = model.incremental.state
    changes = [each.name for each in inputs if each.read == "changes"]
    columns = dict.fromkeys(changes, state.watermark) if isinstance(state.watermark, str) else state.watermark
    delays = state.delay if isinstance(state.delay, dict) else dict.fromkeys(changes, state.delay)
    path = ("flows", flow, "incremental", "state", "watermark")
    for key, values, addition in (("watermark", columns, "its column"), ("delay", delays, "its delay")):
        check_per_input(
            given, "E243", f"the {key} of flow '{flow}'", values, changes, (*path[:-1], key), addition=addition
        )
    watermarks = tuple(
        WatermarkSpec(
            name,
            columns[name],
            round(delays[name] * 1000),
            given.document.place(path if isinstance(state.watermark, str) else (*path, name)),
        )
        for name in changes
        if name in columns and name in delays
    )
    mode: OutputMode = state.output_mode or ("update" if model.sink.strategy == "merge" else "append")
    return StateSpec(watermarks, mode)


def check_state(flow: FlowSpec, state: StateSpec, document: Document) -> Iterator[Diagnostic]:
    """The mistakes of a flow that keeps state: what it reads, what its SQL asks for, what its sink is told."""
    sink, path = flow.sink, ("flows", flow.name, "sink")
    if not any(each.read == "changes" for each in flow.inputs):
        yield Diagnostic(
            "E243",
            f"flow '{flow.name}' keeps state over changes, and reads the changes of nothing",
            document.place(("flows", flow.name, "incremental")),
            "read an input as changes, or use incremental: full",
        )
    if says(flow):
        yield Diagnostic(
            "E262",
            f"flow '{flow.name}' uses run_ts(), but the query of a state flow is one for many epochs",
            _call(flow),
            "take the value from the data, or pass it as a param",
        )
    if state.output_mode == "update" and sink.strategy in (None, "append"):
        yield Diagnostic(
            "E244",
            f"flow '{flow.name}' writes results again when they change, so it cannot append them",
            document.place(("flows", flow.name, "incremental", "state", "output_mode")),
            "say strategy: merge with the columns that tell a result, or output_mode: append",
        )
    for key in _LEFT if sink.strategy == "merge" else ():
        if getattr(sink, key):
            yield Diagnostic(
                "E204",
                f"flow '{flow.name}': '{key}' is not for state: the newest result of a key replaces the one before",
                document.place((*path, key), key=True),
                "leave it out",
            )


def _call(flow: FlowSpec) -> Location:
    """Where the flow's own SQL, or that of a view in it, says run_ts()."""
    for part in (flow, *flow.views):
        if isinstance(part.transform, SqlTransform) and found_in(part.transform.text):
            return part.transform.place(first(part.transform.text), len(NAME))
    return flow.at


def not_a_time(flow: FlowSpec, watermark: WatermarkSpec, types: Mapping[str, str]) -> Diagnostic | None:
    """The mistake of a watermark over a column that is no TIMESTAMP, or is not there; None where it is one.

    `types` are those of its input's columns: names in small letters, types in capitals.
    """
    kind = types.get(watermark.column.lower())
    if kind == "TIMESTAMP":
        return None
    times = [name for name, other in types.items() if other == "TIMESTAMP"]
    hint = f"name one of: {', '.join(times)}" if times else "make it a TIMESTAMP in a flow before this one"
    if kind is None:
        hint = did_you_mean(watermark.column, times) or hint
    what = f"is of type {kind}, no TIMESTAMP" if kind else f"is no column of '{watermark.input}'"
    return Diagnostic("E243", f"the watermark '{watermark.column}' of flow '{flow.name}' {what}", watermark.at, hint)
