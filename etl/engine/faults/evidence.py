"""The facts in an exception that came out of Spark: error conditions, SQLSTATEs, Java classes, from the innermost cause outwards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]{3,}(?:\.[A-Z][A-Z0-9_]*)*)\]")
_STATE = re.compile(r"SQLSTATE:?\s*([0-9A-Z]{5})")
_CLASS = re.compile(
    r"(?<![\w.$/])((?:[a-z]\w*\.)+[A-Z]\w*?(?:[.$]\w+)*(?:Exception|Error|Failure|Fault))(?=$|[:\s()])(?::\s*)?([^\n]*)"
)
_FRAME = re.compile(r"^\s*(?:at \S+\(.*|\.\.\. \d+ more)$", re.MULTILINE)
# What only Spark's bridge to Python says: of no use to a reader.
_BRIDGE = re.compile(
    r"(?:py4j(?:\.\w+)*\.)?Py4J(?:Java)?Error:?\s*"
    r"|An error occurred while calling \S+?(?:\.\s*Trace:|\.?(?=\s|$))\s*(?::\s+)?"
    r"|(?:\s*\n)?JVM stacktrace:"
)
_TRACEBACK, _PYTHON_FRAME = "Traceback (most recent call last):", re.compile(r'File "([^"]+)", line (\d+)')
_NO_CAUSE = "Spark failed, and gave no cause"


@dataclass(frozen=True, slots=True)
class Fact:
    """A condition or a Java class that an exception names.

    Attributes:
        saying: of a class the text beside it.
        state: of a condition its SQLSTATE, where it has one.
    """

    of: Literal["condition", "class"]
    name: str
    saying: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The text of an exception and its causes, and the facts in it: conditions first, the innermost first of each."""

    text: str
    facts: tuple[Fact, ...]


def evidence_in(cause: BaseException) -> Evidence:
    """The evidence in `cause` and what caused it."""
    links = tuple(chain(cause))
    text = "\n".join(str(link) for link in links)
    conditions = [*_conditions(text), *filter(None, map(_pyspark_condition, links[::-1]))]
    classes = [Fact("class", *names) for names in reversed(_CLASS.findall(_FRAME.sub("", _with_traces(links, text))))]
    python = [
        Fact("class", f"builtins.{_builtin(link)}", str(link)) for link in links[::-1] if isinstance(link, OSError)
    ]
    return Evidence(text, tuple(dict.fromkeys([*conditions, *classes, *python])))


def chain(cause: BaseException) -> Iterator[BaseException]:
    """`cause`, what caused it, and so on."""
    seen: list[BaseException] = []
    link: BaseException | None = cause
    while link is not None and link not in seen:
        seen.append(link)
        yield link
        link = getattr(link, "_cause", None) or link.__cause__ or link.__context__


def raised_in_worker(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What a function raised that Spark called in a Python worker, and the frames of it, each a file and a line; empty for other failures."""
    _, divider, trace = text.rpartition(_TRACEBACK)
    if not divider or "PYTHON_EXCEPTION" not in text:
        return "", ()
    frames: list[tuple[str, str]] = []
    for line in trace.splitlines()[1:]:
        if line.strip() and not line.startswith(" "):
            return line.strip(), tuple(frames)
        frames += _PYTHON_FRAME.findall(line)
    return "", ()


def plain(text: str) -> str:
    """`text` without what the bridge between Python and the JVM adds to it, and without the frames of a stack trace."""
    shortened = _BRIDGE.sub("", _FRAME.sub("", text)).strip()
    return re.sub(r"\n\s*\n+", "\n", shortened) or _NO_CAUSE


def is_spark(cause: BaseException) -> bool:
    """Whether Spark, or its bridge to Python, had to do with it."""
    return any(type(link).__module__.split(".")[0] in {"py4j", "pyspark"} for link in chain(cause))


def _conditions(text: str) -> Iterator[Fact]:
    """The conditions that a text names, the last first: what stands within a message, or below it, is nearer to the cause."""
    end = len(text)
    for condition in reversed(list(_CONDITION.finditer(text))):
        state = _STATE.search(text, condition.end(), end)
        end = condition.start()
        yield Fact("condition", condition.group(1), state=state.group(1) if state else "")


def _pyspark_condition(link: BaseException) -> Fact | None:
    """The condition that pyspark knows of an exception, which its text may leave out; the JVM is asked, where it still answers."""
    if not hasattr(link, "getCondition") or not hasattr(link, "getSqlState"):
        return None
    from py4j.protocol import Py4JError  # noqa: PLC0415  # who reads a text only needs no Spark

    try:
        name, state = link.getCondition(), link.getSqlState()
    except (Py4JError, OSError, AssertionError, AttributeError):  # the JVM is gone: the text has to do
        return None
    return Fact("condition", name, state=state or "") if name else None


def _builtin(link: BaseException) -> str:
    """The name of Python's own class that an exception is of."""
    return next(kind.__name__ for kind in type(link).__mro__ if kind.__module__ == "builtins")


def _with_traces(links: tuple[BaseException, ...], text: str) -> str:
    """The text, behind the stack traces of the JVM: only they name the classes of all causes."""
    traces = [str(getattr(link, "_stackTrace", "") or "") for link in links]
    return "\n".join([*traces, text])
