"""`etl verify`: one batch against random splits, orders and switches of mode, and against itself; all in storage that is thrown away.

A batch over everything is the reference. A second batch, over the same rows in another order and other partitions, tells a transform
that differs from itself; then every trial brings the rows in random portions, each flow in a random mode, and must end in the same tables.
"""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.config.spec import RetrySpec
from etl.engine.inspection import verification_record
from etl.engine.session.shared import Sessions
from etl.engine.storage.scratch import remove, scratch_folder
from etl.operations.harness.sandbox import LITTLE
from etl.operations.run import is_little, run
from etl.operations.verification.comparison import Comparison, Trial
from etl.operations.verification.inputs import VerificationInputs
from etl.operations.verification.split_plan import SplitPlan
from etl.operations.verification.verdicts import VerifyResult
from etl.planning.fingerprint import fingerprint
from etl.planning.graph import Graph
from etl.planning.request import RunRequest
from etl.planning.selectors import select

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from etl.config.spec import FlowSpec, Mode, PipelineSpec, SourceSpec
    from etl.operations.verification.verdicts import Ended, FlowVerdict, Verdict
    from etl.planning.results import FlowResult

_OTHER_PARTITIONS = (
    ("spark.sql.shuffle.partitions", "5"),
    ("spark.sql.adaptive.coalescePartitions.enabled", "false"),
    ("spark.sql.files.maxPartitionBytes", "65536"),
    ("spark.sql.files.openCostInBytes", "0"),
)
"""What a batch is run with to be compared with itself: more partitions, cut at other places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """What is asked of a verification.

    Attributes:
        select: Selectors of the flows to verify, together with all that they read; empty: all flows.
        exclude: Selectors of the flows to leave out.
        splits: How many random trials there are.
        seed: The first trial's; the next ones count on from it.
        rows: How many of each input whose rows arrive, or of each that is generated; None: all.
        generated: Whether rows are made up from the sources' schemas.
    """

    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    splits: int = 3
    seed: int = 0
    rows: int | None = None
    generated: bool = False


def verify(spec: PipelineSpec, request: VerifyRequest, *, tell: Callable[[str], None] = lambda _: None) -> VerifyResult:
    """Whether the selected flows, and all that they read, come out the same however their rows arrive.

    The pipeline's own tables are neither read nor written; of a flow that says `trusted: true` the verdict is kept in `history/`.
    `tell` is given a line at each batch and trial.
    Raises ConfigurationError for what cannot be verified, and EnvironmentProblem where no session can be had or an input is not there.
    """
    began = time.monotonic()
    graph = Graph.of(spec)
    chosen = select(graph, spec, request.select, request.exclude)
    needed = {*chosen, *(parent for name in chosen for parent in graph.upstream(name))}
    order = [name for name in graph.order if name in needed]
    scratch = scratch_folder("twilight-verify-")
    little = is_little(spec) or request.generated or request.rows is not None
    settings = tuple(LITTLE.items()) if little else ()
    sessions = Sessions(
        spec.spark, storage=spec.storage, app_name=f"etl verify {spec.name}", short=little, settings=settings
    )
    try:
        verification = _Verification.opened(spec, request, order, scratch, sessions, settings)
        verification.carry_out(tell)
        verdicts = verification.comparison.verdicts(request.splits)
        status = _status({flow.verdict for flow in verdicts})
        _keep_of_trusted(spec, verdicts)
        spent = round(time.monotonic() - began, 3)
        notes = verification.inputs.notes
        return VerifyResult(spec.name, status, request.seed, request.splits, verdicts, notes, spent)
    finally:
        sessions.close()
        remove(scratch)


def _status(verdicts: set[Verdict]) -> Ended:
    if "failed" in verdicts:
        return "failed"
    if verdicts <= {"equal", "not judged"}:
        return "equal" if verdicts == {"equal"} else "not judged"
    return "differs"


def _keep_of_trusted(spec: PipelineSpec, verdicts: Sequence[FlowVerdict]) -> None:
    """Keep what came of the flows whose authors are trusted; no rows, or no trial, proves nothing of them."""
    for verdict in verdicts:
        flow = next(flow for flow in spec.flows if flow.name == verdict.flow)
        equal = verdict.verdict == "equal"
        if flow.trusted and ((equal and verdict.rows and verdict.trials) or verdict.differences):
            verification_record.save(spec, flow, fingerprint(spec, flow).digest, equal=equal)


@dataclass(frozen=True, slots=True)
class _Verification:
    """One call of `verify`, once its inputs are listed, or copied where they are tables and samples.

    Attributes:
        spec: The pipeline of the flows to verify; `_derived` moves its storage into `scratch`.
        flows: The flows to verify, in topological order.
        reference: The folder of the one batch over everything.
        settings: Of every flow's session.
    """

    spec: PipelineSpec
    request: VerifyRequest
    flows: tuple[str, ...]
    scratch: Path
    reference: Path
    sessions: Sessions
    settings: tuple[tuple[str, str], ...]
    inputs: VerificationInputs
    comparison: Comparison

    @classmethod
    def opened(
        cls,
        spec: PipelineSpec,
        request: VerifyRequest,
        order: Sequence[str],
        scratch: Path,
        sessions: Sessions,
        settings: tuple[tuple[str, str], ...],
    ) -> _Verification:
        """A verification of the flows in `order`; what of their inputs must be copied is copied into `scratch`."""
        flows = {
            flow.name: replace(flow, sink=replace(flow.sink, table=None)) for flow in spec.flows if flow.name in order
        }
        spec = replace(spec, flows=tuple(flows.values()))
        inputs = VerificationInputs.of(
            spec, sessions, scratch, rows=request.rows, generated=request.generated, seed=request.seed
        )
        from etl.engine.tables.difference import TableComparer  # noqa: PLC0415  # pyspark only where there is a session

        reference = scratch / "reference"
        in_order: dict[str, FlowSpec] = {name: flows[name] for name in order}
        comparison = Comparison(inputs.spec, in_order, reference, TableComparer(sessions.get()))
        return cls(inputs.spec, request, tuple(in_order), scratch, reference, sessions, settings, inputs, comparison)

    def carry_out(self, tell: Callable[[str], None]) -> None:
        """Run the reference, the batch again and every trial, each of them judged as it ends."""
        tell("one batch over all of the input")
        if not self.comparison.refer_to(self._run_reference()):
            return
        tell("the batch again: other partitions, the rows in another order")
        folder = self.scratch / "again"
        descriptions = dict.fromkeys(self.flows, "a batch over the same rows, in another order and other partitions")
        self.comparison.judge(self._run_again(folder), folder, Trial("differs from itself", None, descriptions))
        shutil.rmtree(folder, ignore_errors=True)
        for number in range(self.request.splits):
            seed = self.request.seed + number
            tell(f"trial {number + 1} of {self.request.splits} (seed {seed})")
            folder = self.scratch / f"trial{seed}"
            results, descriptions = self._run_trial(folder, seed)
            self.comparison.judge(results, folder, Trial("differs", seed, descriptions))
            shutil.rmtree(folder, ignore_errors=True)

    def _run_reference(self) -> dict[str, FlowResult]:
        self.inputs.empty()
        sources = self.inputs.whole(self.reference)
        return self._run(_derived(self.spec, sources, self.reference), "batch", self.sessions)

    def _run_again(self, folder: Path) -> dict[str, FlowResult]:
        """A batch over the same rows, with other partitions and in another order."""
        self.inputs.empty()
        sources = self.inputs.mixed(folder, self.request.seed)
        sessions = Sessions(
            self.spec.spark,
            storage=self.spec.storage,
            app_name=f"etl verify {self.spec.name}",
            short=True,
            settings=(*self.settings, *_OTHER_PARTITIONS),
        )
        try:
            return self._run(_derived(self.spec, sources, folder), "batch", sessions)
        finally:
            sessions.close()

    def _run_trial(self, folder: Path, seed: int) -> tuple[dict[str, FlowResult], dict[str, str]]:
        """The rows in random portions, after each of which every flow runs in a random mode.

        How each flow ended, and a description of how its rows came.
        """
        split = SplitPlan(seed, random.Random(seed).randint(2, 4))  # noqa: S311  # trials are replayed, and no secrets
        self.inputs.empty()
        spec, sources = self.inputs.trial(folder, split, self.reference)
        results: dict[str, FlowResult] = {}
        modes_of_runs: list[dict[str, Mode]] = []
        for number in range(split.portions):
            self.inputs.bring(folder, split, number)
            modes = self._modes(split, number)
            derived = _derived(spec, sources, folder)
            derived = replace(derived, flows=tuple(replace(flow, mode=modes[flow.name]) for flow in derived.flows))
            modes_of_runs.append(modes)
            for name, result in self._run(derived, None, self.sessions).items():
                before = results.get(name)
                if before is None or before.failure is None:
                    results[name] = result if before is None or result.mode == "batch" else _after(before, result)
            if all(result.failure is not None or result.status == "skipped" for result in results.values()):
                break
        return results, {
            name: f"{len(modes_of_runs)} arrivals, after each a run: {', '.join(modes[name] for modes in modes_of_runs)}"
            for name in self.flows
        }

    def _modes(self, split: SplitPlan, number: int) -> dict[str, Mode]:
        """The mode of each flow after one portion: often one for all. The last is a stream, since a batch recomputes everything."""
        common = split.random_of(f"mode {number}")
        mode: Mode = common.choice(("batch", "stream", "stream"))
        alike = common.random() < 0.5  # noqa: PLR2004  # as often as not
        modes: dict[str, Mode] = {}
        for name in self.flows:
            own: Mode = split.random_of(f"mode {number} of {name}").choice(("batch", "stream"))
            modes[name] = "stream" if number == split.portions - 1 else mode if alike else own
        return modes

    def _run(self, spec: PipelineSpec, mode: Mode | None, sessions: Sessions) -> dict[str, FlowResult]:
        results = run(spec, RunRequest(mode=mode), sessions=sessions).flows
        return {result.flow: result for result in results if result.flow in self.flows}


def _after(before: FlowResult, result: FlowResult) -> FlowResult:
    """A stream's result, with the late rows of the runs before it: what they left out is still missing."""
    return replace(result, counts=replace(result.counts, late=before.counts.late + result.counts.late))


def _derived(spec: PipelineSpec, sources: Sequence[SourceSpec], folder: Path) -> PipelineSpec:
    """The pipeline over a trial's sources, writing into `folder`; a failure is not tried again."""
    flows = tuple(replace(flow, retry=RetrySpec(max_retries=0), trigger="available_now") for flow in spec.flows)
    return replace(spec, storage=str(folder / "storage"), sources=tuple(sources), flows=flows, trial=True)
