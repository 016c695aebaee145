"""JSON files that a reader sees whole or not at all, and the drafts of writers that were killed."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.config.object_uris import is_object
from etl.engine.storage.places import place

if TYPE_CHECKING:
    from etl.engine.storage.places import Place

_DRAFT = ".draft"


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
