"""`etl audit`: the invariants proved, or the commit named that breaks one."""

from __future__ import annotations

from dataclasses import asdict

import click

from etl.cli.output import load, pipeline_options, print_json, say
from etl.operations.audit import AuditResult


@click.command()
@pipeline_options
@click.pass_context
def audit(ctx: click.Context, pipeline: str, environment: str, params: tuple[str, ...], *, as_json: bool) -> None:
    """Prove from the tables' own logs that nothing was lost or written twice. Starts no JVM."""
    from etl.operations.audit import audit as prove  # noqa: PLC0415  # the command has its name

    found = prove(load(pipeline, environment, params))
    if as_json:
        print_json(
            {
                "pipeline": found.pipeline,
                "status": "succeeded" if found.holds else "failed",
                "flows": [asdict(item) for item in found.flows],
            }
        )
    else:
        say(text(found))
    if not found.holds:
        ctx.exit(1)


def text(found: AuditResult) -> str:
    """The audit for a person."""
    lines = []
    for flow in found.flows:
        if flow.commits == 0 and not flow.findings:
            lines.append(f"{flow.flow}: no table yet")
            continue
        verdict = "holds" if not flow.findings else "BROKEN"
        span = (
            f"{flow.commits} commits, generations {', '.join(map(str, flow.generations))}, last epoch {flow.last_epoch}"
        )
        lines.append(f"{flow.flow}: {span}: {verdict}")
        for item in flow.findings:
            at = f"version {item.version} " if item.version is not None else ""
            lines += [f"  {at}{item.what}", f"    in {item.table}", f"    {item.hint}"]
        lines += [f"  note: {note}" for note in flow.notes]
    return "\n".join(lines)
