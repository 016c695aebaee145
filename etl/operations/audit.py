"""`etl audit`: the invariants of every table, proved from its own log alone. No JVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.config.secrets import redact
from etl.engine.inspection.int96 import tables_with_int96
from etl.engine.metadata.delta_log import Commit, last_committed, log_versions, read_commit
from etl.engine.storage.layout import FlowPaths, must_be_readable
from etl.errors import EtlError
from etl.markup import Markup, card, code, element, folded, quiet, status
from etl.markup import table as drawn
from etl.planning.decision import told_as_int96

if TYPE_CHECKING:
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
            lines += [f"    version {item.version}: {item.what}" for item in flow.findings]
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
            element(
                "div", status("BROKEN"), f" version {item.version} of ", code(item.table), f" {item.what}", _hint(item)
            )
            for flow in self.flows
            for item in flow.findings
        ]
        notes = [element("div", note) for flow in self.flows for note in flow.notes]
        return card(
            ("Audit of", element("b", self.pipeline), status("holds" if self.holds else "BROKEN")),
            drawn(("flow", "", "commits", "generations", "last epoch"), rows),
            *broken,
            folded("notes", *notes) if notes else Markup(),
        )


def _verdict(flow: FlowAudit) -> str:
    return "BROKEN" if flow.findings else "holds" if flow.commits else "no table yet"


def _hint(finding: Finding) -> Markup:
    return element("div", quiet(finding.hint))


def audit(spec: PipelineSpec) -> AuditResult:
    """Hold every target, quarantine and state against the invariants that its commits must keep."""
    must_be_readable(spec)
    return AuditResult(spec.name, tuple(_flow(spec, flow) for flow in spec.flows))


def _flow(spec: PipelineSpec, flow: FlowSpec) -> FlowAudit:
    paths = FlowPaths.of(spec, flow)
    findings: list[Finding] = []
    notes: list[str] = []
    commits = _Log(spec, flow, paths.target, findings, notes).check(every_epoch=True)
    newest = commits[-1].stamp if commits else None
    for table in (paths.quarantine, paths.state):
        beside = _Log(spec, flow, table, findings, notes).check(every_epoch=False)
        ahead = beside[-1].stamp if beside else None
        if ahead is not None and not _may_be_ahead(ahead, newest):
            findings.append(
                Finding(
                    flow.name,
                    table,
                    beside[-1].version,
                    f"holds generation {ahead.generation} epoch {ahead.epoch}, which the target never reached",
                    "the target lost commits; rebuild the flow with --full-refresh",
                )
            )
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


def _may_be_ahead(beside: Provenance, target: Provenance | None) -> bool:
    """A crash between the commits leaves quarantine and state one epoch, or one new generation, ahead of the target."""
    if target is None or beside.generation > target.generation:
        return beside.opens
    return beside.generation < target.generation or beside.epoch <= target.epoch + 1


def _replaces(commit: Commit, ours: list[Commit]) -> bool:
    """Whether a commit replaces all that was there: it opens a generation."""
    if commit.stamp is None or commit.rolls_back or not commit.stamp.opens:
        return False
    number = commit.stamp.generation
    return not any(item.stamp.generation >= number for item in ours if item.stamp and item.version < commit.version)


def _takes_back(restore: Commit, commit: Commit, last: int, ours: list[Commit]) -> bool:
    """Whether a RESTORE leads from `commit`, or is `commit`, to our `last` version before it, with nothing of ours between."""
    if restore.operation != "RESTORE" or restore.restored is None or restore.version < commit.version:
        return False
    between = any(last < item.version < restore.version for item in ours)
    return not between and last <= restore.restored < commit.version


def _stands(stamp: Provenance, *, of_target: bool) -> tuple[Any, ...]:
    """What a backfill must share with the commit before it; quarantine and state do not tell of every epoch."""
    whole = (stamp.generation, stamp.fingerprint)
    return (*whole, stamp.epoch, stamp.to) if of_target else whole


class _Log:
    """One table's commits, in order, held against the rules."""

    def __init__(
        self, spec: PipelineSpec, flow: FlowSpec, table: str, findings: list[Finding], notes: list[str]
    ) -> None:
        self._spec, self._flow, self._table = spec, flow, table
        self._findings, self._notes = findings, notes
        self._windows: dict[str, int] = {}  # of each backfill the last one

    def check(self, *, every_epoch: bool) -> list[Commit]:
        """The commits of ours; what breaks a rule is added to the findings."""
        found: list[Commit] = []
        foreign: list[Commit] = []
        expected: int | None = None
        for version in log_versions(self._table):
            if expected is not None and version != expected:
                self._find(
                    expected,
                    f"version {expected} is missing from the log",
                    "restore the log from a backup, or rebuild with --full-refresh",
                )
            elif expected is None and version > 0:
                self._notes.append(
                    f"{self._table}: the log starts at version {version}; what came before was cleaned away"
                )
            expected = version + 1
            try:
                commit = read_commit(self._table, version)
            except EtlError as cause:
                self._find(version, cause.what, cause.hint)
                continue
            if commit.stamp is None:
                foreign.append(commit)
                continue
            if (commit.stamp.pipeline, commit.stamp.flow) != (self._spec.name, self._flow.name):
                whose = f"{commit.stamp.pipeline}.{commit.stamp.flow}"
                self._find(version, f"was committed by another flow, {whose}", "give each flow a target of its own")
                continue
            self._own(commit, found[-1] if found else None, every_epoch=every_epoch, first=version == 0)
            found.append(commit)
        for commit in foreign:
            self._foreign(commit, found, foreign)
        return found

    def _foreign(self, commit: Commit, ours: list[Commit], foreign: list[Commit]) -> None:
        """A commit of somebody else's is a finding for as long as what the table holds comes of it."""
        changes = commit.data_change or commit.operation == "RESTORE"
        before = [item.version for item in ours if item.version < commit.version]
        if changes and any(item.version > commit.version and _replaces(item, ours) for item in ours):
            self._notes.append(
                f"{self._table}: version {commit.version} ({commit.operation}) is not ours; a later generation has replaced it"
            )
        elif changes and before and any(_takes_back(item, commit, before[-1], ours) for item in foreign):
            self._notes.append(
                f"{self._table}: version {commit.version} ({commit.operation}) is not ours; it was taken back by RESTORE"
            )
        elif changes:
            self._find(
                commit.version,
                f"is a foreign commit ({commit.operation}): {commit.added} files added, {commit.removed} removed, by none of our runs",
                "undo it with RESTORE only if nothing was committed since; otherwise rebuild the flow with --full-refresh",
            )
        else:
            self._notes.append(f"{self._table}: version {commit.version} ({commit.operation}) changed no row")

    def _own(self, commit: Commit, before: Commit | None, *, every_epoch: bool, first: bool) -> None:
        stamp = commit.stamp
        if stamp is None:
            return
        if commit.rolls_back:
            self._rollback(commit, before)
            return
        if commit.txn.get(stamp.app_id) != stamp.txn_version:
            said = f"epoch {stamp.epoch}" if stamp.backfill is None else f"window {stamp.txn_version} of a backfill"
            self._find(
                commit.version,
                f"says {said}, but its txn says {commit.txn.get(stamp.app_id)}",
                "the log was edited; rebuild with --full-refresh",
            )
        previous = before.stamp if before is not None else None
        if stamp.backfill is not None:
            self._backfill(commit.version, stamp, previous, first=first, every_epoch=every_epoch)
        elif previous is not None and stamp.generation < previous.generation:
            self._find(
                commit.version,
                f"goes back from generation {previous.generation} to {stamp.generation}",
                "two writers were at work; rebuild with --full-refresh",
            )
        elif previous is None or stamp.generation > previous.generation:
            if previous is not None and stamp.generation <= previous.rolled_back_upto:
                self._find(
                    commit.version,
                    f"is of generation {stamp.generation}, which was rolled back",
                    "an old writer was at work; rebuild with --full-refresh",
                )
            if (first or previous is not None) and every_epoch and not stamp.opens:
                self._find(
                    commit.version,
                    f"opens generation {stamp.generation} with epoch {stamp.epoch}, not with epoch 0 from the beginning",
                    "rebuild with --full-refresh",
                )
        elif every_epoch and stamp.epoch != previous.epoch + 1:
            self._find(
                commit.version,
                f"is epoch {stamp.epoch} after epoch {previous.epoch}",
                "rows were lost or written twice; rebuild with --full-refresh",
            )
        elif not every_epoch and stamp.epoch <= previous.epoch:
            self._find(
                commit.version,
                f"is epoch {stamp.epoch} after epoch {previous.epoch}",
                "rows were written twice; rebuild with --full-refresh",
            )
        elif every_epoch and stamp.start != previous.to:
            self._find(
                commit.version,
                "does not start where the commit before it ended",
                "rows were lost or written twice; rebuild with --full-refresh",
            )

    def _rollback(self, commit: Commit, before: Commit | None) -> None:
        """A rollback of ours must go back to the very end of the generation that it names."""
        stamp, version = commit.stamp, commit.restored
        known = version is not None and version in log_versions(self._table)
        was = read_commit(self._table, version).stamp if known and version is not None else None
        if stamp is None or (known and (was is None or (was.generation, was.epoch) != (stamp.generation, stamp.epoch))):
            self._find(
                commit.version,
                f"says that it went back to generation {stamp.generation if stamp else '?'}, but version {version} is not its end",
                "the log was edited; rebuild with --full-refresh",
            )
        elif before is not None and before.stamp is not None:
            self._notes.append(
                f"{self._table}: version {commit.version} rolled generation {before.stamp.generation} back to {stamp.generation}"
            )

    def _backfill(
        self, version: int, stamp: Provenance, previous: Provenance | None, *, first: bool, every_epoch: bool
    ) -> None:
        """A backfill computes anew what is there: it stands where the commit before it stands, and so does what follows it."""
        if first or (
            previous is not None and _stands(stamp, of_target=every_epoch) != _stands(previous, of_target=every_epoch)
        ):
            where = "nothing" if previous is None else f"generation {previous.generation} epoch {previous.epoch}"
            self._find(
                version,
                f"is a backfill at generation {stamp.generation} epoch {stamp.epoch}, after {where} and not from where that ended",
                "two writers were at work; rebuild with --full-refresh",
            )
        elif stamp.start != stamp.to or (every_epoch and not self._follows(stamp)):
            self._find(version, "is a backfill that moves the position, or goes back", "rebuild with --full-refresh")

    def _follows(self, stamp: Provenance) -> bool:
        """Whether the window comes after those of its backfill that were committed before."""
        entry = stamp.backfill or {}
        before = self._windows.get(entry["id"], 0)
        self._windows[entry["id"]] = stamp.txn_version
        return before < stamp.txn_version <= int(entry["of"])

    def _find(self, version: int | None, what: str, hint: str) -> None:
        self._findings.append(Finding(self._flow.name, self._table, version, what, hint))
