"""Several pipelines of one command: which of them reads which, and the order in which they run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.config.object_uris import is_object
from etl.config.project import find
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etl.config.spec import PipelineSpec, SparkSpec
    from etl.planning.selectors import Selection


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What decides whether two pipelines can share a Spark session.

    Attributes:
        spark: what conf/ says of the session, which may differ by pipeline through params.
        in_objects: whether the tables lie in an object store, for which a session has settings of its own.
    """

    spark: SparkSpec
    in_objects: bool

    @classmethod
    def of(cls, spec: PipelineSpec) -> SessionSettings:
        """The settings that a pipeline needs."""
        return cls(spec.spark, is_object(spec.storage))

    def differing(self, other: SessionSettings) -> tuple[str, ...]:
        """The names of the settings that are not the same in both."""
        names = [] if self.spark.master == other.spark.master else ["spark.master"]
        ours, theirs = dict(self.spark.conf), dict(other.spark.conf)
        names += sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        return (*names, *(["storage"] if self.in_objects != other.in_objects else []))


@dataclass(frozen=True, slots=True)
class OrderedPipeline:
    """A pipeline at its place in the order.

    Attributes:
        selection: the pipeline, and its flows that run.
        reads: the files of those pipelines of the command whose targets these flows read.
        session: the settings of the session that it needs.
    """

    selection: Selection
    reads: tuple[Path, ...]
    session: SessionSettings

    @property
    def spec(self) -> PipelineSpec:
        """The pipeline."""
        return self.selection.spec


def ordered(selections: Sequence[Selection]) -> tuple[OrderedPipeline, ...]:
    """The pipelines, each after those that it reads, in as few sessions as that allows; else in the order given.

    Links to pipelines that are not among them count for nothing. Raises ConfigurationError (E251) where pipelines read each other in a circle.
    With two kinds of sessions there is no order with fewer sessions; with more of them a rare one may have fewer.
    """
    files = {selection.spec.file.resolve(): selection for selection in selections}
    reads = {file: _reads(selection, files) for file, selection in files.items()}
    circle = _circle(reads)
    if circle:
        raise ConfigurationError([_told(circle, files, reads)])
    pipelines = [
        OrderedPipeline(selection, tuple(reads[file]), SessionSettings.of(selection.spec))
        for file, selection in files.items()
    ]
    kinds = list(dict.fromkeys(pipeline.session for pipeline in pipelines))
    orders = [_order(pipelines, first) for first in kinds]
    return min(orders, key=_sessions) if orders else ()


def _reads(selection: Selection, files: Mapping[Path, Selection]) -> dict[Path, str]:
    """The files of the pipelines whose targets the selected flows read, among `files`, each with the source that reads it."""
    spec = selection.spec
    reads: dict[Path, str] = {}
    for name in selection.flows:
        flow = spec.flow(name)
        for dataset in (each.dataset for each in flow.inputs) if flow is not None else ():
            source = spec.source(dataset)
            if source is not None and source.of is not None:
                file = find(spec.project / "pipelines" / source.of[0], spec.project).file.resolve()
                if file in files:
                    reads.setdefault(file, source.name)
    return reads


def _circle(reads: Mapping[Path, Mapping[Path, str]]) -> list[Path]:
    """Pipelines of which each reads the next, and the last one the first; empty where there are none."""
    left = dict(reads)
    while free := [file for file, read in left.items() if not read.keys() & left.keys()]:
        for file in free:
            del left[file]
    if not left:
        return []
    trail = [next(iter(left))]  # of what is left each reads another one
    while trail[-1] not in trail[:-1]:
        trail.append(next(file for file in left[trail[-1]] if file in left))
    return trail[trail.index(trail[-1]) : -1]


def _told(
    circle: Sequence[Path], files: Mapping[Path, Selection], reads: Mapping[Path, Mapping[Path, str]]
) -> Diagnostic:
    specs = [files[file].spec for file in circle]
    names = " reads ".join(spec.name for spec in (*specs, specs[0]))
    first, second = circle[0], circle[1]
    at = next(source.at for source in specs[0].sources if source.name == reads[first][second])
    hint = "run them by a command each; or select flows that do not read each other in a circle"
    return Diagnostic("E251", f"pipelines read each other in a circle: {names}", at, hint)


def _order(pipelines: Sequence[OrderedPipeline], first: SessionSettings) -> tuple[OrderedPipeline, ...]:
    """An order that begins with all that can run in the session `first`; each following session runs as much as it can."""
    order: list[OrderedPipeline] = []
    done: set[Path] = set()
    left, session = list(pipelines), first
    while left:
        ready = [pipeline for pipeline in left if done.issuperset(pipeline.reads)]
        following = next((pipeline for pipeline in ready if pipeline.session == session), ready[0])
        session = following.session
        left.remove(following)
        order.append(following)
        done.add(following.spec.file.resolve())
    return tuple(order)


def _sessions(order: Sequence[OrderedPipeline]) -> int:
    """How many sessions an order needs, one after the other."""
    return sum(before.session != after.session for before, after in pairwise(order))
