"""Where the framework's own things lie under `storage`, and the few file operations that must be atomic.

The layout is a contract: `tables/<pipeline>/<flow>`, `quarantine/…`, `state/…`, `checkpoints/<pipeline>/<flow>/g<N>`, `history/`.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec


@dataclass(frozen=True, slots=True)
class FlowPaths:
    """The places that belong to one flow, as absolute local paths."""

    target: str
    quarantine: str
    state: str
    checkpoints: str

    @classmethod
    def of(cls, spec: PipelineSpec, flow: FlowSpec) -> FlowPaths:
        """The layout's places for `flow`; `sink.path` moves the target inside storage."""
        root = Path(spec.storage)
        own = f"{spec.name}/{flow.name}"
        target = root / (flow.sink.path or f"tables/{own}")
        return cls(
            target=str(target),
            quarantine=str(root / "quarantine" / own),
            state=str(root / "state" / own),
            checkpoints=str(root / "checkpoints" / own),
        )

    @property
    def lock(self) -> str:
        """The file whose kernel lock says that a run works on the flow."""
        return f"{self.checkpoints}/lock"

    def generation(self, number: int) -> str:
        """The folder of one generation: Spark's checkpoint and our record of it."""
        return f"{self.checkpoints}/g{number}"


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` so that a reader sees the whole file or none, whenever this process dies."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def read_json(path: str | Path) -> Any | None:
    """The JSON in `path`, or None where there is no such file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
