"""Everything that committing an epoch needs, as one frozen, picklable value: `foreachBatch` closes over nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.engine.metadata.offset_log import OffsetLog
from etl.planning.kinds import KIND_TRAITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etl.config.spec import FlowSpec, InputSpec, Scalar, SourceSpec, StateSpec, Strategy
    from etl.engine.metadata.generations import Generation
    from etl.engine.storage.layout import FlowPaths
    from etl.planning.kinds import Kind, KindTraits
    from etl.planning.plan import Committed
    from etl.planning.position import Pin


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a flow with what stands behind it: a source, or the target of another flow."""

    spec: InputSpec
    source: SourceSpec

    @property
    def name(self) -> str:
        """The dataset's name; `spec.name` is what the transform knows it by."""
        return self.spec.dataset


def by_name(inputs: Iterable[Input]) -> tuple[Input, ...]:
    """Inputs as the sources of a query are counted: their order in the file is no part of a definition, and a checkpoint goes by it."""
    return tuple(sorted(inputs, key=lambda item: (item.name, item.spec.name)))


@dataclass(frozen=True, slots=True)
class Job:
    """One flow in one generation of one run.

    Attributes:
        folder: The pipeline's, where its Python modules lie.
        has_change_readers: Whether a flow of the pipeline reads the target's changes.
        last_epoch: 0 for a batch, which is epoch 0 and nothing more; None for a stream, and for state, which is drained.
        pins: Of state: what its query reads the snapshots at.
        run_ts: Within an epoch whose SQL says run_ts(): its instant, as ISO 8601 writes it.
    """

    pipeline: str
    flow: FlowSpec
    inputs: tuple[Input, ...]
    kind: Kind
    strategy: Strategy
    paths: FlowPaths
    generation: Generation
    run_id: str
    fingerprint: str
    params: tuple[tuple[str, Scalar], ...]
    folder: str
    project: str
    has_change_readers: bool
    last_epoch: int | None
    pins: tuple[tuple[str, Pin], ...] = ()
    run_ts: str | None = None

    @property
    def traits(self) -> KindTraits:
        """What sets the flow's kind apart from the others."""
        return KIND_TRAITS[self.kind]

    @property
    def changes(self) -> tuple[Input, ...]:
        """The inputs of which a micro-batch brings only what is new."""
        return by_name(item for item in self.inputs if item.spec.read == "changes")

    @property
    def state(self) -> StateSpec:
        """What a state flow says of time."""
        if self.flow.state is None:
            message = f"flow '{self.flow.name}' keeps no state"
            raise ValueError(message)
        return self.flow.state

    @property
    def streamed_input(self) -> Input:
        """The one input that a rows flow streams."""
        return self.changes[0]

    @property
    def reads_inputs_whole(self) -> bool:
        """Whether an epoch reads its changes inputs whole as well, and not only what is new of them."""
        return self.traits.needs_whole_inputs or self.streamed_input.source.reads_change_feed

    @property
    def recomputed_by(self) -> tuple[str, ...]:
        """The target's columns whose rows are recomputed together: those of the flow's groups, else the sink's keys."""
        return tuple(group.column for group in self.flow.groups) or self.flow.sink.keys

    def offset_log(self, item: Input) -> OffsetLog:
        """What the generation's checkpoint tells of a changes input; its record tells which source of the query it is."""
        indexes = dict(self.generation.sources)
        return OffsetLog(self.generation.checkpoint, indexes.get(item.name, self.changes.index(item)))

    def stages(self, committed: Committed | None) -> bool:
        """Whether an epoch is staged: its generation replaces the target once it is drained, and not before."""
        return self.generation.staged and (committed is None or committed.generation < self.generation.number)
