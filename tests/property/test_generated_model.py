"""The rules of the kinds and sinks by themselves, in plain Python: portions in any order end where one batch ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain

import pytest

from tests.generated.flows import Cell, Dice, histogram, legal_cells
from tests.generated.incremental import streamed

PIPELINES = 1_000
FLOWS = 10


@pytest.mark.property
def test_ten_thousand_flows_fed_in_portions_end_where_one_batch_ends(tell: Callable[[str], None]) -> None:
    chosen: Counter[Cell] = Counter()
    cases = 0
    for seed in range(PIPELINES):
        dice = Dice(seed, chosen)
        pipeline = dice.pipeline(FLOWS)
        portions = [dice.events(dice.random.randrange(1, 14), number) for number in range(dice.random.randrange(1, 6))]
        found = streamed(pipeline, portions)
        for name, expected in pipeline.model(list(chain(*portions))).items():
            assert found[name] == expected, (seed, name, pipeline.yaml())
        chosen = dice.chosen
        cases += len(pipeline.flows)
    tell(f"{cases} flows of the model, seeds 0 to {PIPELINES - 1}\n{histogram(chosen)}")
    assert cases >= 10_000
    assert not [cell for cell in legal_cells() if chosen[cell] == 0]


@pytest.mark.property
def test_a_model_that_forgets_a_rule_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the comparison blind, it would not see that rows which went are not taken back."""
    monkeypatch.setattr("tests.generated.incremental.net_change", lambda before, now: (now[len(before) :], []))
    differing = 0
    for seed in range(40):
        dice = Dice(seed)
        pipeline = dice.pipeline(FLOWS)
        portions = [dice.events(6, number) for number in range(4)]
        differing += streamed(pipeline, portions) != pipeline.model(list(chain(*portions)))
    assert differing > 20
