"""Public names that are imported when they are first asked for: `import etl` costs nothing, and `validate` needs no Spark."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for `package`; `homes` says where each name is at home: `module`, or `module:name` where it has another name there.

    It raises AttributeError for any other name.
    """

    def get(name: str) -> Any:
        if name not in homes:
            message = f"module '{package}' has no attribute '{name}'"
            raise AttributeError(message)
        module, _, original = homes[name].partition(":")
        return getattr(import_module(module), original or name)

    return get
