"""A flow's transform applied: the same function over the same input names, whether they hold a whole table or what is new."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from etl.config.checks import file_columns
from etl.config.diagnostics import Diagnostic
from etl.config.spec import IdentityTransform, PythonTransform, Scalar, SqlTransform
from etl.config.sql import run_ts
from etl.engine.session.process_state import activate
from etl.engine.session.views import name_frame
from etl.errors import ConfigurationError, FlowFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import FlowSpec, InputSpec
    from etl.engine.job import Job


class Exited(Exception):
    """`sys.exit` in code of the user's, as an ordinary exception: it must end neither the run, with whatever code, nor a thread in silence."""


_LOADING = threading.RLock()  # sys.path and sys.modules are the process's
_LOADED: dict[tuple[str, int], ModuleType] = {}


def apply(
    job: Job,
    session: SparkSession,
    frames: Mapping[str, DataFrame],
    prepare: Callable[[InputSpec, DataFrame], DataFrame] | None = None,
) -> DataFrame:
    """The rows that the flow's transform returns, with its columns, over `frames`, dataset → rows. Lazy: nothing runs here.

    `prepare`: makes of each of the transform's own inputs, views among them, what the transform is given.
    Raises ConfigurationError where a function is not there or returns no DataFrame, Exited where it ends the process.
    """
    return _apply_part(job, job.flow, session, with_views(job, session, frames), prepare)


def with_views(job: Job, session: SparkSession, frames: Mapping[str, DataFrame]) -> dict[str, DataFrame]:
    """`frames` and those of the flow's views, by their names. Lazy, too."""
    datasets = dict(frames)
    for view in job.flow.views:
        datasets[view.name] = _apply_part(job, view, session, datasets)
    return datasets


def _apply_part(
    job: Job,
    part: FlowSpec,
    session: SparkSession,
    datasets: Mapping[str, DataFrame],
    prepare: Callable[[InputSpec, DataFrame], DataFrame] | None = None,
) -> DataFrame:
    """The flow, or a view in it, over its own inputs; only a transform that reads `_metadata` is given an input with it."""
    with_files = {job_input.name for job_input in job.inputs if job_input.source.tells_files}
    reading_files = set()
    frames = {}
    for own in part.own_inputs:
        frame = datasets[own.dataset]
        if own.dataset in with_files and file_columns.asks(part, own.name):
            reading_files.add(own.name)
        elif own.dataset in with_files:
            frame = frame.drop(file_columns.COLUMN)
        frames[own.name] = frame if prepare is None else prepare(own, frame)
    output = _apply_one(job, part, session, frames, frozenset(reading_files))
    if reading_files and not isinstance(part.transform, SqlTransform):
        # Python's select("*"), or no transform at all: the column is none of the source's own, so it goes no further by itself.
        output = output.drop(*(name for name in output.columns if name.lower() == file_columns.COLUMN))
    return output


def _apply_one(
    job: Job, flow: FlowSpec, session: SparkSession, frames: Mapping[str, DataFrame], reading_files: frozenset[str]
) -> DataFrame:
    """The transform of the flow, or of a view in it, over its own inputs; `reading_files`: those that have `_metadata`."""
    transform = flow.transform
    params = {**dict(job.params), **dict(flow.variables)}
    if isinstance(transform, IdentityTransform):
        return next(iter(frames.values()))
    if isinstance(transform, SqlTransform):
        text = file_columns.hiding(transform.text, reading_files) if reading_files else transform.text
        return _apply_sql(job, flow, text, params, session, frames)
    return _apply_python(job, session, transform, params, frames)


def _apply_sql(
    job: Job,
    flow: FlowSpec,
    text: str,
    params: Mapping[str, Scalar],
    session: SparkSession,
    frames: Mapping[str, DataFrame],
) -> DataFrame:
    for name, frame in frames.items():
        name_frame(frame, name)
    arguments: dict[str, Any] = dict(params)
    if job.run_ts is not None:
        arguments[run_ts.PARAMETER] = datetime.fromisoformat(job.run_ts)
    from pyspark.errors import AnalysisException  # noqa: PLC0415  # planning imports this room's neighbours without Spark

    try:
        return session.sql(run_ts.bound(text, recorded=job.run_ts), args=arguments or None)
    except AnalysisException as cause:
        name = str((cause.getMessageParameters() or {}).get("objectName"))
        if (cause.getCondition() or "").startswith("UNRESOLVED_COLUMN") and f"`{file_columns.COLUMN}`" in name.lower():
            raise ConfigurationError([file_columns.no_files(flow)]) from cause
        raise


def _apply_python(
    job: Job,
    session: SparkSession,
    transform: PythonTransform,
    params: Mapping[str, Scalar],
    frames: Mapping[str, DataFrame],
) -> DataFrame:
    arguments: dict[str, Any] = dict(frames)
    activate(session)
    try:
        function = load_function(transform, pipeline=job.pipeline, folder=job.folder, project=job.project)
        if "params" in inspect.signature(function).parameters and "params" not in arguments:
            arguments["params"] = MappingProxyType(dict(params))
        output = function(**arguments)
    except SystemExit as cause:
        message = f"sys.exit({'' if cause.code is None else repr(cause.code)}) was called, and a flow does not end the process"
        raise Exited(message).with_traceback(cause.__traceback__) from None
    if not (hasattr(output, "schema") and hasattr(output, "select")):
        message = f"{transform.module}:{transform.function} returned {type(output).__name__}, not a DataFrame"
        raise ConfigurationError([Diagnostic("E340", message, transform.at, "return the transformed DataFrame")])
    return output  # type: ignore[no-any-return]  # user code is untyped; its shape was just checked


def load_function(transform: PythonTransform, *, pipeline: str, folder: str, project: str) -> Callable[..., Any]:
    """The user's function, its module loaded under a name of its pipeline's own, so that two pipelines never meet."""
    module = _load_module(Path(transform.file), f"_twilight_{pipeline}", folder, project)
    function = getattr(module, transform.function, None)
    if not callable(function):
        message = f"module '{transform.module}' has no function '{transform.function}'"
        raise ConfigurationError(
            [Diagnostic("E341", message, transform.at, "correct the name, or define the function")]
        )
    return function  # type: ignore[no-any-return]  # callable() is all that can be known of user code


def _load_module(file: Path, package: str, folder: str, project: str) -> ModuleType:
    key = (str(file), file.stat().st_mtime_ns)
    with _LOADING:
        if key not in _LOADED:
            _LOADED[key] = _import(file, package, [folder, str(Path(project, "lib"))])
        return _LOADED[key]


def _import(file: Path, package: str, roots: list[str]) -> ModuleType:
    """Import a file of the user's; its neighbours and `lib/` are importable by their plain names while it loads."""
    from pyspark import cloudpickle  # noqa: PLC0415  # planning imports this room's neighbours without Spark

    if package not in sys.modules:
        home = ModuleType(package)
        home.__path__ = [roots[0]]
        sys.modules[package] = home
    name = f"{package}.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise FlowFailed(f"{file} cannot be loaded as a Python module")
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    sys.modules[name] = module
    sys.path[:0] = roots
    importlib.invalidate_caches()
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        for root in roots:
            sys.path.remove(root)
        neighbours = [other for other in set(sys.modules) - before if _is_under(sys.modules[other], roots)]
        for neighbour in neighbours:
            # Python workers cannot import the user's files by name, so their functions travel by value.
            cloudpickle.register_pickle_by_value(sys.modules[neighbour])  # type: ignore[no-untyped-call]  # vendored without types
            if not neighbour.startswith(package):
                del sys.modules[neighbour]
    return module


def _is_under(module: ModuleType | None, roots: list[str]) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and any(Path(file).is_relative_to(root) for root in roots)
