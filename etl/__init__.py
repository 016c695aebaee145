"""Twilight: one declarative pipeline, run as a full batch or as Structured Streaming, into the same Delta tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.notebook.pipeline import Pipeline, load

__all__ = ["Pipeline", "load"]


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first asked for: `import etl` alone costs nothing."""
    if name in __all__:
        from etl.notebook import pipeline  # noqa: PLC0415  # that is the point

        return getattr(pipeline, name)
    message = f"module 'etl' has no attribute '{name}'"
    raise AttributeError(message)
