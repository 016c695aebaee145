"""What to do with one flow, from what its tables and inputs say: pure, so that `etl plan` shows what `etl run` will do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from etl.planning.kinds import KIND_TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.config.spec import InputSpec, Mode
    from etl.planning.kinds import Kind
    from etl.planning.plan import Action, Committed
    from etl.planning.position import Drift


_DUE = "a run ended before the results that were due were written"


@dataclass(frozen=True, slots=True)
class Opened:
    """The newest generation that was started, and how far Spark's checkpoint of it has come.

    Attributes:
        planned_epoch: The newest epoch in Spark's offset log, which was started; None where none was.
        completed_epoch: The newest epoch in Spark's commit log; None where none was committed.
        drained: Of state: False where results may be due that no epoch has written yet.
        damage: What of its checkpoint cannot be read, with the file; empty where all of it can.
        feeds: The inputs that it reads by what came and went; None where that is not known.
        left_out: Of state: whether rows came late, which one epoch over all rows would have taken.
    """

    number: int
    fingerprint: str
    kind: Kind
    planned_epoch: int | None
    completed_epoch: int | None
    drained: bool = True
    damage: str = ""
    feeds: tuple[str, ...] | None = None
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What befell a target since the flow's last commit, so that its stream cannot simply go on."""

    what: str
    hint: str = ""  # not empty: a rebuild would take something away that is not ours, so only --full-refresh may do it


@dataclass(frozen=True, slots=True)
class FlowState:
    """Everything a decision needs to know of one flow: its target, its newest generation, its inputs.

    Attributes:
        drifts: How each input has moved since what the target has committed; empty where nothing is committed.
        newest: The greatest number that any generation of the flow has had.
        with_int96: Which of its tables store timestamps as older builds did; looked for where a batch is decided.
        interrupted: A backfill or a replay that died between its tables: only the same call ends it.
        unrepeatable: Why an epoch that died between its tables cannot be computed again as it was; empty where it can.
        abandoned: Newer generations than `opened`, of an edit that was taken back before it had reached any table.
    """

    committed: Committed | None
    opened: Opened | None
    drifts: Mapping[str, Drift]
    fault: Fault | None = None
    newest: int = -1
    with_int96: tuple[str, ...] = ()
    interrupted: Fault | None = None
    unrepeatable: str = ""
    abandoned: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Run the flow or not, in which generation, and why.

    Attributes:
        lost: What a rebuild could no longer read; the run is refused unless that is allowed.
        refused: What to do instead of a run, which is refused for `reason`; empty where it is not refused.
        rebuild: "batch" where even a stream opens this generation with one complete epoch.
        abandons: Newer generations that a run which resumes this one gives up: they reached no table.
    """

    action: Action
    reason: str
    generation: int
    lost: str = ""
    refused: str = ""
    rebuild: Literal["", "batch"] = ""
    warnings: tuple[str, ...] = ()
    abandons: tuple[int, ...] = ()


def decide(
    *,
    mode: Mode,
    inputs: tuple[InputSpec, ...],
    fingerprint: str,
    state: FlowState,
    full_refresh: bool = False,
) -> Decision:
    """Resume the newest generation, open a new one, or leave a flow that has nothing to do alone.

    The newest generation that was *started* decides, whether or not it reached the target. An older one is resumed only where
    the newer ones are of an edit that was taken back before it had reached any table (`FlowState.abandoned`), so what a crash
    left behind in quarantine or state always belongs to the generation that goes on.
    """
    decision = _decide(mode=mode, inputs=inputs, fingerprint=fingerprint, state=state, full_refresh=full_refresh)
    if not state.abandoned or decision.action == "new generation":
        return decision
    reason = f"{decision.reason}; an edit that had reached no table was taken back"
    return replace(decision, reason=reason, abandons=state.abandoned if decision.action == "resume" else ())


def _decide(
    *, mode: Mode, inputs: tuple[InputSpec, ...], fingerprint: str, state: FlowState, full_refresh: bool
) -> Decision:
    committed, opened = state.committed, state.opened
    newest = max(opened.number if opened else -1, committed.generation if committed else -1, state.newest)
    following = newest + 1
    # Epoch 0 of an interrupted generation replaces the target, whatever befell that.
    replacing = opened is not None and committed is not None and opened.number > committed.generation
    fault = None if replacing else state.fault or state.interrupted

    def renew(reason: str) -> Decision:
        gone = _gone(inputs, state)
        rebuild: Literal["", "batch"] = "batch" if committed else ""
        return Decision("new generation", reason, following, lost=gone, rebuild=rebuild)

    if full_refresh:
        return renew("full refresh")
    if fault is not None and fault.hint:
        return Decision("new generation", fault.what, following, refused=fault.hint)
    if fault is not None:
        return renew(fault.what)
    if opened is None:
        return renew("never ran" if committed is None else "its checkpoint is missing")
    if opened.damage:
        return renew(opened.damage)
    if state.unrepeatable:
        return renew(state.unrepeatable)
    if mode == "batch":
        return _batch(fingerprint, state, renew)
    if opened.fingerprint != fingerprint:
        return renew("the definition changed")
    broken = _broken(committed, opened)
    if broken:
        return renew(broken)
    if committed is None or committed.generation < opened.number:
        return Decision("resume", "an interrupted generation is finished", opened.number)
    return _stream(inputs, state, opened, renew)


def _batch(fingerprint: str, state: FlowState, renew: _Renew) -> Decision:
    committed, opened = state.committed, state.opened
    if committed is None:
        return renew("nothing was committed yet")
    if committed.fingerprint != fingerprint:
        return renew("the definition changed")
    if opened is not None and (opened.number > committed.generation or _broken(committed, opened)):
        return renew(
            "an interrupted run left a newer generation"
            if opened.number > committed.generation
            else _broken(committed, opened)
        )
    moved = [f"{name}: {drift.detail}" for name, drift in state.drifts.items() if drift.moved != "same"]
    if not moved and opened is not None and not opened.drained:
        return renew(_DUE)
    if not moved and opened is not None and opened.left_out:
        return renew("rows that came late were left out")
    if not moved and state.with_int96:
        return renew(f"{told_as_int96(state.with_int96)}; a batch rebuilds it")
    if not moved:
        return Decision("unchanged", "no input has changed", committed.generation)
    return renew("; ".join(moved))


def told_as_int96(tables: Sequence[str]) -> str:
    """What is said of the tables of a flow that an older build has written."""
    *others, last = tables
    names = f"{', '.join(others)} and {last}" if others else last
    return f"its {names} {'store' if others else 'stores'} timestamps as INT96, of which other readers make other instants before 1677 and after 2262"


def _stream(inputs: tuple[InputSpec, ...], state: FlowState, opened: Opened, renew: _Renew) -> Decision:
    changes = [item.dataset for item in inputs if item.read == "changes"]
    recompute = [item.dataset for item in inputs if item.read == "snapshot" and item.on_change == "recompute"]
    keep = [item.dataset for item in inputs if item.read == "snapshot" and item.on_change != "recompute"]
    stale = tuple(
        f"snapshot {name} has moved since it was read ({state.drifts[name].detail}); rows already written keep the old one"
        for name in keep
        if name in state.drifts and state.drifts[name].moved != "same"
    )
    drift = {name: state.drifts[name] for name in (*changes, *recompute) if name in state.drifts}
    if not KIND_TRAITS[opened.kind].streams:
        moved = [name for name, item in drift.items() if item.moved != "same"]
        if not moved:
            return Decision("unchanged", "no input has changed", opened.number, warnings=stale)
        reason = "; ".join(f"{name}: {drift[name].detail}" for name in moved)
        return Decision("resume", reason, opened.number, lost=_gone(inputs, state), warnings=stale)
    for name, item in drift.items():
        # Touched groups are recomputed from all their rows, so none of those may be gone.
        gone = item.moved == "lost" and KIND_TRAITS[opened.kind].needs_whole_inputs
        if item.moved == "rewritten" or item.rewritten or gone or (name in recompute and item.moved != "same"):
            return renew(f"{name}: {item.detail}")
    moved = [name for name in changes if name in drift and drift[name].new]
    if not moved and not opened.drained:
        return Decision("resume", _DUE, opened.number, warnings=stale)
    if not moved:
        return Decision("unchanged", "no input has anything new", opened.number, warnings=stale)
    return Decision(
        "resume", "; ".join(f"{name}: {drift[name].detail}" for name in moved), opened.number, warnings=stale
    )


def _gone(inputs: tuple[InputSpec, ...], state: FlowState) -> str:
    """What a rebuild could no longer read. A snapshot is the table as it stands, so nothing of it is ever lost."""
    changes = {item.dataset for item in inputs if item.read == "changes"}
    return "; ".join(
        f"{name}: {item.detail}" for name, item in state.drifts.items() if item.moved == "lost" and name in changes
    )


def _broken(committed: Committed | None, opened: Opened) -> str:
    """Why the newest generation cannot go on: its checkpoint and its target disagree about what was committed."""
    if not KIND_TRAITS[opened.kind].streams:
        return ""
    if committed is None or committed.generation < opened.number:
        return "the target lost what was committed to it" if opened.completed_epoch is not None else ""
    if committed.generation > opened.number:
        return "its checkpoint is missing"
    if opened.planned_epoch is None or opened.planned_epoch < committed.epoch:
        return "the checkpoint is behind the target"
    if opened.completed_epoch is not None and opened.completed_epoch > committed.epoch:
        return "the target lost what was committed to it"
    return ""


if TYPE_CHECKING:
    from collections.abc import Callable

    _Renew = Callable[[str], Decision]
