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
    """No table whole, and no batch where one is written down, of what can be had once only."""
    for flow in spec.flows:
        said = any((*path, "mode") in document.places for path in (("run",), ("flows", flow.name, "run")))
        for item in flow.inputs:
            source = spec.source(item.dataset)
            if source is None or source.replays:
                continue
            whole = f"needs '{item.dataset}' whole, but a {source.format} source makes each row only once"
            if item.read == "snapshot":
                yield Diagnostic("E225", f"flow '{flow.name}' {whole}", item.at, "read it as changes")
            elif flow.incremental == "full" or flow.sink.strategy == "overwrite":
                yield Diagnostic("E225", f"flow '{flow.name}' {whole}", item.at, "use incremental: rows")
            elif said:
                own = ("flows", flow.name, "run", "mode")
                for found in no_batch(spec, flow, flow.mode):
                    yield replace(found, at=document.place(own if own in document.places else ("run", "mode")))


def no_batch(spec: PipelineSpec, flow: FlowSpec, mode: Mode) -> list[Diagnostic]:
    """Why a flow cannot run in a mode: a batch needs all rows of its inputs at once."""
    found = []
    for item in flow.inputs:
        source = spec.source(item.dataset)
        if mode == "batch" and source is not None and not source.replays:
            message = f"flow '{flow.name}' reads '{item.dataset}', a {source.format} source: it has no whole that a batch could read"
            found.append(
                Diagnostic("E225", message, item.at, "run it as a stream: run: {mode: stream}, or --mode stream")
            )
    return found
