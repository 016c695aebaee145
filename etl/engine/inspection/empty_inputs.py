"""Sources of files in which there is none yet: a wrong folder or pattern looks like that, and the run succeeds with nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.inspection.flow_state import inputs_of
from etl.engine.sources.files import FileSource
from etl.engine.sources.source import open_source
from etl.errors import EtlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.spec import FlowSpec, PipelineSpec


def empty_inputs(spec: PipelineSpec, flow: FlowSpec) -> Iterator[str]:
    """A warning for each input of the flow that is a source of files and has none."""
    for flow_input in inputs_of(spec, flow):
        source = open_source(flow_input.source)
        if not isinstance(source, FileSource):
            continue
        try:
            files = source.latest().files
        except EtlError:  # told where the flow is decided or run
            continue
        if not files:
            read = flow_input.source
            since = ", nor what was changed before start_at" if read.start_ms is not None else ""
            yield (
                f"source '{read.name}' has no file: nothing that counts lies at {read.path}"
                f" (names that begin with . or _ do not, nor what lies in folders below, but for partitions, name=value{since})"
            )
