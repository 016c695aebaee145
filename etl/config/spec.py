"""What the user wrote, resolved into frozen values: nothing here knows YAML, and nothing here knows Spark.

Each value that a person wrote carries `at`, the place where it was written, for messages; `at` never takes part in
comparison or in a fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias
from zoneinfo import ZoneInfo

from etl.config.diagnostics import NOWHERE, Diagnostic, Location, Places
from etl.config.schema.identifiers import quoted
from etl.config.schema.rows import Written

if TYPE_CHECKING:
    from collections.abc import Mapping

Scalar: TypeAlias = str | int | float | bool | date | None
"""A param's value. A datetime is a date; one without an offset is a flow's own time."""

OnMalformed = Literal["fail", "quarantine", "drop"]
OnViolation = Literal["warn", "drop", "quarantine", "fail"]
ReadAs = Literal["changes", "snapshot"]
OnChange = Literal["keep", "recompute"]
Incremental = Literal["rows", "groups", "state", "full", "auto"]
OutputMode = Literal["append", "update"]
Strategy: TypeAlias = str  # a built-in one, or a plug-in's
Mode = Literal["batch", "stream"]
SchemaEvolution = Literal["fail", "add_columns"]


def _at() -> Location:
    return field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RateLimitSpec:
    """The most that one micro-batch takes from a source: a number of files, or of bytes (not both)."""

    files: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """An input from outside: where it lies, how it is parsed, and what happens to a row that does not parse."""

    name: str
    format: str  # a built-in one, or a plug-in's
    path: str  # absolute, or a URI; of a table only once the catalog was asked; of a rate source ""
    schema: str | None = None  # Spark DDL; None only for what knows its own
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # secrets among them
    on_malformed: OnMalformed = "fail"
    rate_limit: RateLimitSpec = RateLimitSpec()
    start_ms: int | None = None  # start_at as an instant
    start_version: int | None = None  # start_at as a version of a table
    table: str | None = None  # the name in the catalog of a source that is one of its tables
    replays: bool = True  # False: what it brought can never be read again
    of: tuple[str, str] | None = None  # the pipeline and the flow whose target it is
    flow: FlowSpec | None = field(default=None, compare=False, repr=False)  # that flow
    reads_change_feed: bool = False  # a flow's target whose rows change and go: changes are read from its change feed
    in_files: bool = True  # False: files stand for it in a sandbox, and `_metadata` tells nothing of its own
    tells_files: bool = False  # of each row which file it came from, in a column `_metadata`
    at: Location = _at()


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a flow, and how it is read: only what is new, or the whole table."""

    dataset: str
    read: ReadAs = "changes"
    on_change: OnChange | None = None  # only for snapshots; None = keep, allowed only where the dataset is a source
    at: Location = _at()
    known_as: str = ""  # the name that the transform uses, where it is not the dataset's

    @property
    def name(self) -> str:
        """The name that the transform knows the input by."""
        return self.known_as or self.dataset


@dataclass(frozen=True, slots=True)
class SqlTransform:
    """A query over the flow's inputs, named as in `inputs`; `:name` markers are typed params."""

    text: str
    file: str | None = None  # as shown in messages; None = inline in the YAML
    at: Location = _at()  # of the first character of the text
    places: Places | None = field(default=None, compare=False, repr=False)  # of all of them

    def place(self, offset: int, width: int = 1) -> Location:
        """Where the character at `offset` of the text stands in the user's file."""
        if self.places is not None:
            return self.places.at(offset, width)
        before = self.text[:offset]
        line, column = before.count("\n"), offset - (before.rfind("\n") + 1)
        shown = (self.text.splitlines() or [""])[line : line + 1]
        indent = self.at.column - 1
        if line == 0:
            return replace(self.at, column=self.at.column + column, width=width)
        return Location(self.at.file, self.at.line + line, column + 1 + indent, width, " " * indent + "".join(shown))


@dataclass(frozen=True, slots=True)
class PythonTransform:
    """A plain function `module:name`, its inputs by parameter name."""

    module: str
    function: str
    file: str  # absolute path of the module's file
    at: Location = _at()


@dataclass(frozen=True, slots=True)
class IdentityTransform:
    """The only input as it is."""

    refused: bool = False  # it stands for a transform that is wrong, which is reported


TransformSpec: TypeAlias = SqlTransform | PythonTransform | IdentityTransform


@dataclass(frozen=True, slots=True)
class ExpectationSpec:
    """A boolean SQL expression over the transform's output; false and NULL are violations."""

    name: str
    expr: str
    on_violation: OnViolation = "warn"
    at: Location = _at()


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """What a flow promises of one column of its output."""

    name: str
    type: str | None = None  # Spark DDL; None: any
    description: str = ""
    sensitive: bool = False
    at: Location = _at()


@dataclass(frozen=True, slots=True)
class Near:
    """How far the numbers of a column may be apart and still be equal; either is enough, None is not said."""

    column: str
    rel: float | None = None
    abs: float | None = None


@dataclass(frozen=True, slots=True)
class EqualitySpec:
    """How a flow's rows are compared where that is not exactly; it never changes a row."""

    ignore: tuple[str, ...] = ()  # columns that may differ
    near: tuple[Near, ...] = ()
    unordered: tuple[str, ...] = ()  # the author answers that order does not matter in them
    at: Location = _at()

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is named."""
        return (*self.ignore, *(item.column for item in self.near), *self.unordered)


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """One column of a flow's groups: its name in the output, and what it is of a row of each changes input."""

    column: str
    expressions: tuple[tuple[str, str], ...]  # the input's name in the transform → a SQL expression over one row
    at: Location = _at()

    def of(self, name: str) -> str:
        """The expression over the input known as `name`."""
        return dict(self.expressions)[name]


@dataclass(frozen=True, slots=True)
class WatermarkSpec:
    """What tells when a row of one changes input happened, and how much later than the newest it may come."""

    input: str  # the name that the transform knows it by
    column: str
    delay_ms: int
    at: Location = _at()


@dataclass(frozen=True, slots=True)
class StateSpec:
    """What `incremental: {state: …}` says: a watermark for each changes input, and which results are written when."""

    watermarks: tuple[WatermarkSpec, ...]
    output_mode: OutputMode

    def of(self, name: str) -> WatermarkSpec:
        """The watermark of the input known as `name`."""
        return next(item for item in self.watermarks if item.input == name)


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """How a flow's rows reach its target. `strategy` None: append for rows, replace for groups, overwrite for full."""

    strategy: Strategy | None = None
    keys: tuple[str, ...] = ()
    sequence_by: tuple[str, ...] = ()
    insert_only: bool = False
    delete_when: str | None = None
    except_columns: tuple[str, ...] = ()
    track: tuple[str, ...] = ()  # scd2: a change of these makes a new version; empty: of any column
    schema_evolution: SchemaEvolution = "fail"
    partition_by: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    path: str | None = None  # inside storage; None = tables/<pipeline>/<flow>
    table: str | None = None  # its name in a catalog, whole
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # of a plug-in's strategy
    takes: Literal["rows", "full"] | None = None  # what a plug-in's strategy takes
    at: Location = _at()


@dataclass(frozen=True, slots=True)
class RetrySpec:
    """How often, and after which growing pauses (seconds), a transient failure is tried again."""

    max_retries: int = 3
    min_retry_interval: float = 5.0
    max_retry_interval: float = 600.0
    timeout: float | None = None  # seconds for one attempt
    retry_on_timeout: bool = False


@dataclass(frozen=True, slots=True)
class MaintenanceSpec:
    """How a flow's tables are kept small. No part of its fingerprint: it changes no row.

    Attributes:
        auto: Whether its runs do it, between epochs and at their end.
        target_file_size: In bytes.
        keep: Seconds for which older versions can be read, and superseded generations be gone back to.
        budget: The share of the wall time of the flow's runs that `auto` may take.
    """

    auto: bool = False
    target_file_size: int = 128 * 1024**2
    keep: float = 7 * 86400.0
    budget: float = 0.1


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Defaults of a run, after conf/<env>.yml has been laid over the pipeline's own."""

    mode: Mode = "batch"
    trigger: str = "available_now"  # or "continuous", or an interval such as "10 seconds"
    timezone: str = "UTC"
    retry: RetrySpec = RetrySpec()
    max_concurrent_flows: int = 4


@dataclass(frozen=True, slots=True)
class FlowSpec:
    """One query into one target."""

    name: str
    inputs: tuple[InputSpec, ...]
    transform: TransformSpec = IdentityTransform()
    incremental: Incremental = "auto"
    groups: tuple[GroupSpec, ...] = ()  # of `incremental: {groups: …}`
    state: StateSpec | None = None  # of `incremental: {state: …}`
    trusted: bool = False  # the author answers for what the plan cannot prove
    expectations: tuple[ExpectationSpec, ...] = ()
    sink: SinkSpec = SinkSpec()
    description: str = ""
    tags: tuple[str, ...] = ()
    mode: Mode = "batch"  # the flow's own, or the run's; so are the next three
    trigger: str = "available_now"
    timezone: str = "UTC"
    retry: RetrySpec = RetrySpec()
    maintenance: MaintenanceSpec = MaintenanceSpec()
    columns: tuple[ColumnSpec, ...] = ()
    primary_key: tuple[str, ...] = ()
    equality: EqualitySpec = EqualitySpec()
    family: str = ""  # the name as written, where a `for_each` has made several flows of it
    variables: tuple[tuple[str, Scalar], ...] = ()  # of that `for_each`, with their values here
    views: tuple[FlowSpec, ...] = ()  # the views that are part of this flow, each after those it reads
    reads: tuple[InputSpec, ...] = ()  # what the transform itself reads, where that is not `inputs` because of views
    was: str = ""  # the name under which its tables and checkpoints lie, where that is a former one
    at: Location = _at()

    @property
    def stored_as(self) -> str:
        """The name by which storage knows the flow: in paths, in stamps, and in what its readers record of it."""
        return self.was or self.name

    @property
    def own_inputs(self) -> tuple[InputSpec, ...]:
        """What the transform itself reads: views as views, where `inputs` are what stands behind them."""
        return self.reads or self.inputs

    def reads_through(self, dataset: str, input_: InputSpec) -> bool:
        """Whether one of the transform's own inputs is, or is made of, the changes of a dataset."""
        view = next((view for view in self.views if view.name == input_.dataset), None)
        if input_.read != "changes" or view is None:
            return input_.read == "changes" and input_.dataset == dataset
        return any(self.reads_through(dataset, below) for below in view.inputs)

    @property
    def rules(self) -> tuple[ExpectationSpec, ...]:
        """The expectations, with the one that the primary key is."""
        if not self.primary_key:
            return self.expectations
        condition = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in self.primary_key)
        key = ExpectationSpec("primary_key", condition, "fail", self.at)
        return (key, *self.expectations)


@dataclass(frozen=True, slots=True)
class GivenSpec:
    """What a test gives to one input: rows, as one arrival or several, or a file of them."""

    dataset: str
    arrivals: tuple[tuple[Written, ...], ...] = ()
    file: str | None = None  # absolute
    at: Location = _at()


@dataclass(frozen=True, slots=True)
class TestSpec:
    """Rows given to a flow, and the rows that its target and its quarantine must hold then; None: not compared."""

    __test__: ClassVar[bool] = False  # pytest takes every Test… for a class of tests

    name: str
    flow: str
    given: tuple[GivenSpec, ...] = ()
    params: tuple[tuple[str, Scalar], ...] = ()
    expect: tuple[Written, ...] | None = None
    quarantine: tuple[Written, ...] | None = None
    description: str = ""
    at: Location = _at()


@dataclass(frozen=True, slots=True)
class SparkSpec:
    """What conf/<env>.yml says of the session; `master` None = the local profile, or the submitter's choice."""

    master: str | None = None
    conf: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secret: tuple[str, ...] = ()  # the settings whose values are secrets
    class_data_archive: bool = True  # False: the JVM of a local session neither uses one nor has one made


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """A whole pipeline in one environment: every name resolved, every param filled in, every default applied."""

    name: str
    file: Path  # absolute path of pipeline.yml
    folder: Path  # where its *.sql and *.py lie
    project: Path  # the folder that holds pipelines/; relative paths start here
    environment: str
    storage: str  # absolute path or URI: root of everything the framework writes
    sources: tuple[SourceSpec, ...]
    flows: tuple[FlowSpec, ...]
    params: tuple[tuple[str, Scalar], ...] = field(default=(), repr=False)  # secrets among them
    run: RunSpec = RunSpec()
    spark: SparkSpec = SparkSpec()
    description: str = ""
    tags: tuple[str, ...] = ()
    tests: tuple[TestSpec, ...] = field(default=(), compare=False, repr=False)
    references: tuple[tuple[tuple[str | int, ...], str], ...] = ()  # where a secret stands: the text as it was written
    disabled: tuple[FlowSpec, ...] = ()  # flows that are written, and take no part in anything
    views: tuple[FlowSpec, ...] = ()  # what is a view is no flow: it is part of the flows that read it
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False, repr=False)
    unjudged: tuple[tuple[str, str], ...] = field(
        default=(), compare=False, repr=False
    )  # a flow with names that only Spark can judge: the reason
    trial: bool = False  # its tables are thrown away, so nothing needs to be proved of it before it runs

    def params_of(self, flow: FlowSpec) -> dict[str, Scalar]:
        """What the flow's transform sees as params: the pipeline's, and the variables of its own `for_each`."""
        zone = ZoneInfo(flow.timezone)
        return {
            name: value.replace(tzinfo=zone) if isinstance(value, datetime) and value.tzinfo is None else value
            for name, value in (*self.params, *flow.variables)
        }

    @property
    def secret_options(self) -> tuple[str, ...]:
        """The options of sources whose values are secrets."""
        return tuple(dict.fromkeys(str(path[3]) for path, _ in self.references if path[2:3] == ("options",)))

    def as_written(self, path: tuple[str | int, ...], value: Any) -> Any:
        """`value`, which stands at `path`, with the references of secrets in their stead."""
        reference = dict(self.references).get(path)
        if reference is not None:
            return reference
        if isinstance(value, dict):
            return {key: self.as_written((*path, key), item) for key, item in value.items()}
        if isinstance(value, tuple | list):
            return [self.as_written((*path, index), item) for index, item in enumerate(value)]
        return value

    def source(self, name: str) -> SourceSpec | None:
        """The source of that name, if there is one."""
        return next((item for item in self.sources if item.name == name), None)

    def flow(self, name: str) -> FlowSpec | None:
        """The flow of that name, if there is one."""
        return next((item for item in self.flows if item.name == name), None)

    def stored_flow(self, dataset: str) -> FlowSpec | None:
        """The flow that storage knows by that name, if there is one."""
        return next((item for item in self.flows if item.stored_as == dataset), None)

    def as_stored(self, flow: FlowSpec) -> FlowSpec:
        """The flow with its inputs by the names that storage knows, which a rename leaves alone; its transform knows them as before."""
        former = {item.name: item.was for item in self.flows if item.was}
        if not any(
            item.dataset in former for item in (*flow.inputs, *(read for view in flow.views for read in view.inputs))
        ):
            return flow
        views = tuple(replace(view, inputs=_stored(view.inputs, former)) for view in flow.views)
        return replace(flow, inputs=_stored(flow.inputs, former), reads=_stored(flow.reads, former), views=views)


def _stored(inputs: tuple[InputSpec, ...], former: Mapping[str, str]) -> tuple[InputSpec, ...]:
    return tuple(
        replace(item, dataset=former[item.dataset], known_as=item.name) if item.dataset in former else item
        for item in inputs
    )
