"""Names that SQL, YAML and a Delta table take, made of those that files have."""

from __future__ import annotations

import re
import unicodedata

from sqlglot.dialects.spark import Spark

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words of SQL that are no names, and that sqlglot's list lacks.
_WORDS = frozenset(
    [
        "comment", "end", "false", "from", "group", "having", "in", "is", "join", "limit", "not", "null", "on", "or", "order",
        "select", "table", "true", "using", "when", "where",
    ]
)  # fmt: skip
# Words that are no text in YAML, old or new, without quotes.
NO_TEXT = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])


def plain(name: str) -> bool:
    """Whether a name may stand in SQL and DDL without backquotes."""
    return (
        _SIMPLE.fullmatch(name) is not None
        and name.upper() not in Spark.Tokenizer.KEYWORDS
        and name.lower() not in _WORDS
    )


def identifier(text: str) -> str:
    """`text` as a name of the form [a-z][a-z0-9_]*; empty where nothing is left of it."""
    ascii_only = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", ascii_only) if not ascii_only.isupper() else ascii_only
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
    if name in NO_TEXT:
        return f"{name}_rows"
    return f"c_{name}" if name[:1].isdigit() else name


def unique(name: str, taken: set[str]) -> str:
    """The name, with a number where `taken`, in lower case, has it already; it is put among them."""
    chosen, number = name, 2
    while chosen.lower() in taken:
        chosen, number = f"{name}_{number}", number + 1
    taken.add(chosen.lower())
    return chosen


def table_names(names: list[str], notes: list[str]) -> list[str]:
    """Names that a Delta table holds and SQL takes without quotes, wherever the files' own are not so; each change is noted."""
    taken: set[str] = set()
    chosen = []
    for index, name in enumerate(names):
        output = name if _SIMPLE.fullmatch(name) else identifier(name) or f"column_{index + 1}"
        output = unique(output, taken)
        if output != name:
            notes.append(f"'{name}' becomes {output} in the table")
        chosen.append(output)
    return chosen


def csv_names(written: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Names for the columns of a CSV file, which Spark takes by place, so that any name will do; and a note for each change."""
    names, notes, taken = [], [], set[str]()
    for index, name in enumerate(written):
        clean = "".join(letter if letter.isprintable() else " " for letter in name).strip().replace("${", "{")
        if clean.lower().startswith("_etl_"):
            clean = clean.lstrip("_")
        chosen = unique(clean or f"column_{index + 1}", taken)
        if chosen != name:
            notes.append(f"the name {name!r} of column {index + 1} is written {chosen!r}")
        names.append(chosen)
    return names, notes
