"""The names of runs."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime


def new_run_id() -> str:
    """A name that no other run has; in their order names tell which run is older, to the millisecond.

    It is the second at which it was asked for, in UTC, and eight hexadecimal digits: three of the milliseconds, five at random.
    """
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}-{now.microsecond // 1000:03x}{uuid.uuid4().hex[:5]}"
