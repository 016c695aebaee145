"""Where a pipeline and its environment lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.document import shown
from etl.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Place:
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


def find(reference: str | Path, project: Path | None = None) -> Place:
    """The pipeline that a name or a path means; ConfigurationError where there is none."""
    path = Path(reference).expanduser()
    if path.exists() and (path.is_file() or (path / "pipeline.yml").is_file()):
        file = (path if path.is_file() else path / "pipeline.yml").absolute()
        root = project or find_project(file.parent)
        return Place(file, file.parent, (root or _project_of(file)).absolute())
    root = project or find_project(Path.cwd())
    if root is None:
        raise _missing(
            f"there is no pipeline '{reference}', and no project here",
            "go to the folder that holds pipelines/, or give a path",
        )
    root = root.absolute()
    for file in (root / "pipelines" / str(reference) / "pipeline.yml", root / "pipelines" / f"{reference}.yml"):
        if file.is_file():
            return Place(file, file.parent, root)
    known = pipelines(root)
    hint = did_you_mean(str(reference), known) or (f"there are: {', '.join(known)}" if known else "pipelines/ is empty")
    raise _missing(f"there is no pipeline '{reference}' in {shown(root / 'pipelines')}", hint)


def environment_files(project: Path, environment: str) -> tuple[Path | None, Path | None]:
    """conf/base.yml and conf/<environment>.yml, where they are; only `local` may lack a file."""
    folder = project / "conf"
    base, own = folder / "base.yml", folder / f"{environment}.yml"
    if not own.is_file() and environment != "local":
        known = sorted({"local", *(item.stem for item in folder.glob("*.yml") if item.stem != "base")})
        hint = did_you_mean(environment, known) or f"there are: {', '.join(known)}"
        raise _missing(f"there is no environment '{environment}': {shown(own)} does not exist", hint)
    return base if base.is_file() else None, own if own.is_file() else None


def _project_of(file: Path) -> Path:
    return file.parent.parent if file.name == "pipeline.yml" else file.parent


def _missing(message: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Diagnostic("E120", message, hint=hint)])
