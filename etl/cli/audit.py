"""`etl audit`: the invariants proved, or the commit named that breaks one."""

from __future__ import annotations

from dataclasses import asdict

import click

from etl.cli.layout import near
from etl.cli.output import load, pipeline_options, print_json, say
from etl.operations.audit import AuditResult


@click.command()
@pipeline_options
@click.pass_context
def audit(ctx: click.Context, pipeline: str, environment: str, params: tuple[str, ...], *, as_json: bool) -> None:
    """Prove from the tables' own logs that nothing was lost or written twice. Starts no JVM."""
    from etl.operations.audit import audit as prove  # noqa: PLC0415  # the command has its name

    result = prove(load(pipeline, environment, params))
    if as_json:
        print_json(
            {
                "pipeline": result.pipeline,
                "status": "succeeded" if result.holds else "failed",
                "flows": [asdict(flow) for flow in result.flows],
            }
        )
    else:
        say(near(text(result)))
    if not result.holds:
        ctx.exit(1)


def text(result: AuditResult) -> str:
    """The audit for a person."""
    lines = []
    for flow in result.flows:
        if flow.commits == 0 and not flow.findings:
            lines.append(f"{flow.flow}: no table yet")
            continue
        verdict = "holds" if not flow.findings else "BROKEN"
        span = (
            f"{flow.commits} commits, generations {', '.join(map(str, flow.generations))}, last epoch {flow.last_epoch}"
        )
        lines.append(f"{flow.flow}: {span}: {verdict}")
        for finding in flow.findings:
            at = f"version {finding.version} " if finding.version is not None else ""
            lines += [f"  {at}{finding.what}", f"    in {finding.table}", f"    {finding.hint}"]
        lines += [f"  note: {note}" for note in flow.notes]
    return "\n".join(lines)
