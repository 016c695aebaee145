"""How much memory this process may use: the machine's, or what its container or service leaves of it.

The files are those of Linux' control groups: https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files and, for version 1,
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
"""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OF_PROCESS = Path("/proc/self/cgroup")


def usable_memory(*, root: Path = _ROOT, of_process: Path = _OF_PROCESS) -> int:
    """The bytes of memory that this process may use: the least of the machine's and of the limits of its control groups."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([whole, *(limit for file in _limit_files(root, of_process) if (limit := _limit(file)) is not None)])


def _limit_files(root: Path, of_process: Path) -> list[Path]:
    """Where the limits of the process's group, and of those around it, would stand."""
    try:
        lines = of_process.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux, or no /proc
        return []
    files: list[Path] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "memory" in controllers.split(","):
            base, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
            group = Path(path.lstrip("/"))
            # Inside a container the path may be the host's, and the container's own group the root that is seen here.
            files += [base / above / name for above in (group, *group.parents)]
    return files


def _limit(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no such group here, or "max"
        return None
