"""A continuous run at a real terminal: what it shows, takes up, and how one Ctrl-C ends it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.test_interrupts import ORDERS, STOPPING, at_a_terminal, ended_well, recorded, shop
from tests.support.engine_cases import land, table
from tests.support.screen import CTRL_C

__all__ = ["shop"]


@pytest.mark.system
def test_a_continuous_stream_takes_up_what_arrives_while_it_waits_and_ctrl_c_ends_it_in_good_order(shop: Path) -> None:
    stream = ("run", "shop", "--mode", "stream", "--select", "clean", "--trigger", "continuous")
    with at_a_terminal(shop, *stream) as terminal:
        terminal.wait_for("waits for data")
        assert len(table(shop, "clean")) == len(ORDERS)
        land(shop, "later.json", [{"id": 99, "who": "b", "amount": 2, "seq": 1, "gone": False}])
        began = time.monotonic()
        while len(table(shop, "clean")) == len(ORDERS) and time.monotonic() - began < 60:
            time.sleep(0.05)
        terminal.type(CTRL_C)
        ended_well(terminal, shop, 130)
        assert STOPPING in terminal.text
        assert "clean  succeeded  stream" in terminal.text
    (flow,) = recorded(shop)[-1]["flows"]
    assert (flow["status"], flow["epochs"]) == ("succeeded", len(ORDERS) + 1)
    assert (99, "b") in [(row[0], row[1]) for row in table(shop, "clean")]
