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
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from etl.config.build.given import Given
    from etl.config.diagnostics import Location
    from etl.config.document.document import Path_
    from etl.config.grammar import models
    from etl.config.schema.types import Column
    from etl.config.spec import FlowSpec, PipelineSpec, Scalar, SourceSpec

FILES = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
"""The kinds of files that a test may give: ending → format."""


def build_tests(given: Given, spec: PipelineSpec, blocks: Sequence[models.Test]) -> tuple[TestSpec, ...]:
    """The tests of a pipeline, in the order of the file."""
    names: set[str] = set()
    tests = []
    for index, model in enumerate(blocks):
        test = _Building(given, spec, ("tests", index), model).test()
        if test.name in names:
            hint = "the name is what a test is selected by"
            given.report("E107", f"two tests are named '{test.name}'", ("tests", index, "name"), hint)
        names.add(test.name)
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
    """The values by column of the rows that fit, and a diagnostic for each row that does not; `what` names a row in messages."""
    by_name = {column.name.lower(): column for column in columns}
    values, diagnostics = [], []
    for row in rows:
        try:
            values.append(read.row(row, by_name))
        except Unfit as cause:
            code = "E270" if isinstance(cause, UnknownColumn) else "E271"
            at = cause.at if cause.at != NOWHERE else row.at
            diagnostics.append(Diagnostic(code, f"{what}: {cause}", at, cause.hint))
    return values, diagnostics


class _Building:
    """The spec of one test."""

    def __init__(self, given: Given, spec: PipelineSpec, path: Path_, model: models.Test) -> None:
        self._given, self._spec, self._path, self._model = given, spec, path, model

    def test(self) -> TestSpec:
        """The test, with what is wrong with it reported."""
        model, flow = self._model, self._spec.flow(self._model.flow)
        if flow is None:
            self._report_unknown_flow()
        expect, quarantine = self._expected()
        if expect is None and quarantine is None:
            message = f"'expect' is missing in test '{model.name}'"
            self._given.report("E104", message, self._path, "expect: [] means that no rows come of it")
        if quarantine is not None and flow is not None and not self._sets_aside(flow):
            message = f"test '{model.name}' expects rows in quarantine, and flow '{flow.name}' sets none aside"
            hint = "say on_violation: quarantine, or on_malformed: quarantine"
            self._given.report("E270", message, self._path, hint)
        return TestSpec(
            name=model.name,
            flow=model.flow,
            given=tuple(self._inputs(flow)) if flow is not None else (),
            params=tuple(self._params().items()),
            expect=expect,
            quarantine=quarantine,
            description=model.description,
            at=self._given.document.place(self._path),
        )

    def _report_unknown_flow(self) -> None:
        name, flows = self._model.flow, self._spec.flows
        names = [flow.name for flow in flows]
        family = [flow.name for flow in flows if flow.family == name]
        near = did_you_mean(name, names) if not family else ""
        hint = near or f"there are: {', '.join(family or names)}"
        self._given.report("E270", f"there is no flow '{name}'", (*self._path, "flow"), hint)

    def _sets_aside(self, flow: FlowSpec) -> bool:
        """Whether any row of the flow, or of its sources, may go to a quarantine."""
        sources = (self._spec.source(input_.dataset) for input_ in flow.inputs)
        return any(rule.on_violation == "quarantine" for rule in flow.expectations) or any(
            source is not None and source.on_malformed == "quarantine" for source in sources
        )

    def _expected(self) -> tuple[tuple[Written, ...] | None, tuple[Written, ...] | None]:
        """The rows that the target and the quarantine must hold; None where the test does not say."""
        rows: dict[str, tuple[Written, ...] | None] = {"rows": None, "quarantine": None}
        expect, path = self._model.expect, (*self._path, "expect")
        if isinstance(expect, dict):
            for key in expect.keys() - rows.keys():
                hint = did_you_mean(key, rows) or "known here: rows, quarantine"
                self._given.report("E103", f"unknown key '{key}' in 'expect'", (*path, key), hint, key=True)
            rows |= {key: self._rows(expect[key], (*path, key)) for key in expect.keys() & rows.keys()}
        elif expect is not None:
            rows["rows"] = self._rows(expect, path)
        if self._model.quarantine is not None:
            path = (*self._path, "quarantine")
            if rows["quarantine"] is not None:
                self._given.report("E104", "'quarantine' stands twice in one test", path)
            rows["quarantine"] = self._rows(self._model.quarantine, path)
        return rows["rows"], rows["quarantine"]

    def _params(self) -> dict[str, Scalar]:
        """The params that the test gives, as values of the pipeline's types."""
        params: dict[str, Scalar] = {}
        declared = self._given.params
        for name, value in self._model.params.items():
            path = (*self._path, "params", name)
            if name not in declared:
                hint = did_you_mean(name, declared) or f"there are: {', '.join(declared) or 'none'}"
                self._given.report("E270", f"there is no param '{name}'", path, hint, key=True)
                continue
            default = declared[name]
            try:
                params[name] = value if default is None else convert(value, kind_of(default))
            except Unconvertible as cause:
                self._given.report("E271", f"param '{name}': {cause}", path)
        return params

    def _inputs(self, flow: FlowSpec) -> Iterator[GivenSpec]:
        """What the test gives to each input, under the name of its dataset or the one that the transform knows it by."""
        datasets = {each.dataset: each.dataset for each in flow.inputs}
        datasets |= {each.name: each.dataset for each in flow.inputs}
        seen: set[str] = set()
        for name, value in self._model.given.items():
            path = (*self._path, "given", name)
            dataset = datasets.get(name)
            if dataset is None or dataset in seen:
                what = f"flow '{flow.name}' has no input '{name}'" if dataset is None else f"'{name}' is given twice"
                inputs = [each.name for each in flow.inputs]
                hint = did_you_mean(name, inputs) or f"its inputs are: {', '.join(inputs)}"
                self._given.report("E270", what, path, hint, key=True)
                continue
            seen.add(dataset)
            at = self._given.document.place(path)
            if isinstance(value, str):
                yield GivenSpec(dataset, file=self._file(value, path), at=at)
                continue
            arrivals = self._arrivals(value, path)
            yield GivenSpec(dataset, arrivals, at=at)
            source = self._spec.source(dataset)
            if source is not None and source.schema:
                rows = [row for arrival in arrivals for row in arrival]
                self._given.diagnostics.extend(unfit(source, rows, reading(flow.timezone)))

    def _file(self, text: str, path: Path_) -> str:
        """The absolute path of a file that the test gives to an input."""
        file = self._spec.folder / Path(text).expanduser()
        if file.suffix not in FILES:
            message = f"'{text}' is no file that a test can give"
            self._given.report("E272", message, path, "a .csv, .json or .parquet file")
        elif not file.is_file():
            message = f"there is no file {text} beside the pipeline"
            self._given.report("E272", message, path, "its path starts at pipeline.yml")
        return str(file)

    def _arrivals(self, value: Any, path: Path_) -> tuple[tuple[Written, ...], ...]:
        """The rows of each arrival: a list of lists is several, a list of rows is one."""
        nested = [isinstance(each, list) for each in value] if isinstance(value, list) else []
        if nested and all(nested):
            return tuple(self._rows(rows, (*path, index)) for index, rows in enumerate(value))
        return (self._rows(value, path),)

    def _rows(self, value: Any, path: Path_) -> tuple[Written, ...]:
        if not isinstance(value, list):
            message = "rows are a list, each a mapping of column to value"
            self._given.report("E271", message, path, "[{id: 1}, {id: 2}]")
            return ()
        rows = []
        for index, row in enumerate(value):
            if isinstance(row, dict):
                rows.append(written(self._given.document, (*path, index), row))
            else:
                hint = "{id: 1}; arrivals are lists of rows, all of them"
                self._given.report("E271", "a row is a mapping of column to value", (*path, index), hint)
        return tuple(rows)


def unfit(source: SourceSpec, rows: Sequence[Written], read: Reading) -> list[Diagnostic]:
    """What is wrong with rows given to a source, by its schema alone."""
    try:
        columns = ddl.parse(source.schema or "")
    except ddl.DdlError:
        return []  # reported where the schema stands
    values, diagnostics = checked(rows, columns, read, f"a row of '{source.name}'")
    return diagnostics or unwritable(values, columns, source.name, rows[0].at if rows else NOWHERE)


def unwritable(
    values: Iterable[Mapping[str, Any]], columns: Sequence[Column], name: str, at: Location
) -> list[Diagnostic]:
    """A diagnostic for each column whose values no JSON file can hold; `name` is that of the source, `at` the place to tell."""
    diagnostics: dict[str, Diagnostic] = {}
    for row in values:
        for column in columns:
            try:
                as_json(row.get(column.name), column.shape)
            except Unfit as cause:
                message = f"a row of '{name}': column '{column.name}': {cause}"
                diagnostics.setdefault(column.name, Diagnostic("E271", message, at, cause.hint))
    return list(diagnostics.values())
