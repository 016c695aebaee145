"""A decision made into a job: the plan judged by Spark, the generation opened or resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.engine.crash_points import Point, reach
from etl.engine.inspection import verification_record
from etl.engine.kinds import KINDS
from etl.engine.metadata.generations import MICROS, Generation, open_generation, read_generation, record_definition
from etl.engine.run.analyse import judge
from etl.engine.run.draft import draft_of, strategy_of
from etl.engine.storage.layout import FlowPaths
from etl.errors import ConfigurationError, FlowFailed
from etl.planning.fingerprint import fingerprint as fingerprint_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.config.spec import FlowSpec, Mode, PipelineSpec
    from etl.engine.job import Job
    from etl.planning.decision import Decision


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job to be carried out.

    Attributes:
        limited: Whether its source's rate limit holds in it.
        warnings: Of the plan of a new generation.
    """

    job: Job
    limited: bool
    warnings: tuple[str, ...] = ()

    def unbounded(self) -> Prepared:
        """The same generation going on as a stream."""
        return Prepared(replace(self.job, last_epoch=None), limited=True)


def prepare(
    spec: PipelineSpec,
    flow: FlowSpec,
    decision: Decision,
    session: SparkSession,
    *,
    fingerprint: str,
    mode: Mode,
    run_id: str,
) -> Prepared:
    """The job that carries `decision` out. Opens the generation where it is new; nothing else is written.

    Raises ConfigurationError where Spark's analysed plan does not allow the flow, and FlowFailed where a generation has lost its record.
    """
    paths = FlowPaths.of(spec, flow)
    complete = mode == "batch" or decision.rebuild == "batch"
    generation = Generation(decision.generation, paths.generation(decision.generation), fingerprint, "full", run_id)
    draft = replace(draft_of(spec, flow, generation), last_epoch=0 if complete else None)
    if decision.action == "resume":
        return Prepared(_resumed(draft, session), limited=not complete)
    judged = judge(draft, session)
    unproved = verification_record.missing_proof(spec, flow, fingerprint, judged.opaque)
    if unproved is not None:
        raise ConfigurationError([unproved])
    generation = replace(
        generation,
        kind=judged.kind,
        feeds=tuple(item.name for item in draft.changes if item.source.reads_change_feed),
        sources=tuple((item.name, index) for index, item in enumerate(draft.changes)),
        places=tuple((item.name, item.source.path) for item in draft.changes),
        instants=MICROS,
    )
    job = KINDS[judged.kind].opened(_within(draft, generation), session, complete=complete)
    open_generation(job.generation)
    defined = fingerprint_of(spec, flow)
    if defined.digest == fingerprint:  # no file was changed since the run was planned
        record_definition(job.generation, defined.definition)
    reach(Point.GENERATION_OPENED)
    return Prepared(job, limited=not complete, warnings=judged.warnings)


def _resumed(draft: Job, session: SparkSession) -> Job:
    """The job that goes on with a generation, by what was recorded when that was opened."""
    number = draft.generation.number
    generation = read_generation(draft.paths, number)
    if generation is None:
        message = f"generation {number} of flow '{draft.flow.name}' has lost its record"
        raise FlowFailed(message, hint="run with --full-refresh")
    return KINDS[generation.kind].resumed(_within(draft, generation), session)


def _within(job: Job, generation: Generation) -> Job:
    strategy = strategy_of(job.flow, generation.kind)
    return replace(job, generation=generation, kind=generation.kind, strategy=strategy)
