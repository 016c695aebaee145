"""The `tests:` of a pipeline made into their frozen specs: what they name is there, and their values fit their columns.

Only columns that a source's `schema:` tells are known here; those of other flows' targets are known to Spark alone, and what is
given for them is held against them when the test runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from etl.config.diagnostics import NOWHERE, Diagnostic, did_you_mean
from etl.config.resolve.params import Unconvertible, convert, kind_of
from etl.config.schema import ddl
from etl.config.schema.rows import Reading, Unfit, UnknownColumn, Written, as_json, written
from etl.config.spec import GivenSpec, TestSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from etl.config.build.given import Given
    from etl.config.diagnostics import Location
    from etl.config.document.document import Path_
    from etl.config.grammar import models
    from etl.config.schema.types import Column
    from etl.config.spec import FlowSpec, PipelineSpec, Scalar, SourceSpec

FILES = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
"""The kinds of files that a test may give: ending → format."""


def build_tests(
    parts: Given, spec: PipelineSpec, blocks: Sequence[models.Test], found: list[Diagnostic]
) -> tuple[TestSpec, ...]:
    """The tests in the order of the file, and what is wrong with them."""
    names: dict[str, Location] = {}
    tests = []
    for index, model in enumerate(blocks):
        building = _Building(parts, spec, ("tests", index), model, found)
        test = building.test()
        at = parts.document.place(("tests", index, "name"))
        if test.name in names:
            hint = "the name is what a test is selected by"
            found.append(Diagnostic("E107", f"two tests are named '{test.name}'", at, hint))
        names[test.name] = at
        tests.append(test)
    return tuple(tests)


def reading(timezone: str) -> Reading:
    """How the rows of a flow's tests are read: their times lie in its time zone."""
    try:
        return Reading(ZoneInfo(timezone))
    except (KeyError, ValueError, OSError):
        return Reading(ZoneInfo("UTC"))  # that there is no such zone is reported where it is named


def checked(
    rows: Iterable[Written], columns: Sequence[Column], read: Reading, what: str
) -> tuple[list[dict[str, Any]], list[Diagnostic]]:
    """The rows' values by column, and a diagnostic for each row that does not fit."""
    known = {column.name.lower(): column for column in columns}
    values, found = [], []
    for row in rows:
        try:
            values.append(read.row(row, known))
        except Unfit as cause:
            code = "E270" if isinstance(cause, UnknownColumn) else "E271"
            at = cause.at if cause.at != NOWHERE else row.at
            found.append(Diagnostic(code, f"{what}: {cause}", at, cause.hint))
    return values, found


class _Building:
    """One test; what is wrong with it goes to `found`."""

    def __init__(
        self, parts: Given, spec: PipelineSpec, path: Path_, model: models.Test, found: list[Diagnostic]
    ) -> None:
        self._parts, self._spec, self._path, self._model, self._found = parts, spec, path, model, found
        self._document = parts.document

    def test(self) -> TestSpec:
        """The test."""
        model, flow = self._model, self._spec.flow(self._model.flow)
        if flow is None:
            known = [item.name for item in self._spec.flows]
            made = [item.name for item in self._spec.flows if item.family == model.flow]
            hint = did_you_mean(model.flow, known) if not made else ""
            self._report(
                "E270",
                f"there is no flow '{model.flow}'",
                (*self._path, "flow"),
                hint or f"there are: {', '.join(made or known)}",
            )
        expect, quarantine = self._expected()
        if expect is None and quarantine is None:
            message = f"'expect' is missing in test '{model.name}'"
            self._report("E104", message, self._path, "expect: [] means that no rows come of it")
        if quarantine is not None and flow is not None and not self._sets_aside(flow):
            message = f"test '{model.name}' expects rows in quarantine, and flow '{flow.name}' sets none aside"
            self._report("E270", message, self._path, "say on_violation: quarantine, or on_malformed: quarantine")
        return TestSpec(
            name=model.name,
            flow=model.flow,
            given=tuple(self._given(flow)) if flow is not None else (),
            params=tuple(self._params().items()),
            expect=expect,
            quarantine=quarantine,
            description=model.description,
            at=self._document.place(self._path),
        )

    def _sets_aside(self, flow: FlowSpec) -> bool:
        sources = (self._spec.source(item.dataset) for item in flow.inputs)
        return any(item.on_violation == "quarantine" for item in flow.expectations) or any(
            source is not None and source.on_malformed == "quarantine" for source in sources
        )

    def _expected(self) -> tuple[tuple[Written, ...] | None, tuple[Written, ...] | None]:
        found: dict[str, tuple[Written, ...] | None] = {"rows": None, "quarantine": None}
        wanted, path = self._model.expect, (*self._path, "expect")
        if isinstance(wanted, dict):
            for key in wanted.keys() - found.keys():
                hint = did_you_mean(key, found) or "known here: rows, quarantine"
                at = self._document.place((*path, key), key=True)
                self._found.append(Diagnostic("E103", f"unknown key '{key}' in 'expect'", at, hint))
            found |= {key: self._rows(wanted[key], (*path, key)) for key in wanted.keys() & found.keys()}
        elif wanted is not None:
            found["rows"] = self._rows(wanted, path)
        if self._model.quarantine is not None:
            if found["quarantine"] is not None:
                self._report("E104", "'quarantine' stands twice in one test", (*self._path, "quarantine"))
            found["quarantine"] = self._rows(self._model.quarantine, (*self._path, "quarantine"))
        return found["rows"], found["quarantine"]

    def _params(self) -> dict[str, Scalar]:
        found: dict[str, Scalar] = {}
        for name, value in self._model.params.items():
            path = (*self._path, "params", name)
            if name not in self._parts.params:
                hint = did_you_mean(name, self._parts.params) or (
                    f"there are: {', '.join(self._parts.params) or 'none'}"
                )
                at = self._document.place(path, key=True)
                self._found.append(Diagnostic("E270", f"there is no param '{name}'", at, hint))
                continue
            held = self._parts.params[name]
            try:
                found[name] = value if held is None else convert(value, kind_of(held))
            except Unconvertible as cause:
                self._report("E271", f"param '{name}': {cause}", path)
        return found

    def _given(self, flow: FlowSpec) -> Iterable[GivenSpec]:
        known = {item.dataset: item.dataset for item in flow.inputs} | {item.name: item.dataset for item in flow.inputs}
        seen: set[str] = set()
        for name, value in self._model.given.items():
            path = (*self._path, "given", name)
            dataset = known.get(name)
            if dataset is None or dataset in seen:
                what = f"flow '{flow.name}' has no input '{name}'" if dataset is None else f"'{name}' is given twice"
                inputs = [item.name for item in flow.inputs]
                hint = did_you_mean(name, inputs) or f"its inputs are: {', '.join(inputs)}"
                self._found.append(Diagnostic("E270", what, self._document.place(path, key=True), hint))
                continue
            seen.add(dataset)
            at = self._document.place(path)
            if isinstance(value, str):
                yield GivenSpec(dataset, file=self._file(value, path), at=at)
                continue
            arrivals = self._arrivals(value, path)
            yield GivenSpec(dataset, arrivals, at=at)
            source = self._spec.source(dataset)
            if source is not None and source.schema:
                self._found += unfit(source, [row for rows in arrivals for row in rows], reading(flow.timezone))

    def _file(self, text: str, path: Path_) -> str:
        file = self._spec.folder / Path(text).expanduser()
        if file.suffix not in FILES:
            self._report("E272", f"'{text}' is no file that a test can give", path, "a .csv, .json or .parquet file")
        elif not file.is_file():
            self._report(
                "E272", f"there is no file {text} beside the pipeline", path, "its path starts at pipeline.yml"
            )
        return str(file)

    def _arrivals(self, value: Any, path: Path_) -> tuple[tuple[Written, ...], ...]:
        nested = [isinstance(item, list) for item in value] if isinstance(value, list) else []
        if nested and all(nested):
            return tuple(self._rows(item, (*path, index)) for index, item in enumerate(value))
        return (self._rows(value, path),)

    def _rows(self, value: Any, path: Path_) -> tuple[Written, ...]:
        if not isinstance(value, list):
            self._report("E271", "rows are a list, each a mapping of column to value", path, "[{id: 1}, {id: 2}]")
            return ()
        rows = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                rows.append(written(self._document, (*path, index), item))
            else:
                self._report(
                    "E271",
                    "a row is a mapping of column to value",
                    (*path, index),
                    "{id: 1}; arrivals are lists of rows, all of them",
                )
        return tuple(rows)

    def _report(self, code: str, message: str, path: Path_, hint: str = "") -> None:
        self._found.append(Diagnostic(code, message, self._document.place(path), hint))


def unfit(source: SourceSpec, rows: Sequence[Written], read: Reading) -> list[Diagnostic]:
    """What is wrong with rows given to a source, by its schema alone."""
    try:
        columns = ddl.parse(source.schema or "")
    except ddl.DdlError:
        return []  # reported where the schema stands
    values, found = checked(rows, columns, read, f"a row of '{source.name}'")
    return found or unwritable(values, columns, source.name, rows[0].at if rows else NOWHERE)


def unwritable(
    values: Iterable[Mapping[str, Any]], columns: Sequence[Column], name: str, at: Location
) -> list[Diagnostic]:
    """A diagnostic for each column whose values no JSON file can hold."""
    found: dict[str, Diagnostic] = {}
    for row in values:
        for column in columns:
            try:
                as_json(row.get(column.name), column.shape)
            except Unfit as cause:
                message = f"a row of '{name}': column '{column.name}': {cause}"
                found.setdefault(column.name, Diagnostic("E271", message, at, cause.hint))
    return list(found.values())
