"""Generated flows: which kind, which sink, which operators, over which input; as YAML and as the rows that must come of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.generated.operators import COLUMNS, NAMES, OPERATORS, Operator, Row, Rows, grouped, ordered, whole, within
from tests.generated.states import DELAY, START, STATEFUL, Stateful, closed, watermark

Table = list[tuple[Any, ...]]

STORED = {"merge": COLUMNS, "merge-except": ("k", "g", "v", "seq")}
_SINKS = {
    "rows": ("append", "merge", "merge-delete", "merge-once", "merge-except", "scd2"),
    "groups": ("replace",),
    "state": ("append", "merge"),
    "full": ("overwrite",),
}
_YAML = {
    "append": "{strategy: append}",
    "merge": "{strategy: merge, keys: [k], sequence_by: [seq]}",
    "merge-delete": "{strategy: merge, keys: [k], sequence_by: [seq], delete_when: gone}",
    "merge-once": "{strategy: merge, keys: [k, g], insert_only: true}",
    "merge-except": "{strategy: merge, keys: [g], sequence_by: [seq], delete_when: gone, except_columns: [gone]}",
    "scd2": "{strategy: scd2, keys: [k], sequence_by: [seq], track: [v], delete_when: gone, except_columns: [gone]}",
    "replace": "{strategy: replace}",
    "overwrite": "{strategy: overwrite}",
}
_RULES = ("", "drop", "quarantine", "")
# `v` may have been summed or doubled by then, so that the limit is met now and then by both.
_RULE_YAML = {
    "": "",
    "drop": "    expectations: {some: {expr: v >= 0, on_violation: drop}}\n",
    "quarantine": "    expectations: {small: {expr: v < 8, on_violation: quarantine}}\n",
}
Cell = tuple[str, str, str]
"""A cell of the histogram: kind, sink, family of operators."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One generated flow."""

    name: str
    reads: str  # the source `events`, or another flow
    kind: str
    sink: str  # one of _SINKS
    operators: tuple[Operator, ...]
    rule: str = ""
    said: bool = True  # whether the YAML says the kind, or leaves it to `auto`

    @property
    def stored(self) -> tuple[str, ...]:
        """The columns of the target that come from the transform."""
        return tuple(name for name in COLUMNS if not (name == "gone" and self.sink in ("merge-except", "scd2")))

    @property
    def stage(self) -> Stateful | None:
        """Of a flow over state the stage that keeps it."""
        return next((item for item in self.operators if isinstance(item, Stateful)), None)

    @property
    def changes(self) -> bool:
        """Whether rows of the target change or go."""
        return self.sink != "append"

    @property
    def cells(self) -> list[Cell]:
        """The cells that this flow fills."""
        return [(self.kind, self.sink, item.family) for item in self.operators]

    def yaml(self) -> str:
        """Its part of pipeline.yml."""
        group, stage = "g", self.stage
        first = (*_read(self.reads), *(["at"] if stage else []))
        ctes = [f"t0 AS (SELECT {', '.join(first)} FROM {self.reads})"]
        for number, item in enumerate(self.operators, 1):
            more = ", at" if stage and number <= self.operators.index(stage) else ""
            ctes.append(f"t{number} AS ({_over(item.sql, f't{number - 1}', more)})")
            group = item.group.replace("{g}", group)
        query = f"WITH {', '.join(ctes)} SELECT * FROM t{len(self.operators)}"
        joins = any("names" in item.sql for item in self.operators)
        incremental = self.kind
        if self.kind == "groups":
            incremental = f"{{groups: {{g: {group}}}}}"
        elif stage:
            incremental = f"{{state: {{watermark: at, delay: {DELAY} seconds}}}}"
        lines = [
            f"  {self.name}:",
            f"    inputs: {{{self.reads}: changes{', names: snapshot' if joins else ''}}}",
            f'    transform: {{sql: "{query}"}}',
            *([f"    incremental: {incremental}"] if self.said else []),
            f"    sink: {self._sink()}",
        ]
        return "\n".join(lines) + "\n" + _RULE_YAML[self.rule]

    def _sink(self) -> str:
        if self.stage and self.sink == "merge":
            return f"{{strategy: merge, keys: [{', '.join(self.stage.keys)}]}}"
        return _YAML[self.sink]

    def of(self, rows: Rows) -> tuple[Rows, Rows]:
        """What the transform makes of `rows`, good and quarantined."""
        return self.judged(self.results(rows))

    def results(self, rows: Rows) -> Rows:
        """What the transform makes of `rows`."""
        mark = watermark(rows) if self.stage else 0
        for item in self.operators:
            rows = item.of(rows)
            if item is self.stage and self.sink == "append":
                rows = closed(rows, mark)
        return rows

    def judged(self, rows: Rows) -> tuple[Rows, Rows]:
        """The results that keep the flow's expectation, and those that are quarantined."""
        if self.rule == "drop":
            return [row for row in rows if row["v"] is not None and row["v"] >= 0], []
        if self.rule == "quarantine":
            return (
                [row for row in rows if row["v"] is not None and row["v"] < 8],
                [row for row in rows if row["v"] is None or row["v"] >= 8],
            )
        return rows, []

    def target(self, good: Rows) -> Rows:
        """The target's rows after all of `good`, in whatever order."""
        if self.stage:
            return good
        if self.sink in ("merge", "merge-delete"):
            found = greatest(good, ("k",), ("seq",))
            return [row for row in found if not (self.sink == "merge-delete" and row["gone"])]
        if self.sink == "merge-once":
            return greatest(good, ("k", "g"), ())
        if self.sink == "merge-except":
            return [row for row in greatest(good, ("g",), ("seq",)) if not row["gone"]]
        if self.sink == "scd2":
            return versions(good)
        return good

    def table(self, rows: Rows) -> Table:
        """Rows as the independent reader shows them."""
        names = (*self.stored, *(("valid_from", "valid_to", "is_current") if self.sink == "scd2" else ()))
        return sorted((tuple(row[name] for name in names) for row in rows), key=repr)


def _read(name: str) -> tuple[str, ...]:
    """The five columns of an input, of which a target may store fewer."""
    if name.endswith(("_merge_except", "_scd2")):
        return ("k", "g", "v", "seq", "CAST(NULL AS BOOLEAN) AS gone")
    return COLUMNS


def as_input(flow: Flow, rows: Rows) -> Rows:
    """The target's rows as another flow reads them."""
    return [{name: row[name] if name in flow.stored else None for name in COLUMNS} for row in rows]


def greatest(rows: Iterable[Row], keys: Sequence[str], sequence: Sequence[str]) -> Rows:
    """The winner of each key: the greatest sequence, of equal ones the greater whole row."""

    def rank(row: Row) -> Any:
        return (tuple(ordered(row[name]) for name in sequence), whole(row))

    return [max(group, key=rank) for group in grouped(rows, *keys).values()]


def versions(rows: Rows) -> Rows:
    """The history by `k` along `seq`, tracking `v`, ended by `gone`."""
    found: Rows = []
    for group in grouped(greatest(rows, ("k", "seq"), ()), "k").values():
        current: Row | None = None
        for row in sorted(group, key=lambda row: row["seq"]):
            if current is not None and (row["gone"] or row["v"] != current["v"]):
                found.append({**current, "valid_from": current["seq"], "valid_to": row["seq"], "is_current": False})
                current = None
            if current is None and not row["gone"]:
                current = row
        if current is not None:
            found.append({**current, "valid_from": current["seq"], "valid_to": None, "is_current": True})
    return found


def legal_cells() -> list[Cell]:
    """Every kind x sink x family of operators that is allowed."""
    return sorted(
        {
            (kind, sink, item.family)
            for kind, sinks in _SINKS.items()
            for sink in sinks
            for item in _legal(kind, sink)
        }
    )  # fmt: skip


def _legal(kind: str, sink: str) -> list[Operator]:
    """The operators that a flow of the kind can have before that sink."""
    if kind == "state":
        return [*within("rows"), *(item for item in STATEFUL if sink in item.sinks)]
    return within(kind)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Flows in an order in which each stands after what it reads."""

    flows: tuple[Flow, ...]

    def yaml(self) -> str:
        """The whole of pipeline.yml."""
        return (
            "version: 1\nname: generated\nsources:\n"
            "  events:\n    format: json\n    path: landing/events\n"
            '    schema: "k STRING, g STRING, v BIGINT, seq BIGINT, gone BOOLEAN, at TIMESTAMP"\n'
            "    rate_limit: {files: 2}\n"
            '  names: {format: csv, path: landing/names.csv, schema: "k STRING, w BIGINT", options: {header: true}}\n'
            "flows:\n" + "".join(flow.yaml() for flow in self.flows)
        )

    def model(self, events: Rows) -> dict[str, Table]:
        """What each table must hold, and each quarantine (`<flow> quarantine`), after one batch over `events`."""
        rows: dict[str, Rows] = {"events": events}
        found: dict[str, Table] = {}
        for flow in self.flows:
            good, bad = flow.of(rows[flow.reads])
            target = flow.target(good)
            rows[flow.name] = as_input(flow, target)
            found[flow.name] = flow.table(target)
            if flow.rule == "quarantine":
                found[f"{flow.name} quarantine"] = sorted(
                    (("small", *(row[name] for name in COLUMNS)) for row in bad), key=repr
                )
        return found


@dataclass(slots=True)
class Dice:
    """Seeded choices, which prefer the cells that were chosen least."""

    seed: int
    chosen: Counter[Cell] = field(default_factory=Counter)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def pipeline(self, count: int) -> Pipeline:
        """`count` flows, about half of them over other flows."""
        flows: list[Flow] = []
        for number in range(count):
            depth = 0 if number < (count + 1) // 2 else 1
            flow = self._flow(number, self.random.choice(flows) if depth and flows else None)
            self.chosen.update(flow.cells)
            flows.append(flow)
        return Pipeline(tuple(flows))

    def _flow(self, number: int, above: Flow | None) -> Flow:
        dice = self.random
        # An append would have to take back what it wrote when rows above it change; and what is no source has no time.
        cells = [
            cell
            for cell in legal_cells()
            if above is None or not ((above.changes and cell[1] == "append") or cell[0] == "state")
        ]
        least = min(self.chosen[cell] for cell in cells)
        kind, sink, family = dice.choice([cell for cell in cells if self.chosen[cell] == least])
        must = dice.choice([item for item in _legal(kind, sink) if item.family == family])
        others = dice.choices(within("rows" if kind == "state" else kind), k=dice.randrange(3))
        place = dice.randrange(len(others) + 1)
        operators = (*others[:place], must, *others[place:])
        if kind == "state":
            operators = self._with_state(sink, [item for item in operators if not isinstance(item, Stateful)], must)
        if (
            kind == "groups"
        ):  # a group by `g` is less than one by upper(g), which Spark's plan does not tell: it would be refused
            operators = tuple(sorted(operators, key=lambda item: item.name != "upper"))
        name = f"f{number}_{sink.replace('-', '_')}"
        said = kind in ("groups", "state") or dice.random() < 0.8
        return Flow(name, above.name if above else "events", kind, sink, operators, dice.choice(_RULES), said)

    def _with_state(self, sink: str, others: Sequence[Operator], must: Operator) -> tuple[Operator, ...]:
        """The operators around one that keeps state; before a merge none follows it, which might leave out a result that is open."""
        stages = [item for item in STATEFUL if sink in item.sinks]
        stage = must if isinstance(must, Stateful) else self.random.choice(stages)
        place = self.random.randrange(len(others) + 1) if sink == "append" else len(others)
        return (*others[:place], stage, *others[place:])

    def events(self, count: int, number: int = 0) -> Rows:
        """Rows with nulls, duplicates, ties, rows out of order and deletes; of the arrival `number`, by whose end all of the one before are over."""
        dice, found = self.random, []
        for _ in range(count):
            found.append(
                {
                    "k": dice.choice(["a", "b", "c", "d", "e", None]),
                    "g": dice.choice(["x", "y", "Y", "z", None]),
                    "v": dice.choice([None, -1, 0, 1, 2, 5, 9]),
                    "seq": dice.randrange(6),
                    "gone": dice.choice([True, False, False, None]),
                    "at": START + number * DELAY + dice.randrange(DELAY // 60) * 60,
                }
            )
            if dice.random() < 0.1:
                found.append(dict(found[-1]))
        return found

    def dealt(self, rows: Rows, count: int) -> list[Rows]:
        """The rows in another order, in `count` portions, none of them empty where there are rows enough."""
        shuffled = self.random.sample(rows, len(rows))
        cuts = sorted(self.random.sample(range(1, len(rows)), min(count, len(rows)) - 1)) if len(rows) > 1 else []
        return [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]


def histogram(chosen: Counter[Cell]) -> str:
    """kind x sink against families of operators, as a table of text; `-` where the pair is not legal."""
    families = list(dict.fromkeys(item.family for item in (*OPERATORS, *STATEFUL)))
    lines = [f"{'':24}" + "".join(f"{family:>10}" for family in families)]
    legal = set(legal_cells())
    for kind, sinks in _SINKS.items():
        for sink in sinks:
            counts = ((kind, sink, family) for family in families)
            shown = "".join(f"{chosen[cell] if cell in legal else '-':>10}" for cell in counts)
            lines.append(f"{kind + ' x ' + sink:24}{shown}")
    return "\n".join(lines)


def names_csv() -> str:
    """The file of the snapshot `names`."""
    return "k,w\n" + "".join(f"{k},{w}\n" for k, w in NAMES.items())


def _over(sql: str, relation: str, more: str) -> str:
    """An operator's SQL over the relation of the stage before, of which it hands on `more`."""
    return (
        sql.replace("{at}", more)
        .replace("FROM t", f"FROM {relation} t")
        .replace("JOIN (SELECT g, count(*) AS n FROM t GROUP", f"JOIN (SELECT g, count(*) AS n FROM {relation} t GROUP")
    )
