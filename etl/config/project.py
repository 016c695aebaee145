"""Where a pipeline and its environment lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from etl.config.diagnostics import Diagnostic, Location, did_you_mean
from etl.config.document.document import shown
from etl.errors import ConfigurationError

_ENVIRONMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LONG = 80


@dataclass(frozen=True, slots=True)
class PipelineFiles:
    """A pipeline's file, its folder, and the project around it."""

    file: Path
    folder: Path
    project: Path


def find_project(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds `pipelines/`."""
    return next((item for item in (start, *start.parents) if (item / "pipelines").is_dir()), None)


def pipelines(project: Path) -> tuple[str, ...]:
    """The names of the project's pipelines."""
    folder = project / "pipelines"
    names = {item.parent.name for item in folder.glob("*/pipeline.yml")} | {item.stem for item in folder.glob("*.yml")}
    return tuple(sorted(names))


def find(reference: str | Path, project: Path | None = None) -> PipelineFiles:
    """The pipeline that a name or a path means.

    Raises ConfigurationError where there is none, or its file is a link out of the project.
    """
    try:
        return _found(reference, project)
    except (OSError, RuntimeError) as cause:  # a name that is too long, a folder that may not be entered, no such home
        reason = getattr(cause, "strerror", None) or str(cause)
        text = str(reference)
        name = text if len(text) <= _LONG else f"{text[:_LONG]}…"
        raise _missing(f"there is no pipeline '{name}': {reason}", "give a name, or a path to pipeline.yml") from cause


def _found(reference: str | Path, project: Path | None) -> PipelineFiles:
    path = Path(reference).expanduser()
    if path.is_file() or (path / "pipeline.yml").exists():
        file = (path if path.is_file() else path / "pipeline.yml").absolute()
        root = project or find_project(file.parent)
        return _inside(PipelineFiles(file, file.parent, (root or _project_of(file)).absolute()))
    root = project or find_project(Path.cwd())
    if root is None:
        raise _missing(
            f"there is no pipeline '{reference}', and no project here",
            "go to the folder that holds pipelines/, or give a path",
        )
    root = root.absolute()
    for file in (root / "pipelines" / str(reference) / "pipeline.yml", root / "pipelines" / f"{reference}.yml"):
        if file.exists():
            return _inside(PipelineFiles(file, file.parent, root))
    names = pipelines(root)
    hint = did_you_mean(str(reference), names) or (f"there are: {', '.join(names)}" if names else "pipelines/ is empty")
    raise _missing(f"there is no pipeline '{reference}' in {shown(root / 'pipelines')}", hint)


def environment_files(project: Path, environment: str) -> tuple[Path | None, Path | None]:
    """conf/base.yml and conf/<environment>.yml; None for each that is not there.

    Raises ConfigurationError where the name is no environment's, where an environment other than `local` has no file, or where a
    file is a link out of the project.
    """
    folder = project / "conf"
    if not _ENVIRONMENT.fullmatch(environment):
        raise _missing(
            f"'{environment}' is no name of an environment", "letters, digits, '_', '-' and '.', such as prod"
        )
    base, own = folder / "base.yml", folder / f"{environment}.yml"
    if not own.is_file() and environment != "local":
        names = sorted({"local", *(item.stem for item in folder.glob("*.yml") if item.stem != "base")})
        hint = did_you_mean(environment, names) or f"there are: {', '.join(names)}"
        raise _missing(f"there is no environment '{environment}': {shown(own)} does not exist", hint)
    for file in (base, own):
        _stays(file, project)
    return base if base.exists() else None, own if own.exists() else None


def _inside(files: PipelineFiles) -> PipelineFiles:
    """The files, where the file does not lead out of the project by a link."""
    _stays(files.file, files.project)
    return files


def _stays(file: Path, project: Path) -> None:
    real = file.resolve()
    if not real.is_relative_to(project.resolve()):
        at = Location(shown(file), 1, 1)
        hint = "keep what is run under the project's own roof: a copy, or a link inside"
        raise ConfigurationError([Diagnostic("E206", f"the file is a link out of the project, to {real}", at, hint)])


def _project_of(file: Path) -> Path:
    return file.parent.parent if file.name == "pipeline.yml" else file.parent


def _missing(message: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Diagnostic("E120", message, hint=hint)])
