"""How a CSV file is written, inferred from its beginning: separator, quotes, header, nulls, and the type of each column.

What is inferred is what Spark's reader must be told, so the rules are Spark's: its default escape is a backslash, it takes columns
by place, it knows one text for null, and leaves empty lines out.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from etl.operations.inference.types import NULLS, Values, form

_SEPARATORS = (",", ";", "\t", "|")
_TRIED = 200  # rows by which a separator is judged
_Cell = tuple[str, bool]  # the text, and whether it stood in quotes


@dataclass(frozen=True, slots=True)
class CsvShape:
    """How the files of one source are written."""

    sep: str
    backslash: bool  # quotes in quotes are written \" and not ""
    header: bool
    names: tuple[str, ...]  # as written; column_1, … without a header


class CsvSample:
    """The rows of one file's beginning."""

    def __init__(self, text: str, *, whole: bool, sep: str | None = None) -> None:
        self.comment = ""
        text = self._uncommented(text, sep)
        self.backslash = False
        self.sep = sep or _separator(text)
        rows, broken = split(text, self.sep, backslash=False)
        if broken and '\\"' in text:
            other, fewer = split(text, self.sep, backslash=True)
            if fewer < broken:
                rows, self.backslash = other, True
        if not whole and len(rows) > 1:
            rows.pop()  # it may have been cut off
        self.rows = [row for row in rows if row != [("", False)] and not _blank(row)]
        self.doubled = not self.backslash and any(
            quoted and ('"' in cell or "\\" in cell) for row in self.rows for cell, quoted in row
        )
        self.multi_line = any(quoted and ("\n" in cell or "\r" in cell) for row in self.rows for cell, quoted in row)

    def _uncommented(self, text: str, sep: str | None) -> str:
        lines = text.splitlines(keepends=True)
        start = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
        if 0 < start < len(lines):
            rest = "".join(lines[start:])
            chosen = sep or _separator(rest)
            if lines[0].count(chosen) != lines[start].count(chosen):
                self.comment = "#"
                return rest
        return text

    def shape(self, *, header: bool | None) -> CsvShape:
        """The shape by which files belong together; `header` where the user says it."""
        width = self.width(header=header)
        has_header = _has_header(self.rows, width) if header is None else header
        first = [cell for cell, _ in self.rows[0]] if has_header and self.rows else []
        names = tuple(first) if has_header else tuple(f"column_{index + 1}" for index in range(width))
        return CsvShape(self.sep, self.backslash, has_header, names)

    def width(self, *, header: bool | None) -> int:
        """How many columns there are: as the header says, or as most rows do."""
        if not self.rows:
            return 0
        if header:
            return len(self.rows[0])
        common = Counter(len(row) for row in self.rows).most_common(1)[0][0]
        first = len(self.rows[0])
        return first if first != common and all(form(cell) == "text" for cell, _ in self.rows[0]) else common


def _blank(row: list[_Cell]) -> bool:
    return len(row) == 1 and not row[0][1] and not row[0][0].strip()


def split(text: str, sep: str, *, backslash: bool) -> tuple[list[list[_Cell]], int]:
    """Rows of cells, and how many cells begin with a quote that does not end where a quoted cell must."""
    inner = r"(?:[^\"\\]|\\.)*+" if backslash else r'(?:[^"]|"")*+'
    cell = re.compile(rf'(?:"({inner})"|([^{re.escape(sep)}\r\n]*+))({re.escape(sep)}|\r\n|\n|\r|\Z)', re.DOTALL)
    rows: list[list[_Cell]] = []
    row: list[_Cell] = []
    at = broken = 0
    while at < len(text) or row:
        match = cell.match(text, at)
        if match is None:  # nothing but a carriage return in an odd place can do that
            at += 1
            continue
        quoted = match[1] is not None
        value = match[1] if quoted else match[2]
        if quoted:
            value = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL) if backslash else value.replace('""', '"')
        elif value.startswith('"'):
            broken += 1
        row.append((value, quoted))
        at = match.end()
        if match[3] != sep:
            rows.append(row)
            row = []
    return rows, broken


def _separator(text: str) -> str:
    """The one that cuts most of the first rows into equally many cells, more than one."""
    best, score = ",", (0.0, 0)
    start = text[:200_000]
    for sep in _SEPARATORS:
        rows = [row for row in split(start, sep, backslash=False)[0][:_TRIED] if not _blank(row)]
        if not rows:
            continue
        width = len(rows[0])
        if width > 1:
            of_sep = (sum(len(row) == width for row in rows) / len(rows), width)
            if of_sep > score:
                best, score = sep, of_sep
    return best


def _has_header(rows: list[list[_Cell]], width: int) -> bool:
    """Whether the first row is made of names: text over a column of numbers or dates, or text that does not come again."""
    first = [cell.strip() for cell, _ in rows[0]] if rows else []
    if not any(first):
        return False
    rest = [row for row in rows[1:] if len(row) == width]
    columns = list(zip(*([cell for cell, _ in row] for row in rest), strict=True)) if rest else []
    for name, column in zip(first, columns, strict=False):
        values = Values()
        for cell in column[:_TRIED]:
            values.add(cell)
        if name and name not in NULLS and form(name) == "text" and values.type() != "STRING":
            return True
    if any(form(name) not in ("text", "special") for name in first if name):
        return False
    return not any(name and name in column for name, column in zip(first, columns, strict=False))


def columns(samples: list[CsvSample], shape: CsvShape) -> tuple[list[Values], int, int]:
    """What each column's values look like, how many rows were looked at, and how many had another number of cells."""
    width = len(shape.names)
    by_column = [Values() for _ in range(width)]
    rows = ragged = 0
    for sample in samples:
        for row in sample.rows[1:] if shape.header else sample.rows:
            rows += 1
            if len(row) != width:
                ragged += 1
                continue
            for values, (cell, quoted) in zip(by_column, row, strict=True):
                values.add(cell, quoted=quoted)
    return by_column, rows, ragged


def options(
    samples: list[CsvSample], shape: CsvShape, columns: list[Values]
) -> tuple[dict[str, str | bool], list[str]]:
    """The options of Spark's reader, and the notes for a person; a column that cannot have its nulls becomes text."""
    chosen: dict[str, str | bool] = {"header": shape.header}
    notes: list[str] = []
    if shape.sep != ",":
        chosen["sep"] = shape.sep
    if any(sample.doubled for sample in samples):
        chosen["escape"] = '"'
    if any(sample.multi_line for sample in samples):
        chosen["multiLine"] = True
        notes.append("values with line breaks in them: multiLine, so each file is read by one process")
    if any(sample.comment for sample in samples):
        chosen["comment"] = "#"
    typed = [values for values in columns if values.type() != "STRING"]
    if any(values.padded for values in typed):
        chosen["ignoreLeadingWhiteSpace"] = True
        chosen["ignoreTrailingWhiteSpace"] = True
        notes.append("spaces around values are left out")
    tokens: Counter[str] = Counter()
    for values in typed:
        tokens.update(values.tokens)
    if tokens:
        null = tokens.most_common(1)[0][0]
        chosen["nullValue"] = null
        notes.append(f"'{null}' is read as null, in every column")
        if any(values.quoted_empty for values in typed):
            chosen["emptyValue"] = null
        for name, values in zip(shape.names, columns, strict=True):
            others = sorted(values.tokens.keys() - {null})
            if values in typed and others:
                values.forms.add("text")
                notes.append(
                    f"'{name}' stays text: it has {', '.join(others)} beside '{null}', and Spark knows one null"
                )
    return chosen, notes
