"""What a command and a session must have in common, or else the command runs by itself: user, place, versions, and what a JVM takes from its environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_NAMES = {
    "HOME", "USER", "LOGNAME", "TZ", "LANG", "LANGUAGE", "XDG_CACHE_HOME", "CLASSPATH",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
}  # fmt: skip
_PREFIXES = (
    "SPARK", "PYSPARK", "PYTHON", "JAVA", "JDK", "_JAVA", "HADOOP", "YARN", "HIVE", "KRB5", "AWS_", "AZURE_", "GOOGLE_", "GCLOUD_",
    "CLOUDSDK_", "KUBERNETES_", "DELTA_", "TWILIGHT_", "LC_", "LD_", "MALLOC_", "OMP_", "OPENBLAS_", "MKL_", "ARROW_",
)  # fmt: skip
_BESIDE = ("PATH", "TMPDIR")
_NAMESPACES = ("mnt", "net", "pid", "user")


def identity(folder: Path, environment: str) -> dict[str, Any]:
    """Of this process, for commands typed in `folder`; the values are JSON's, and equal where a command may be run in the session.

    What else the environment holds is each command's own: its Python has it, and so have the Python workers of its Spark.
    """
    # Only one thread asks, and only before it has others.
    mask = os.umask(0o077)
    os.umask(mask)
    return {
        "folder": str(folder),
        "environment": environment,
        "user": [os.getuid(), os.geteuid(), os.getgid(), sorted(os.getgroups())],
        "umask": mask,
        "namespaces": [str(Path("/proc/self/ns", name).readlink()) for name in _NAMESPACES],
        "python": [
            sys.version,
            os.path.realpath(sys.executable),
            sys.prefix,
            list(sys.flags),
            sys.warnoptions,
            sys._xoptions,  # noqa: SLF001  # documented, and has no other name
        ],
        "traced": sys.gettrace() is not None or sys.getprofile() is not None,
        "packages": sorted([entry, _changed(entry)] for entry in set(sys.path) if entry.endswith("-packages")),
        "twilight": [str(_PACKAGE), *_files(_PACKAGE)],
        "java": _java(),
        "variables": variables(),
    }


def variables() -> dict[str, str]:
    """The environment variables that a JVM, Spark or Python itself takes note of when it starts."""
    return {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(_PREFIXES)}


def of_jvm() -> dict[str, str]:
    """The whole environment of a JVM that stays."""
    return variables() | {name: os.environ[name] for name in _BESIDE if name in os.environ}


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The first thing in which two identities differ, in words without values; empty where they are equal."""
    for name, mine in one.items():
        theirs = other.get(name)
        if mine != theirs:
            if isinstance(mine, dict) and isinstance(theirs, dict):
                return f"{name}: {', '.join(sorted(key for key in mine | theirs if mine.get(key) != theirs.get(key)))}"
            return name
    return ""


_PACKAGE = Path(__file__).parents[1]


def _files(folder: Path) -> list[Any]:
    """Name, size and time of each file of the package: an edit of it, or a new version of it, is another one."""
    found: list[Any] = []
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                found.append([entry.name, _files(Path(entry.path))])
        else:
            status = entry.stat()
            found.append([entry.name, status.st_size, status.st_mtime_ns])
    return found


def _changed(folder: str) -> int:
    """When something was last installed there, or removed."""
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116  # an entry of sys.path, and no more
    except OSError:
        return 0


def _java() -> list[Any]:
    """The Java that would be started, and when it was installed."""
    home = os.environ.get("JAVA_HOME")
    folders = [os.path.join(home, "bin")] if home else os.environ.get("PATH", "").split(os.pathsep)  # noqa: PTH118  # an entry of PATH
    for folder in folders:
        program = os.path.realpath(os.path.join(folder, "java"))  # noqa: PTH118  # see above
        if os.access(program, os.X_OK):
            return [program, _changed(program)]
    return []
