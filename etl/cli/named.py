"""A pipeline and something of it, as they are named on a command line: `PIPELINE NAME`, `PIPELINE.NAME` or `NAME` alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli.output import load
from etl.config.diagnostics import Diagnostic
from etl.config.project import find_project, pipelines
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.config.spec import PipelineSpec


def named(
    names: Sequence[str],
    environment: str,
    *,
    command: str,
    has: Callable[[PipelineSpec, str], bool],
    noun: str = "flow",
) -> tuple[str, str]:
    """The pipeline and the name; a name alone means the one pipeline of the project that `has` it.

    Raises click.UsageError where there are more than two names, ConfigurationError (E250) where no pipeline has it, or several do.
    """
    if len(names) > 2:  # noqa: PLR2004  # a pipeline and a flow
        message = f"one {noun} at a time: etl {command} [PIPELINE] {noun.upper().replace(' OR ', '|')}"
        raise click.UsageError(message)
    if len(names) == 2:  # noqa: PLR2004  # a pipeline and a flow
        return names[0], names[1]
    whole, dot, name = names[0].rpartition(".")
    if dot and "/" not in name:
        return whole, name
    root = find_project(Path.cwd())
    pipeline_names = pipelines(root) if root is not None else ()
    having = [pipeline for pipeline in pipeline_names if _has(pipeline, names[0], environment, has)]
    if len(having) == 1:
        return having[0], names[0]
    if having:
        message = f"several pipelines have a {noun} '{names[0]}': {', '.join(having)}"
        hint = f"say which: etl {command} {having[0]} {names[0]}"
    else:
        message = f"no pipeline here has a {noun} '{names[0]}'"
        hint = (
            f"the pipelines are: {', '.join(pipeline_names)}"
            if pipeline_names
            else "go to the folder that holds pipelines/, or name a pipeline"
        )
    raise ConfigurationError([Diagnostic("E250", message, hint=hint)])


def _has(pipeline: str, name: str, environment: str, has: Callable[[PipelineSpec, str], bool]) -> bool:
    """Whether a pipeline that can be read has it; one that cannot has nothing that could be shown."""
    try:
        return has(load(pipeline, environment, ()), name)
    except ConfigurationError:
        return False
