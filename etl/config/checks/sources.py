"""What flows may not ask of sources whose rows can be had once only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.document.document import Document
    from etl.config.spec import FlowSpec, Mode, PipelineSpec


def check_replays(spec: PipelineSpec, document: Document) -> Iterator[Diagnostic]:
    """The flows that need the whole of a source whose rows can be had only once, by how they read it or by the mode that is written."""
    for flow in spec.flows:
        mode_written = any((*path, "mode") in document.places for path in (("run",), ("flows", flow.name, "run")))
        for input_ in flow.inputs:
            source = spec.source(input_.dataset)
            if source is None or source.replays:
                continue
            whole = f"needs '{input_.dataset}' whole, but a {source.format} source makes each row only once"
            if input_.read == "snapshot":
                yield Diagnostic("E225", f"flow '{flow.name}' {whole}", input_.at, "read it as changes")
            elif flow.incremental == "full" or flow.sink.strategy == "overwrite":
                yield Diagnostic("E225", f"flow '{flow.name}' {whole}", input_.at, "use incremental: rows")
            elif mode_written:
                own = ("flows", flow.name, "run", "mode")
                for diagnostic in no_batch(spec, flow, flow.mode):
                    yield replace(diagnostic, at=document.place(own if own in document.places else ("run", "mode")))


def no_batch(spec: PipelineSpec, flow: FlowSpec, mode: Mode) -> list[Diagnostic]:
    """The inputs of which a flow cannot run in that mode: a batch needs all rows at once, and a source may give each only once."""
    diagnostics = []
    for input_ in flow.inputs:
        source = spec.source(input_.dataset)
        if mode == "batch" and source is not None and not source.replays:
            message = f"flow '{flow.name}' reads '{input_.dataset}', a {source.format} source: it has no whole that a batch could read"
            diagnostics.append(
                Diagnostic("E225", message, input_.at, "run it as a stream: run: {mode: stream}, or --mode stream")
            )
    return diagnostics
