"""Errors of Spark, Delta and user code translated: what happened, where in the user's files, what next, and whether to retry.

The table of rules in `faults` decides whether another try may help. What no rule speaks of is tried again, and its advice says so.
"""

from __future__ import annotations

import re
import textwrap
import traceback
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from etl.config.masking import sensitive
from etl.config.secrets import redacted
from etl.config.spec import PythonTransform, SqlTransform
from etl.config.sql.fragments import failing_fragment
from etl.config.sql.locations import place_in_error
from etl.engine.faults.advice import followable
from etl.engine.faults.evidence import evidence_in, is_spark, plain, raised_in_worker
from etl.engine.faults.table import judged
from etl.engine.session.gateway import death_behind
from etl.errors import (
    ConfigurationError,
    EnvironmentProblem,
    EtlError,
    ExpectationFailed,
    FlowFailed,
    LockHeld,
    StoreSilent,
)
from etl.planning.results import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.spec import FlowSpec
    from etl.engine.faults.evidence import Evidence
    from etl.engine.faults.table import Judgement

_WRITING = re.compile(r"(?:writing rows to|TASK_WRITE_FAILED\])\s*\S+")
_FILE = re.compile(r"((?:file:/|(?:s3a?|gs|abfss?|wasbs?|hdfs)://)[^\s,]+[^\s,.])")
_RECORD = re.compile(r"record parsing: ([^\n]*)")
_MESSAGE = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]\s*([^\n]*(?:\n(?!\s*at |JVM|==|Caused by: )[^\n]+){0,3})")
_CALL_SITE = re.compile(r'== DataFrame ==\n"[^"\n]*" was called from\n(\S[^\n]*):(\d+)')
_LONGEST = 1200

# Conditions that only say that something below them failed.
_WRAPPERS = ("STREAM_FAILED", "TASK_WRITE_FAILED", "FOREACH_BATCH_USER_FUNCTION_ERROR", "FAILED_EXECUTE_UDF", "_LEGACY")


def translate(cause: BaseException, flow: FlowSpec) -> Failure:
    """The failure that a person reads, for any exception that came out of a flow; no secret's value is in it, and nothing of py4j."""
    failure = redacted(_translate(cause, flow))
    return replace(failure, message=plain(failure.message))


@contextmanager
def translated(flow: FlowSpec) -> Iterator[None]:
    """Raise whatever the body raises as an error that a person can read: EnvironmentProblem, ExpectationFailed or FlowFailed."""
    try:
        yield
    except EtlError:
        raise
    except Exception as cause:
        raise error_of(translate(cause, flow)) from cause


def error_of(failure: Failure) -> EtlError:
    """A failure as the error that a command or a function ends with: EnvironmentProblem, ExpectationFailed or FlowFailed."""
    if failure.kind == "environment":
        return EnvironmentProblem(failure.message, where=failure.where, hint=failure.hint)
    kind = ExpectationFailed if failure.kind == "expectation" else FlowFailed
    return kind(failure.message, where=failure.where, hint=failure.hint)


def _translate(cause: BaseException, flow: FlowSpec) -> Failure:
    if isinstance(cause, EtlError):
        return failure_of(cause)
    where = str(_place(flow))
    death = death_behind(cause)  # first: the text of what a JVM threw is asked of that JVM
    if death is not None:
        return death.failure(flow.name, where)
    evidence = evidence_in(cause)
    judgement = judged(evidence, spark=is_spark(cause))
    rule = judgement.rule
    where = str(place_in_error(flow, evidence.text) or _call_site(flow, evidence) or where) if where else ""
    if rule.message:
        words = _words(evidence, judgement, flow)
        message = f"flow '{flow.name}': {rule.message.format(**words)}"
        return Failure(rule.kind, message, words["place"] or where, rule.advice, transient=bool(rule.passes))
    raised, user = _raised_in_worker(evidence.text, flow)
    if not raised:
        raised, user = _one_line(cause), _user_line(cause, flow)
    if user:
        hint = "correct the function; its exception is the user's own"
        return Failure("run", f"flow '{flow.name}': {raised}", user, hint, transient=False)
    hint = _group_hint(flow, evidence) or rule.advice.replace("{flow}", flow.name)
    transient = rule.passes is not False
    message = f"flow '{flow.name}': {_fragment(flow, evidence)}{_hiding_values(flow, evidence) or _cause(evidence, judgement)}"
    return Failure(rule.kind, message, where, hint, transient=transient)


def _call_site(flow: FlowSpec, evidence: Evidence) -> str:
    """`file:line` in the flow's own module of the call that made the column which failed; empty where Spark tells none there."""
    site = _CALL_SITE.search(evidence.text)
    if site is None or not isinstance(flow.transform, PythonTransform) or site[1] != flow.transform.file:
        return ""
    return f"{site[1]}:{site[2]}:1"


def _fragment(flow: FlowSpec, evidence: Evidence) -> str:
    """The column and the expression that a value made fail, before what Spark says of it; empty where Spark points at no SQL of the flow's."""
    if not _is_of_value(evidence):
        return ""
    fragment = failing_fragment(flow, evidence.text)
    if fragment is None:
        return ""
    column = f"column '{fragment.column}': " if fragment.column else ""
    return f"{column}{textwrap.shorten(fragment.text, 200, placeholder=' …')}: "


def _hiding_values(flow: FlowSpec, evidence: Evidence) -> str:
    """What Spark says of a value, without the value; empty for other faults, and where every person may see it."""
    if not sensitive(flow) or not _is_of_value(evidence):
        return ""
    condition = next(fact.name for fact in evidence.facts if fact.state.startswith("22"))
    return f"[{condition}] the value is not shown, since the flow has sensitive columns"


def _is_of_value(evidence: Evidence) -> bool:
    return any(fact.of == "condition" and fact.state.startswith("22") for fact in evidence.facts)


def _group_hint(flow: FlowSpec, evidence: Evidence) -> str:
    """The hint where a group may not be computable of some value: its expression meets rows that the transform leaves out, too."""
    computed = [
        expression
        for group in flow.groups
        for _, expression in group.expressions
        if "(" in expression or " " in expression
    ]
    if not computed or not _is_of_value(evidence):
        return ""
    return (
        f"correct the data or the expression that fails; a group's ({', '.join(dict.fromkeys(computed))}) is computed for every row,"
        " also for those that the transform leaves out: where it can fail, write try_cast there and in the transform"
    )


def failure_of(cause: EtlError) -> Failure:
    """An error that was raised on purpose, as the failure in a result."""
    hint = cause.hint
    if isinstance(cause, ConfigurationError):
        return Failure("configuration", cause.what, hint=hint)
    if isinstance(cause, EnvironmentProblem):
        return Failure("environment", cause.what, cause.where, hint, transient=isinstance(cause, StoreSilent))
    if isinstance(cause, ExpectationFailed):
        return Failure("expectation", cause.what, cause.where, hint)
    if isinstance(cause, LockHeld):
        return Failure("held", cause.what, cause.where, hint)
    transient = isinstance(cause, FlowFailed) and cause.transient
    return Failure("run", cause.what, cause.where, hint, transient=transient)


def _words(evidence: Evidence, judgement: Judgement, flow: FlowSpec) -> dict[str, str]:
    """The values of the names in a rule's message: the groups of its pattern, and what the flow knows of them."""
    words = {key: value or "" for key, value in (judgement.match.groupdict() if judgement.match else {}).items()}
    # The target, to which a task was writing, is named first; the damaged file is the one that was read.
    file = _FILE.search(_WRITING.sub("", evidence.text))
    record = _RECORD.search(evidence.text)
    expectation = next((item for item in flow.rules if item.name == words.get("name")), None)
    return words | {
        "in_file": f" (in {file.group(1)})" if file else "",
        "record": f": {record.group(1)[:300]}" if record and not sensitive(flow) else "",
        "part": words.get("what", "").lower(),
        "rule": f" ({expectation.expr})" if expectation else "",
        "place": str(expectation.at) if expectation else "",
        **(_malformed(words, flow) if "malformed_file" in words else {}),
    }


def _malformed(words: dict[str, str], flow: FlowSpec) -> dict[str, str]:
    """The place of a record that is no row, the reason and the record; these two hold values, which may be sensitive."""
    file, line, why, record = (words.get(f"malformed_{part}", "") for part in ("file", "line", "why", "record"))
    path = unquote(urlsplit(file).path)
    hidden = bool(sensitive(flow))
    return {
        "malformed_file": path,
        "malformed_at": path if line == "0" else f"{path}, {line}" if line.startswith("row") else f"{path}:{line}",
        "malformed_because": "" if hidden else f" ({why})",
        "malformed_shown": "" if hidden or not record else f": {record}",
    }


def _user_line(cause: BaseException, flow: FlowSpec) -> str:
    """`file:line` of the innermost frame in the flow's own module, for an exception raised by Python code of the user's."""
    if not isinstance(flow.transform, PythonTransform) or is_spark(cause):
        return ""
    frames = traceback.extract_tb(cause.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == flow.transform.file]
    return f"{flow.transform.file}:{lines[-1]}:1" if lines else ""


def _raised_in_worker(text: str, flow: FlowSpec) -> tuple[str, str]:
    """The exception of a function that Spark called in a worker, and its `file:line` or the flow's place; empty where there is none."""
    raised, frames = raised_in_worker(text)
    if not raised:
        return "", ""
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


def _one_line(cause: BaseException) -> str:
    first = str(cause).strip().split("\n")[0]
    return f"{type(cause).__name__}: {first}" if first else type(cause).__name__


def _cause(evidence: Evidence, judgement: Judgement) -> str:
    """The part of a Spark error that says something: its condition and message, without stack traces."""
    text = plain(evidence.text)
    roots = re.findall(r"Caused by: ([^\n]+)", text)
    conditions = [match for match in _MESSAGE.finditer(text) if not match.group(1).startswith(_WRAPPERS)]
    decided = [match for match in conditions if judgement.fact and match.group(1) == judgement.fact.name]
    if decided or conditions:
        condition = (decided or conditions)[0]
        message = f"[{condition.group(1)}] {condition.group(2)}".strip()
    elif judgement.fact and judgement.fact.of == "class" and judgement.rule.passes is not None:
        message = f"{judgement.fact.name}: {judgement.fact.saying}".removesuffix(": ")
    else:
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        message = roots[-1] if roots else lines[0]
    return followable(re.sub(r"\s*\n\s*", " ", message))[:_LONGEST]
