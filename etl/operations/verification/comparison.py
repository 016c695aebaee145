"""Flows held against the reference, one batch over everything: the verdict on each, and the rows by which it differs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.engine.metadata.delta_log import last_committed
from etl.engine.storage.layout import FlowPaths
from etl.operations.harness.difference import ComparedTable, Difference, compare
from etl.operations.harness.pipeline_tests import OURS
from etl.operations.verification.verdicts import FlowVerdict
from etl.planning.graph import Graph
from etl.planning.kinds import KIND_TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.tables.difference import TableComparer
    from etl.operations.verification.verdicts import Verdict
    from etl.planning.results import Failure, FlowResult

_REFERENCE = "one batch over all of the input"


@dataclass(frozen=True, slots=True)
class Trial:
    """Runs that are held against the reference.

    Attributes:
        verdict: Of a flow whose tables differ from the reference's.
        seed: Of a random trial; None: it was a batch over the same rows.
        descriptions: Flow → how its rows came, for a person.
    """

    verdict: Verdict
    seed: int | None
    descriptions: Mapping[str, str]


@dataclass(slots=True)
class _FlowState:
    """What is known of one flow while the trials go on.

    Attributes:
        rows: How many rows the reference wrote.
        late: How many rows the reference left out: those without a time.
        trials: In how many random trials the flow was compared.
        verdict: Once there is one, the flow is compared no more.
    """

    spec: FlowSpec
    kind: str = ""
    strategy: str = ""
    rows: int = 0
    late: int = 0
    trials: int = 0
    verdict: FlowVerdict | None = None

    def concluded(self, verdict: Verdict, **fields: object) -> FlowVerdict:
        """A verdict on the flow, with these fields."""
        return FlowVerdict(
            self.spec.name,
            self.kind,
            self.strategy,
            verdict,
            self.trials,
            self.rows,
            **fields,  # type: ignore[arg-type]  # its own
        )

    def failed(self, failure: Failure | None, trial: Trial | None) -> FlowVerdict:
        """The verdict on a flow that failed in a trial, or in the reference (None); without a failure it was skipped."""
        if failure is None:
            return self.concluded("not judged", message="not judged: a flow above it has failed")
        return self.concluded(
            "failed",
            seed=trial.seed if trial is not None else None,
            description=trial.descriptions[self.spec.name] if trial is not None else _REFERENCE,
            message=f"{failure.where} {failure.message}" if failure.where else failure.message,
            hint=failure.hint,
            error_kind=failure.kind,
        )


class Comparison:
    """Every trial of a verification held against its reference; the first that differs decides on a flow."""

    def __init__(
        self, spec: PipelineSpec, flows: Mapping[str, FlowSpec], reference: Path, comparer: TableComparer
    ) -> None:
        self._spec, self._reference, self._comparer = spec, reference, comparer
        self._flows = {name: _FlowState(flow) for name, flow in flows.items()}

    def refer_to(self, results: Mapping[str, FlowResult]) -> bool:
        """Take the results of the reference; whether there is any flow that trials can be compared with."""
        for name, result in results.items():
            state = self._flows[name]
            if result.failure is not None or result.status == "skipped":
                state.verdict = state.failed(result.failure, None)
                continue
            committed = last_committed(result.target)
            if committed is not None:
                state.kind = committed.kind
                state.strategy = KIND_TRAITS[committed.kind].default_strategy
            state.strategy = state.spec.sink.strategy or state.strategy
            state.rows, state.late = result.counts.written, result.counts.late
        return any(state.verdict is None for state in self._flows.values())

    def judge(self, results: Mapping[str, FlowResult], folder: Path, trial: Trial) -> None:
        """Hold every flow of a trial, which has written into `folder`, against the reference.

        A flow above which something differs is not blamed for it.
        """
        graph = Graph.of(self._spec)
        late = self._late(results)
        wrong: set[str] = set()
        for name, state in self._flows.items():
            above = graph.upstream(name)
            if late & {name, *above}:
                continue  # rows came later than a watermark, and a stream leaves those out: nothing can be said
            if state.verdict is None:
                state.verdict = self._verdict(state, results.get(name), sorted(above & wrong), folder, trial)
            if state.verdict is not None:
                wrong.add(name)

    def verdicts(self, splits: int) -> tuple[FlowVerdict, ...]:
        """The verdict on each flow after all of `splits` trials."""
        return tuple(self._final(state, splits) for state in self._flows.values())

    def _late(self, results: Mapping[str, FlowResult]) -> set[str]:
        """The flows that left out rows which the reference has."""
        return {
            name
            for name, state in self._flows.items()
            if (result := results.get(name)) is not None and result.failure is None and result.counts.late > state.late
        }

    def _verdict(
        self, state: _FlowState, result: FlowResult | None, differing_above: list[str], folder: Path, trial: Trial
    ) -> FlowVerdict | None:
        """The verdict on a flow after one trial; None where it is equal."""
        if differing_above:
            return state.concluded(
                "not judged", message=f"not judged: {', '.join(differing_above)} above it differs already"
            )
        if result is None or result.failure is not None or result.status == "skipped":
            return state.failed(result.failure if result is not None else None, trial)
        differences, message = self._differences(state.spec, folder)
        state.trials += trial.seed is not None
        if not differences and not message:
            return None
        return state.concluded(
            trial.verdict,
            seed=trial.seed,
            description=trial.descriptions[state.spec.name],
            differences=differences,
            message=message,
            hint=_hint(state, trial.verdict),
        )

    def _differences(self, flow: FlowSpec, folder: Path) -> tuple[tuple[Difference, ...], str]:
        """The rows by which target and quarantine differ, or in words how their columns do."""
        differences: list[Difference] = []
        reference = FlowPaths.of(replace(self._spec, storage=str(self._reference / "storage")), flow)
        actual = FlowPaths.of(replace(self._spec, storage=str(folder / "storage")), flow)
        ignored = {*OURS, *(name.lower() for name in flow.equality.ignore)}
        for of, left, right in (
            ("target", reference.target, actual.target),
            ("quarantine", reference.quarantine, actual.quarantine),
        ):
            rest = self._comparer.leftover(left, right, ignored)
            columns, others = ([(column.name, column.type) for column in side] for side in (rest.columns, rest.others))
            if columns != others:
                expected_columns, actual_columns = (
                    ", ".join(f"{name} {kind}" for name, kind in side) for side in (columns, others)
                )
                return (), f"{of}: its columns are {expected_columns} after one batch, and {actual_columns} here"
            table = ComparedTable.of_flow(flow, of, [column.name for column in rest.columns])
            difference = compare(rest.left, rest.right, table if of == "target" else replace(table, keys=()))
            if difference is not None:
                equal, beyond = difference.equal + rest.equal, difference.beyond + rest.beyond
                differences.append(replace(difference, equal=equal, beyond=beyond))
        return tuple(differences), ""

    def _final(self, state: _FlowState, splits: int) -> FlowVerdict:
        if state.verdict is None and splits and not state.trials:
            message = "not judged: in every trial rows came later than the watermark of a state flow, and those a stream leaves out"
            hint = "raise the delay, or verify it with files whose names or times are in the order of their rows"
            return state.concluded("not judged", message=message, hint=hint)
        return state.verdict or state.concluded("equal")


def _hint(state: _FlowState, verdict: Verdict) -> str:
    if verdict == "differs from itself":
        return (
            "its transform is not deterministic, or depends on the order of rows: sort before collect_list, first or row_number,"
            " break ties, or say under equality: which columns may differ"
        )
    if state.spec.trusted:
        return "it says trusted: true, but a row depends on rows of other groups: group by what the transform needs, or use incremental: full"
    return ""
