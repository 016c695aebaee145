"""How the rows of one trial are split into portions, each of which arrives before a run."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How one trial's rows arrive: all of it follows from the seed and the sources' names.

    Attributes:
        seed: Of the trial.
        portions: How many portions there are; after each the pipeline runs.
    """

    seed: int
    portions: int

    def random_of(self, name: str) -> random.Random:
        """Random numbers of a source's or a flow's own, so that leaving others out changes nothing for it."""
        return random.Random(f"{self.seed}/{name}")  # noqa: S311  # trials are replayed, and no secrets
