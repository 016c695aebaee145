"""What pytest gets of Twilight: the plug-in `etl.testing.plugin`, and two assertions for tests of one's own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.testing.crashes import crash_everywhere
    from etl.testing.modes import assert_equal_modes

__all__ = ["assert_equal_modes", "crash_everywhere"]


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first asked for: the plug-in is there in projects without pipelines, too."""
    if name in __all__:
        module = import_module("etl.testing.crashes" if name == "crash_everywhere" else "etl.testing.modes")
        return getattr(module, name)
    message = f"module 'etl.testing' has no attribute '{name}'"
    raise AttributeError(message)
