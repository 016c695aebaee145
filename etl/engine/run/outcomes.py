"""How an attempt of a flow may end, other than well: what is raised between the rooms of a run, and never leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.planning.results import Failure


class NotBegun(Exception):  # not an error: the run was asked to stop before the flow did anything
    """Raised where a flow would begin to work."""


class StopRequested(Exception):  # not an error: the run was asked to end
    """Raised at the start of an epoch that is not to begin; Spark then ends the query, and the driver finds that it was on purpose."""


class KnownFailure(Exception):
    """Raised where an epoch has left the failure behind, in a user's words."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
