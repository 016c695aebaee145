"""pyspark's test tools, which its `F.lit` imports to learn whether there is numpy, and which import pandas where it is installed."""

from __future__ import annotations

import contextlib
import sys
import threading
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

_PACKAGE = "pyspark.testing"
_MODULE = f"{_PACKAGE}.utils"
_LOADING = threading.RLock()
_OF_FIRST_COLUMN = ("numpy", "IPython", "ipykernel")


class _Deferred(ModuleType):
    """Stands for a module until more is asked of it than what it was given at first."""

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(spec.name)
        self.__spec__, self.__loader__, self.__file__ = spec, spec.loader, spec.origin
        self.__package__ = spec.parent
        if spec.submodule_search_locations is not None:
            self.__path__ = list(spec.submodule_search_locations)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":  # what looks through all modules asks for such names
            raise AttributeError(name)
        with _LOADING:
            for stands in (_MODULE, _PACKAGE):
                if isinstance(sys.modules.get(stands), _Deferred):
                    del sys.modules[stands]
            return getattr(import_module(self.__name__), name)


def defer() -> None:
    """Import pyspark's test tools where they are used, from now on in this process.

    pyspark 4.2 imports them for the first literal, argument or condition: 0.4 seconds of the processors, of some 12 that a short run takes.
    """
    import pyspark  # noqa: PLC0415  # a command without Spark never comes here

    with _LOADING:
        package = find_spec(_PACKAGE) if _PACKAGE not in sys.modules else None
        module = PathFinder.find_spec(_MODULE, package.submodule_search_locations) if package is not None else None
        if package is None or module is None:
            return  # they are imported already, or this pyspark has none
        deferred: Any = _Deferred(module)
        deferred.have_numpy = find_spec("numpy") is not None  # all that pyspark asks for
        sys.modules[_PACKAGE] = pyspark.testing = _Deferred(package)  # type: ignore[attr-defined]  # as an import would
        sys.modules[_MODULE] = deferred


def import_meanwhile() -> None:
    """Import what pyspark imports for its first literal and its first column, where it is installed: 0.15 seconds, while a JVM starts."""
    for name in _OF_FIRST_COLUMN:
        with contextlib.suppress(Exception):  # who needs it imports it again, and meets what is wrong with it
            import_module(name)
