"""`etl verify`: one batch against random splits, orders and switches of mode, and against itself; all in storage that is thrown away.

A batch over everything is the truth. A second batch, over the same rows in another order and other partitions, tells a transform
that differs from itself; then every trial brings the rows in random arrivals, each flow in a random mode, and must end in the same tables.
"""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.spec import PipelineSpec, RetrySpec
from etl.engine.inspection import verification_record
from etl.engine.metadata.delta_log import last_committed
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.scratch import remove, scratch_folder
from etl.operations.harness.difference import ComparedTable, Difference, compare
from etl.operations.harness.pipeline_tests import OURS
from etl.operations.harness.sandbox import LITTLE
from etl.operations.run import is_little, run
from etl.operations.verification.feed import Feed
from etl.operations.verification.inputs import Deal
from etl.operations.verification.verdicts import FlowVerdict, VerifyResult
from etl.planning.fingerprint import fingerprint
from etl.planning.graph import Graph
from etl.planning.plan import DEFAULT_STRATEGY
from etl.planning.request import RunRequest
from etl.planning.selectors import select

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.config.spec import FlowSpec, Mode, SourceSpec
    from etl.engine.tables.difference import TableComparer
    from etl.operations.verification.verdicts import Ended, Verdict
    from etl.planning.results import Failure, FlowResult

_OTHER_PARTITIONS = (
    ("spark.sql.shuffle.partitions", "5"),
    ("spark.sql.adaptive.coalescePartitions.enabled", "false"),
    ("spark.sql.files.maxPartitionBytes", "65536"),
    ("spark.sql.files.openCostInBytes", "0"),
)
"""What a batch is run with to be compared with itself: more partitions, cut at other places."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a verification is asked to do."""

    splits: int = 3
    seed: int = 0
    rows: int | None = None  # of each input whose rows arrive, or of each that is generated; None: all
    generated: bool = False


@dataclass(slots=True)
class _Flow:
    """What is known of one flow while the trials go on."""

    spec: FlowSpec
    kind: str = ""
    strategy: str = ""
    rows: int = 0
    late: int = 0  # rows that the one batch left out: those without a time
    trials: int = 0
    found: FlowVerdict | None = None


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a run that is held against the truth was, and what it means where they differ."""

    verdict: Verdict
    seed: int | None
    descriptions: dict[str, str]  # flow → how its rows came


@dataclass(slots=True)
class _Bench:
    spec: PipelineSpec
    asked: Asked
    scratch: Path
    sessions: Sessions
    settings: tuple[tuple[str, str], ...]  # of every flow's session
    comparer: TableComparer
    feed: Feed
    flows: dict[str, _Flow] = field(default_factory=dict)


def verify(
    spec: PipelineSpec,
    asked: Asked,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    told: Callable[[str], None] = lambda _: None,
) -> VerifyResult:
    """Whether the selected flows, and all that they read, come out the same however their rows arrive.

    The pipeline's own tables are neither read nor written; of a flow that says `trusted: true` what was found is kept in
    `history/`. `told` hears what is being done.
    Raises ConfigurationError for what cannot be verified, and EnvironmentProblem where no session can be had or an input is not there.
    """
    began = time.monotonic()
    graph = Graph.of(spec)
    chosen = select(graph, spec, include, exclude)
    wanted = {*chosen, *(parent for name in chosen for parent in graph.upstream(name))}
    order = [name for name in graph.order if name in wanted]
    scratch = scratch_folder("twilight-verify-")
    little = is_little(spec) or asked.generated or asked.rows is not None
    settings = tuple(LITTLE.items()) if little else ()
    sessions = Sessions(
        spec.spark, storage=spec.storage, app_name=f"etl verify {spec.name}", short=little, settings=settings
    )
    try:
        bench = _opened(spec, asked, order, scratch, sessions, settings)
        _verify(bench, told)
        flows = tuple(_verdict(bench.flows[name], asked.splits) for name in order)
        ended = _ended({item.verdict for item in flows})
        _remember(spec, flows)
        spent = round(time.monotonic() - began, 3)
        return VerifyResult(spec.name, ended, asked.seed, asked.splits, flows, bench.feed.notes, spent)
    finally:
        sessions.close()
        remove(scratch)


def _ended(found: set[Verdict]) -> Ended:
    if "failed" in found:
        return "failed"
    if found <= {"equal", "not judged"}:
        return "equal" if found == {"equal"} else "not judged"
    return "differs"


def _remember(spec: PipelineSpec, found: Sequence[FlowVerdict]) -> None:
    """Keep what came of the flows whose authors are trusted; no rows, or no trial, proves nothing of them."""
    for item in found:
        flow = next(flow for flow in spec.flows if flow.name == item.flow)
        if flow.trusted and ((item.verdict == "equal" and item.rows and item.trials) or item.differences):
            verification_record.remember(spec, flow, fingerprint(spec, flow).digest, equal=item.verdict == "equal")


def _opened(
    spec: PipelineSpec,
    asked: Asked,
    order: Sequence[str],
    scratch: Path,
    sessions: Sessions,
    settings: tuple[tuple[str, str], ...],
) -> _Bench:
    flows = tuple(flow for flow in spec.flows if flow.name in order)
    spec = replace(spec, flows=tuple(replace(flow, sink=replace(flow.sink, table=None)) for flow in flows))
    feed = Feed.of(spec, sessions, scratch, rows=asked.rows, generated=asked.generated, seed=asked.seed)
    from etl.engine.tables.difference import TableComparer  # noqa: PLC0415  # pyspark only where there is a session

    comparer = TableComparer(sessions.get())
    by_name = {flow.name: _Flow(flow) for flow in spec.flows}
    return _Bench(
        feed.spec, asked, scratch, sessions, settings, comparer, feed, {name: by_name[name] for name in order}
    )


def _verify(bench: _Bench, told: Callable[[str], None]) -> None:
    truth = bench.scratch / "truth"
    told("one batch over all of the input")
    bench.feed.empty()
    sources = bench.feed.whole(truth)
    results = _run(bench, _derived(bench.spec, sources, truth), "batch", bench.sessions)
    for name, result in results.items():
        state = bench.flows[name]
        if result.failure is not None or result.status == "skipped":
            state.found = _failed(state, result.failure, None)
            continue
        committed = last_committed(result.target)
        state.kind = committed.kind if committed is not None else ""
        state.strategy = state.spec.sink.strategy or (DEFAULT_STRATEGY[committed.kind] if committed is not None else "")
        state.rows, state.late = result.counts.written, result.counts.late
    if all(state.found for state in bench.flows.values()):
        return
    told("the batch again: other partitions, the rows in another order")
    place = bench.scratch / "again"
    bench.feed.empty()
    sources = bench.feed.mixed(place, bench.asked.seed)
    settings = (*bench.settings, *_OTHER_PARTITIONS)
    other = Sessions(
        bench.spec.spark,
        storage=bench.spec.storage,
        app_name=f"etl verify {bench.spec.name}",
        short=True,
        settings=settings,
    )
    try:
        results = _run(bench, _derived(bench.spec, sources, place), "batch", other)
    finally:
        other.close()
    stories = dict.fromkeys(bench.flows, "a batch over the same rows, in another order and other partitions")
    _judge(bench, results, truth, place, _Trial("differs from itself", None, stories))
    shutil.rmtree(place, ignore_errors=True)
    for number in range(bench.asked.splits):
        seed = bench.asked.seed + number
        told(f"trial {number + 1} of {bench.asked.splits} (seed {seed})")
        place = bench.scratch / f"trial{seed}"
        results, stories = _trial(bench, truth, place, seed)
        _judge(bench, results, truth, place, _Trial("differs", seed, stories))
        shutil.rmtree(place, ignore_errors=True)


def _trial(bench: _Bench, truth: Path, place: Path, seed: int) -> tuple[dict[str, FlowResult], dict[str, str]]:
    """The rows in random arrivals, after each of which every flow runs in a random mode; how each ended, and its story."""
    dice = random.Random(seed)  # noqa: S311  # trials are replayed, and no secrets
    deal = Deal(seed, dice.randint(2, 4))
    bench.feed.empty()
    spec, sources = bench.feed.trial(place, deal, truth)
    ended: dict[str, FlowResult] = {}
    rounds = []
    for number in range(deal.arrivals):
        bench.feed.arrival(place, deal, number)
        derived = _derived(spec, sources, place)
        modes = _modes(bench, deal, number)
        derived = replace(derived, flows=tuple(replace(flow, mode=modes[flow.name]) for flow in derived.flows))
        rounds.append(modes)
        for name, result in _run(bench, derived, None, bench.sessions).items():
            before = ended.get(name)
            if before is None or before.failure is None:
                ended[name] = result if before is None or result.mode == "batch" else _after(before, result)
        if all(item.failure is not None or item.status == "skipped" for item in ended.values()):
            break
    return ended, {
        name: f"{len(rounds)} arrivals, after each a run: {', '.join(modes[name] for modes in rounds)}"
        for name in bench.flows
    }


def _after(before: FlowResult, result: FlowResult) -> FlowResult:
    """A stream's result, with the late rows of the runs before it: what they left out is still missing."""
    return replace(result, counts=replace(result.counts, late=before.counts.late + result.counts.late))


def _modes(bench: _Bench, deal: Deal, number: int) -> dict[str, Mode]:
    """The mode of each flow after one arrival: often one for all. The last is a stream, since a batch makes everything anew."""
    common = deal.dice(f"mode {number}")
    one: Mode = common.choice(("batch", "stream", "stream"))
    alike = common.random() < 0.5  # noqa: PLR2004  # as often as not
    found: dict[str, Mode] = {}
    for name in bench.flows:
        own: Mode = deal.dice(f"mode {number} of {name}").choice(("batch", "stream"))
        found[name] = "stream" if number == deal.arrivals - 1 else one if alike else own
    return found


def _run(bench: _Bench, spec: PipelineSpec, mode: Mode | None, sessions: Sessions) -> dict[str, FlowResult]:
    return {
        item.flow: item
        for item in run(spec, RunRequest(mode=mode), sessions=sessions).flows
        if item.flow in bench.flows
    }


def _derived(spec: PipelineSpec, sources: Sequence[SourceSpec], place: Path) -> PipelineSpec:
    """The pipeline over a trial's sources, writing into `place`; a failure is not tried again."""
    flows = tuple(replace(flow, retry=RetrySpec(max_retries=0), trigger="available_now") for flow in spec.flows)
    return replace(spec, storage=str(place / "storage"), sources=tuple(sources), flows=flows, trial=True)


def _judge(
    bench: _Bench,
    results: dict[str, FlowResult],
    truth: Path,
    place: Path,
    trial: _Trial,
) -> None:
    """Hold every flow of a trial against the truth. A flow above which something differs is not blamed for it."""
    graph = Graph.of(bench.spec)
    wrong: set[str] = set()
    late = {
        name
        for name, state in bench.flows.items()
        if (result := results.get(name)) is not None and result.failure is None and result.counts.late > state.late
    }
    for name, state in bench.flows.items():
        if late & {name, *graph.upstream(name)}:
            continue  # rows came later than a watermark, and a stream leaves those out: nothing can be said
        above = sorted(graph.upstream(name) & wrong)
        if state.found is not None:
            wrong.add(name)
            continue
        result = results.get(name)
        if above:
            wrong.add(name)
            message = f"not judged: {', '.join(above)} above it differs already"
            state.found = FlowVerdict(
                name, state.kind, state.strategy, "not judged", state.trials, state.rows, message=message
            )
        elif result is None or result.failure is not None or result.status == "skipped":
            wrong.add(name)
            state.found = _failed(state, result.failure if result is not None else None, trial)
        else:
            differences, message = _differences(bench, state.spec, truth, place)
            state.trials += trial.seed is not None
            if differences or message:
                wrong.add(name)
                state.found = FlowVerdict(
                    name,
                    state.kind,
                    state.strategy,
                    trial.verdict,
                    state.trials,
                    state.rows,
                    trial.seed,
                    trial.descriptions[name],
                    differences,
                    message,
                    _hint(state, trial.verdict),
                )


def _hint(state: _Flow, verdict: Verdict) -> str:
    if verdict == "differs from itself":
        return (
            "its transform is not deterministic, or depends on the order of rows: sort before collect_list, first or row_number,"
            " break ties, or say under equality: which columns may differ"
        )
    if state.spec.trusted:
        return "it says trusted: true, but a row depends on rows of other groups: group by what the transform needs, or use incremental: full"
    return ""


def _differences(bench: _Bench, flow: FlowSpec, truth: Path, place: Path) -> tuple[tuple[Difference, ...], str]:
    """What differs in a flow's target and quarantine, and what more there is to say."""
    found: list[Difference] = []
    one = FlowPaths.of(replace(bench.spec, storage=str(truth / "storage")), flow)
    other = FlowPaths.of(replace(bench.spec, storage=str(place / "storage")), flow)
    ignored = {*OURS, *(name.lower() for name in flow.equality.ignore)}
    for of, left, right in (("target", one.target, other.target), ("quarantine", one.quarantine, other.quarantine)):
        rest = bench.comparer.leftover(left, right, ignored)
        names = [column.name for column in rest.columns]
        if [(item.name, item.type) for item in rest.columns] != [(item.name, item.type) for item in rest.others]:
            told = [", ".join(f"{item.name} {item.type}" for item in side) for side in (rest.columns, rest.others)]
            return (), f"{of}: its columns are {told[0]} after one batch, and {told[1]} here"
        compared = ComparedTable.of_flow(flow, of, names)
        difference = compare(rest.left, rest.right, compared if of == "target" else replace(compared, keys=()))
        if difference is not None:
            found.append(
                replace(difference, equal=difference.equal + rest.equal, beyond=difference.beyond + rest.beyond)
            )
    return tuple(found), ""


def _failed(state: _Flow, failure: Failure | None, trial: _Trial | None) -> FlowVerdict:
    name = state.spec.name
    if failure is None:
        message = "not judged: a flow above it has failed"
        return FlowVerdict(name, state.kind, state.strategy, "not judged", state.trials, state.rows, message=message)
    message = f"{failure.where} {failure.message}" if failure.where else failure.message
    return FlowVerdict(
        name,
        state.kind,
        state.strategy,
        "failed",
        state.trials,
        state.rows,
        trial.seed if trial is not None else None,
        trial.descriptions[name] if trial is not None else "one batch over all of the input",
        message=message,
        hint=failure.hint,
        error_kind=failure.kind,
    )


def _verdict(state: _Flow, splits: int) -> FlowVerdict:
    if state.found is None and splits and not state.trials:
        message = "not judged: in every trial rows came later than the watermark of a state flow, and those a stream leaves out"
        hint = "raise the delay, or verify it with files whose names or times are in the order of their rows"
        return FlowVerdict(
            state.spec.name, state.kind, state.strategy, "not judged", 0, state.rows, message=message, hint=hint
        )
    return state.found or FlowVerdict(state.spec.name, state.kind, state.strategy, "equal", state.trials, state.rows)
