"""pyspark's test tools, which its `F.lit` imports to learn whether there is numpy, and which import pandas where it is installed."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType
from typing import Any

_PACKAGE = "pyspark.testing"
_MODULE = f"{_PACKAGE}.utils"
_ASKED = "have_numpy"


class _Deferred(ModuleType):
    """Stands for the module until more is asked of it than whether there is numpy."""

    def __getattr__(self, name: str) -> Any:
        if name == _ASKED:
            return find_spec("numpy") is not None
        if name.startswith("__"):  # what looks through all modules asks for such names
            raise AttributeError(name)
        if sys.modules.get(_MODULE) is self:
            del sys.modules[_MODULE]
        return getattr(import_module(_MODULE), name)


def defer() -> None:
    """Import pyspark's test tools where they are used, from now on in this process.

    pyspark 4.2 imports them for the first literal, argument or condition: 0.4 seconds of the processors, of some 12 that a short run takes.
    """
    import pyspark  # noqa: PLC0415  # a command without Spark never comes here

    if _PACKAGE in sys.modules:
        return
    spec = find_spec(_PACKAGE)
    if spec is None or spec.loader is None:
        return  # a pyspark without them has nothing to defer
    spec.loader = LazyLoader(spec.loader)
    package = module_from_spec(spec)
    sys.modules[_PACKAGE] = package
    spec.loader.exec_module(package)
    pyspark.testing = package  # type: ignore[attr-defined]  # as an import would
    sys.modules[_MODULE] = _Deferred(_MODULE)
