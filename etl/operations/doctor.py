"""`etl doctor`: whether this machine has what a run needs."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from etl.engine.session_jars import JARS, cache_root, damaged, jars
from etl.engine.session_java import find_java
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.spec import PipelineSpec

_LITTLE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    hint: str = ""


def diagnose(spec: PipelineSpec | None) -> tuple[Check, ...]:
    """Java, packages, jars (fetched if they are missing), the class-data archive, and the pipeline's storage."""
    return (*_packages(), *_java_and_jars(), *(_storage(spec) if spec else ()))


def _packages() -> Iterator[Check]:
    yield Check("python", "ok", f"{sys.version.split()[0]} ({sys.executable})")
    for name, wanted in (("pyspark", "4.2.0"), ("delta-spark", "4.4.0")):
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Check(name, "fail", "not installed", f"pip install {name}=={wanted}")
            continue
        fits = found == wanted
        yield Check(name, "ok" if fits else "warn", found, "" if fits else f"tested with {wanted}")


def _java_and_jars() -> Iterator[Check]:
    try:
        java = find_java()
    except EnvironmentProblem as cause:
        yield Check("java", "fail", cause.what, cause.hint)
        return
    yield Check("java", "ok", f"{java.version} ({java.program})")
    try:
        bad = damaged()
        for name in bad:
            (cache_root() / "jars" / name).unlink()
        jars(java.program)
    except EnvironmentProblem as cause:
        yield Check("jars", "fail", cause.what, cause.hint)
        return
    mended = f"; fetched again: {', '.join(bad)}" if bad else ""
    yield Check("jars", "ok", f"{len(JARS)} verified in {cache_root() / 'jars'}{mended}")
    made = len(list((cache_root() / "archives").glob("*.jsa")))
    yield Check("class-data archive", "ok", f"{made} made" if made else "none yet: the first run makes it")


def _storage(spec: PipelineSpec) -> Iterator[Check]:
    root = Path(spec.storage)
    nearest = next(item for item in (root, *root.parents) if item.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        yield Check("storage", "fail", f"{root} cannot be written", "correct storage in conf/, or its permissions")
        return
    yield Check("storage", "ok", str(root))
    free = shutil.disk_usage(nearest).free
    yield Check(
        "disk",
        "ok" if free > _LITTLE_BYTES else "warn",
        f"{free / 1024**3:.1f} GiB free",
        "" if free > _LITTLE_BYTES else "runs need room for new files beside old ones",
    )
