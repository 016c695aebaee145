"""Where the framework's own things lie under `storage`, and the few file operations that must be atomic.

The layout is a contract: `tables/<pipeline>/<flow>`, `quarantine/…`, `state/…`, `checkpoints/<pipeline>/<flow>/g<N>`, `history/`.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.config.object_uris import below, is_object
from etl.engine.storage.places import place
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.storage.places import Place

_DRAFT = ".draft"


@dataclass(frozen=True, slots=True)
class FlowPaths:
    """The places that belong to one flow, as absolute local paths or URIs of an object store."""

    target: str
    quarantine: str
    state: str
    checkpoints: str

    @classmethod
    def of(cls, spec: PipelineSpec, flow: FlowSpec) -> FlowPaths:
        """The layout's places for `flow`; `sink.path` moves the target inside storage."""
        root, own = root_of(spec), f"{spec.name}/{flow.name}"
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
        known = root.exists()  # a bucket answers here, or says what is wrong
        if not isinstance(root, Path):
            return
        if known and not root.is_dir():
            raise EnvironmentProblem(f"storage {root} is a file", hint="correct storage in conf/: it is a folder")
        if known and not os.access(root, os.R_OK | os.X_OK):
            raise EnvironmentProblem(f"storage {root} may not be read", hint=_PERMISSIONS)
        above = next((item for item in root.parents if os.path.lexists(item)), root)
        if not known and not above.is_dir():
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


def write_json(path: str | Place, value: Any) -> None:
    """Write `value` so that a reader sees the whole file or none, whenever this process dies."""
    target = place(path)
    if not isinstance(target, Path):
        target.write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = _draft(target)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
            draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_new_json(path: str | Place, value: Any) -> bool:
    """Write `value` where nothing is there; False where somebody else's is, which only an object store can know of."""
    target = place(path)
    if isinstance(target, Path):
        write_json(target, value)  # under a lock that nobody loses
        return True
    from etl.engine.storage.object_store import ObjectPlace, Taken  # noqa: PLC0415  # only who stores in one needs its library

    text = json.dumps(value, separators=(",", ":"))
    try:
        ObjectPlace.of(str(target)).put(text.encode(), new=True)
    except Taken:
        return target.read_text(encoding="utf-8") == text  # ours, and the answer was lost
    return True


def _draft(target: Path) -> tuple[int, Path]:
    """A file beside the target, locked for as long as its writer lives, so that it can be told from a dead one's."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_DRAFT, dir=target.parent)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)  # somebody who swept the folder came between the two calls


def is_draft(name: str) -> bool:
    """Whether a file's name is one that `write_json` gives to what is not whole yet."""
    return name.startswith(".") and name.endswith(_DRAFT)


def sweep_draft(path: str | Place) -> None:
    """Remove a draft of `write_json` whose writer is dead; that of a live one, here or in another process, stays."""
    try:
        handle = os.open(str(path), os.O_RDWR)
    except FileNotFoundError:  # it has become what it was a draft of
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        place(path).unlink(missing_ok=True)
    finally:
        os.close(handle)


def sweep_drafts(folder: str | Place) -> None:
    """Remove the drafts in a folder, not in those below it, whose writers are dead; an object store has none, since puts are whole."""
    if is_object(str(folder)):
        return
    with os.scandir(str(folder)) as items:
        drafts = [item.path for item in items if is_draft(item.name)]
    for path in drafts:
        sweep_draft(path)


def read_json(path: str | Place) -> Any | None:
    """The JSON in `path`, or None where there is no such file."""
    try:
        return json.loads(place(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
