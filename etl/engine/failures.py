"""Errors of Spark, Delta and user code translated: what happened, where in the user's files, what next, and whether to retry.

A permanent error fails at once: bad configuration, a query that does not analyse, a schema that does not fit, data that breaks
an expectation or an ANSI rule, an exception in user code. What is left, an I/O error or a lost executor, may pass: it is retried.
"""

from __future__ import annotations

import re
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.config.masking import sensitive
from etl.config.secrets import redacted
from etl.config.spec import PythonTransform, SqlTransform
from etl.engine.expectations import FAILED
from etl.errors import ConfigurationError, EnvironmentProblem, EtlError, ExpectationFailed, FlowFailed, StoreSilent
from etl.planning.events import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.spec import FlowSpec

# SQLSTATE classes (ISO/IEC 9075) that no retry can mend: 0A feature, 21 cardinality, 22 data, 23 constraint, 42 syntax or access,
# 46 Java or external routine, 54 program limit.
_PERMANENT_STATES = ("0A", "21", "22", "23", "42", "46", "54")
_PERMANENT_JAVA = re.compile(
    r"\b(\w*AnalysisException|ParseException|SparkUpgradeException|ArithmeticException|NumberFormatException|DateTimeException"
    r"|ClassCastException|UnsupportedOperationException|IllegalArgumentException|NullPointerException|\w*InvariantViolationException"
    r"|SchemaColumnConvertNotSupportedException|PythonException)\b"
)
_TRANSIENT = re.compile(
    r"\b(IOException|FileNotFoundException|FileAlreadyExistsException|NoSuchFileException|ConnectException|SocketException"
    r"|SocketTimeoutException|TimeoutException|Concurrent\w*Exception|FetchFailedException|ExecutorLostFailure|TaskResultLost"
    r"|DELTA_CONCURRENT_\w+|DELTA_SCHEMA_CHANGED\w*|OutOfMemoryError|Mkdirs failed|No space left on device|Not a directory)\b"
)
_STATE = re.compile(r"SQLSTATE:?\s*([0-9A-Z]{5})")
_EXPECTATION = re.compile(r"\[" + FAILED + r":([^\]]+)\] (.*)")
_NULL_SEQUENCE = re.compile(r"\[etl-null-sequence\] (\S[^\n]* is NULL)(?: SQLSTATE|\n|$)")
_MALFORMED = re.compile(
    r"MALFORMED_RECORD_IN_PARSING[^\n]*?(?:Malformed records? (?:are|is)? ?detected in record parsing: ([^\n]*))?"
)
_COMPRESSED = re.compile(
    r"Unexpected end of input stream|not in gzip format|incorrect header check|invalid (?:block|stored block|code)|bad block header"
    r"|unexpected end of stream|not a gzip file"
)
_CUT = re.compile(
    r"is not a Parquet file|Could not read footer|CANNOT_READ_FILE_FOOTER|Malformed ORC file|Not a valid ORC file"
    r"|corrupted file: the footer|can not read class org\.apache\.parquet\.format"
)
_WRITING = re.compile(r"(?:writing rows to|TASK_WRITE_FAILED\])\s*\S+")
_LOCK_LOST = re.compile(r"\[etl-lock-lost\] ([^\n]*)")
_TRACEBACK, _FRAME = "Traceback (most recent call last):", re.compile(r'File "([^"]+)", line (\d+)')
_CALLING = re.compile(r"An error occurred while calling \S+\n: ")  # py4j's, of no use to a reader
_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]\s*([^\n]*(?:\n(?!\s*at |JVM|==)[^\n]+){0,3})")


# Conditions that only say that something below them failed.
_WRAPPERS = ("STREAM_FAILED", "TASK_WRITE_FAILED", "FOREACH_BATCH_USER_FUNCTION_ERROR", "FAILED_EXECUTE_UDF", "_LEGACY")


class StopRequested(Exception):  # not an error: the run was asked to end
    """Raised at the start of an epoch that the run was asked not to begin."""


def translate(cause: BaseException, flow: FlowSpec) -> Failure:
    """The failure that a person reads, for any exception that came out of a flow; no secret's value is in it."""
    return redacted(_translate(cause, flow))


@contextmanager
def translated(flow: FlowSpec) -> Iterator[None]:
    """Whatever the body raises, raised as an error that a person can read."""
    try:
        yield
    except EtlError:
        raise
    except Exception as cause:
        found = translate(cause, flow)
        kind = ExpectationFailed if found.kind == "expectation" else FlowFailed
        raise kind(found.message, where=found.where, hint=found.hint) from cause


def _translate(cause: BaseException, flow: FlowSpec) -> Failure:
    if isinstance(cause, EtlError):
        return _own(cause)
    text = _text(cause)
    where = str(_place(flow)) if flow.at.line else ""
    lost = _LOCK_LOST.search(text)
    if lost:
        hint = "it did not renew the lock in time: it was paused, or cut off from the store; nothing of it was committed since"
        return Failure("run", f"flow '{flow.name}': {lost.group(1)}", where, hint, transient=False)
    found = _data_failure(text, flow, where)
    if found is not None:
        return found
    raised, user = _raised_in_worker(text, flow)
    if not raised:
        raised, user = _one_line(cause), _user_line(cause, flow)
    if user:
        hint = "correct the function; its exception is the user's own"
        return Failure("run", f"flow '{flow.name}': {raised}", user, hint, transient=False)
    transient = _is_transient(cause, text)
    hint = (
        "the storage, the network or the cluster failed; look at the cause, then run again: nothing is half-written"
        if transient
        else _of_groups(flow, text) or "correct the flow or its data; running again will fail the same way"
    )
    return Failure("run", f"flow '{flow.name}': {_cause(text)}", where, hint, transient=transient)


def _of_groups(flow: FlowSpec, text: str) -> str:
    """What to do about a value of which a group may not be computable: its expression meets rows that the transform leaves out, too."""
    computed = [told for group in flow.groups for _, told in group.expressions if "(" in told or " " in told]
    if not computed or not any(item.startswith("22") for item in _STATE.findall(text)):
        return ""
    return (
        f"correct the data or the expression that fails; a group's ({', '.join(dict.fromkeys(computed))}) is computed for every row,"
        " also for those that the transform leaves out: where it can fail, write try_cast there and in the transform"
    )


def _own(cause: EtlError) -> Failure:
    hint = cause.hint
    if isinstance(cause, ConfigurationError):
        return Failure("configuration", cause.what, hint=hint)
    if isinstance(cause, EnvironmentProblem):
        return Failure("environment", cause.what, cause.where, hint, transient=isinstance(cause, StoreSilent))
    if isinstance(cause, ExpectationFailed):
        return Failure("expectation", cause.what, cause.where, hint)
    transient = isinstance(cause, FlowFailed) and cause.transient
    return Failure("run", cause.what, cause.where, hint, transient=transient)


def _data_failure(text: str, flow: FlowSpec, where: str) -> Failure | None:
    broken = _EXPECTATION.search(text)
    if broken:
        name, row = broken.group(1), broken.group(2).split("\n")[0].removesuffix(" SQLSTATE: P0001")
        item = next((item for item in flow.rules if item.name == name), None)
        rule = f" ({item.expr})" if item else ""
        place = str(item.at) if item and item.at.line else where
        message = f"flow '{flow.name}': expectation '{name}'{rule} is violated, by the row {row}"
        return Failure(
            "expectation",
            message,
            place,
            "correct the data, or say drop or quarantine in on_violation; nothing was written",
        )
    unsequenced = _NULL_SEQUENCE.search(text)
    if unsequenced:
        message = f"flow '{flow.name}': {unsequenced.group(1)}, so the newest row of a key cannot be told"
        return Failure(
            "expectation", message, where, "fill the column in the transform, or drop such rows by an expectation"
        )
    # The target, to which a task was writing, is named first; the damaged file is the one that was read.
    file = re.search(r"(file:/[^\s,]+[^\s,.])", _WRITING.sub("", text))
    place_in = f" (in {file.group(1)})" if file else ""
    if "CSV header" in text:
        header = re.search(r"Header: ([^\n]*)\n\s*Schema: ([^\n]*)", text)
        lengths = re.search(r"Header length: (\d+), schema size: (\d+)", text)
        told = f": the header says {header.group(1)}; the schema {header.group(2)}" if header else ""
        told = f": the header has {lengths.group(1)} columns, the schema {lengths.group(2)}" if lengths else told
        return Failure(
            "expectation",
            f"flow '{flow.name}': a file's header is not its source's schema{told}{place_in}",
            where,
            "bring the schema into the header's order; or take columns by place with options: {enforceSchema: true}",
        )
    if _COMPRESSED.search(text):
        return Failure(
            "expectation",
            f"flow '{flow.name}': a compressed file is damaged or cut off{place_in}",
            where,
            "bring the whole file again; nothing was written",
        )
    if _CUT.search(text):
        return Failure(
            "expectation",
            f"flow '{flow.name}': a file is damaged or cut off{place_in}",
            where,
            "bring the whole file again; nothing was written",
        )
    if "MALFORMED_RECORD_IN_PARSING" in text or "Malformed records are detected" in text:
        record = re.search(r"record parsing: ([^\n]*)", text)
        row = f": {record.group(1)[:300]}" if record and not sensitive(flow) else ""
        message = f"flow '{flow.name}': a row does not fit its source's schema{row}{place_in}"
        return Failure(
            "expectation",
            message,
            where,
            "correct the file, or say on_malformed: quarantine or drop at the source; nothing was written",
        )
    return None


def _is_transient(cause: BaseException, text: str) -> bool:
    if any(isinstance(item, OSError) for item in _chain(cause)):
        return True
    state = _STATE.findall(text)
    if any(item.startswith(_PERMANENT_STATES) for item in state):
        return False
    if _TRANSIENT.search(text):
        return True
    return not _PERMANENT_JAVA.search(text) and _is_javas(cause)


def _is_javas(cause: BaseException) -> bool:
    return any(type(item).__module__.split(".")[0] in {"py4j", "pyspark"} for item in _chain(cause))


def _chain(cause: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = cause
    while seen is not None:
        yield seen
        seen = getattr(seen, "_cause", None) or seen.__cause__ or seen.__context__


def _user_line(cause: BaseException, flow: FlowSpec) -> str:
    """`file:line` of the innermost frame in the flow's own module, for an exception raised by Python code of the user's."""
    if not isinstance(flow.transform, PythonTransform) or _is_javas(cause):
        return ""
    frames = traceback.extract_tb(cause.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == flow.transform.file]
    return f"{flow.transform.file}:{lines[-1]}:1" if lines else ""


def _raised_in_worker(text: str, flow: FlowSpec) -> tuple[str, str]:
    """The exception of a function that Spark called in a worker, and its `file:line` or the flow's place; empty where there is none."""
    _, found, trace = text.rpartition(_TRACEBACK)
    if not found or "PYTHON_EXCEPTION" not in text:
        return "", ""
    frames, raised = [], ""
    for line in trace.splitlines()[1:]:
        if line.strip() and not line.startswith(" "):
            raised = line.strip()
            break
        frames += _FRAME.findall(line)
    own = flow.transform.file if isinstance(flow.transform, PythonTransform) else ""
    lines = [number for file, number in frames if file == own]
    if sensitive(flow):  # what a function says of a row may hold any of its values
        raised = raised.split(":")[0]
    return raised, f"{own}:{lines[-1]}:1" if lines else str(_place(flow))


def _place(flow: FlowSpec) -> object:
    transform = flow.transform
    if isinstance(transform, SqlTransform | PythonTransform) and transform.at.line:
        return transform.at
    return flow.at


def _text(cause: BaseException) -> str:
    return "\n".join(str(item) for item in _chain(cause))


def _one_line(cause: BaseException) -> str:
    first = str(cause).strip().split("\n")[0]
    return f"{type(cause).__name__}: {first}" if first else type(cause).__name__


def _cause(text: str) -> str:
    """The part of a Spark error that says something: its condition and message, without stack traces."""
    roots = re.findall(r"Caused by: ([^\n]+)", text)
    told = [item for item in _CONDITION.finditer(text) if not item.group(1).startswith(_WRAPPERS)]
    if told:
        message = f"[{told[0].group(1)}] {told[0].group(2)}".strip()
    else:
        text = _CALLING.sub("", text)
        lines = [line.strip() for line in text.split("\n") if line.strip() and not line.strip().startswith("at ")]
        message = roots[-1] if roots else (lines[0] if lines else "unknown cause")
    return re.sub(r"\s*\n\s*", " ", message)[:1200]
