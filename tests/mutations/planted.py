"""Bugs to plant, one at a time, in a copy of the package: does a test notice? `python -m tests.mutations` tries them."""

from __future__ import annotations

from dataclasses import dataclass

CHANGES = "tests/property/test_changes_flow_downstream.py"
MODES = "tests/property/test_modes_are_equal.py"
RUNS = "tests/engine/run/test_runs.py"
POSITIONS = "tests/engine/metadata/test_positions.py"
LEASE = "tests/engine/storage/test_lease.py"
FENCE = "tests/engine/commits/test_fence.py"
TOMBSTONES = "tests/engine/sinks/test_tombstones.py"
STATE = "tests/engine/state/test_state.py"
RUN_TS = "tests/engine/run/test_run_ts.py"
AUDIT = "tests/operations/test_audit.py"
READERS = "tests/engine/maintenance/test_readers.py"
MAINTENANCE = "tests/planning/test_maintenance.py"


@dataclass(frozen=True, slots=True)
class Mutation:
    """A text of a file that is replaced by another, and the tests that must fail then."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


PLANTED = (
    Mutation(
        "maintenance: a reader that lags behind is forgotten",
        "etl/planning/maintenance.py",
        "removal.at_ms < horizon and (needs.version is None or removal.version <= needs.version)",
        "removal.at_ms < horizon",
        (READERS, MAINTENANCE),
    ),
    Mutation(
        "maintenance: what somebody else did before it is not seen any more",
        "etl/engine/inspection/target_faults.py",
        "if commit.stamp is not None and not commit.is_maintenance:",
        "if commit.stamp is not None:",
        (AUDIT,),
    ),
    Mutation(
        "epoch numbers: the epoch after the last one is the last one again",
        "etl/engine/run/report.py",
        "return committed.epoch + 1 if committed is not None",
        "return committed.epoch if committed is not None",
        (CHANGES,),
    ),
    Mutation(
        "touched groups: only those that the first input touches",
        "etl/engine/kinds/groups.py",
        "part for item in job.changes for part in groups_of(",
        "part for item in job.changes[:1] for part in groups_of(",
        (CHANGES,),
    ),
    Mutation(
        "merge order: of equal sequences the one that was there first stays",
        "etl/engine/sinks/merge.py",
        "order = [*sink.sequence_by, *names]\n    greater",
        "order = [*sink.sequence_by]\n    greater",
        (MODES,),
    ),
    Mutation(
        "net change: what a row was before it changed is ignored",
        "etl/engine/sources/delta.py",
        'return reader.option("readChangeFeed", "true").option("maxFilesPerTrigger", _ALL).load(self._path)',
        'return reader.option("readChangeFeed", "true").option("maxFilesPerTrigger", _ALL).load(self._path)'
        ".filter(\"_change_type != 'update_preimage'\")",
        (CHANGES,),
    ),
    Mutation(
        "tombstone: a deleted key is forgotten",
        "etl/engine/sinks/merge.py",
        'kept = F.expr("true") if job.flow.sink.except_columns else F.col(_DELETED)',
        'kept = F.expr("true") if job.flow.sink.except_columns else F.expr("false")',
        (TOMBSTONES,),
    ),
    Mutation(
        "seed position: a version that is read in part counts as read",
        "etl/engine/sources/delta.py",
        'return {"version": version - 1, "within": version, "index": index}',
        'return {"version": version, "within": version, "index": index}',
        (POSITIONS, CHANGES),
    ),
    Mutation(
        "txn id: it does not name the generation",
        "etl/engine/metadata/provenance.py",
        'generation = f"etl:{self.pipeline}/{self.flow}/g{self.generation}"',
        'generation = f"etl:{self.pipeline}/{self.flow}"',
        (RUNS, MODES),
    ),
    Mutation(
        "quarantine replace: the rows of a touched group stay when it is judged again",
        "etl/engine/commits/quarantine.py",
        "    if isinstance(output.replaces, Groups) and checked.quarantines:\n        # The rows",
        "    if isinstance(output.replaces, Groups) and not checked.quarantines:\n        # The rows",
        (CHANGES,),
    ),
    Mutation(
        "late filter: late rows are counted and kept",
        "etl/engine/state/watermark.py",
        "kept = counted.filter(~malformed & ~late)",
        "kept = counted.filter(~malformed)",
        (STATE,),
    ),
    Mutation(
        "fence: a swap leaves the table's metadata as it was",
        "etl/engine/commits/commit.py",
        "metadata = kept | ({GENERATION: generation} if i == 0 else {})",
        "metadata = kept",
        (FENCE,),
    ),
    Mutation(
        "state first: an attempt that died after its state forgets which snapshot it read",
        "etl/engine/run/earlier_attempt.py",
        "    for table in (job.paths.quarantine, job.paths.state):\n",
        "    for table in ():\n",
        (RUN_TS,),
    ),
    Mutation(
        "lease: it is taken from a holder that lives",
        "etl/engine/storage/lease.py",
        "return self._quiet > LEASE_S",
        "return self._tag is not None",
        (LEASE,),
    ),
    Mutation(
        "lost lease: one that was taken over is renewed all the same",
        "etl/engine/storage/lease.py",
        "self._tag = self._at.put(_anew(holder), instead_of=self._tag)",
        "self._tag = self._at.put(_anew(holder))",
        (LEASE,),
    ),
    Mutation(
        "several pipelines: what reads a failed one runs all the same",
        "etl/operations/run_pipelines.py",
        'if results[file].status == "failed":',
        'if results[file].status == "nothing":',
        ("tests/operations/test_run_pipelines.py",),
    ),
    Mutation(
        "several pipelines: their links do not order them",
        "etl/planning/pipeline_order.py",
        "if done.issuperset(pipeline.reads)]",
        "if pipeline]",
        ("tests/planning/test_pipeline_order.py",),
    ),
    Mutation(
        "several pipelines: one session for all, whatever its settings",
        "etl/operations/run_pipelines.py",
        "self._settings != pipeline.session:",
        "self._settings is pipeline:",
        ("tests/operations/test_run_pipelines.py",),
    ),
)
