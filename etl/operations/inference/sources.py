"""Sources guessed from files that lie there: their schema as Spark DDL, the reader's options, and columns that a table can hold."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot.dialects.spark import Spark

from etl.config.document.document import shown
from etl.config.schema.identifiers import quoted
from etl.operations.inference import csv_files, json_files
from etl.operations.inference.files import beginning, common, look, partitions, path_for, refuse
from etl.operations.inference.types import Values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.engine.tables.parquet_schema import FileColumn
    from etl.operations.inference.files import Found

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NO_TEXT = frozenset(
    ["null", "true", "false", "yes", "no", "on", "off", "y", "n"]
)  # of YAML, old or new, without quotes
_MOST_JSON = 20_000
_ALIKE = 0.5  # JSON files that share this part of their names are of one kind


@dataclass(frozen=True, slots=True)
class ColumnGuess:
    """One column: as the files call it, its type, and the name that a table can hold."""

    name: str
    type: str
    output: str
    nulls: bool = True  # whether any was seen, or may be there
    example: str | None = None  # a value as text

    @property
    def quoted(self) -> str:
        """The name as DDL and SQL take it."""
        return self.name if plain(self.name) else quoted(self.name)


@dataclass(frozen=True, slots=True)
class SourceGuess:
    """One source: where its files lie, and all that was guessed of them."""

    name: str
    format: str
    path: str  # absolute
    options: tuple[tuple[str, str | bool], ...]
    columns: tuple[ColumnGuess, ...]  # empty for a Delta table, which knows its own
    files: int
    rows: int | None  # looked at; None where the files say their schema themselves
    whole: bool  # whether that was all of them
    notes: tuple[str, ...]


def guess(path: str, *, header: bool | None = None) -> tuple[SourceGuess, ...]:
    """One source for each kind of files at `path`; ConfigurationError where nothing can be learned there."""
    found = look(path)
    if found.format == "delta":
        name = identifier(Path(found.root).name) or "source_table"
        return (SourceGuess(name, "delta", found.root, (), (), 0, None, whole=True, notes=()),)
    makers = {"csv": _csv, "json": _json, "parquet": _parquet}
    sources = makers[found.format](found, header)
    names: set[str] = set()
    unique = []
    for item in sources:
        name = _unique(item.name, names)
        unique.append(replace(item, name=name))
    return tuple(unique)


def plain(name: str) -> bool:
    """Whether a name may stand in SQL and DDL without backquotes."""
    return (
        _SIMPLE.fullmatch(name) is not None
        and name.upper() not in Spark.Tokenizer.KEYWORDS
        and name.lower() not in _WORDS
    )


_WORDS = frozenset(
    [
        "comment",
        "end",
        "false",
        "from",
        "group",
        "having",
        "in",
        "is",
        "join",
        "limit",
        "not",
        "null",
        "on",
        "or",
        "order",
        "select",
        "table",
        "true",
        "using",
        "when",
        "where",
    ]
)


def identifier(text: str) -> str:
    """`text` as a name of the form [a-z][a-z0-9_]*; empty where nothing is left of it."""
    ascii_only = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", ascii_only) if not ascii_only.isupper() else ascii_only
    found = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
    if found in NO_TEXT:
        return f"{found}_rows"
    return f"c_{found}" if found[:1].isdigit() else found


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found.lower() in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found.lower())
    return found


def _csv(found: Found, header: bool | None) -> list[SourceGuess]:  # noqa: FBT001  # None: nobody said
    groups: dict[csv_files.CsvShape, list[tuple[str, csv_files.CsvSample, bool, str]]] = {}
    for file in found.sampled:
        start = beginning(file, len(found.sampled))
        tabs = "\t" if ".tsv" in Path(file).name.lower() else None
        sample = csv_files.CsvSample(start.text, whole=start.whole, sep=tabs)
        if sample.rows:
            groups.setdefault(sample.shape(header=header), []).append((file, sample, start.whole, start.encoding))
    if not groups:
        refuse(f"there is no row in {shown(Path(found.root))}", "give files with at least one line")
    _all_or_one(found, len(groups))
    return [_csv_source(found, shape, items, only=len(groups) == 1) for shape, items in groups.items()]


def _csv_source(
    found: Found, shape: csv_files.CsvShape, items: list[tuple[str, csv_files.CsvSample, bool, str]], *, only: bool
) -> SourceGuess:
    samples = [sample for _, sample, _, _ in items]
    values, rows, ragged = csv_files.columns(samples, shape)
    options, notes = csv_files.options(samples, shape, values)
    encodings = {encoding for *_, encoding in items if encoding}
    if encodings:
        options["encoding"] = encodings.pop()
        notes.append("not UTF-8: taken for ISO-8859-1; look whether accents come out right")
    names, said = _csv_names(shape.names)
    if shape.header and said:
        options["enforceSchema"] = True  # the header cannot be held against names that are not its own
    notes = [*said, *notes]
    if ragged:
        notes.append(
            f"{ragged} of {rows} rows have another number of cells than {len(names)}: they will be quarantined"
        )
    if shape.header:
        notes.append("the first line is taken for names (--no-header says that it is not)")
    notes += _value_notes(names, values)
    if only:
        for name, seen in partitions(found).items():
            names.append(name)
            values.append(replace(_seen(seen), example=None))  # a row of a test stands in no folder
            notes.append(f"'{name}' comes from the names of folders")
    outputs = _outputs(names, notes)
    columns = tuple(
        ColumnGuess(name, item.type(), output, nulls=bool(item.empty or item.tokens), example=item.example)
        for name, item, output in zip(names, values, outputs, strict=True)
    )
    group = found.files if only else tuple(file for file, *_ in items)
    whole = all(whole for _, _, whole, _ in items) and len(found.sampled) == len(found.files)
    return SourceGuess(
        _source_name(found, group), "csv", path_for(group, found), tuple(options.items()), columns, len(group), rows, whole, tuple(notes)
    )  # fmt: skip


def _csv_names(written: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Names for the columns of a file, which Spark takes by place, so that any name will do."""
    names, notes, taken = [], [], set[str]()
    for index, name in enumerate(written):
        clean = "".join(letter if letter.isprintable() else " " for letter in name).strip().replace("${", "{")
        if clean.lower().startswith("_etl_"):
            clean = clean.lstrip("_")
        found = _unique(clean or f"column_{index + 1}", taken)
        if found != name:
            notes.append(f"the name {name!r} of column {index + 1} is written {found!r}")
        names.append(found)
    return names, notes


def nanoseconds(name: str) -> str:
    """What is said of a column of texts whose instants a TIMESTAMP cannot hold."""
    return f"'{name}' has nanoseconds, and a TIMESTAMP microseconds: STRING; in SQL, CAST({name} AS TIMESTAMP) cuts them off"


def _value_notes(names: list[str], values: list[Values]) -> list[str]:
    notes = []
    for name, item in zip(names, values, strict=True):
        if not item.forms:
            notes.append(f"'{name}' has no value in what was looked at: taken for STRING")
        elif item.type() == "STRING" and "fine" in item.forms:
            notes.append(nanoseconds(name))
        elif item.type() == "STRING" and item.zeros:
            notes.append(f"'{name}' has numbers with leading zeros: STRING keeps them")
        elif item.type() == "STRING" and item.decimal_comma:
            notes.append(f"'{name}' has decimal commas: STRING; in SQL, CAST(replace({name}, ',', '.') AS DOUBLE)")
        elif item.type() == "STRING" and item.other_date:
            notes.append(
                f"'{name}' has dates that are not written year-month-day: STRING; in SQL, to_date({name}, 'dd/MM/yyyy')"
            )
    return notes


def _outputs(names: list[str], notes: list[str]) -> list[str]:
    """Names that a Delta table holds and SQL takes without quotes, wherever the files' own are not so."""
    taken: set[str] = set()
    found = []
    for index, name in enumerate(names):
        output = name if _SIMPLE.fullmatch(name) else identifier(name) or f"column_{index + 1}"
        output = _unique(output, taken)
        if output != name:
            notes.append(f"'{name}' becomes {output} in the table")
        found.append(output)
    return found


def _seen(texts: list[str]) -> Values:
    values = Values()
    for text in texts:
        values.add(text)
    return values


def _json(found: Found, header: bool | None) -> list[SourceGuess]:  # noqa: ARG001, FBT001  # csv's alone
    groups: list[list[tuple[str, json_files.JsonSample, bool]]] = []
    for file in found.sampled:
        start = beginning(file, len(found.sampled))
        if start.encoding:
            refuse(f"{shown(Path(file))} is no text in UTF-8", "save it as UTF-8")
        sample = json_files.sample(start.text, whole=start.whole, most=_MOST_JSON)
        if sample is None:
            refuse(f"{shown(Path(file))} holds no JSON objects", "one object a line, or one array of objects")
        if sample.rows:
            alike = next((group for group in groups if _alike(group[0][1], sample)), None)
            if alike is None:
                groups.append([(file, sample, start.whole)])
            else:
                alike.append((file, sample, start.whole))
    if not groups:
        refuse(f"there is no object in {shown(Path(found.root))}", "give files with at least one")
    _all_or_one(found, len(groups))
    return [_json_source(found, items, only=len(groups) == 1) for items in groups]


def _alike(one: json_files.JsonSample, other: json_files.JsonSample) -> bool:
    if one.multi_line != other.multi_line:
        return False
    left, right = set(one.names), set(other.names)
    return len(left & right) >= _ALIKE * min(len(left), len(right))


def _json_source(found: Found, items: list[tuple[str, json_files.JsonSample, bool]], *, only: bool) -> SourceGuess:
    samples = [sample for _, sample, _ in items]
    root = json_files.merged(samples)
    rows = sum(item.rows for item in samples)
    malformed = sum(item.malformed for item in samples)
    options: dict[str, str | bool] = {}
    notes: list[str] = []
    if samples[0].multi_line:
        options["multiLine"] = True
        notes.append("one document for the whole file: multiLine, so each file is read by one process")
    if malformed:
        notes.append(f"{malformed} of {rows} rows are no JSON objects: they will be quarantined")
    names, types, taken = [], [], set[str]()
    nulls = []
    for name, node in root.fields.items():
        reserved = name.lower().startswith("_etl_") or "${" in name
        if not name or not name.isprintable() or name.lower() in taken or reserved:
            notes.append(f"the name {name!r} cannot be a column's beside the others: it is not read")
            continue
        taken.add(name.lower())
        names.append(name)
        types.append(node.type())
        nulls.append(node.nulls + node.scalars + node.objects + node.arrays < rows or node.nulls > 0)
        if node.objects and types[-1] == "STRING":
            notes.append(f"'{name}' is read as JSON text: its objects are no struct that a table can hold")
        elif types[-1] == "STRING" and "fine" in node.values.forms:
            notes.append(nanoseconds(name))
        elif types[-1] == "STRING" and node.others:
            notes.append(f"'{name}' has values of several kinds: STRING")
    if not names:
        refuse(f"no name in {shown(Path(found.root))} can be a column's")
    if only:
        for name, seen in partitions(found).items():
            if name.lower() not in taken:
                names.append(name)
                types.append(_seen(seen).type())
                nulls.append("" in seen)
                notes.append(f"'{name}' comes from the names of folders")
    outputs = _outputs(names, notes)
    examples = [root.fields[name].example if name in root.fields else None for name in names]
    columns = tuple(ColumnGuess(*item) for item in zip(names, types, outputs, nulls, examples, strict=True))
    group = found.files if only else tuple(file for file, *_ in items)
    whole = all(whole for *_, whole in items) and len(found.sampled) == len(found.files)
    return SourceGuess(
        _source_name(found, group), "json", path_for(group, found), tuple(options.items()), columns, len(group), rows, whole, tuple(notes)
    )  # fmt: skip


def _parquet(found: Found, header: bool | None) -> list[SourceGuess]:  # noqa: ARG001, FBT001  # csv's alone
    from etl.engine.tables.parquet_schema import parquet_columns  # noqa: PLC0415  # pyarrow, or Spark, for these files only

    groups: list[tuple[list[FileColumn], list[str]]] = []
    for file in found.sampled:
        own = parquet_columns(file)
        for known, alike in groups:
            if _same_but_empty(known, own):
                known[:] = [theirs if mine.empty else mine for mine, theirs in zip(known, own, strict=True)]
                alike.append(file)
                break
        else:
            groups.append((list(own), [file]))
    _all_or_one(found, len(groups))
    sources = []
    for fields, files in groups:
        only = len(groups) == 1
        notes = [
            f"'{item.name}' holds nothing, so its type is not known: STRING; NULL is read under any type"
            for item in fields
            if item.empty
        ]
        notes += [
            f"'{item.name}' is {item.stored}, which no column can hold: it is not read"
            for item in fields
            if not item.type
        ]
        notes += [
            f"'{item.name}' holds nanoseconds: {item.type}, whose instants are microseconds; a row with a finer one is malformed"
            for item in fields
            if item.nanoseconds
        ]
        names, types = [item.name for item in fields if item.type], [item.type for item in fields if item.type]
        for name, seen in partitions(found).items() if only else ():
            if name not in names:
                names.append(name)
                types.append(_seen(seen).type())
                notes.append(f"'{name}' comes from the names of folders")
        outputs = _outputs(names, notes)
        columns = tuple(ColumnGuess(*item) for item in zip(names, types, outputs, strict=True))
        group = found.files if only else tuple(files)
        sources.append(
            SourceGuess(_source_name(found, group), "parquet", path_for(group, found), (), columns, len(group), None, whole=True, notes=tuple(notes))
        )  # fmt: skip
    return sources


def _same_but_empty(one: Sequence[FileColumn], other: Sequence[FileColumn]) -> bool:
    """Whether two files have the same columns; one that holds nothing in one of them has the other's type."""
    return len(one) == len(other) and all(
        left.name == right.name and (left.type == right.type or left.empty or right.empty)
        for left, right in zip(one, other, strict=True)
    )


def _all_or_one(found: Found, kinds: int) -> None:
    if kinds > 1 and len(found.sampled) < len(found.files):
        refuse(
            f"{shown(Path(found.root))} holds {len(found.files)} files of at least {kinds} kinds",
            "move each kind into a folder of its own, or name one kind with a glob",
        )


def _source_name(found: Found, group: tuple[str, ...]) -> str:
    """After the folder, or after the file where it is one."""
    root = Path(found.root)
    if len(group) == 1 and not any("=" in part for part in Path(group[0]).parent.parts):
        stem = Path(group[0]).name.split(".")[0]
    elif set(group) == set(found.files):
        stem = root.name if root.is_dir() else root.parent.name
    else:
        stem = re.sub(r"[^A-Za-z]+$", "", common([Path(file).name for file in group])) or root.name
    return identifier(stem) or "rows"
