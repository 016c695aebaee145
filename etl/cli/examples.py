"""What people type most, of each command: shown at the end of its `--help`."""

from __future__ import annotations

EXAMPLES = {
    "audit": ("etl audit shop", "etl audit shop --json"),
    "backfill": (
        "etl backfill shop --select clean --column id --from 0 --to 1000",
        "etl backfill shop --select clean --column id --from 0 --to 9 --window 3",
    ),
    "checkpoints": ("etl checkpoints show shop", "etl checkpoints repair shop"),
    "checkpoints show": ("etl checkpoints show shop", "etl checkpoints show shop --flow clean"),
    "checkpoints repair": ("etl checkpoints repair shop",),
    "checkpoints rollback": (
        "etl checkpoints rollback shop --flow clean",
        "etl checkpoints rollback shop --flow clean --to 2",
    ),
    "completion": ("etl completion bash", 'eval "$(etl completion zsh)"'),
    "doctor": ("etl doctor", "etl doctor shop --env prod"),
    "graph": ("etl graph shop", "etl graph shop --format mermaid"),
    "history": (
        "etl history shop",
        "etl history shop --flow clean --limit 5",
        "etl history shop --run 20261130T104912-d6bcb7a8",
    ),
    "init": ("etl init shop", "etl init shop --from landing/orders"),
    "list": ("etl list", "etl list --env prod --json"),
    "maintain": ("etl maintain shop --dry-run", "etl maintain shop --flow clean --json"),
    "orphans": ("etl orphans shop", "etl orphans shop --remove"),
    "plan": ("etl plan shop", "etl plan shop --mode stream --select +clean"),
    "preview": ("etl preview shop clean", "etl preview shop clean --limit 5"),
    "quarantine": ("etl quarantine list shop", "etl quarantine replay shop --select clean"),
    "quarantine list": ("etl quarantine list shop", "etl quarantine list shop --flow clean"),
    "quarantine replay": ("etl quarantine replay shop --select clean",),
    "run": (
        "etl run shop",
        "etl run shop --mode stream",
        'etl run shop --mode stream --trigger "10 seconds"',
        "etl run shop --select +clean --param day=2026-01-01",
        'etl run shop --full-refresh --wait "10 minutes"',
        "etl run registry flights",
        "etl run --all --env prod --json",
    ),
    "schema": ("etl schema pipeline", "etl schema environment"),
    "show": (
        "etl show shop clean",
        'etl show shop clean --sql "SELECT day, sum(price) FROM clean GROUP BY day"',
        "etl show shop clean --version 3 --limit 5",
    ),
    "test": ("etl test", "etl test shop"),
    "validate": ("etl validate", "etl validate shop --env prod --strict"),
    "warm": ("etl warm start", "etl warm status", "etl warm stop"),
    "warm start": ("etl warm start", 'etl warm start --env dev --idle "2 hours"'),
    "warm status": ("etl warm status", "etl warm status --json"),
    "warm stop": ("etl warm stop",),
    "verify": ("etl verify shop", "etl verify shop --select clean --generated"),
}
"""The command, with its group before it → lines as they are typed."""


def epilog(command: str) -> str | None:
    """The examples of a command as click shows them at the end of its help; None where it has none."""
    lines = EXAMPLES.get(command)
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)]) if lines else None
