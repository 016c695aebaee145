"""`etl doctor`: whether this machine has what a run needs, and the parts made that a first run would have to make."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from etl.config.object_uris import is_object
from etl.engine.session import class_data
from etl.engine.session.jars import JARS, cache_root, class_path, damaged
from etl.engine.session.java import find_java
from etl.engine.storage.layout import root_of
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.spec import PipelineSpec

_LITTLE_BYTES = 2 * 1024**3
_LITTLE_SCRATCH_BYTES = 1024**3
_CLOCK_S = 60.0
_TESTED = (("pyspark", "4.2.0"), ("delta-spark", "4.4.0"))


@dataclass(frozen=True, slots=True)
class Check:
    """The state of one thing that a run needs, and what to do where it is not good."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    hint: str = ""


def diagnose(spec: PipelineSpec | None, *, deep: bool = False) -> tuple[Check, ...]:
    """Look at packages, Java, jars, the class-data archive, scratch space and a pipeline's storage.

    Jars and archive are made where they are missing or damaged. `deep` starts a session and has it count.
    """
    checks = [*_packages(), *_java_and_jars(), *_scratch(), *(_storage(spec) if spec else ())]
    if deep and all(check.status != "fail" for check in checks):
        checks.append(_session(spec))
    return tuple(checks)


def _packages() -> Iterator[Check]:
    yield Check("python", "ok", f"{sys.version.split()[0]} ({sys.executable})")
    for name, tested in _TESTED:
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield Check(name, "fail", "not installed", f"pip install {name}=={tested}")
            continue
        if installed == tested:
            yield Check(name, "ok", installed)
        else:
            yield Check(name, "warn", installed, f"tested with {tested}")
    home = os.environ.get("SPARK_HOME")
    if home:
        yield Check("SPARK_HOME", "warn", home, "unset it, unless that Spark has the version of the pyspark package")


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
        paths = class_path(java.program)
    except (EnvironmentProblem, OSError) as cause:
        problem = (
            cause
            if isinstance(cause, EnvironmentProblem)
            else EnvironmentProblem(str(cause), hint="set TWILIGHT_CACHE")
        )
        yield Check("jars", "fail", problem.what, problem.hint)
        return
    mended = f"; fetched again: {', '.join(bad)}" if bad else ""
    yield Check("jars", "ok", f"{len(JARS)} verified in {cache_root() / 'jars'}{mended}")
    if class_data.is_off():
        yield Check("class-data archive", "ok", f"off, by {class_data.SWITCH}")
        return
    archive = class_data.archive(java.program, java.version, paths)
    if archive.path.exists():
        yield Check("class-data archive", "ok", str(archive.path))
        return
    started = time.monotonic()
    try:
        class_data.prepare()
    except EnvironmentProblem as cause:
        yield Check("class-data archive", "warn", cause.what, "sessions start without it, some seconds later")
        return
    yield Check("class-data archive", "ok", f"{archive.path}, made in {time.monotonic() - started:.0f} s")


def _scratch() -> Iterator[Check]:
    folder = tempfile.gettempdir()
    yield _room(
        "scratch space", folder, _LITTLE_SCRATCH_BYTES, "Spark spills into it; set TMPDIR to a folder with more room"
    )


def _storage(spec: PipelineSpec) -> Iterator[Check]:
    if is_object(spec.storage):
        yield from _bucket(spec)
        return
    root = Path(spec.storage)
    nearest = next(folder for folder in (root, *root.parents) if folder.exists())
    if not nearest.is_dir():
        yield Check("storage", "fail", f"{nearest} is a file", "correct storage in conf/")
        return
    try:
        with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=nearest) as file:
            behind = time.time() - Path(file.name).stat().st_mtime
    except OSError as cause:
        yield Check(
            "storage",
            "fail",
            f"{root} cannot be written: {cause.strerror}",
            "correct storage in conf/, or its permissions",
        )
        return
    yield Check("storage", "ok", str(root))
    yield _room("disk", str(nearest), _LITTLE_BYTES, "runs write new files beside old ones")
    yield _clock(behind)


def _bucket(spec: PipelineSpec) -> Iterator[Check]:
    from etl.engine.storage.object_store import ObjectPlace, unheeded  # noqa: PLC0415  # only who stores in one needs its library

    file = ObjectPlace.of(root_of(spec)) / f".doctor-{uuid.uuid4().hex}"
    try:
        file.put(b"")
        behind = time.time() - file.stat().st_mtime
        missing = unheeded(file)
    except EnvironmentProblem as cause:
        yield Check("storage", "fail", cause.what, cause.hint)
        return
    if missing:
        detail = f"{spec.storage}: the store does not heed {missing}, so that nothing keeps two runs apart"
        yield Check("storage", "fail", detail, "use a store that takes conditional writes, as S3 does")
        return
    yield Check("storage", "ok", spec.storage)
    yield _clock(behind)


def _clock(behind: float) -> Check:
    # Delta orders commits by their files' times, and files count as new by theirs.
    if abs(behind) > _CLOCK_S:
        detail = f"the storage's clock differs by {behind:.0f} s from this machine's"
        return Check("clock", "warn", detail, "set both by NTP")
    return Check("clock", "ok", "the storage's clock agrees with this machine's")


def _room(name: str, folder: str, least: int, why: str) -> Check:
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**3:.1f} GiB free in {folder}"
    return Check(name, "ok", detail) if free >= least else Check(name, "warn", detail, why)


def _session(spec: PipelineSpec | None) -> Check:
    from etl.config.spec import SparkSpec  # noqa: PLC0415  # only a deep look needs a session
    from etl.engine.session.start import open_session  # noqa: PLC0415

    started = time.monotonic()
    try:
        handle = open_session(
            spec.spark if spec else SparkSpec(),
            storage=spec.storage if spec else "",
            app_name="etl doctor",
            short=True,
        )
        try:
            rows = handle.flow_session("UTC").range(10).count()
        finally:
            handle.close()
    except EnvironmentProblem as cause:
        return Check("session", "fail", cause.what, cause.hint)
    return Check("session", "ok", f"counted {rows} rows in {time.monotonic() - started:.1f} s")
