"""A flow's kind of processing held against its sink, and the sink's settings against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.build.state import check_state
from etl.config.diagnostics import Diagnostic
from etl.config.grammar.delta_properties import log_kept_s
from etl.config.spec import MaintenanceSpec
from etl.config.sql.expressions import check_expression

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from etl.config.document.document import Document
    from etl.config.spec import FlowSpec, Incremental, SinkSpec, Strategy

# design: any other pair is an error. `auto` decides for rows or full.
SINKS_OF: Mapping[Incremental, tuple[Strategy, ...]] = {
    "rows": ("append", "merge", "scd2"),
    "groups": ("replace",),
    "state": ("append", "merge"),
    "full": ("overwrite",),
    "auto": ("append", "merge", "scd2", "overwrite"),
}
_KEYED = ("merge", "scd2")
_GO = {
    "rows": "rows go",
    "groups": "groups go",
    "state": "state goes",
    "full": "a full flow goes",
    "auto": "an auto flow goes",
}


def replaces_rows(flow: FlowSpec) -> bool:
    """Whether the flow's target sees rows change or go, as far as its text tells; `auto` may turn out to."""
    sink = flow.sink
    if flow.incremental in ("groups", "full") or sink.takes == "full":
        return True
    changing = sink.strategy in ("merge", "scd2", "replace", "overwrite")
    return changing and sink.strategy in SINKS_OF[flow.incremental]  # one that does not fit is told at the flow itself


def check_sink(flow: FlowSpec, document: Document, params: Collection[str]) -> Iterator[Diagnostic]:
    """The mistakes in a flow's sink: a strategy that its kind of processing does not have, and settings of other strategies.

    `params`: those that its `delete_when` may name.
    """
    sink, path = flow.sink, ("flows", flow.name, "sink")
    fitting = SINKS_OF[flow.incremental]
    from_plugin = sink.takes is not None and flow.incremental in (sink.takes, "auto")
    if sink.strategy is not None and sink.strategy not in fitting and not from_plugin:
        yield Diagnostic(
            "E203",
            f"flow '{flow.name}': {_GO[flow.incremental]} to {' or '.join(fitting)}, not to {sink.strategy}",
            document.place((*path, "strategy")),
            f"say strategy: {fitting[0]}, or another kind of processing",
        )
    log_kept = log_kept_s(dict(sink.properties))
    if flow.maintenance.keep > log_kept and flow.maintenance != MaintenanceSpec():
        yield Diagnostic(
            "E219",
            f"flow '{flow.name}': maintenance keeps what is superseded for {flow.maintenance.keep / 86400:g} days, and Delta the log of its tables for {log_kept / 86400:g}",
            document.place(("flows", flow.name, "maintenance", "keep")),
            "say a shorter keep, or a longer delta.logRetentionDuration in the sink's properties",
        )
    if flow.incremental == "rows" and sum(input_.read == "changes" for input_ in flow.inputs) > 1:
        yield Diagnostic(
            "E223",
            f"flow '{flow.name}' reads the changes of two inputs; under rows each output row depends on one row of one of them",
            [input_.at for input_ in flow.inputs if input_.read == "changes"][1],
            "read the others as snapshots, or use incremental: groups or full",
        )
    if flow.trusted and flow.incremental != "groups":
        yield Diagnostic(
            "E204",
            f"flow '{flow.name}': trusted is for incremental: groups, where a plan may not prove what holds",
            document.place(("flows", flow.name, "trusted"), key=True),
            "leave it out",
        )
    if flow.state is not None:
        yield from check_state(flow, flow.state, document)
    if sink.strategy in _KEYED:
        yield from _keyed(flow, document, params)
    if sink.schema_evolution != "fail" and sink.takes is not None:
        yield Diagnostic(
            "E204",
            f"flow '{flow.name}': schema_evolution is for the built-in strategies; {sink.strategy} knows its own target",
            document.place((*path, "schema_evolution"), key=True),
            "leave it out",
        )
    for key, (value, strategies) in _settings(sink).items():
        if value and sink.strategy not in strategies:
            yield Diagnostic(
                "E204",
                f"flow '{flow.name}': '{key}' is for strategy: {' or '.join(strategies)}",
                document.place((*path, key), key=True),
                f"say strategy: {strategies[0]}, or leave it out",
            )


def _settings(sink: SinkSpec) -> dict[str, tuple[object, tuple[str, ...]]]:
    """Each setting that only some strategies know: its value, and those strategies."""
    return {
        "keys": (sink.keys, _KEYED),
        "sequence_by": (sink.sequence_by, _KEYED),
        "insert_only": (sink.insert_only, ("merge",)),
        "delete_when": (sink.delete_when, _KEYED),
        "except_columns": (sink.except_columns, _KEYED),
        "track": (sink.track, ("scd2",)),
    }


def _keyed(flow: FlowSpec, document: Document, params: Collection[str]) -> Iterator[Diagnostic]:
    sink, path = flow.sink, ("flows", flow.name, "sink")
    if not sink.keys:
        yield Diagnostic(
            "E231",
            f"flow '{flow.name}': {'a merge' if sink.strategy == 'merge' else 'scd2'} needs keys",
            document.place(path, key=True),
            "keys: [column, …]",
        )
    if flow.state is not None:
        return  # the newest result of a key replaces the one before: there is no more to say
    if sink.strategy == "merge" and bool(sink.sequence_by) == sink.insert_only:
        yield Diagnostic(
            "E232",
            f"flow '{flow.name}': a merge needs either sequence_by or insert_only: true",
            document.place(path, key=True),
            "sequence_by: the column that tells the newer row",
        )
    if sink.strategy == "scd2" and not sink.sequence_by:
        yield Diagnostic(
            "E232",
            f"flow '{flow.name}': scd2 needs sequence_by",
            document.place(path, key=True),
            "sequence_by: the column that tells since when a row is true",
        )
    if sink.insert_only and sink.delete_when:
        yield Diagnostic(
            "E233",
            f"flow '{flow.name}': insert_only never deletes",
            document.place((*path, "delete_when"), key=True),
            "leave one of them out",
        )
    for key, names in (("except_columns", sink.except_columns), ("track", sink.track)):
        for name in names:
            if name.lower() in {other.lower() for other in sink.keys}:
                what = "must be stored" if key == "except_columns" else "is what a history is of; it never changes"
                yield Diagnostic(
                    "E234",
                    f"flow '{flow.name}': the key '{name}' {what}",
                    document.place((*path, key)),
                    f"take it out of {key}",
                )
    if sink.delete_when:
        locate = document.locate((*path, "delete_when"), sink.delete_when)
        yield from check_expression(sink.delete_when, locate, "delete_when", params)
