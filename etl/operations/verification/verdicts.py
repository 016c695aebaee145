"""What a verification has found, flow by flow, as a value that shows itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from etl.config.secrets import redact
from etl.markup import card, element, folded, preformatted, quiet, status, table
from etl.operations.harness.difference_table import difference_text

if TYPE_CHECKING:
    from etl.operations.harness.difference import Difference

Ended: TypeAlias = Literal[
    "equal", "differs", "failed", "not judged"
]  # the last: none differs, but of one nothing can be said
Verdict: TypeAlias = Literal["equal", "differs", "differs from itself", "failed", "not judged"]


@dataclass(frozen=True, slots=True)
class FlowVerdict:
    """What came of one flow. Of the first trial that differs the seed, how the rows came, and the rows that differ."""

    flow: str
    kind: str
    strategy: str
    verdict: Verdict
    trials: int = 0  # in which it was compared with the truth, the batch against itself not counted
    rows: int = 0  # of the truth
    seed: int | None = None
    description: str = ""
    differences: tuple[Difference, ...] = ()
    message: str = ""
    hint: str = ""
    error_kind: str = ""


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What a verification has found."""

    pipeline: str
    status: Ended
    seed: int
    splits: int
    flows: tuple[FlowVerdict, ...]
    notes: tuple[str, ...] = ()  # what was taken of which input
    duration_s: float = 0.0

    def _repr_html_(self) -> str:
        head = ("flow", "kind", "sink", "verdict", "trials", "rows", "seed", "")
        rows = [
            (
                element("b", item.flow),
                item.kind,
                item.strategy,
                status("succeeded" if item.verdict == "equal" else "failed"),
                item.trials,
                item.rows,
                item.seed,
                item.verdict if not item.message else f"{item.verdict}: {item.message}",
            )
            for item in self.flows
        ]
        apart = [
            folded(item.flow, preformatted("\n".join([*map(difference_text, item.differences), item.hint])))
            for item in self.flows
            if item.differences
        ]
        title = ("Verification of", element("b", self.pipeline), quiet(f"{self.splits} trials from seed {self.seed}"))
        return redact(card(title, table(head, rows), *apart, quiet("; ".join(self.notes))))
