"""The result of a verification, with a verdict on each flow; it shows itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from etl.config.secrets import redact
from etl.markup import card, element, folded, preformatted, quiet, status, table
from etl.operations.harness.difference_table import difference_text

if TYPE_CHECKING:
    from etl.operations.harness.difference import Difference

# "not judged" of a whole verification: no flow differs, and of one nothing can be said.
Ended: TypeAlias = Literal["equal", "differs", "failed", "not judged"]
Verdict: TypeAlias = Literal["equal", "differs", "differs from itself", "failed", "not judged"]


@dataclass(frozen=True, slots=True)
class FlowVerdict:
    """What came of one flow, and of the first trial that differs its seed, how its rows came and which rows differ.

    Attributes:
        kind: As the reference decided it; empty where the reference failed.
        strategy: Of the sink; empty where the reference failed.
        trials: In how many the flow was compared with the reference, the batch against itself not counted.
        rows: How many rows the reference wrote.
        seed: Of the trial; None: the batch that was run again, or the reference.
        description: How the trial's rows came.
        error_kind: Of the failure, where there was one.
    """

    flow: str
    kind: str
    strategy: str
    verdict: Verdict
    trials: int = 0
    rows: int = 0
    seed: int | None = None
    description: str = ""
    differences: tuple[Difference, ...] = ()
    message: str = ""
    hint: str = ""
    error_kind: str = ""


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The result of a verification.

    Attributes:
        seed: Of the first trial.
        splits: How many random trials there were.
        notes: What was taken of which input.
        duration_s: In seconds.
    """

    pipeline: str
    status: Ended
    seed: int
    splits: int
    flows: tuple[FlowVerdict, ...]
    notes: tuple[str, ...] = ()
    duration_s: float = 0.0

    def _repr_html_(self) -> str:
        head = ("flow", "kind", "sink", "verdict", "trials", "rows", "seed", "")
        rows = [
            (
                element("b", flow.flow),
                flow.kind,
                flow.strategy,
                status("succeeded" if flow.verdict == "equal" else "failed"),
                flow.trials,
                flow.rows,
                flow.seed,
                flow.verdict if not flow.message else f"{flow.verdict}: {flow.message}",
            )
            for flow in self.flows
        ]
        apart = [
            folded(flow.flow, preformatted("\n".join([*map(difference_text, flow.differences), flow.hint])))
            for flow in self.flows
            if flow.differences
        ]
        title = ("Verification of", element("b", self.pipeline), quiet(f"{self.splits} trials from seed {self.seed}"))
        return redact(card(title, table(head, rows), *apart, quiet("; ".join(self.notes))))
