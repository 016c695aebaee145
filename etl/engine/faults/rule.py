"""A kind of fault that comes out of Spark, Delta or storage: what tells it, whether it may pass, why, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from etl.engine.faults.evidence import Fact

CORRECT = "correct the flow or its data; running again will fail the same way"
AGAIN = "the storage, the network or the cluster failed; look at the cause, then run again: nothing is half-written"
DOUBTFUL = "it is not known whether this error passes, so a run tries it again; where it stays, look at the cause: nothing is half-written"
WHOLE_FILE = "bring the whole file again; nothing was written"
PERMISSION = "give the user of this process the permission, or correct its credentials; then run again"
MEMORY = "give Spark more memory (spark: {conf: {spark.driver.memory: 8g}}, of a cluster spark.executor.memory), or run fewer flows side by side"


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of fault.

    Attributes:
        of: what the rule speaks of.
        pattern: fits a whole name, or stands anywhere in a text; its groups and `{in_file}` may stand in `message`.
        passes: whether another try may succeed; None where this alone does not tell.
        message: what is shown where Spark's own words do not say it.
        saying: of a class a pattern of what must stand beside it.
    """

    of: Literal["condition", "state", "class", "text"]
    pattern: str
    passes: bool | None
    reason: str
    hint: str = ""
    kind: Literal["environment", "expectation", "run"] = "run"
    message: str = ""
    saying: str = ""

    def fits(self, fact: Fact) -> re.Match[str] | None:
        """The match by which the rule speaks of `fact`; None where it does not."""
        if self.of == "state":
            return re.match(self.pattern, fact.state) if fact.of == "condition" and fact.state else None
        if self.of != fact.of or (self.saying and not re.search(self.saying, fact.saying)):
            return None
        return re.fullmatch(self.pattern, fact.name)

    @property
    def advice(self) -> str:
        """The hint of what to do next."""
        return self.hint or {True: AGAIN, False: CORRECT, None: DOUBTFUL}[self.passes]
