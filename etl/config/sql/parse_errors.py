"""What it means for a user that sqlglot does not parse a text: a mistake, or SQL that only Spark can judge.

What sqlglot refuses is a mistake, unless the text holds something that Spark is known to accept and sqlglot is not: that is a warning,
and Spark has the last word when the plan is made.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic
from etl.config.sql.lexical import FILLER, scan
from etl.config.sql.syntax import VARIANT_PATH, ParserFailure

if TYPE_CHECKING:
    from etl.config.diagnostics import Locate

_BEYOND = re.compile(
    r"\|>|\|\s*(?:SELECT|WHERE|EXTEND|SET|DROP|AS|AGGREGATE|JOIN|LEFT|ORDER|LIMIT|UNION|PIVOT)\b|\bTABLE\b|\bMATCH_RECOGNIZE\b|\bTRANSFORM\b"
    rf"|\bUSING\s+{FILLER}|{VARIANT_PATH.pattern}|\{{|>>>|\bWATERMARK\b|\bSTREAM\b|\bIDENTIFIER\s*\(|\bINTERVAL\s+[-+]|\bNEAREST\b|\bPIVOT\b"
    r"|\bGEO(?:GRAPHY|METRY)\s*\(",
    re.IGNORECASE,
)
"""What Spark takes and sqlglot may not, so that a text that holds it is no mistake where sqlglot does not parse it."""
_ARGUMENTS = re.compile(
    r"number of provided arguments"
    r"|missing for <class '[\w.]*\.(?:aggregate|array|functions|json|math|string|temporal)\.(?!(?:Try)?Cast'|Case'|Extract'|If')"
)
"""How sqlglot says that a function takes other arguments: Spark's own are Spark's to judge."""


def is_beyond(text: str, cause: Exception) -> bool:
    """Whether Spark may take a text that sqlglot refused with this error."""
    if isinstance(cause, ParserFailure):
        return True
    return bool(_BEYOND.search(scan(text).bare) or _ARGUMENTS.search(str(cause)))


def beyond(what: str, locate: Locate) -> Diagnostic:
    """The warning that only Spark can judge a text."""
    message = f"{what} is beyond what can be checked without Spark"
    return Diagnostic("W103", message, locate(0), "only Spark can judge it: etl plan does")


def details(cause: Exception) -> Any:
    """The first of sqlglot's errors as it describes it (`line`, `col`, `highlight`, `description`); empty where it has none."""
    return next(iter(getattr(cause, "errors", None) or ()), {})


def near(token: str) -> str:
    """Where a text breaks, in words: at a token, or here."""
    return f"at '{token}'" if token.strip() else "here"


def advice(cause: Exception) -> str:
    """What to do about sqlglot's error, in plain words."""
    description = str(details(cause).get("description") or cause).split("\n")[0].rstrip(".")
    if description.startswith(("Required keyword", "Expected")):
        return "something is missing before or after it"
    if description.startswith("Expecting "):
        return f"{description.removeprefix('Expecting ')} belongs before it"
    return "look at what stands before and after it: a comma, an operator, a keyword"


def split_shift(tree: Any, text: str, locate: Locate, what: str, code: str) -> list[Diagnostic]:
    """The mistake `> >`, which is no operator of Spark's, but one of sqlglot's."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    match = re.search(r"(>|<)\s+\1", scan(text).bare)
    if match is None or tree.find(exp.BitwiseRightShift, exp.BitwiseLeftShift) is None:
        return []
    message = f"{what} does not parse {near(match.group())}"
    return [Diagnostic(code, message, locate(match.start()), "a value is missing between two operators")]
