"""What is worth doing to a Delta table, and what may go: decided over values that its log and its folder tell. No Spark, no clock.

A table is compacted like a log-structured merge tree is: a file is rewritten only together with smaller ones that hold at least as much as
it does, so that each row is rewritten about as often as its file doubles, however many epochs there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

FEWEST = 8
"""Fewer small files than that are left alone: a commit of their own is not worth it."""

Deed = Literal["compact", "cluster", "vacuum", "cleanup"]
"""What maintenance does: small files rewritten together, rows laid where `cluster_by` says, files that nothing needs removed, and folders."""

Partition = tuple[tuple[str, str | None], ...]
"""Column → value as Delta's log spells it; None: NULL, which an empty text is, too. Empty where the table has no partitions."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that a version of a table holds. `path`: below the table, not escaped. `is_clustered`: a clustering has written it."""

    path: str
    bytes: int
    partition: Partition = ()
    is_clustered: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """The version that took a file away, or, of a file of the change feed, the one that it tells of; and when that was."""

    version: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class LoggedFiles:
    """What a table's log says of its files.

    Attributes:
        live: What its newest version holds: path → file.
        removed: What earlier versions held: path → the last removal.
        told: The files of its change feed: path → the version that each tells of.
        first_version: The earliest that the log still tells of; 0: it tells all.
        cluster_by: Whether the table has columns of liquid clustering.
    """

    version: int
    first_version: int
    live: Mapping[str, DataFile]
    removed: Mapping[str, Removal] = field(default_factory=dict)
    told: Mapping[str, Removal] = field(default_factory=dict)
    cluster_by: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that lies in a table's folder."""

    path: str
    bytes: int
    changed_ms: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What must stay readable of a table besides its newest version.

    Attributes:
        keep_ms: Everything that was taken away since less than that.
        since_ms: Everything that was taken away since that instant: a run that began then may read it; None: no run is at it.
        version: Every version from that one on, with its change feed; None: no reader has stopped earlier than the newest.
        reader: Who needs that version.
    """

    keep_ms: int
    since_ms: int | None = None
    version: int | None = None
    reader: str = ""

    def and_those(self, version: int, reader: str) -> Needs:
        """The same, and every version from `version` on."""
        if self.version is not None and self.version <= version:
            return self
        return replace(self, version=version, reader=reader)

    def and_since(self, instant_ms: int) -> Needs:
        """The same, and everything that was taken away since `instant_ms`."""
        return replace(self, since_ms=instant_ms if self.since_ms is None else min(self.since_ms, instant_ms))


@dataclass(frozen=True, slots=True)
class Compaction:
    """Small files to be rewritten together.

    Attributes:
        partitions: The partitions that it is worth it in; empty: all, or the table has none.
        below: The size in bytes from which on a file is left alone.
        files: How many files are rewritten.
        bytes: What they hold.
        into: How many files come of them, about.
    """

    partitions: tuple[Partition, ...] = ()
    below: int = 0
    files: int = 0
    bytes: int = 0
    into: int = 0

    def __bool__(self) -> bool:
        return self.files > 0


def compaction(files: Iterable[DataFile], target: int) -> Compaction:
    """Which small files to rewrite together into files of about `target` bytes, partition by partition; false where nothing is won.

    In a partition these are its smallest files, up to the greatest that is no bigger than all smaller ones together, where they are at
    least `FEWEST` and become at most half as many.
    """
    by_partition: dict[Partition, list[int]] = defaultdict(list)
    for file in files:
        by_partition[file.partition].append(file.bytes)
    chosen = {partition: small for partition, sizes in by_partition.items() if (small := _small(sizes, target))}
    if not chosen:
        return Compaction()
    rewritten = [bin_ for small in chosen.values() for bin_ in _bins(small, target) if len(bin_) > 1]
    return Compaction(
        partitions=() if len(chosen) == len(by_partition) else tuple(sorted(chosen, key=str)),
        below=max(small[-1] for small in chosen.values()) + 1,
        files=sum(map(len, rewritten)),
        bytes=sum(map(sum, rewritten)),
        into=len(rewritten),
    )


def clustering(files: Iterable[DataFile]) -> Compaction:
    """Whether to lay a clustered table's new rows where they belong: where there are at least `FEWEST` files that nobody has clustered."""
    new = [file for file in files if not file.is_clustered]
    if len(new) < FEWEST:
        return Compaction()
    return Compaction(files=len(new), bytes=sum(file.bytes for file in new), into=1)


def _small(sizes: list[int], target: int) -> list[int]:
    """The sizes of a partition's files that are worth to be rewritten together, ascending; empty where it is not worth it."""
    ascending = sorted(size for size in sizes if size < target)
    count = held = 0
    for number, size in enumerate(ascending, start=1):
        if size <= held or number == 1:
            count = number
        held += size
    small = ascending[:count]
    rewritten = [bin_ for bin_ in _bins(small, target) if len(bin_) > 1]
    files = sum(map(len, rewritten))
    return small if files >= FEWEST and 2 * len(rewritten) <= files else []


def _bins(ascending: list[int], target: int) -> Iterable[list[int]]:
    """The sizes as Delta's OPTIMIZE puts files together: in their order, until the next one does not fit."""
    bin_: list[int] = []
    for size in ascending:
        if bin_ and sum(bin_) + size > target:
            yield bin_
            bin_ = []
        bin_.append(size)
    if bin_:
        yield bin_


def removable(
    stored: Iterable[StoredFile], logged: LoggedFiles, needs: Needs, *, now_ms: int
) -> tuple[StoredFile, ...]:
    """Of the files in a table's folder those that nothing needs: no version that must stay readable, no reader of its changes.

    What the log does not name was never committed, or its removal was cleaned out of the log with what is older than that keeps: it
    may go once it has not changed for as long as `needs` says, unless a reader has stopped before the log begins.
    """
    horizon = now_ms - needs.keep_ms
    if needs.since_ms is not None:
        horizon = min(horizon, needs.since_ms)
    before = needs.version is not None and needs.version < logged.first_version

    def may_go(file: StoredFile) -> bool:
        if file.path in logged.live:
            return False
        removal = logged.removed.get(file.path) or logged.told.get(file.path)
        if removal is None:
            return file.changed_ms < horizon and not before
        return removal.at_ms < horizon and (needs.version is None or removal.version <= needs.version)

    return tuple(file for file in stored if may_go(file))


@dataclass(frozen=True, slots=True)
class Ended:
    """A commit's generation and when it was made, as far as the end of generations is told by it."""

    generation: int
    at_ms: int
    rolls_back: bool = False


def superseded(
    numbers: Iterable[int], commits: Iterable[Ended], rolled_back_upto: int, *, now_ms: int, keep_ms: int
) -> tuple[int, ...]:
    """Of the `numbers` of generations those that another one has followed since longer than `keep_ms`. `commits`: the target's, in order.

    One that is newer than what the target holds stays, but for those that were rolled back: it may be under way.
    """
    ordered = tuple(commits)
    if not ordered:
        return ()
    current = ordered[-1].generation
    old = []
    for number in numbers:
        if number == current or (number > current and number > rolled_back_upto):
            continue
        last = max((index for index, commit in enumerate(ordered) if commit.generation == number), default=-1)
        followed = next(
            (
                commit
                for commit in ordered[last + 1 :]
                if commit.generation != number and (commit.generation > number or commit.rolls_back)
            ),
            None,
        )
        if followed is not None and followed.at_ms + keep_ms < now_ms:
            old.append(number)
    return tuple(old)


@dataclass(frozen=True, slots=True)
class Credit:
    """Seconds that maintenance may take, earned by the wall time of a flow's runs. It may be overdrawn once, and is then earned again."""

    seconds: float = 0.0

    def after(self, wall_s: float, budget: float) -> Credit:
        """The credit when the flow's runs have worked for another `wall_s`."""
        return Credit(self.seconds + max(wall_s, 0.0) * budget)

    def less(self, spent_s: float) -> Credit:
        """The credit when maintenance has taken `spent_s`."""
        return Credit(self.seconds - spent_s)

    @property
    def allows(self) -> bool:
        """Whether there is any."""
        return self.seconds > 0


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that was done, or would be, to a table or a folder of a flow.

    Attributes:
        place: `target`, `quarantine`, `state` or `checkpoints`.
        files: That were rewritten, or removed.
        bytes: What they hold, or held.
        into: compact, cluster: how many files came of them.
        detail: Such as which generations were removed.
    """

    deed: Deed
    place: str
    files: int
    bytes: int
    into: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FlowMaintenance:
    """What maintenance did to a flow, or would do.

    Attributes:
        status: `held`: another run works on it; `skipped`: it must not be touched, for the `reason`.
        files_before: Data files that the target's newest version held.
        files_after: That it holds now, or would.
        bytes_removed: From storage.
        version: The target's newest; None: there is no target.
        reason: Why nothing, or not all, was done.
    """

    flow: str
    status: Literal["succeeded", "unchanged", "skipped", "held", "failed"]
    files_before: int = 0
    files_after: int = 0
    bytes_removed: int = 0
    version: int | None = None
    done: tuple[Done, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MaintenanceResult:
    """What maintenance did to a pipeline's flows, in the order of the file. `dry_run`: what it would have done."""

    pipeline: str
    flows: tuple[FlowMaintenance, ...]
    dry_run: bool = False
