"""The row that an epoch fails of, found by reading the epoch's inputs again: a second look, which hides nothing of the first failure.

Spark tells the expression that failed, and of a cast the value, but no row. The transform is therefore applied again, to portions of
one input beside the others whole, until one row is left over which alone it fails in the same way: no other row is ever named.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.checks import file_columns
from etl.config.masking import masked, sensitive
from etl.config.secrets import redacted
from etl.config.sql.fragments import failing_fragment, suspects, underlined
from etl.engine.faults.evidence import chain, evidence_in, raised_in_worker
from etl.engine.faults.translation import error_of, translate
from etl.engine.frames.caches import Caches
from etl.engine.frames.identifiers import columns
from etl.engine.metadata.delta_log import last_committed
from etl.engine.output import Output
from etl.engine.run.earlier_attempt import at_instant
from etl.engine.run.epoch import epoch_span
from etl.engine.sources.source import open_source
from etl.engine.state.staged import compute
from etl.engine.transform import expectations, partitions
from etl.engine.transform.apply import apply
from etl.engine.transform.parsed_input import parse_input
from etl.errors import EtlError
from etl.planning.position import Pin
from etl.planning.results import FailingRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.faults.evidence import Evidence
    from etl.engine.job import Input, Job
    from etl.engine.output import Span
    from etl.engine.run.epoch import Recomputation
    from etl.planning.plan import Committed
    from etl.planning.results import Failure

SECONDS = 20.0
"""How long a search may take: after that the failure is told without its row."""
_ROWS = 10_000  # of an input of which nothing tells which rows can fail
_SUSPECTS = 100
_LONGEST, _LONGEST_VALUE = 500, 1_000  # characters of a row in a message, and of one value
_OF_NO_ROW = {
    "FileNotFoundError", "ImportError", "MemoryError", "ModuleNotFoundError", "NameError", "PermissionError", "SyntaxError", "UnboundLocalError",
}  # fmt: skip
"""What a Python function raises whatever row it is given."""
_NUMBER = "_etl_number"
_CALL_SITE = re.compile(r'== DataFrame ==\n"[^"\n]*" was called from\n(\S[^\n]*)')


class _GivenUp(Exception):  # not an error: the search ends, and the first failure stands as it was
    """Raised where the time is up, or the run is asked to stop."""


def with_failing_row(
    failure: Failure,
    cause: Exception,
    job: Job,
    session: SparkSession,
    n: int,
    *,
    micro_batch: DataFrame | None = None,
    part: Recomputation | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Failure:
    """`failure`, which came of `cause` in epoch `n`, or in a `part` of the target that was recomputed after it, with a row that it fails of.

    One is found within `SECONDS`, or none. It is the same value where the cause is no fault of a value that the transform computes, where no single row makes the
    transform fail so, and where anything goes wrong meanwhile; and where a Python function raised that is given more than a row, since it may
    fail over a row alone for want of the others. `goes_on`: False once nobody waits for it any more.
    """
    evidence = evidence_in(cause)
    signature, raised = _signature(evidence), raised_in_worker(evidence.text)[0]
    if failure.transient or signature is None or (raised and not job.traits.is_row_by_row):
        return failure
    try:
        with _bounded(session) as deadline, Caches() as caches:
            span_job = _telling_files(job)
            if part is not None:
                span = part.span
            else:
                committed = last_committed(job.paths.target)
                span_job, span = epoch_span(span_job, committed, n, streams=micro_batch is not None)
            search = _Search(span_job, session, part, signature, cause, deadline, goes_on, caches)
            found = search.row(evidence, search.inputs(span, n, micro_batch))
            return failure if found is None else redacted(_told(failure, job, *found))
    except Exception:  # noqa: BLE001  # whatever it is, the first failure is the one to tell
        return failure


@contextmanager
def telling_row_of_part(job: Job, session: SparkSession, committed: Committed, part: Recomputation) -> Iterator[None]:
    """Raise what the body fails of, which recomputes a part after what is `committed`, as an error with the row, where one is found."""
    try:
        yield
    except EtlError:
        raise
    except Exception as cause:
        failure = translate(cause, job.flow)
        found = with_failing_row(failure, cause, at_instant(job, None), session, committed.epoch, part=part)
        raise error_of(found) from cause


@dataclass(frozen=True, slots=True)
class _Search:
    """The search for a row over which the job's transform fails with one signature.

    Attributes:
        part: Of the transform's rows those that are computed; None: all of them.
        first: What the epoch failed of.
    """

    job: Job
    session: SparkSession
    part: Recomputation | None
    signature: tuple[str, ...]
    first: Exception
    deadline: float
    goes_on: Callable[[], bool]
    caches: Caches

    def inputs(self, span: Span, n: int, micro_batch: DataFrame | None) -> dict[str, DataFrame]:
        """The rows that the epoch reads of each input, by its dataset; of files only those that are new, wherever that can be told."""
        return {item.name: self._input(item, span, n, micro_batch) for item in self.job.inputs}

    def _input(self, item: Input, span: Span, n: int, micro_batch: DataFrame | None) -> DataFrame:
        source, streams = open_source(item.source), micro_batch is not None and item in self.job.changes
        pin = span.pins.get(item.name)
        if streams:
            log = self.job.offset_log(item)
            pin = source.upto(log, n) if log.has(n) else source.latest()
            if pin.files and n > 0 and log.has(n - 1):
                earlier = source.upto(log, n - 1).files
                pin = Pin(pin.position, {name: time_ms for name, time_ms in pin.files.items() if name not in earlier})
        is_rows = self.job.traits.is_row_by_row and not self.job.reads_inputs_whole
        if streams and is_rows and micro_batch is not None and not (pin and pin.files):
            raw = micro_batch
        else:
            raw = source.as_of(self.session, pin if pin is not None else source.latest())
        return parse_input(
            item, raw, self.caches, keep_malformed=False, is_batch_of_stream=raw is micro_batch, counted=False
        ).parsed

    def row(self, evidence: Evidence, inputs: Mapping[str, DataFrame]) -> tuple[Input, FailingRow] | None:
        """An input with one of its rows over which alone the transform fails; None where there is none among those that are tried."""
        fragment = failing_fragment(self.job.flow, evidence.text)
        if fragment is not None:
            known = {own.name: own.dataset for own in fragment.part.own_inputs if own.dataset in inputs}
            shown = {name: tuple(inputs[dataset].columns) for name, dataset in known.items()}
            suspected = suspects(fragment, evidence.text, shown)
            item = self._named(known[suspected.input_name]) if suspected is not None else None
            if suspected is not None and item is not None:
                with suppress(_NoneFails):
                    return item, self._found(item, inputs, suspected.condition, _SUSPECTS)
        for item in (*self.job.changes, *(each for each in self.job.inputs if each.spec.read == "snapshot")):
            with suppress(_NoneFails):
                return item, self._found(item, inputs, "", _ROWS)
        return None

    def _named(self, dataset: str) -> Input | None:
        return next((item for item in self.job.inputs if item.name == dataset), None)

    def _found(self, item: Input, inputs: Mapping[str, DataFrame], condition: str, limit: int) -> FailingRow:
        """One of the input's rows over which alone the transform fails, as a person may see it. Raises _NoneFails where there is none."""
        row = self._narrowed(item, inputs, condition, limit)
        returned = apply(self.job, self.session, {**inputs, item.name: row}).columns
        own = [name for name in row.columns if name.lower() != file_columns.COLUMN or not item.source.tells_files]
        shown = [F.to_json(F.struct(*columns(own)), {"ignoreNullFields": "false"}).alias("row")]
        shown += [F.col(f"{file_columns.COLUMN}.file_path").alias("file")] if item.source.tells_files else []
        first = row.select(*shown).first()
        if first is None:
            raise _NoneFails
        values = masked(json.loads(first["row"]), _hidden(self.job, item, own, returned))
        file = first["file"] if item.source.tells_files else ""
        path = urlsplit(file)
        return FailingRow(
            {name: _cut(value) for name, value in values.items()}, unquote(path.path) if path.scheme == "file" else file
        )

    def _narrowed(self, item: Input, inputs: Mapping[str, DataFrame], condition: str, limit: int) -> DataFrame:
        """A frame of one such row, among `limit` rows for which `condition` holds."""
        rows = inputs[item.name].filter(condition) if condition else inputs[item.name]
        try:
            numbered = self.caches.keep(rows.limit(limit).withColumn(_NUMBER, F.monotonically_increasing_id()))
            first, last = 0, numbered.count()
        except Exception as cause:
            raise self._none_fails() from cause

        def portion(start: int, end: int) -> DataFrame:
            return numbered.filter(f"{_NUMBER} >= {start} AND {_NUMBER} < {end}").drop(_NUMBER)

        def fails(start: int, end: int) -> bool:
            return self._fails({**inputs, item.name: portion(start, end)})

        if last == 0 or not fails(first, last):
            raise self._none_fails()
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (first, middle) if fails(first, middle) else (middle, last)
        if not fails(first, last):
            raise self._none_fails()
        return portion(first, last)

    def _none_fails(self) -> Exception:
        self._must_go_on()
        return _NoneFails()

    def _must_go_on(self) -> None:
        if time.monotonic() > self.deadline or not self.goes_on():
            raise _GivenUp

    def _fails(self, frames: Mapping[str, DataFrame]) -> bool:
        """Whether the transform, and the expectations on its rows, fail over the frames as they failed in the epoch."""
        self._must_go_on()
        try:
            rows, flow = apply(self.job, self.session, frames), self.job.flow
            if self.part is not None:
                rows = self.part.part(self.job, self.session, Output(rows, "all", {}), self.caches).rows
            checked = expectations.check(rows, flow.rules, hidden=sensitive(flow))
            compute(partitions.guarded(self.job, checked).rows)
        except Exception as cause:  # noqa: BLE001  # any other failure is none of this row's
            return _signature(evidence_in(_apart(cause, self.first))) == self.signature
        return False


def _apart(failed: Exception, first: Exception) -> Exception:
    """`failed` without `first`, which Python gives it as its context while that is being handled: what it says is its own."""
    for link in (*chain(failed),):
        if link.__context__ is first:
            link.__context__ = None
        if link.__cause__ is first:
            link.__cause__ = None
    return failed


class _NoneFails(Exception):  # not an error: another input may hold the row
    """Raised where no row of an input makes the transform fail."""


def _signature(evidence: Evidence) -> tuple[str, ...] | None:
    """What tells a fault of a value from others: its conditions, and the place in the query or in the Python code; None for other faults."""
    conditions = {fact.name for fact in evidence.facts if fact.of == "condition" and fact.state.startswith("22")}
    raised, frames = raised_in_worker(evidence.text)
    if raised.split(":")[0] in _OF_NO_ROW or not (conditions or raised):
        return None
    site = _CALL_SITE.search(evidence.text)
    innermost = ":".join(frames[-1]) if frames else ""
    return (
        *sorted(conditions),
        underlined(evidence.text),
        site[1] if site is not None else "",
        raised.split(":")[0],
        innermost,
    )


def _telling_files(job: Job) -> Job:
    """The job with the file of each row in every input that lies in files; the transform is given it only where it asks."""
    inputs = tuple(
        replace(item, source=replace(item.source, tells_files=True)) if file_columns.has_files(item.source) else item
        for item in job.inputs
    )
    return replace(job, inputs=inputs)


@contextmanager
def _bounded(session: SparkSession) -> Iterator[float]:
    """Let the Spark jobs of the body run for `SECONDS`; gives the moment at which they end, by `time.monotonic`.

    `session`: the flow's, or the stream's own copy of it, which runs nothing else meanwhile.
    """
    ended = threading.Event()

    def interrupt() -> None:
        if ended.wait(SECONDS):
            return
        with suppress(Exception):  # a JVM that is gone runs no job
            session.interruptAll()  # a tag is known to the thread that gave it alone (Spark 4.2)
            while not ended.wait(1.0):  # one that was planned before may begin only now
                session.interruptAll()

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        yield time.monotonic() + SECONDS
    finally:
        ended.set()


def _told(failure: Failure, job: Job, item: Input, row: FailingRow) -> Failure:
    """The failure with the row, in its message and beside it."""
    text = json.dumps(dict(row.row), ensure_ascii=False, default=str)
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    path = Path(row.file)
    near = path.is_absolute() and path.is_relative_to(job.project)
    place = f"in {path.relative_to(job.project) if near else row.file}" if row.file else f"of '{item.name}'"
    return replace(failure, message=f"{failure.message.rstrip('. ')}; it fails of the row {shown} {place}", rows=(row,))


def _hidden(job: Job, item: Input, names: Iterable[str], returned: Iterable[str]) -> frozenset[str]:
    """Of an input's columns `names` those that no person should see, in lower case.

    From one that the transform does not return under its own name a sensitive column may have been computed.
    """
    own, passed_on = sensitive(job.flow), {name.lower() for name in returned}
    computed_from = {name.lower() for name in names} - passed_on if own else set()
    upstream = sensitive(item.source.flow) if item.source.flow is not None else frozenset()
    return own | upstream | computed_from


def _cut(value: Any) -> Any:
    return f"{value[:_LONGEST_VALUE]}…" if isinstance(value, str) and len(value) > _LONGEST_VALUE else value
