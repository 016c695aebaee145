"""What a run did, as values that show themselves: in a line each for a plain `repr`, as a card for a notebook."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from etl.config.secrets import redact
from etl.errors import RunFailed
from etl.markup import Markup, card, code, counted, element, folded, preformatted, quiet, status, table, warnings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Status = Literal["succeeded", "failed", "skipped", "unchanged"]
_WORST_FIRST: tuple[Status, ...] = ("failed", "succeeded", "skipped", "unchanged")


def overall(statuses: Iterable[Status]) -> Status:
    """The status of a run of flows, or of pipelines, with these statuses; where there are none, `unchanged`."""
    present = set(statuses)
    return next((status for status in _WORST_FIRST if status in present), "unchanged")


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one epoch, or summed over a flow's epochs in one run.

    read: rows of the `changes` inputs, malformed ones among them. written: rows that reached the target (for merge: that
    won). merged: rows of a merge that lost to a greater row of their key. late: rows of a state flow that came later than its
    watermark, and were left out. `read` = parsed + malformed at the source, and late ones among the parsed; the transform's
    rows = written + merged + its dropped + its quarantined.
    """

    read: int = 0
    written: int = 0
    dropped: int = 0
    quarantined: int = 0
    merged: int = 0
    late: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.written + other.written,
            self.dropped + other.dropped,
            self.quarantined + other.quarantined,
            self.merged + other.merged,
            self.late + other.late,
        )

    def as_rows(self) -> dict[str, int]:
        """The counts by the names that every document of a run has: `rows_in` is `read`, `rows_out` is `written`."""
        return {
            "rows_in": self.read,
            "rows_out": self.written,
            "rows_dropped": self.dropped,
            "rows_quarantined": self.quarantined,
            "rows_merged": self.merged,
            "rows_late": self.late,
        }


@dataclass(frozen=True, slots=True)
class FailingRow:
    """A row of an input over which alone a flow's transform fails.

    Attributes:
        row: Its columns; of those that no person should see only whether there is a value.
        file: The path of the file it lies in; empty where it lies in none.
    """

    row: Mapping[str, Any]
    file: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a flow failed: a stable kind, what happened, where in the user's files, and what to do next.

    Attributes:
        rows: Rows of its inputs that it fails of, as far as they were found.
    """

    kind: Literal["configuration", "environment", "expectation", "held", "run"]
    message: str
    where: str = ""
    hint: str = ""
    transient: bool = False
    rows: tuple[FailingRow, ...] = ()

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Failure:
        """The failure that a record of JSON holds; what another build wrote beside it is left out."""
        names = {each.name for each in fields(cls)}
        values = {name: value for name, value in record.items() if name in names}
        return cls(
            **values | {"rows": tuple(FailingRow(each["row"], each["file"]) for each in values.get("rows") or ())}
        )


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What a flow did in one run. Its properties are named as the keys of the `run` document."""

    flow: str
    status: Status
    mode: Literal["batch", "stream", "backfill", "replay"]
    counts: Counts = Counts()
    epochs: int = 0
    generation: int | None = None
    target: str = ""
    quarantine: str | None = None  # the quarantine table's path, where the flow has one
    duration_s: float = 0.0
    attempts: int = 0
    reason: str = ""  # why it ran, or did not
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def rows_in(self) -> int:
        """`counts.read`."""
        return self.counts.read

    @property
    def rows_out(self) -> int:
        """`counts.written`."""
        return self.counts.written

    @property
    def rows_dropped(self) -> int:
        """`counts.dropped`."""
        return self.counts.dropped

    @property
    def rows_quarantined(self) -> int:
        """`counts.quarantined`."""
        return self.counts.quarantined

    @property
    def rows_merged(self) -> int:
        """`counts.merged`."""
        return self.counts.merged

    @property
    def rows_late(self) -> int:
        """`counts.late`."""
        return self.counts.late

    @property
    def error(self) -> str | None:
        """The failure in one text: where, what and what to do next; None where there is none."""
        if self.failure is None:
            return None
        text = " ".join(part for part in (self.failure.where, self.failure.message) if part)
        return text + (f" ({self.failure.hint})" if self.failure.hint else "")

    @property
    def error_kind(self) -> str | None:
        """`failure.kind`; None where there is no failure."""
        return self.failure.kind if self.failure is not None else None

    @property
    def error_rows(self) -> tuple[FailingRow, ...]:
        """`failure.rows`; none where there is no failure."""
        return self.failure.rows if self.failure is not None else ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run did, flow by flow, in the order of the graph."""

    run_id: str
    pipeline: str
    mode: Literal["batch", "stream"]
    status: Status
    started_at: str  # ISO 8601, UTC
    duration_s: float
    flows: tuple[FlowResult, ...]
    storage: str = ""

    def raise_for_status(self) -> RunResult:
        """The result itself. Raises RunFailed where a flow failed, with what each of them says."""
        failed = [f"{flow.flow}: {_told(flow.failure)}" for flow in self.flows if flow.failure is not None]
        if failed:
            raise RunFailed(
                f"{len(failed)} of {counted(len(self.flows), 'flow')} of {self.pipeline} failed",
                hint="\n  ".join(failed),
            )
        return self

    def __repr__(self) -> str:
        return _text(self)

    def _repr_html_(self) -> str:
        return _html(self)


@dataclass(frozen=True, slots=True)
class RunsResult:
    """What the runs of several pipelines did, in the order in which they ran."""

    runs: tuple[RunResult, ...]
    duration_s: float

    @property
    def status(self) -> Status:
        """Of all of them: `failed` where one failed, `unchanged` where all are."""
        return overall(run.status for run in self.runs)


def _told(failure: Failure) -> str:
    """A failure in words: where, what, and what to do next."""
    where = f"{failure.where} " if failure.where else ""
    hint = f"\n    {failure.hint}" if failure.hint else ""
    return f"{where}{failure.message}{hint}"


def _text(result: RunResult) -> str:
    """The result in one line, and one for each flow."""
    lines = [
        f"Run {result.run_id} of {result.pipeline}, {result.mode}: {result.status} in {result.duration_s:.1f} s",
        *(
            f"  {flow.flow}: {flow.status}, {flow.counts.read:,} read, {flow.counts.written:,} written"
            for flow in result.flows
        ),
    ]
    failed = [f"  {flow.flow}: {flow.failure.message}" for flow in result.flows if flow.failure is not None]
    return redact("\n".join(lines + failed))


def _html(result: RunResult) -> Markup:
    """The result: counts, then whatever went wrong, whole."""
    head = ("flow", "status", "epochs", "read", "written", "dropped", "quarantined", "merged", "late", "seconds", "")
    rows = [
        (
            element("b", flow.flow),
            status(flow.status),
            flow.epochs,
            flow.counts.read,
            flow.counts.written,
            flow.counts.dropped,
            flow.counts.quarantined,
            flow.counts.merged,
            flow.counts.late,
            round(flow.duration_s, 1),
            quiet(flow.reason if flow.status in ("unchanged", "skipped") else ""),
        )
        for flow in result.flows
    ]
    title = (
        status(result.status),
        element("b", result.pipeline),
        quiet(f"{result.mode}, {result.duration_s:.1f} s, run {result.run_id}"),
    )
    said = [f"{flow.flow}: {message}" for flow in result.flows for message in flow.warnings]
    failures = [part for flow in result.flows for part in _failure(flow)]
    places = table(("flow", "table", "quarantine"), [_place(flow) for flow in result.flows])
    return card(title, table(head, rows), *failures, warnings(said), folded("tables", places))


def _failure(flow: FlowResult) -> list[Markup]:
    if flow.failure is None:
        return []
    where = f"{flow.failure.where} " if flow.failure.where else ""
    hint = f"\n  {flow.failure.hint}" if flow.failure.hint else ""
    heading = element("div", status("failed"), f" {flow.flow}")
    return [heading, preformatted(f"{where}{flow.failure.message}{hint}")]


def _place(flow: FlowResult) -> tuple[object, ...]:
    aside = code(flow.quarantine) if flow.quarantine is not None and flow.counts.quarantined else None
    return (flow.flow, code(flow.target), aside)
