"""What pytest gets of Twilight: the plug-in `etl.testing.plugin`, and `assert_equal_modes` for tests of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.testing.modes import assert_equal_modes

__all__ = ["assert_equal_modes"]


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first asked for: the plug-in is there in projects without pipelines, too."""
    if name in __all__:
        from etl.testing import modes  # noqa: PLC0415  # that is the point

        return getattr(modes, name)
    message = f"module 'etl.testing' has no attribute '{name}'"
    raise AttributeError(message)
