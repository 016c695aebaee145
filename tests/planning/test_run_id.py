"""The names of runs."""

from __future__ import annotations

import re
import time

from etl.planning.run_id import new_run_id


def test_the_order_of_names_is_that_of_runs_also_within_a_second() -> None:
    names = []
    for _ in range(300):
        names.append(new_run_id())
        time.sleep(0.0011)
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{8}", name) for name in names)
