"""`etl audit`: the invariants of every table, proved from its own log alone. No JVM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etl.config.secrets import redact
from etl.engine.inspection.int96 import tables_with_int96
from etl.engine.metadata.delta_log import Commit, last_committed, log_versions, read_commit
from etl.engine.storage.layout import FlowPaths, must_be_readable
from etl.errors import EtlError
from etl.markup import Markup, card, code, element, folded, line, quiet, status, table
from etl.planning.decision import told_as_int96

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.metadata.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Finding:
    """A commit that breaks an invariant."""

    flow: str
    table: str
    version: int | None
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class FlowAudit:
    """What one flow's tables prove."""

    flow: str
    commits: int
    generations: tuple[int, ...]
    last_epoch: int | None
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What all of a pipeline's tables prove."""

    pipeline: str
    flows: tuple[FlowAudit, ...]

    @property
    def holds(self) -> bool:
        """Whether every invariant holds in every table."""
        return not any(flow.findings for flow in self.flows)

    def __repr__(self) -> str:
        lines = [f"Audit of {self.pipeline}: {'holds' if self.holds else 'BROKEN'}"]
        for flow in self.flows:
            lines.append(f"  {flow.flow}: {flow.commits} commits, {_verdict(flow)}")
            lines += [f"    version {finding.version}: {finding.what}" for finding in flow.findings]
        return redact("\n".join(lines))

    def _repr_html_(self) -> str:
        rows = [
            (
                element("b", flow.flow),
                status(_verdict(flow)),
                flow.commits,
                ", ".join(map(str, flow.generations)),
                flow.last_epoch,
            )
            for flow in self.flows
        ]
        broken = [
            line(
                status("BROKEN"),
                f" version {finding.version} of ",
                code(finding.table),
                f" {finding.what}",
                line(quiet(finding.hint)),
            )
            for flow in self.flows
            for finding in flow.findings
        ]
        notes = [line(note) for flow in self.flows for note in flow.notes]
        return card(
            ("Audit of", element("b", self.pipeline), status("holds" if self.holds else "BROKEN")),
            table(("flow", "", "commits", "generations", "last epoch"), rows),
            *broken,
            folded("notes", *notes) if notes else Markup(),
        )


def _verdict(flow: FlowAudit) -> str:
    return "BROKEN" if flow.findings else "holds" if flow.commits else "no table yet"


def audit(spec: PipelineSpec) -> AuditResult:
    """Hold every target, quarantine and state against the invariants that its commits must keep."""
    must_be_readable(spec)
    return AuditResult(spec.name, tuple(_flow(spec, flow) for flow in spec.flows))


def _flow(spec: PipelineSpec, flow: FlowSpec) -> FlowAudit:
    paths = FlowPaths.of(spec, flow)
    target = _TableLog(spec, flow, paths.target, every_epoch=True)
    side_tables = [_TableLog(spec, flow, path, every_epoch=False) for path in (paths.quarantine, paths.state)]
    commits = target.check()
    newest = commits[-1].stamp if commits else None
    for side_table in side_tables:
        side_table.check_beside(newest)
    logs = (target, *side_tables)
    notes = [note for log in logs for note in log.notes]
    findings = [finding for log in logs for finding in log.findings]
    stamps = [commit.stamp for commit in commits if commit.stamp is not None]
    dated = tables_with_int96(paths, last_committed(paths.target)) if stamps and not findings else ()
    if dated:
        notes.append(f"{told_as_int96(dated)}; the next batch rebuilds it")
    return FlowAudit(
        flow=flow.name,
        commits=len(stamps),
        generations=tuple(dict.fromkeys(stamp.generation for stamp in stamps)),
        last_epoch=stamps[-1].epoch if stamps else None,
        notes=tuple(notes),
        findings=tuple(findings),
    )


def _may_be_ahead(side_table: Provenance, target: Provenance | None) -> bool:
    """Whether a crash explains how far a side table is: one epoch, or one new generation, ahead of the target."""
    if target is None or side_table.generation > target.generation:
        return side_table.opens
    return side_table.generation < target.generation or side_table.epoch <= target.epoch + 1


def _replaces_everything(commit: Commit, own: list[Commit]) -> bool:
    """Whether a commit of ours replaces all that was there, since it opens a generation."""
    if commit.stamp is None or commit.rolls_back or not commit.stamp.opens:
        return False
    number = commit.stamp.generation
    earlier = [other.stamp for other in own if other.stamp and other.version < commit.version]
    return not any(stamp.generation >= number for stamp in earlier)


def _takes_back(restore: Commit, commit: Commit, last: int, own: list[Commit]) -> bool:
    """Whether a RESTORE leads from `commit`, or is `commit`, to our `last` version before it, with nothing of ours between."""
    if restore.operation != "RESTORE" or restore.restored is None or restore.version < commit.version:
        return False
    between = any(last < other.version < restore.version for other in own)
    return not between and last <= restore.restored < commit.version


class _TableLog:
    """The log of one table, its commits held against the rules in their order.

    Of a target every epoch must be there (`every_epoch`); a side table has only those that wrote to it.
    """

    def __init__(self, spec: PipelineSpec, flow: FlowSpec, table: str, *, every_epoch: bool) -> None:
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self._spec, self._flow, self._table = spec, flow, table
        self._every_epoch = every_epoch
        self._windows: dict[str, int] = {}  # backfill → its newest window

    def check(self) -> list[Commit]:
        """The commits of this flow, oldest first; what breaks a rule is added to `findings`."""
        own: list[Commit] = []
        foreign: list[Commit] = []
        for version, commit in self._commits():
            if commit.stamp is None:
                foreign.append(commit)
            elif (commit.stamp.pipeline, commit.stamp.flow) != (self._spec.name, self._flow.stored_as):
                whose = f"{commit.stamp.pipeline}.{commit.stamp.flow}"
                self._find(version, f"was committed by another flow, {whose}", "give each flow a target of its own")
            elif commit.is_maintenance and own:
                self._check_maintenance(commit, commit.stamp, own[-1].stamp)
            else:
                self._check_own(commit, own[-1] if own else None)
                own.append(commit)
        for commit in foreign:
            self._check_foreign(commit, own, foreign)
        return own

    def check_beside(self, target: Provenance | None) -> None:
        """Check a side table, and that it is not further than the newest commit of the target explains."""
        commits = self.check()
        newest = commits[-1].stamp if commits else None
        if newest is not None and not _may_be_ahead(newest, target):
            self._find(
                commits[-1].version,
                f"holds generation {newest.generation} epoch {newest.epoch}, which the target never reached",
                "the target lost commits; rebuild the flow with --full-refresh",
            )

    def _commits(self) -> Iterator[tuple[int, Commit]]:
        """Every version of the log that can be read, with its commit; missing and unreadable ones are findings."""
        expected: int | None = None
        for version in log_versions(self._table):
            if expected is not None and version != expected:
                self._find(
                    expected,
                    f"version {expected} is missing from the log",
                    "restore the log from a backup, or rebuild with --full-refresh",
                )
            elif expected is None and version > 0:
                self._note(f"the log starts at version {version}; what came before was cleaned away")
            expected = version + 1
            try:
                commit = read_commit(self._table, version)
            except EtlError as cause:
                self._find(version, cause.what, cause.hint)
                continue
            yield version, commit

    def _check_foreign(self, commit: Commit, own: list[Commit], foreign: list[Commit]) -> None:
        """A commit of somebody else's is a finding for as long as what the table holds comes of it."""
        named = f"version {commit.version} ({commit.operation})"
        changes = commit.data_change or commit.operation == "RESTORE"
        before = [other.version for other in own if other.version < commit.version]
        if not changes:
            self._note(f"{named} changed no row")
        elif any(other.version > commit.version and _replaces_everything(other, own) for other in own):
            self._note(f"{named} is not ours; a later generation has replaced it")
        elif before and any(_takes_back(other, commit, before[-1], own) for other in foreign):
            self._note(f"{named} is not ours; it was taken back by RESTORE")
        else:
            self._find(
                commit.version,
                f"is a foreign commit ({commit.operation}): {commit.added} files added, {commit.removed} removed, by none of our runs",
                "undo it with RESTORE only if nothing was committed since; otherwise rebuild the flow with --full-refresh",
            )

    def _check_maintenance(self, commit: Commit, stamp: Provenance, before: Provenance | None) -> None:
        """Maintenance changes no row, and says of itself what the commit of ours before it says."""
        named = f"version {commit.version} ({commit.operation}) is maintenance ({stamp.maintenance})"
        if commit.data_change:
            self._find(
                commit.version,
                f"says that it is maintenance ({stamp.maintenance}), and changed rows: {commit.added} files added, {commit.removed} removed",
                "rebuild the flow with --full-refresh",
            )
        elif before is None or replace(stamp, maintenance=None) != replace(before, maintenance=None):
            self._find(
                commit.version,
                f"is maintenance ({stamp.maintenance}) at generation {stamp.generation} epoch {stamp.epoch}, which is not the epoch before it",
                "the log was edited, or two writers were at work; rebuild with --full-refresh",
            )
        else:
            self._note(f"{named}: it changed no row")

    def _check_own(self, commit: Commit, before: Commit | None) -> None:
        """Hold a commit of this flow's against the one before it."""
        stamp = commit.stamp
        if stamp is None:
            return
        if commit.rolls_back:
            self._check_rollback(commit, before)
            return
        if (
            commit.is_maintenance
        ):  # the first that the log still tells of: it repeats the stamp of one that was cleaned away
            if commit.data_change or commit.version == 0:
                self._find(
                    commit.version, "says that it is maintenance, and changed rows", "rebuild with --full-refresh"
                )
            return
        if commit.txn.get(stamp.app_id) != stamp.txn_version:
            number = f"epoch {stamp.epoch}" if stamp.backfill is None else f"window {stamp.txn_version} of a backfill"
            self._find(
                commit.version,
                f"says {number}, but its txn says {commit.txn.get(stamp.app_id)}",
                "the log was edited; rebuild with --full-refresh",
            )
        previous = before.stamp if before is not None else None
        if stamp.backfill is not None:
            self._check_backfill(commit.version, stamp, previous)
        elif previous is None or stamp.generation != previous.generation:
            self._check_generation(commit.version, stamp, previous)
        else:
            self._check_epoch(commit.version, stamp, previous)

    def _check_generation(self, version: int, stamp: Provenance, previous: Provenance | None) -> None:
        """A generation comes after those before it, and begins with its epoch 0."""
        if previous is not None and stamp.generation < previous.generation:
            self._find(
                version,
                f"goes back from generation {previous.generation} to {stamp.generation}",
                "two writers were at work; rebuild with --full-refresh",
            )
            return
        if previous is not None and stamp.generation <= previous.rolled_back_upto:
            self._find(
                version,
                f"is of generation {stamp.generation}, which was rolled back",
                "an old writer was at work; rebuild with --full-refresh",
            )
        if (version == 0 or previous is not None) and self._every_epoch and not stamp.opens:
            self._find(
                version,
                f"opens generation {stamp.generation} with epoch {stamp.epoch}, not with epoch 0 from the beginning",
                "rebuild with --full-refresh",
            )

    def _check_epoch(self, version: int, stamp: Provenance, previous: Provenance) -> None:
        """An epoch follows the one before it in the same generation, and begins where that ended."""
        follows = f"is epoch {stamp.epoch} after epoch {previous.epoch}"
        if self._every_epoch and stamp.epoch != previous.epoch + 1:
            self._find(version, follows, "rows were lost or written twice; rebuild with --full-refresh")
        elif not self._every_epoch and stamp.epoch <= previous.epoch:
            self._find(version, follows, "rows were written twice; rebuild with --full-refresh")
        elif self._every_epoch and stamp.start != previous.to:
            self._find(
                version,
                "does not start where the commit before it ended",
                "rows were lost or written twice; rebuild with --full-refresh",
            )

    def _check_rollback(self, commit: Commit, before: Commit | None) -> None:
        """A rollback of ours must go back to the very end of the generation that it names."""
        stamp, version = commit.stamp, commit.restored
        is_there = version is not None and version in log_versions(self._table)
        restored = read_commit(self._table, version).stamp if is_there and version is not None else None
        if stamp is None or (
            is_there and (restored is None or (restored.generation, restored.epoch) != (stamp.generation, stamp.epoch))
        ):
            self._find(
                commit.version,
                f"says that it went back to generation {stamp.generation if stamp else '?'}, but version {version} is not its end",
                "the log was edited; rebuild with --full-refresh",
            )
        elif before is not None and before.stamp is not None:
            self._note(
                f"version {commit.version} rolled generation {before.stamp.generation} back to {stamp.generation}"
            )

    def _check_backfill(self, version: int, stamp: Provenance, previous: Provenance | None) -> None:
        """A backfill recomputes what is there: it stands where the commit before it stands, and so does what follows it."""
        if version == 0 or (previous is not None and self._point(stamp) != self._point(previous)):
            where = "nothing" if previous is None else f"generation {previous.generation} epoch {previous.epoch}"
            self._find(
                version,
                f"is a backfill at generation {stamp.generation} epoch {stamp.epoch}, after {where} and not from where that ended",
                "two writers were at work; rebuild with --full-refresh",
            )
        elif stamp.start != stamp.to or (self._every_epoch and not self._is_next_window(stamp)):
            self._find(version, "is a backfill that moves the position, or goes back", "rebuild with --full-refresh")

    def _point(self, stamp: Provenance) -> tuple[Any, ...]:
        """What a backfill must share with the commit before it; side tables do not tell of every epoch."""
        place = (stamp.generation, stamp.fingerprint)
        return (*place, stamp.epoch, stamp.to) if self._every_epoch else place

    def _is_next_window(self, stamp: Provenance) -> bool:
        """Whether the window comes after those of its backfill that were committed before."""
        entry = stamp.backfill or {}
        before = self._windows.get(entry["id"], 0)
        self._windows[entry["id"]] = stamp.txn_version
        return before < stamp.txn_version <= int(entry["of"])

    def _note(self, text: str) -> None:
        self.notes.append(f"{self._table}: {text}")

    def _find(self, version: int | None, what: str, hint: str) -> None:
        self.findings.append(Finding(self._flow.name, self._table, version, what, hint))
