"""The grammar of pipeline.yml and conf/<env>.yml: what may stand where, and what it means.

`docs/reference/pipeline.md` is generated from these models. They see values only; places are the document's business.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from etl.config.grammar.maintenance import Maintenance
from etl.config.grammar.model import Model
from etl.config.grammar.values import (
    Duration,
    ExpectedRows,
    Flag,
    ForEach,
    Format,
    GivenRows,
    Name,
    Option,
    Positive,
    Rows,
    Strategy,
    Text,
    Texts,
    Trigger,
)


class Param(Model):
    """A parameter with its type; without a default it must be given by conf/<env>.yml or --param."""

    type: Literal["str", "int", "float", "bool", "date", "timestamp"] = Field(
        "str", description="What the value must be; a timestamp without an offset is in the flow's time zone."
    )
    default: str | int | float | bool | None = Field(None, description="The value where nobody gives another.")


class RateLimit(Model):
    """The most that one micro-batch takes."""

    files: Positive | None = Field(None, description="At most so many files.")
    bytes: Positive | None = Field(None, description="About so many bytes.")


class StartAt(Model):
    """Where a source's beginning is, for a batch as for a stream; exactly one of the two."""

    timestamp: Text | None = Field(
        None,
        description="Files changed, or versions committed, at that time or after: `2024-01-01 00:00:00`, in the run's time zone.",
    )
    version: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        None, description="delta, table: what this version of the table added, and later ones."
    )


class Source(Model):
    """An input from outside."""

    format: Format | None = Field(None, description="How it is stored; required, but for another pipeline's target.")
    path: Text | None = Field(None, description="A folder, a file or a glob; relative paths start at the project.")
    table: Text | None = Field(None, description="Format table: the name of a Delta table in the session's catalog.")
    schema_: Text | None = Field(
        None,
        alias="schema",
        description="Spark DDL; required for files (text: `value STRING`), never for delta, table and rate.",
    )
    schema_file: Text | None = Field(
        None, description="A file with it, beside pipeline.yml; `--` and `/* */` are comments."
    )
    options: dict[str, Option] = Field(default_factory=dict, description="Options of Spark's reader.")
    on_malformed: Literal["fail", "quarantine", "drop"] = Field(
        "fail", description="What happens to a row that is none (csv, json, parquet)."
    )
    pipeline: Name | None = Field(
        None,
        description="Another pipeline of the project, whose `flow` has the target that is read; instead of a format.",
    )
    flow: Name | None = Field(None, description="The flow of that `pipeline`, in the same environment.")
    rate_limit: RateLimit | None = Field(None, description="The most that one micro-batch takes; a batch takes all.")
    start_at: StartAt | None = Field(None, description="Where its beginning is, in both modes (default: all of it).")
    for_each: ForEach | None = Field(
        None, description="`{region: [eu, us]}`: one source a value, named `<name>_eu`, `<name>_us`; `${region}` in it."
    )
    description: str = Field("", description="For people.")


class Input(Model):
    """How an input is read."""

    read: Literal["changes", "snapshot"] = Field("changes", description="Only what is new, or the table whole.")
    on_change: Literal["keep", "recompute"] | None = Field(
        None,
        description="When a snapshot moves: keep what is written, or rebuild. To be said where it is a flow's target.",
    )


class Transform(Model):
    """The query: exactly one of the three."""

    sql: Text | None = Field(None, description="A query over the inputs; `:name` is a parameter.")
    sql_file: Text | None = Field(None, description="A file with one, beside pipeline.yml.")
    python: Text | None = Field(
        None, description="`module:function`; the inputs by parameter name, and `params` if it asks."
    )


def _form(value: Any) -> str:
    """Which of the forms a value has; the tags never show in messages (see `validate`)."""
    return "[mapping]" if isinstance(value, dict | BaseModel) else "[text]"


def _form_or_list(value: Any) -> str:
    return "[list]" if isinstance(value, list | tuple) else _form(value)


GroupExpression = Annotated[
    Annotated[Text, Tag("[text]")] | Annotated[dict[Name, Text], Tag("[mapping]")], Discriminator(_form)
]


OfEach = Annotated[
    Annotated[Text, Tag("[text]")] | Annotated[dict[Name, Text], Field(min_length=1), Tag("[mapping]")],
    Discriminator(_form),
]
DelayOfEach = Annotated[
    Annotated[Duration, Tag("[text]")] | Annotated[dict[Name, Duration], Field(min_length=1), Tag("[mapping]")],
    Discriminator(_form),
]


class Groups(Model):
    """Each output row depends on the input rows that share these values."""

    groups: Annotated[dict[Text, GroupExpression], Field(min_length=1)] = Field(
        description="Column of the output → expression over each changes input; or `{input: expression}` where they differ. `:name` is a parameter."
    )


class Stateful(Model):
    """Spark's own state: windows, deduplication, joins of streams."""

    watermark: OfEach = Field(
        description="The column of the input that tells when a row happened; or `{input: column}` for each changes input."
    )
    delay: DelayOfEach = Field(description="How much later than the newest a row may come; or `{input: delay}`.")
    output_mode: Literal["append", "update"] | None = Field(
        None,
        description="append: only results that are closed (default of sink append); update: those that changed (default of merge).",
    )


class State(Model):
    """Spark's stateful operators, kept from epoch to epoch."""

    state: Stateful = Field(description="What tells when a row is late, and which results are written when.")


def _incremental(value: Any) -> str:
    if isinstance(value, State) or (isinstance(value, dict) and "state" in value):
        return "[state]"
    return _form(value)


Incremental = Annotated[
    Annotated[Literal["rows", "full", "auto"], Tag("[text]")]
    | Annotated[Groups, Tag("[mapping]")]
    | Annotated[State, Tag("[state]")],
    Discriminator(_incremental),
]


class Expectation(Model):
    """A rule over the transform's output; false and NULL violate it."""

    expr: Text = Field(description="A boolean SQL expression over one row; `:name` is a parameter.")
    on_violation: Literal["warn", "drop", "quarantine", "fail"] = Field(
        "warn", description="What happens to a row that violates it."
    )


class Sink(Model):
    """How rows reach the target."""

    strategy: Strategy | None = Field(
        None,
        description="append (default of rows and state), merge or scd2; replace (the only choice of groups); overwrite (the only choice of full); or view: nothing is stored, the flow becomes part of its readers.",
    )
    keys: Texts = Field((), description="merge, scd2: the columns that identify a row.")
    sequence_by: Texts = Field(
        (),
        description="merge: the row with the greatest wins; of equal ones the greater whole row. scd2: when a row became true.",
    )
    insert_only: Flag = Field(
        default=False, description="merge without sequence_by: rows of one key are taken to be the same."
    )
    delete_when: Text | None = Field(
        None, description="merge, scd2: a row for which this holds ends its key; `:name` is a parameter."
    )
    except_columns: Texts = Field((), description="merge, scd2: columns that decide but are not stored.")
    track: Texts = Field((), description="scd2: a change of these makes a new version (default: of any stored column).")
    schema_evolution: Literal["fail", "add_columns"] = Field(
        "fail",
        description="Columns that the transform gains while the definition stays: fail before anything is written, or add them; old rows hold NULL.",
    )
    partition_by: Texts = Field((), description="Columns of the target's folders.")
    cluster_by: Texts = Field((), description="Columns of liquid clustering.")
    properties: dict[str, Option] = Field(default_factory=dict, description="Delta table properties, at creation.")
    options: dict[str, Option] = Field(default_factory=dict, description="What a plug-in's strategy is told.")
    table: Text | None = Field(
        None, description="The target's name in the session's catalog, under the environment's `catalog`."
    )
    path: Text | None = Field(None, description="A place inside storage other than tables/<pipeline>/<flow>.")


class Retry(Model):
    """How transient failures are tried again; permanent ones never are."""

    max_retries: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        None, description="Attempts after the first (default 3)."
    )
    min_retry_interval: Duration | None = Field(
        None, description="The first pause (default 5 seconds); each next one doubles."
    )
    max_retry_interval: Duration | None = Field(None, description="The longest pause (default 10 minutes).")
    timeout: Duration | None = Field(None, description="The longest that one attempt may take (default: no limit).")
    retry_on_timeout: Flag | None = Field(
        None, description="Whether an attempt that took too long is tried again (default false)."
    )


class FlowRun(Model):
    """What a flow says of its own runs; flags override it, and it overrides conf/<env>.yml and the pipeline's."""

    mode: Literal["batch", "stream"] | None = Field(None, description="Its mode where --mode does not say.")
    trigger: Trigger | None = Field(
        None,
        description="available_now: once; an interval: again and again; continuous: whenever something arrives, so that the run goes on.",
    )
    timezone: Text | None = Field(None, description="Of its session.")
    retry: Retry = Field(default_factory=Retry, description="Overrides the run's.")


class Run(Model):
    """Defaults of a run; conf/<env>.yml overrides the pipeline, flags override both."""

    mode: Literal["batch", "stream"] | None = Field(None, description="batch (default) or stream.")
    trigger: Trigger | None = Field(
        None,
        description="available_now (default: drain and stop), an interval ('10 seconds'), or continuous: as soon as something arrives.",
    )
    timezone: Text | None = Field(None, description="Of every session (default UTC).")
    retry: Retry = Field(default_factory=Retry, description="For every flow that does not say otherwise.")
    max_concurrent_flows: Positive | None = Field(None, description="Flows that work at once (default 4).")


class Column(Model):
    """What a flow promises of one column of its output."""

    type: Text | None = Field(None, description="Its Spark type; a transform that returns another one is refused.")
    description: str = Field("", description="For people; the comment of the table's column.")
    sensitive: Flag = Field(default=False, description="true: shown as `***` wherever rows are shown to a person.")


_Apart = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Tolerance(Model):
    """How far two numbers may be apart and still be equal; either is enough."""

    rel: _Apart | None = Field(None, description="A part of the greater of the two: 1e-6.")
    abs: _Apart | None = Field(None, description="A distance: 0.01.")


Equality = Annotated[
    Annotated[Literal["unordered"], Tag("[text]")]
    | Annotated[tuple[Text, ...], Tag("[list]")]
    | Annotated[Tolerance, Tag("[mapping]")],
    Discriminator(_form_or_list),
]


class Flow(Model):
    """One query into one target."""

    inputs: dict[str, Input] = Field(
        description="`[a]`, or `{a: changes, b: snapshot}`, or `{b: {read: snapshot, on_change: keep}}`."
    )
    transform: Transform | None = Field(None, description="The query; none: the only input as it is.")
    incremental: Incremental = Field(
        "auto",
        description="The kind of processing: rows, full, `{groups: …}`, `{state: …}`, or auto: the analysed plan decides (never state).",
    )
    trusted: bool = Field(
        default=False, description="groups: the author answers for what the plan does not prove; see `etl verify`."
    )
    expectations: dict[Name, Expectation] = Field(
        default_factory=dict, description="Rules over the transform's output."
    )
    sink: Sink = Field(default_factory=Sink, description="How rows reach the target.")
    run: FlowRun = Field(default_factory=FlowRun, description="Its own mode, trigger, time zone and retries.")
    maintenance: Maintenance = Field(
        default_factory=Maintenance,
        description="How its tables are kept small; `defaults: {maintenance: …}` says it for every flow.",
    )
    for_each: ForEach | None = Field(
        None, description="`{region: [eu, us]}`: one flow a value; `${region}` in it, `:region` in its SQL."
    )
    columns: dict[Text, Column] = Field(
        default_factory=dict, description="What the output is promised to have; it may have more."
    )
    primary_key: Texts = Field(
        (), description="The columns that tell a row; NULL in one fails the flow, as an expectation named primary_key."
    )
    equality: dict[Text, Equality] = Field(
        default_factory=dict,
        description="How its rows are compared by `etl verify` and tests: `ignore: [columns]`; column → `{rel: 1e-6, abs: 0.01}`, or `unordered`: the order of what it is made of does not matter.",
    )
    was: Name | None = Field(
        None,
        description="The name under which a renamed flow keeps its table, quarantine, state, checkpoints and history: the first that it ever had. It stays as long as they do.",
    )
    enabled: Flag = Field(default=True, description="false: left out of runs, plans and the graph.")
    description: str = Field("", description="For people.")
    tags: Texts = Field((), description="For selectors: `tag:nightly`.")


class Test(Model):
    """Rows given to a flow, and the rows that must come of them; it runs as a batch and as a stream."""

    name: Text = Field(description="A sentence that says what is shown.")
    description: str = Field("", description="For people.")
    flow: Name = Field(description="The flow that is tested, by itself.")
    given: dict[str, GivenRows] = Field(
        default_factory=dict,
        description="Input → rows; columns left out are null, an input left out is an empty table. A list of lists: one arrival, so one epoch of a stream, each. A text: a csv, json or parquet file beside pipeline.yml.",
    )
    params: dict[Name, str | int | float | bool | None] = Field(
        default_factory=dict, description="Other values of params, for this test."
    )
    expect: ExpectedRows | None = Field(
        None,
        description="The target's rows, in any order; columns that none of them names are not compared, and [] means no rows. Or `{rows: …, quarantine: …}`.",
    )
    quarantine: Rows | None = Field(
        None, description="The quarantined rows, compared likewise; `_etl_reason` says why. Not compared if left out."
    )


class Pipeline(Model):
    """pipeline.yml."""

    version: Literal[1] = Field(description="The version of this grammar.")
    name: Name = Field(description="The pipeline's name, in paths and commands.")
    description: str = Field("", description="For people.")
    tags: Texts = Field((), description="Every flow's.")
    params: dict[Name, Param] = Field(
        default_factory=dict, description="Values that environments and --param override."
    )
    sources: dict[Name, Source] = Field(default_factory=dict, description="The inputs from outside.")
    flows: Annotated[dict[Name, Flow], Field(min_length=1)] = Field(description="The queries.")
    run: Run = Field(default_factory=Run, description="Defaults of a run.")
    tests: tuple[Test, ...] = Field((), description="What `etl test` and pytest run, in both modes.")


class Spark(Model):
    """The session of an environment."""

    master: Text | None = Field(None, description="Spark's master; none: this machine, or the submitter's choice.")
    conf: dict[str, Option] = Field(default_factory=dict, description="Spark settings.")
    class_data_archive: bool | None = Field(
        None,
        description="Whether local sessions use a class-data archive, and have one made after the first run (default true).",
    )


class Environment(Model):
    """conf/<env>.yml."""

    storage: Text | None = Field(None, description="Root of everything the framework writes (default .etl/<env>).")
    catalog: Text | None = Field(None, description="Put before every `sink.table`: `dev`, or `dev.raw`.")
    params: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict, description="Overrides the pipeline's."
    )
    spark: Spark = Field(default_factory=Spark, description="The session.")
    run: Run = Field(default_factory=Run, description="Overrides the pipeline's.")


# What the full grammar knows and this version does not: the path's shape (`*` is any name) → keys, or key → values.
UNSUPPORTED_KEYS: dict[tuple[str, ...], frozenset[str]] = {
    (): frozenset({"schedule"}),
    ("sources", "*"): frozenset(
        {"after_commit", "arrives_as", "contract", "cursor", "dump", "keys", "partition", "settle", "tags", "value", "value_schema_file"}
    ),
    ("sources", "*", "rate_limit"): frozenset({"offsets"}),
    ("sources", "*", "start_at"): frozenset({"offsets"}),
    ("flows", "*"): frozenset({"freshness", "strict"}),
    ("flows", "*", "expectations", "*"): frozenset({"columns", "fail_above", "fresh", "references", "rows", "unique"}),
    ("flows", "*", "run"): frozenset({"if", "on_change", "rebuild_limit"}),
    ("flows", "*", "run", "retry"): frozenset({"max_failures_per_hour"}),
    ("flows", "*", "sink"): frozenset({"key", "topic", "value"}),
    ("run",): frozenset({"if", "on_change", "rebuild_limit"}),
    ("run", "retry"): frozenset({"max_failures_per_hour"}),
}  # fmt: skip
UNSUPPORTED_VALUES: dict[tuple[str, ...], frozenset[str]] = {
    ("sources", "*", "format"): frozenset({"kafka", "jdbc"}),
    ("flows", "*", "sink", "strategy"): frozenset({"kafka", "jdbc"}),
    ("flows", "*", "run", "mode"): frozenset({"auto"}),
    ("run", "mode"): frozenset({"auto"}),
}
MODELS: dict[tuple[str, ...], type[Model]] = {
    (): Pipeline,
    ("params", "*"): Param,
    ("sources", "*"): Source,
    ("sources", "*", "rate_limit"): RateLimit,
    ("sources", "*", "start_at"): StartAt,
    ("flows", "*"): Flow,
    ("flows", "*", "inputs", "*"): Input,
    ("flows", "*", "transform"): Transform,
    ("flows", "*", "incremental"): Groups,
    ("flows", "*", "incremental", "state"): Stateful,
    ("flows", "*", "expectations", "*"): Expectation,
    ("flows", "*", "columns", "*"): Column,
    ("flows", "*", "equality", "*"): Tolerance,
    ("flows", "*", "sink"): Sink,
    ("flows", "*", "run"): FlowRun,
    ("flows", "*", "run", "retry"): Retry,
    ("flows", "*", "maintenance"): Maintenance,
    ("run",): Run,
    ("run", "retry"): Retry,
    ("tests", "*"): Test,
}
ENVIRONMENT_MODELS: dict[tuple[str, ...], type[Model]] = {
    (): Environment,
    ("spark",): Spark,
    ("run",): Run,
    ("run", "retry"): Retry,
}
