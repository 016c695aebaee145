"""What of Spark's SQL differs from run to run, as far as its text tells: functions, and texts that stand for the clock.

The same names are in the table of Spark's functions that the tests keep. What the text does not show (a column of that name, a text put
together of others) is found in Spark's analysed plan.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.config.spec import SqlTransform
from etl.config.sql.lexical import FILLER, scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.diagnostics import Location
    from etl.config.spec import PipelineSpec

BARE = (
    "now", "current_timestamp", "current_date", "curdate", "current_time", "localtimestamp", "unix_timestamp", "uuid",
    "current_user", "user", "session_user", "current_catalog", "current_database", "current_schema", "current_path", "version",
    "input_file_name", "input_file_block_length", "input_file_block_start", "monotonically_increasing_id", "spark_partition_id",
)  # fmt: skip
"""Functions that differ from run to run when they are called without anything: the clock, the session, how rows are dealt."""
DRAWN = (
    "rand", "randn", "random", "randstr", "uniform", "shuffle", "reflect", "java_method", "try_reflect",
    "kll_sketch_agg_bigint", "kll_sketch_agg_double", "kll_sketch_agg_float", "kll_merge_agg_bigint", "kll_merge_agg_double",
    "kll_merge_agg_float", "kll_sketch_merge_bigint", "kll_sketch_merge_double", "kll_sketch_merge_float",
)  # fmt: skip
"""Functions that draw, whatever they are given; a seed does not help, since rows are dealt to partitions otherwise."""
FROM_DATA = "take the value from the data: what is violated, deleted or grouped must be the same in every run"
"""What to do about an expression over one row."""
IN_COLUMN = "take the value from the data, or pass it as a param; or name the column that it ends in: equality: {ignore: [column]}"
"""What to do about a transform."""

_ZONE = r"(?:\s+[A-Za-z][\w/+:-]*|\s*[+-][\d:]+)?"
_CLOCK = re.compile(rf"now|(?:today|tomorrow|yesterday){_ZONE}", re.IGNORECASE)
_HOUR = re.compile(r"T\d{1,2}(?::.*)?|\d{1,2}:\d{1,2}(?::.*)?")
_OPEN = rf"(?<![\w.`{FILLER}])"
_TEXT = rf"(?P<text>{FILLER}+)"
_TYPE = r"(?P<type>TIMESTAMP(?:_NTZ|_LTZ)?|DATE)"
_TEXTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_OPEN}{_TYPE}\s*{_TEXT}",
        rf"{_OPEN}(?:TRY_)?CAST\s*\(\s*{_TEXT}\s+AS\s+{_TYPE}\s*\)",
        rf"{_TEXT}\s*::\s*{_TYPE}\b",
        rf"{_OPEN}(?:try_)?(?:to_)?{_TYPE}\s*\(\s*{_TEXT}\s*\)",
    )
)
_CALL = re.compile(
    rf"{_OPEN}(?:(?P<bare>{'|'.join(BARE)})\s*\(\s*\)|(?P<drawn>{'|'.join(DRAWN)})\s*\(|(?P<key>aes_encrypt)\s*\()",
    re.IGNORECASE,
)
_UNICODE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\(.)")
_IV = 4  # where aes_encrypt takes its vector


def is_clock(text: str, kind: str) -> bool:
    """Whether a text, cast to `kind` (DATE, TIMESTAMP …), stands for the clock: `now`, `today UTC`, a time without its date."""
    stripped = text.strip()
    return bool(_CLOCK.fullmatch(stripped) or (not kind.upper().startswith("DATE") and _HOUR.fullmatch(stripped)))


def found_in(text: str) -> Iterator[tuple[str, int]]:
    """What differs from run to run in a query or an expression: each as it stands there, and its offset, in their order."""
    bare = scan(text).bare
    calls: dict[int, str] = {}
    for pattern in _TEXTS:
        for match in pattern.finditer(bare):
            if is_clock(_plain(text[match.start("text") : match.end("text")]), match.group("type")):
                calls.setdefault(match.start(), text[match.start() : match.end()])
    for match in _CALL.finditer(bare):
        name = text[match.start() : match.end()].split("(", maxsplit=1)[0].strip()
        opened = bare.index("(", match.start())
        arguments = _arguments(bare, opened)
        if match.group("drawn") and _is_definition(bare, opened, arguments):
            continue
        if match.group("key") and not _draws_a_vector(text, arguments):
            continue
        calls.setdefault(match.start(), f"{name}()")
    yield from ((name, offset) for offset, name in sorted(calls.items()))


def check_volatile(spec: PipelineSpec) -> Iterator[Diagnostic]:
    """What differs from run to run in the SQL of flows, views in them among it; where columns are ignored, only Spark's plan can judge."""
    reported: set[Location] = set()
    for flow in spec.flows:
        for part in () if flow.equality.ignore else (flow, *flow.views):
            transform = part.transform
            if not isinstance(transform, SqlTransform):
                continue
            for name, offset in found_in(transform.text):
                at = transform.place(offset, len(name))
                if at not in reported:
                    reported.add(at)
                    message = f"flow '{flow.name}' uses {name}, whose value differs from run to run, so the two modes could never be equal"
                    yield Diagnostic("E262", message, at, IN_COLUMN)


def _plain(literal: str) -> str:
    """What a text in quotes says."""
    raw = literal[:1] in "rR"
    inner = literal[2:-1] if raw else literal[1:-1]
    return inner if raw else _UNICODE.sub(lambda part: chr(int(part[1], 16)) if part[1] else part[2], inner)


def _arguments(bare: str, opened: int) -> list[tuple[int, int]]:
    """Where each argument of the call whose bracket opens there begins and ends."""
    depth, start, arguments = 0, opened + 1, []
    for at in range(opened, len(bare)):
        if bare[at] in "([":
            depth += 1
        elif bare[at] in ")]":
            depth -= 1
        if depth == 0 or (depth == 1 and bare[at] == ","):
            arguments.append((start, at))
            start = at + 1
        if depth == 0:
            break
    return arguments


def _is_definition(bare: str, opened: int, arguments: list[tuple[int, int]]) -> bool:
    """Whether `name (…)` names the columns of a query: `WITH uniform (a) AS (…)`."""
    end = arguments[-1][1] if arguments else opened
    return re.match(r"\)\s*AS\s*\(", bare[end:], re.IGNORECASE) is not None


def _draws_a_vector(text: str, arguments: list[tuple[int, int]]) -> bool:
    """Whether a call of aes_encrypt certainly has no vector of its own, in a mode that takes one."""
    values = [text[start:end].strip() for start, end in arguments]
    if any("=>" in item for item in values) or len(values) > _IV:
        return False  # Spark's plan tells
    mode = values[2] if len(values) > 2 else "'GCM'"  # noqa: PLR2004  # the third
    return mode[1:-1].upper() in ("GCM", "CBC")
