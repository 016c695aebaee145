"""Formats and strategies that other distributions bring, found through the entry points `etl.sources` and `etl.sinks`.

Looked for only where a name is none of the built-in ones, so a pipeline without plug-ins never pays for them.
"""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic_core import PydanticCustomError

from etl.config.grammar.formats import FORMATS, Format
from etl.config.grammar.strategies import SinkStrategy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Group = Literal["etl.sources", "etl.sinks"]
T = TypeVar("T")


class PluginProblem(ValueError):
    """A plug-in that cannot be used: what is wrong with it, and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def plugin_names(group: Group) -> tuple[str, ...]:
    """The names that the installed plug-ins give, in alphabetical order. Imports none of them."""
    return tuple(sorted(_installed(group, tuple(sys.path))))


def find_format(name: str) -> Format:
    """The format of that name, built in or a plug-in's. Raises PluginProblem where the plug-in cannot be used."""
    return FORMATS[name] if name in FORMATS else load_plugin("etl.sources", name, Format)


def find_strategy(name: str) -> SinkStrategy:
    """The strategy of that name, a plug-in's. Raises PluginProblem where the plug-in cannot be used."""
    return load_plugin("etl.sinks", name, SinkStrategy)


def load_plugin(group: Group, name: str, type_: type[T]) -> T:
    """What a plug-in declares under a name of the group, a value of `type_`.

    Raises PluginProblem where no plug-in, or more than one, has that name, or it cannot be imported, or is of another type.
    """
    points = _installed(group, tuple(sys.path)).get(name, ())
    if not points:
        raise PluginProblem(f"no installed package brings '{name}'", "install it where etl runs")
    if len(points) > 1:
        distributions = " and ".join(sorted(_distribution(item) for item in points))
        raise PluginProblem(f"'{name}' is brought by {distributions}", "uninstall one of them: a name means one thing")
    (point,) = points
    try:
        declared = point.load()
    except Exception as cause:
        reason = f"{type(cause).__name__}: {cause}".split("\n", maxsplit=1)[0]
        raise PluginProblem(
            f"the plug-in '{name}' of {_distribution(point)} cannot be imported: {reason}",
            f"correct or reinstall it; its entry point is {point.value}",
        ) from cause
    if not isinstance(declared, type_):
        raise PluginProblem(
            f"the plug-in '{name}' of {_distribution(point)} is a {type(declared).__name__}, not a {type_.__name__}",
            f"{point.value} must be a value of {type_.__module__}.{type_.__name__}",
        )
    return declared


def opened(reference: str, what: str) -> Any:
    """The value that `module:name` names, imported; `what` names it in messages.

    Raises PluginProblem where the module cannot be imported, or has no such name.
    """
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as cause:
        raise PluginProblem(f"{what} cannot be opened: {cause}", f"it says opens={reference!r}") from cause


def one_of(value: str, built_in: Iterable[str], group: Group) -> str:
    """`value`, a built-in name or a plug-in's. Raises pydantic's own error for a wrong choice where it is neither."""
    built = list(built_in)
    if value in built:
        return value
    installed = plugin_names(group)
    if value in installed:
        return value
    words = ", ".join(f"'{name}'" for name in dict.fromkeys((*built, *installed)))
    raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": words})


@lru_cache(maxsize=4)
def _installed(group: Group, path: tuple[str, ...]) -> Mapping[str, tuple[EntryPoint, ...]]:  # noqa: ARG001  # the path is what is searched
    brought: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):
        brought.setdefault(point.name, {})[_distribution(point)] = point  # one distribution may lie on the path twice
    return {name: tuple(points.values()) for name, points in brought.items()}


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module
