"""Sources inferred from files that lie there: their schema as Spark DDL, the reader's options, and columns that a table can hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.document.document import shown
from etl.config.schema.identifiers import quoted
from etl.operations.inference import csv_files, json_files
from etl.operations.inference.files import beginning, common, find_files, partitions, path_for, refuse
from etl.operations.inference.names import csv_names, identifier, plain, table_names, unique
from etl.operations.inference.types import Values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.engine.tables.parquet_schema import FileColumn
    from etl.operations.inference.files import SourceFiles

_MOST_JSON = 20_000
_ALIKE = 0.5  # JSON files that share this part of their names are of one kind


@dataclass(frozen=True, slots=True)
class InferredColumn:
    """A column of files.

    Attributes:
        name: As the files call it.
        type: In Spark's DDL.
        output: The name that a table can hold.
        nulls: Whether any was seen, or may be there.
        example: A value as text.
    """

    name: str
    type: str
    output: str
    nulls: bool = True
    example: str | None = None

    @property
    def quoted(self) -> str:
        """The name as DDL and SQL take it."""
        return self.name if plain(self.name) else quoted(self.name)


@dataclass(frozen=True, slots=True)
class InferredSource:
    """A source over files of one kind.

    Attributes:
        path: Absolute.
        options: Of Spark's reader.
        columns: Empty for a Delta table, which knows its own.
        files: How many there are.
        rows: How many were looked at; None where the files say their schema themselves.
        whole: Whether those were all.
        notes: What a person should know of it.
    """

    name: str
    format: str
    path: str
    options: tuple[tuple[str, str | bool], ...]
    columns: tuple[InferredColumn, ...]
    files: int
    rows: int | None
    whole: bool
    notes: tuple[str, ...]


def infer_sources(path: str, *, header: bool | None = None) -> tuple[InferredSource, ...]:
    """One source for each kind of files at `path`; raises ConfigurationError where nothing can be learned there.

    `header`: whether the first line of CSV files holds names; None: that is inferred, too.
    """
    files = find_files(path)
    if files.format == "delta":
        name = identifier(Path(files.root).name) or "source_table"
        return (InferredSource(name, "delta", files.root, (), (), 0, None, whole=True, notes=()),)
    makers = {"csv": _csv, "json": _json, "parquet": _parquet}
    names: set[str] = set()
    return tuple(replace(source, name=unique(source.name, names)) for source in makers[files.format](files, header))


def _csv(files: SourceFiles, header: bool | None) -> list[InferredSource]:  # noqa: FBT001  # None: nobody said
    groups: dict[csv_files.CsvShape, list[_CsvFile]] = {}
    for file in files.sampled:
        start = beginning(file, len(files.sampled))
        tabs = "\t" if ".tsv" in Path(file).name.lower() else None
        sample = csv_files.CsvSample(start.text, whole=start.whole, sep=tabs)
        if sample.rows:
            sampled = _CsvFile(file, sample, start.whole, start.encoding)
            groups.setdefault(sample.shape(header=header), []).append(sampled)
    if not groups:
        refuse(f"there is no row in {shown(Path(files.root))}", "give files with at least one line")
    _all_or_one(files, len(groups))
    return [_csv_source(files, shape, group, only=len(groups) == 1) for shape, group in groups.items()]


@dataclass(frozen=True, slots=True)
class _CsvFile:
    """A file's sample: whether it is the whole file, and its encoding where that is not UTF-8."""

    file: str
    sample: csv_files.CsvSample
    whole: bool
    encoding: str


def _csv_source(files: SourceFiles, shape: csv_files.CsvShape, group: list[_CsvFile], *, only: bool) -> InferredSource:
    """The source of the files of one shape; `only`: there is no other shape."""
    samples = [sampled.sample for sampled in group]
    values, rows, ragged = csv_files.columns(samples, shape)
    options, notes = csv_files.options(samples, shape, values)
    encodings = {sampled.encoding for sampled in group if sampled.encoding}
    if encodings:
        options["encoding"] = encodings.pop()
        notes.append("not UTF-8: taken for ISO-8859-1; look whether accents come out right")
    names, changed = csv_names(shape.names)
    if shape.header and changed:
        options["enforceSchema"] = True  # the header cannot be held against names that are not its own
    notes = [*changed, *notes]
    if ragged:
        notes.append(
            f"{ragged} of {rows} rows have another number of cells than {len(names)}: they will be quarantined"
        )
    if shape.header:
        notes.append("the first line is taken for names (--no-header says that it is not)")
    notes += _value_notes(names, values)
    if only:
        for name, seen in partitions(files).items():
            names.append(name)
            values.append(replace(_seen(seen), example=None))  # a row of a test stands in no folder
            notes.append(f"'{name}' comes from the names of folders")
    outputs = table_names(names, notes)
    columns = tuple(
        InferredColumn(name, seen.type(), output, nulls=bool(seen.empty or seen.tokens), example=seen.example)
        for name, seen, output in zip(names, values, outputs, strict=True)
    )
    paths = files.files if only else tuple(sampled.file for sampled in group)
    whole = all(sampled.whole for sampled in group) and len(files.sampled) == len(files.files)
    return InferredSource(
        _source_name(files, paths), "csv", path_for(paths, files), tuple(options.items()), columns, len(paths), rows, whole, tuple(notes)
    )  # fmt: skip


def nanoseconds(name: str) -> str:
    """The note on a column of texts whose instants a TIMESTAMP cannot hold."""
    return f"'{name}' has nanoseconds, and a TIMESTAMP microseconds: STRING; in SQL, CAST({name} AS TIMESTAMP) cuts them off"


def _value_notes(names: list[str], values: list[Values]) -> list[str]:
    notes = []
    for name, seen in zip(names, values, strict=True):
        if not seen.forms:
            notes.append(f"'{name}' has no value in what was looked at: taken for STRING")
        elif seen.type() != "STRING":
            continue
        elif "fine" in seen.forms:
            notes.append(nanoseconds(name))
        elif seen.zeros:
            notes.append(f"'{name}' has numbers with leading zeros: STRING keeps them")
        elif seen.decimal_comma:
            notes.append(f"'{name}' has decimal commas: STRING; in SQL, CAST(replace({name}, ',', '.') AS DOUBLE)")
        elif seen.other_date:
            notes.append(
                f"'{name}' has dates that are not written year-month-day: STRING; in SQL, to_date({name}, 'dd/MM/yyyy')"
            )
    return notes


def _seen(texts: list[str]) -> Values:
    values = Values()
    for text in texts:
        values.add(text)
    return values


def _json(files: SourceFiles, header: bool | None) -> list[InferredSource]:  # noqa: ARG001, FBT001  # csv's alone
    groups: list[list[tuple[str, json_files.JsonSample, bool]]] = []
    for file in files.sampled:
        start = beginning(file, len(files.sampled))
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
        refuse(f"there is no object in {shown(Path(files.root))}", "give files with at least one")
    _all_or_one(files, len(groups))
    return [_json_source(files, group, only=len(groups) == 1) for group in groups]


def _alike(one: json_files.JsonSample, other: json_files.JsonSample) -> bool:
    if one.multi_line != other.multi_line:
        return False
    left, right = set(one.names), set(other.names)
    return len(left & right) >= _ALIKE * min(len(left), len(right))


def _json_source(
    files: SourceFiles, group: list[tuple[str, json_files.JsonSample, bool]], *, only: bool
) -> InferredSource:
    """The source of files of one kind; `only`: there is no other kind."""
    samples = [sample for _, sample, _ in group]
    root = json_files.merged(samples)
    rows = sum(sample.rows for sample in samples)
    malformed = sum(sample.malformed for sample in samples)
    options: dict[str, str | bool] = {}
    notes: list[str] = []
    if samples[0].multi_line:
        options["multiLine"] = True
        notes.append("one document for the whole file: multiLine, so each file is read by one process")
    if malformed:
        notes.append(f"{malformed} of {rows} rows are no JSON objects: they will be quarantined")
    columns = _json_columns(root, rows, notes)
    if not columns:
        refuse(f"no name in {shown(Path(files.root))} can be a column's")
    taken = {column.name.lower() for column in columns}
    for name, values in partitions(files).items() if only else ():
        if name.lower() not in taken:
            columns.append(InferredColumn(name, _seen(values).type(), name, nulls="" in values))
            notes.append(f"'{name}' comes from the names of folders")
    outputs = table_names([column.name for column in columns], notes)
    named = tuple(replace(column, output=output) for column, output in zip(columns, outputs, strict=True))
    paths = files.files if only else tuple(file for file, *_ in group)
    whole = all(whole for *_, whole in group) and len(files.sampled) == len(files.files)
    return InferredSource(
        _source_name(files, paths), "json", path_for(paths, files), tuple(options.items()), named, len(paths), rows, whole, tuple(notes)
    )  # fmt: skip


def _json_columns(root: json_files.Node, rows: int, notes: list[str]) -> list[InferredColumn]:
    """The columns of documents, still under their own names; what should be known of one is noted."""
    columns: list[InferredColumn] = []
    taken: set[str] = set()
    for name, node in root.fields.items():
        reserved = name.lower().startswith("_etl_") or "${" in name
        if not name or not name.isprintable() or name.lower() in taken or reserved:
            notes.append(f"the name {name!r} cannot be a column's beside the others: it is not read")
            continue
        taken.add(name.lower())
        kind = node.type()
        nulls = node.nulls + node.scalars + node.objects + node.arrays < rows or node.nulls > 0
        columns.append(InferredColumn(name, kind, name, nulls, node.example))
        if node.objects and kind == "STRING":
            notes.append(f"'{name}' is read as JSON text: its objects are no struct that a table can hold")
        elif kind == "STRING" and "fine" in node.values.forms:
            notes.append(nanoseconds(name))
        elif kind == "STRING" and node.others:
            notes.append(f"'{name}' has values of several kinds: STRING")
    return columns


def _parquet(files: SourceFiles, header: bool | None) -> list[InferredSource]:  # noqa: ARG001, FBT001  # csv's alone
    from etl.engine.tables.parquet_schema import parquet_columns  # noqa: PLC0415  # pyarrow, or Spark, for these files only

    groups: list[tuple[list[FileColumn], list[str]]] = []
    for file in files.sampled:
        own = parquet_columns(file)
        for fields, alike in groups:
            if _same_but_empty(fields, own):
                fields[:] = [theirs if mine.empty else mine for mine, theirs in zip(fields, own, strict=True)]
                alike.append(file)
                break
        else:
            groups.append((list(own), [file]))
    _all_or_one(files, len(groups))
    return [_parquet_source(files, fields, group, only=len(groups) == 1) for fields, group in groups]


def _parquet_source(files: SourceFiles, fields: list[FileColumn], group: list[str], *, only: bool) -> InferredSource:
    """The source of files with the same columns; `only`: there are no others."""
    notes = [
        f"'{field.name}' holds nothing, so its type is not known: STRING; NULL is read under any type"
        for field in fields
        if field.empty
    ]
    notes += [
        f"'{field.name}' is {field.stored}, which no column can hold: it is not read"
        for field in fields
        if not field.type
    ]
    notes += [
        f"'{field.name}' holds nanoseconds: {field.type}, whose instants are microseconds; a row with a finer one is malformed"
        for field in fields
        if field.nanoseconds
    ]
    names, types = [field.name for field in fields if field.type], [field.type for field in fields if field.type]
    for name, values in partitions(files).items() if only else ():
        if name not in names:
            names.append(name)
            types.append(_seen(values).type())
            notes.append(f"'{name}' comes from the names of folders")
    outputs = table_names(names, notes)
    columns = tuple(
        InferredColumn(name, kind, output) for name, kind, output in zip(names, types, outputs, strict=True)
    )
    paths = files.files if only else tuple(group)
    return InferredSource(
        _source_name(files, paths), "parquet", path_for(paths, files), (), columns, len(paths), None, whole=True, notes=tuple(notes)
    )  # fmt: skip


def _same_but_empty(one: Sequence[FileColumn], other: Sequence[FileColumn]) -> bool:
    """Whether two files have the same columns; one that holds nothing in one of them has the other's type."""
    return len(one) == len(other) and all(
        left.name == right.name and (left.type == right.type or left.empty or right.empty)
        for left, right in zip(one, other, strict=True)
    )


def _all_or_one(files: SourceFiles, kinds: int) -> None:
    if kinds > 1 and len(files.sampled) < len(files.files):
        refuse(
            f"{shown(Path(files.root))} holds {len(files.files)} files of at least {kinds} kinds",
            "move each kind into a folder of its own, or name one kind with a glob",
        )


def _source_name(files: SourceFiles, group: tuple[str, ...]) -> str:
    """After the folder, or after the file where it is one."""
    root = Path(files.root)
    if len(group) == 1 and not any("=" in part for part in Path(group[0]).parent.parts):
        stem = Path(group[0]).name.split(".")[0]
    elif set(group) == set(files.files):
        stem = root.name if root.is_dir() else root.parent.name
    else:
        stem = re.sub(r"[^A-Za-z]+$", "", common([Path(file).name for file in group])) or root.name
    return identifier(stem) or "rows"
