"""A cheap look at whether anything may have come to a flow's inputs: local folders, by their own times. No JVM.

What a folder's time does not tell (a file rewritten in place, an object store, a table of a catalog) only a decision finds.
"""

from __future__ import annotations

import os
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from etl.config.object_uris import is_object
from etl.engine.metadata.offset_log import decode
from etl.engine.sources.globs import MAGIC, literal_folder
from etl.engine.storage.layout import FlowPaths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.spec import FlowSpec, PipelineSpec

_MOST_FOLDERS = 10_000  # of one input; above, only decisions find what comes
TICK_S = 0.05  # a file system's clock is coarser than two files that come one after the other
_Stamp = tuple[int, int, int] | None


class Watch:
    """The local folders behind a flow's inputs, and their times at the last look. For one thread."""

    def __init__(self, spec: PipelineSpec, flow: FlowSpec) -> None:
        self._roots = tuple(dict.fromkeys(_roots(spec, flow)))
        self._seen = {root: _stamps(root) for root in self._roots}
        self._again_at: float | None = None

    def has_moved(self) -> bool:
        """Whether something came, went or was renamed since the last look that said so; once more a moment after each time it did."""
        now = time.monotonic()
        moved = [root for root in self._roots if _differs(self._seen[root])]
        for root in moved:
            self._seen[root] = _stamps(root)
        if moved:
            self._again_at = now + TICK_S
            return True
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            return True
        return False


def _roots(spec: PipelineSpec, flow: FlowSpec) -> Iterator[str]:
    """Of each input the folder or file to look at."""
    for item in spec.as_stored(flow).inputs:
        source, upstream = spec.source(item.dataset), spec.stored_flow(item.dataset)
        if source is None and upstream is None:  # a checked spec has none such
            continue
        path = (
            decode(source.path or "") if source is not None else FlowPaths.of(spec, cast("FlowSpec", upstream)).target
        )
        if not path or is_object(path):
            continue
        log = Path(path, "_delta_log")
        if source is None or source.format in ("delta", "table") or log.is_dir():
            yield str(log)
        elif MAGIC.search(path) is None or Path(path).exists():
            yield path
        elif literal_folder(path) != "/":
            yield literal_folder(path)


def _stamps(root: str) -> dict[str, _Stamp]:
    """The times of a root and of every folder below it; nothing where they are too many."""
    if Path(root).name == "_delta_log":  # each commit is a file of its own in it
        return {root: _stamp(root)}
    paths = list(islice(_folders(root), _MOST_FOLDERS + 1))
    return {} if len(paths) > _MOST_FOLDERS else {path: _stamp(path) for path in paths}


def _folders(root: str) -> Iterator[str]:
    yield root
    for folder, below, _ in os.walk(root):
        yield from (str(Path(folder, name)) for name in below)


def _differs(stamps: dict[str, _Stamp]) -> bool:
    return any(_stamp(path) != stamp for path, stamp in stamps.items())


def _stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116  # many times a second, and a Path takes as long to make as this call
    except OSError:  # it is not there, or may not be read: the decision tells
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
