"""What a shell offers after TAB: pipelines, environments, flows. Reads YAML only, so that it is quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import EtlError

if TYPE_CHECKING:
    import click


def pipelines(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # click's signature
    """The project's pipelines that begin so."""
    from etl.config.project import find_project  # noqa: PLC0415  # only after TAB
    from etl.config.project import pipelines as pipelines_of  # noqa: PLC0415

    project = find_project(Path.cwd())
    return [name for name in (pipelines_of(project) if project else ()) if name.startswith(incomplete)]


def environments(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # click's signature
    """The environments in conf/ that begin so."""
    from etl.config.project import find_project  # noqa: PLC0415  # only after TAB

    project = find_project(Path.cwd())
    files = (project / "conf").glob("*.yml") if project else ()
    return sorted(name for name in {"local", *(file.stem for file in files)} - {"base"} if name.startswith(incomplete))


def flows(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # click's signature
    """The flows of the pipeline on the line that begin so."""
    return [name for name in _flows(ctx)[0] if name.startswith(incomplete)]


def selectors(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # click's signature
    """Flows, those with a + before them, and tags."""
    names, tags = _flows(ctx)
    plus = "+" if incomplete.startswith("+") else ""
    offered = [f"{plus}{name}" for name in names]
    if not plus:
        offered += [f"tag:{name}" for name in tags]
    return [selector for selector in offered if selector.startswith(incomplete)]


def _flows(ctx: click.Context) -> tuple[list[str], list[str]]:
    """Names and tags of the pipelines that the line names."""
    names: dict[str, None] = {}
    tags: set[str] = set()
    for reference in _references(ctx):
        of_flows, of_tags = _flows_of(reference, ctx.params.get("environment") or "local")
        names |= dict.fromkeys(of_flows)
        tags |= set(of_tags)
    return list(names), sorted(tags)


def _references(ctx: click.Context) -> list[str]:
    """The pipelines of the line: the one, several of them, or all of the project."""
    if ctx.params.get("every"):
        from etl.config.project import find_project  # noqa: PLC0415  # only after TAB
        from etl.config.project import pipelines as pipelines_of  # noqa: PLC0415

        project = find_project(Path.cwd())
        return list(pipelines_of(project)) if project else []
    # While an option still waits for its value, click leaves arguments unparsed.
    named = (
        ctx.params.get("pipeline") or ctx.params.get("names") or (ctx.args if "names" in ctx.params else ctx.args[:1])
    )
    return [named] if isinstance(named, str) else [name for name in named if not name.startswith("-")]


def _flows_of(reference: str, environment: str) -> tuple[list[str], list[str]]:
    """Names and tags of one pipeline; nothing where its file has mistakes: TAB is no place to tell them."""
    from etl.config.document.reader import read_document  # noqa: PLC0415  # only after TAB
    from etl.config.project import find  # noqa: PLC0415

    try:
        values = read_document(find(reference).file).values
        written = values.get("flows") if isinstance(values, dict) else None
        if not isinstance(written, dict):
            return [], []
        if any(isinstance(flow, dict) and "for_each" in flow for flow in written.values()):
            from etl.config.load import load  # noqa: PLC0415  # slower, but knows what a for_each makes

            spec = load(reference, environment=environment)
            return [flow.name for flow in spec.flows], sorted(
                {*spec.tags, *(tag for flow in spec.flows for tag in flow.tags)}
            )
    except EtlError:
        return [], []
    tags = {
        tag
        for part in (values, *written.values())
        for tag in _texts(part.get("tags") if isinstance(part, dict) else None)
    }
    return list(written), sorted(tags)


def _texts(value: Any) -> list[str]:
    return (
        [value]
        if isinstance(value, str)
        else [element for element in value or [] if isinstance(element, str)]
        if isinstance(value, list)
        else []
    )
