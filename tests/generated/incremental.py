"""The two modes in plain Python: the same flows, fed portion by portion with no more than a kind may look at.

No Spark and none of our engine: it tells whether the rules by themselves (touched groups, net changes, remembered winners) end where one
batch ends, and whether every generated flow keeps them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.generated.flows import Flow, Pipeline, Table, as_input, greatest, versions
from tests.generated.operators import COLUMNS, Row, Rows, grouped
from tests.generated.states import watermark

_KEYS = {"merge": ("k",), "merge-delete": ("k",), "merge-once": ("k", "g"), "merge-except": ("g",), "scd2": ("k",)}


@dataclass(slots=True)
class Running:
    """One flow between two epochs: its target, its quarantine, and what it remembers."""

    flow: Flow
    target: Rows = field(default_factory=list)
    bad: Rows = field(default_factory=list)
    remembered: Rows = field(default_factory=list)

    def epoch(self, before: Rows, now: Rows, *, feed: bool) -> None:
        """Take in that the input held `before` and holds `now`; `feed`: rows of it may also go."""
        if self.flow.kind == "full":
            good, self.bad = self.flow.of(now)
            self.target = self.flow.target(good)
            return
        if self.flow.stage:
            self._keep_state(self.flow.stage.keys, now[len(before) :])
            return
        came, went = net_change(before, now)
        if self.flow.kind == "groups":
            touched = {self._group(row["g"]) for row in came + went}
            self._replace(touched, ("g",), [row for row in now if self._group(row["g"]) in touched])
        elif feed:
            keys = _KEYS[self.flow.sink]
            images = [row for half in (came, went) for kind in self.flow.of(half) for row in kind]
            touched = {tuple(row[name] for name in keys) for row in images}
            self._replace(touched, keys, now)
        else:
            good, bad = self.flow.of(came)
            self.bad += bad
            self._add(good)

    def _keep_state(self, keys: tuple[str, ...], new: Rows) -> None:
        """Results that are appended are closed, so that nothing may come to change them; those that are merged may change, and none may go."""
        assert all(row["at"] >= watermark(self.remembered) for row in new), "a row is late"
        earlier = self.flow.results(self.remembered)
        self.remembered = self.remembered + new
        came = net_change(earlier, self.flow.results(self.remembered))[0]
        good, bad = self.flow.judged(came)
        if self.flow.sink == "merge":
            written = {tuple(row[name] for name in keys) for row in came}
            self.target = [row for row in self.target if tuple(row[name] for name in keys) not in written]
            self.bad = [row for row in self.bad if tuple(row[name] for name in keys) not in written]
        self.target, self.bad = self.target + good, self.bad + bad

    def _group(self, g: str | None) -> tuple[str | None]:
        upper = any(item.name == "upper" for item in self.flow.operators)
        return (g.upper() if upper and g is not None else g,)

    def _replace(self, touched: set[Any], keys: tuple[str, ...], rows: Rows) -> None:
        def among(row: Row) -> bool:
            return tuple(row[name] for name in keys) in touched

        good, bad = self.flow.of(rows)
        new = self.flow.target([row for row in good if among(row)])
        self.target = [row for row in self.target if not among(row)] + new
        self.bad = [row for row in self.bad if not among(row)] + [row for row in bad if among(row)]

    def _add(self, good: Rows) -> None:
        if self.flow.sink == "append":
            self.target += good
            return
        keys = (*_KEYS[self.flow.sink], "seq") if self.flow.sink == "scd2" else _KEYS[self.flow.sink]
        sequence = () if self.flow.sink in ("scd2", "merge-once") else ("seq",)
        self.remembered = greatest(
            self.remembered + good, keys, sequence
        )  # no more than one row a key, or an instant of it
        if self.flow.sink == "scd2":
            self.target = versions(self.remembered)
        else:
            deletes = self.flow.sink in ("merge-delete", "merge-except")
            self.target = [row for row in self.remembered if not (deletes and row["gone"])]


def net_change(before: Rows, now: Rows) -> tuple[Rows, Rows]:
    """The rows that came and those that went, as multisets."""
    count: Counter[tuple[Any, ...]] = Counter()
    for rows, sign in ((now, 1), (before, -1)):
        for key, group in grouped(rows, *COLUMNS).items():
            count[key] += sign * len(group)
    came = [dict(zip(COLUMNS, key, strict=True)) for key, times in count.items() for _ in range(times)]
    went = [dict(zip(COLUMNS, key, strict=True)) for key, times in count.items() for _ in range(-times)]
    return came, went


def streamed(pipeline: Pipeline, portions: list[Rows]) -> dict[str, Table]:
    """What the tables hold after all portions, one epoch a portion and flow."""
    running = {flow.name: Running(flow) for flow in pipeline.flows}
    changes = {flow.name: flow.changes for flow in pipeline.flows} | {"events": False}
    inputs: dict[str, Rows] = {name: [] for name in changes}
    for portion in portions:
        before = dict(inputs)
        inputs["events"] = before["events"] + portion
        for flow in pipeline.flows:
            state = running[flow.name]
            state.epoch(before[flow.reads], inputs[flow.reads], feed=changes[flow.reads])
            inputs[flow.name] = as_input(flow, state.target)
    found = {}
    for flow in pipeline.flows:
        found[flow.name] = flow.table(running[flow.name].target)
        if flow.rule == "quarantine":
            bad = (("small", *(row[name] for name in COLUMNS)) for row in running[flow.name].bad)
            found[f"{flow.name} quarantine"] = sorted(bad, key=repr)
    return found
