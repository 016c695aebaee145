"""A flow's output over a sample of its inputs: the real transform and the real expectations, and nothing is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etl.config.masking import masked, sensitive
from etl.engine.frames.caches import Caches
from etl.engine.frames.identifiers import columns
from etl.engine.metadata.delta_log import log_versions
from etl.engine.metadata.generations import Generation
from etl.engine.run.analyse import judge
from etl.engine.run.draft import draft_of
from etl.engine.sources.source import open_source
from etl.engine.tables.rows import as_text, columns_of
from etl.engine.transform import expectations
from etl.engine.transform.apply import apply
from etl.engine.transform.parsed_input import parse_input
from etl.planning.plain_values import plain_row
from etl.planning.position import Pin
from etl.planning.preview import PreviewResult

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.job import Input
    from etl.engine.transform.expectations import Checked

_FILES = 8
_ROWS = 10_000
_NOWHERE = Generation(-1, "", "", "full", "preview")


class Preview:
    """Computes samples in one session."""

    def __init__(self, spec: PipelineSpec, session: SparkSession) -> None:
        self._spec, self._session = spec, session
        self._notes: dict[str, None] = {}

    def of(self, flow: FlowSpec, limit: int) -> PreviewResult:
        """At most `limit` rows that the flow would write, and what would become of the others."""
        with Caches() as caches:
            checked = self._checked(flow, caches)
            rows = caches.keep(checked.rows)
            over = expectations.over(checked, rows)
            counted = rows.agg(*checked.counts()).first()
            tallied = counted.asDict() if counted is not None else {}
            sample = over.good.limit(limit).select(*columns(checked.columns))
            schema, texts = columns_of(sample), [row[0] for row in as_text(sample).collect()]
        zone = ZoneInfo(flow.timezone)
        shown = [plain_row(text, schema, zone) for text in texts]
        return PreviewResult(
            pipeline=self._spec.name,
            flow=flow.name,
            schema=schema,
            rows=tuple(masked(row, sensitive(flow)) for row in shown),
            sampled=int(tallied.get("rows") or 0),
            dropped=int(tallied.get("dropped") or 0),
            quarantined=int(tallied.get("quarantined") or 0),
            violated=tuple((name, int(tallied.get(f"warn_{i}") or 0)) for i, name in enumerate(checked.warns)),
            notes=tuple(self._notes),
        )

    def _checked(self, flow: FlowSpec, caches: Caches) -> Checked:
        job = draft_of(self._spec, flow, _NOWHERE)
        frames = {item.name: self._input(item, caches) for item in job.inputs}
        judge(job, self._session, frames)
        output = apply(job, self._session, frames)
        # A rule that would fail a run is counted here: the point is to see how often.
        rules = tuple(
            replace(item, on_violation="warn") if item.on_violation == "fail" else item for item in job.flow.rules
        )
        return expectations.check(output, rules, hidden=sensitive(flow))

    def _input(self, flow_input: Input, caches: Caches) -> DataFrame:
        upstream = self._spec.stored_flow(flow_input.name)
        if upstream is not None and not log_versions(flow_input.source.path):
            self._notes[f"{flow_input.name}: computed from its own inputs, since it has not run yet"] = None
            return self._checked(upstream, caches).good
        source = open_source(flow_input.source)
        pin = source.latest()
        if flow_input.spec.read == "snapshot":
            self._notes[f"{flow_input.name}: read whole"] = None
            return self._parsed(flow_input, caches, source.as_of(self._session, pin))
        portion = ""
        if len(pin.files) > _FILES:
            kept = dict(sorted(pin.files.items())[-_FILES:])
            portion, pin = f"the last {_FILES} of {len(pin.files):,} files, ", Pin(pin.position, kept)
        self._notes[f"{flow_input.name}: {portion}at most {_ROWS:,} rows"] = None
        return self._parsed(flow_input, caches, source.as_of(self._session, pin).limit(_ROWS))

    def _parsed(self, flow_input: Input, caches: Caches, raw: DataFrame) -> DataFrame:
        return parse_input(
            flow_input, raw, caches, keep_malformed=False, is_batch_of_stream=False, counted=False
        ).parsed
