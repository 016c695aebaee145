"""Maintenance that a flow's own runs do, where `maintenance: {auto: true}` says so: between epochs and at the end, within its budget."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.load import neighbours
from etl.engine.faults.translation import translate
from etl.engine.maintenance.flow import FlowUpkeep, obstacle, tables_of
from etl.engine.maintenance.ledger import read_ledger, write_ledger
from etl.engine.metadata.delta_log import last_committed
from etl.engine.metadata.table_files import file_count
from etl.engine.storage.locks import must_hold
from etl.planning.maintenance import FEWEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.job import Job
    from etl.engine.maintenance.ledger import Ledger
    from etl.engine.maintenance.tables import Table
    from etl.engine.storage.layout import FlowPaths

_VACUUMS = 4  # looks for files that nothing needs, while one is kept


def between_epochs(job: Job, session: SparkSession, n: int) -> None:
    """After epoch `n` of a stream: compact the flow's tables where they have gained many files. Nothing of it fails the epoch, which is committed.

    Every so many epochs it costs a look at the newest checksum of each table, and nothing else until those tell of enough new files.
    """
    flow = job.flow
    if not flow.maintenance.auto or n == 0 or n % FEWEST:
        return
    committed = last_committed(job.paths.target)
    if committed is None or (committed.generation, committed.epoch) != (job.generation.number, n):
        return  # its results are staged, and the target is another generation's still
    ledger = read_ledger(job.paths)
    grown = _grown(job.paths, flow, ledger)
    ledger = ledger.earned(job.paths, flow.maintenance.budget) if grown else ledger
    if not grown or not ledger.allows or ledger.failure:
        return
    began = time.monotonic()
    try:
        must_hold(job.paths, flow=flow.name, run_id=job.run_id)
        for table in grown:
            ledger = _compacted(table, lambda: session, ledger)
    except Exception as cause:  # noqa: BLE001  # the run warns of it at its end, from the books
        ledger = replace(ledger, failure=translate(cause, flow).message)
    write_ledger(job.paths, ledger.spent(time.monotonic() - began))


def after_run(spec: PipelineSpec, flow: FlowSpec, paths: FlowPaths, session: Callable[[], SparkSession]) -> str:
    """At the end of a flow's run, whose lock is held: everything that is due, within what the runs have earned.

    What maintenance between the run's epochs failed of; empty where it did not. Raises what Spark or the storage fails of now.
    """
    ledger = read_ledger(paths).earned(paths, flow.maintenance.budget)
    failure, ledger = ledger.failure, replace(ledger, failure="")
    began = time.monotonic()
    try:
        if ledger.allows:
            ledger = _due(FlowUpkeep(spec, flow, paths, session, lambda: neighbours(spec)), ledger)
    finally:
        write_ledger(paths, ledger.spent(time.monotonic() - began))
    return failure


def _due(upkeep: FlowUpkeep, ledger: Ledger) -> Ledger:
    """Do what is due; the books with what was looked at."""
    committed, reason = obstacle(upkeep.spec, upkeep.flow, upkeep.paths)
    if committed is None or reason:
        return ledger
    for table in _grown(upkeep.paths, upkeep.flow, ledger):
        ledger = _compacted(table, upkeep.session, ledger)
    now = time.time()
    if now - ledger.vacuumed > upkeep.flow.maintenance.keep / _VACUUMS:
        for table in tables_of(upkeep.paths, upkeep.flow):
            logged = table.logged()
            if logged is not None:
                upkeep.vacuum(table, logged)
        upkeep.clean_up(committed)
        ledger = replace(ledger, vacuumed=now)
    return ledger


def _grown(paths: FlowPaths, flow: FlowSpec, ledger: Ledger) -> list[Table]:
    """The tables that hold at least `FEWEST` files more than when they were last looked at."""
    looked = ledger.looked or {}
    return [
        table
        for table in tables_of(paths, flow)
        if (count := file_count(table.path)) is not None
        and (
            count >= FEWEST + looked.get(table.role, 0) or FEWEST <= count < looked.get(table.role, 0)
        )  # fewer: it was rebuilt
    ]


def _compacted(table: Table, session: Callable[[], SparkSession], ledger: Ledger) -> Ledger:
    """Compact a table where it is worth it; the books with how many files it holds now."""
    logged = table.logged()
    if logged is None:
        return ledger
    deed, chosen = table.compaction(logged)
    if chosen:
        table.compact(session(), deed, chosen)
        logged = table.logged() or logged
    return ledger.has_looked(table.role, len(logged.live))
