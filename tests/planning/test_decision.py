"""Resume, rebuild, or leave alone: the decision is a pure function of what the tables and inputs say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.config.spec import InputSpec
from etl.planning.decision import Fault, FlowState, Opened, decide
from etl.planning.plan import Committed
from etl.planning.position import Drift, advance_files, file_drift, files_position, unlisted_drift

INPUTS = (InputSpec("a"), InputSpec("b", "snapshot", "recompute"), InputSpec("c", "snapshot"))


def committed(generation: int = 0, epoch: int = 3, fingerprint: str = "f", kind: Any = "rows") -> Committed:
    return Committed(7, generation, epoch, {}, fingerprint, kind, "r")


def opened(
    number: int = 0, fingerprint: str = "f", kind: Any = "rows", offered: int | None = 3, finished: int | None = 3
) -> Opened:
    return Opened(number, fingerprint, kind, offered, finished)


def verdict(mode: Any, state: FlowState, fingerprint: str = "f", *, full_refresh: bool = False) -> tuple[str, int]:
    found = decide(mode=mode, inputs=INPUTS, fingerprint=fingerprint, state=state, full_refresh=full_refresh)
    return found.action, found.generation


SAME = {"a": Drift("same"), "b": Drift("same"), "c": Drift("same")}


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_flow_that_never_ran_opens_generation_zero(mode: str) -> None:
    assert verdict(mode, FlowState(None, None, {})) == ("new generation", 0)


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_nothing_new_is_unchanged(mode: str) -> None:
    assert verdict(mode, FlowState(committed(), opened(), SAME)) == ("unchanged", 0)


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_part_that_died_between_its_tables_stops_every_run_but_a_rebuild(mode: Any) -> None:
    state = FlowState(committed(), opened(), SAME, interrupted=Fault("a replay was interrupted", "run it again"))
    found = decide(mode=mode, inputs=INPUTS, fingerprint="f", state=state)
    assert (found.refused, found.reason) == ("run it again", "a replay was interrupted")
    assert verdict(mode, state, full_refresh=True) == ("new generation", 1)
    begun = replace(state, opened=opened(1, offered=None, finished=None))
    assert not decide(mode=mode, inputs=INPUTS, fingerprint="f", state=begun).refused, "its rebuild goes on"


def test_new_files_resume_a_stream_and_renew_a_batch() -> None:
    state = FlowState(committed(), opened(), {**SAME, "a": Drift("more", "1 new file", new=True)})
    assert verdict("stream", state) == ("resume", 0)
    assert verdict("batch", state) == ("new generation", 1)


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_changed_definition_opens_a_new_generation(mode: str) -> None:
    assert verdict(mode, FlowState(committed(), opened(), SAME), "g") == ("new generation", 1)


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_full_refresh_opens_a_new_generation_whatever_is_there(mode: str) -> None:
    assert verdict(mode, FlowState(committed(), opened(), SAME), full_refresh=True) == ("new generation", 1)


def test_an_interrupted_generation_is_finished_by_a_stream_and_superseded_by_a_batch() -> None:
    state = FlowState(committed(generation=0), opened(number=1, offered=0, finished=None), SAME)
    assert verdict("stream", state) == ("resume", 1)
    assert verdict("batch", state) == ("new generation", 2)


def test_an_interrupted_generation_of_another_definition_is_not_finished() -> None:
    state = FlowState(committed(generation=0), opened(number=1, fingerprint="other", offered=0, finished=None), SAME)
    assert verdict("stream", state) == ("new generation", 2)


def test_an_edit_that_was_taken_back_leaves_its_number_behind_and_nothing_else() -> None:
    state = FlowState(committed(), opened(), SAME, newest=2, abandoned=(1, 2))
    found = decide(mode="batch", inputs=INPUTS, fingerprint="f", state=state)
    assert (found.action, found.generation, found.abandons) == ("unchanged", 0, ()), "who starts nothing writes nothing"
    assert found.reason == "no input has changed; an edit that had reached no table was taken back"
    moved = replace(state, drifts={**SAME, "a": Drift("more", "1 new file", new=True)})
    found = decide(mode="stream", inputs=INPUTS, fingerprint="f", state=moved)
    assert (found.action, found.generation, found.abandons) == ("resume", 0, (1, 2))
    assert verdict("batch", moved) == ("new generation", 3)
    assert verdict("stream", moved, full_refresh=True) == ("new generation", 3)


def test_a_target_behind_its_checkpoint_is_rebuilt() -> None:
    assert verdict("stream", FlowState(committed(epoch=2), opened(offered=3, finished=3), SAME)) == (
        "new generation",
        1,
    )
    assert verdict("stream", FlowState(None, opened(offered=3, finished=3), {})) == ("new generation", 1)


def test_a_checkpoint_behind_its_target_is_rebuilt() -> None:
    for state in (opened(offered=None, finished=None), opened(offered=2, finished=2)):
        assert verdict("stream", FlowState(committed(), state, SAME)) == ("new generation", 1)


def test_a_commit_that_spark_does_not_know_of_yet_is_no_damage() -> None:
    assert verdict("stream", FlowState(committed(epoch=3), opened(offered=3, finished=2), SAME)) == ("unchanged", 0)


def test_a_snapshot_that_moved_rebuilds_only_where_that_was_asked() -> None:
    moved = Drift("rewritten", "the files have changed", new=True)
    assert verdict("stream", FlowState(committed(), opened(), {**SAME, "b": moved})) == ("new generation", 1)
    kept = decide(
        mode="stream", inputs=INPUTS, fingerprint="f", state=FlowState(committed(), opened(), {**SAME, "c": moved})
    )
    assert kept.action == "unchanged"
    assert "snapshot c has moved" in kept.warnings[0]


def test_files_that_are_gone_stop_a_rebuild_and_not_a_stream() -> None:
    gone = {**SAME, "a": Drift("lost", "1 file (x) is gone")}
    assert (
        decide(mode="batch", inputs=INPUTS, fingerprint="f", state=FlowState(committed(), opened(), gone)).lost
        == "a: 1 file (x) is gone"
    )
    assert verdict("stream", FlowState(committed(), opened(), gone)) == ("unchanged", 0)


FILES = st.dictionaries(st.text("abc/é ", min_size=1, max_size=6), st.integers(0, 10**13), max_size=8)


@given(FILES, st.data())
def test_a_position_does_not_depend_on_how_the_files_were_split(files: dict[str, int], data: st.DataObject) -> None:
    order = data.draw(st.permutations(list(files.items())))
    cut = data.draw(st.integers(0, len(order)))
    position = advance_files(advance_files(None, dict(order[:cut])), dict(order[cut:]))
    assert position == files_position(files)


@given(FILES, FILES)
def test_a_drift_is_the_difference_of_two_listings(read: dict[str, int], now: dict[str, int]) -> None:
    found = file_drift(read, now)
    assert (found.moved == "same") == (read == now)
    assert (found.moved == "lost") == bool(read.keys() - now.keys())
    assert found.new == bool(now.keys() - read.keys())
    assert (files_position(read) == files_position(now)) == (read == now)


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_fault_of_the_target_rebuilds_it_or_is_refused_and_only_a_full_refresh_passes(mode: Any) -> None:
    def found(fault: Fault, *, full_refresh: bool = False) -> tuple[str, int, str]:
        state = FlowState(committed(), opened(), SAME, fault, 4)
        done = decide(mode=mode, inputs=INPUTS, fingerprint="f", state=state, full_refresh=full_refresh)
        return done.action, done.generation, done.refused

    assert found(Fault("gone")) == ("new generation", 5, "")
    assert found(Fault("foreign", "take it back")) == ("new generation", 5, "take it back")
    assert found(Fault("foreign", "take it back"), full_refresh=True) == ("new generation", 5, "")


def test_an_interrupted_generation_is_finished_whatever_befell_the_target_before_it() -> None:
    state = FlowState(
        committed(generation=0), opened(number=1, offered=0, finished=None), SAME, Fault("foreign", "hint")
    )
    assert verdict("stream", state) == ("resume", 1)


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_damaged_checkpoint_is_never_resumed_nor_called_unchanged(mode: str) -> None:
    state = FlowState(committed(), replace(opened(), damage="offsets/1 cannot be read"), SAME)
    assert verdict(mode, state) == ("new generation", 1)


def test_files_whose_list_is_lost_are_proved_by_their_digest_or_called_lost() -> None:
    read = {"a": 1, "b": 2}
    known = files_position(read)
    digest = str(known["digest"])
    assert unlisted_drift(2, digest, read, streamed=True) == Drift("same")
    assert unlisted_drift(2, digest, {**read, "c": 3}, streamed=True) == Drift("more", "1 new file", new=True)
    assert unlisted_drift(2, digest, {"a": 1}, streamed=True).moved == "lost"
    assert unlisted_drift(2, digest, {"a": 1, "c": 3, "d": 4}, streamed=True).moved == "lost"
    assert unlisted_drift(2, digest, {"a": 1, "c": 3, "d": 4}, streamed=False).moved == "rewritten"
