"""`strategy: distinct`: the target is a set; a row that it holds already is not added again."""

from functools import partial

from etl.plugins import TargetCommit, create, stamped


def prepare(job, session, rows, replaces, stamp):
    """One commit; a set does not depend on the order in which rows come, nor on how often one does."""
    return TargetCommit(partial(_write, job, session, rows.distinct(), replaces, stamp))


def _write(job, session, rows, replaces, stamp):
    if replaces == "all":
        create(job, session, rows, stamp)
        return
    held = session.read.format("delta").load(job.paths.target)
    with stamped(session, stamp):
        rows.subtract(held).write.format("delta").mode("append").save(job.paths.target)
