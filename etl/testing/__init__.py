"""What pytest gets of Twilight: the plug-in `etl.testing.plugin`, and two assertions for tests of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.lazy import lazily

if TYPE_CHECKING:
    from etl.testing.crashes import crash_everywhere
    from etl.testing.modes import assert_equal_modes

__all__ = ["assert_equal_modes", "crash_everywhere"]

if not TYPE_CHECKING:  # the plug-in is there in projects without pipelines, too
    __getattr__ = lazily(
        "etl.testing", {"assert_equal_modes": "etl.testing.modes", "crash_everywhere": "etl.testing.crashes"}
    )
