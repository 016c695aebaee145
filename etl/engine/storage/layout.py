"""Where the framework's own things lie under `storage`, and whether it can be looked into.

The layout is a contract: `tables/<pipeline>/<flow>`, `quarantine/…`, `state/…`, `checkpoints/<pipeline>/<flow>/g<N>`, `history/`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.object_uris import below, is_object
from etl.engine.storage.places import place
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec


@dataclass(frozen=True, slots=True)
class FlowPaths:
    """The places that belong to one flow, as absolute local paths or URIs of an object store."""

    target: str
    quarantine: str
    state: str
    checkpoints: str

    @classmethod
    def of(cls, spec: PipelineSpec, flow: FlowSpec) -> FlowPaths:
        """The layout's places for `flow`, by the name that storage knows it by; `sink.path` moves the target inside storage."""
        root, own = root_of(spec), f"{spec.name}/{flow.stored_as}"
        return cls(
            target=below(root, flow.sink.path or f"tables/{own}"),
            quarantine=below(root, "quarantine", own),
            state=below(root, "state", own),
            checkpoints=below(root, "checkpoints", own),
        )

    @property
    def lock(self) -> str:
        """The file whose kernel lock says that a run works on the flow."""
        return f"{self.checkpoints}/lock"

    def generation(self, number: int) -> str:
        """The folder of one generation: Spark's checkpoint and our record of it."""
        return f"{self.checkpoints}/g{number}"


def must_be_readable(spec: PipelineSpec) -> None:
    """EnvironmentProblem where storage cannot be looked into: a bucket that is not there, a file, a folder that may not be entered.

    What is not there yet is no problem: nothing was written so far.
    """
    root = place(root_of(spec))
    try:
        is_there = root.exists()  # a bucket answers here, or says what is wrong
        if not isinstance(root, Path):
            return
        if is_there and not root.is_dir():
            raise EnvironmentProblem(f"storage {root} is a file", hint="correct storage in conf/: it is a folder")
        if is_there and not os.access(root, os.R_OK | os.X_OK):
            raise EnvironmentProblem(f"storage {root} may not be read", hint=_PERMISSIONS)
        above = next((item for item in root.parents if os.path.lexists(item)), root)
        if not is_there and not above.is_dir():
            raise EnvironmentProblem(
                f"storage {root} lies below {above}, which is a file", hint="correct storage in conf/"
            )
    except OSError as cause:
        raise EnvironmentProblem(
            f"storage {root} cannot be looked into: {cause.strerror}", hint=_PERMISSIONS
        ) from cause


_PERMISSIONS = "correct storage in conf/, or its permissions"


def root_of(spec: PipelineSpec) -> str:
    """The root of everything that is written for a pipeline, where it can be reached from now on by `place`."""
    if is_object(spec.storage):
        from etl.engine.storage.object_store import use  # noqa: PLC0415  # only who stores in one needs its library

        use(spec.storage, dict(spec.spark.conf))
    return spec.storage
