"""A class-data archive of the JVM: loading Spark's and Delta's classes from it saves seconds at each start.

A process of its own makes it once, by running a small workload that uses what pipelines use (`session_training`), so that
nobody waits for it; every later session maps it. It tells of that in a line on standard error, ends after `TRAIN_S`, and does
not begin where the disk has no room. TWILIGHT_CLASS_DATA=off, or `spark: {class_data_archive: false}`, does without. Its name carries everything that must fit. It appears whole or not at all
(a draft, renamed), one process makes it at a time, and the JVM itself ignores one that does not fit.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.session.jars import cache_root
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TRAIN = [sys.executable, "-m", "etl.engine.session.class_data_training"]
TRAIN_S = 600
"""How long a training may take, whoever waits for it."""
_FREE_BYTES = (
    1_000_000_000  # of the cache's disk: an archive has about 200 MB, and a draft stands beside it for a while
)
_MOST = 4  # archives that are kept: of so many Javas, or sets of jars
_ENDING_S = 10
_TRAINING: list[subprocess.Popen[str]] = []
_UNUSED_S = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Archive:
    """The archive that fits one class path and Java; made or not."""

    path: Path

    @property
    def draft(self) -> Path:
        """The file that a JVM writes a new archive to, before it counts."""
        return self.path.with_suffix(".draft")

    def use(self) -> list[str]:
        """The JVM's options that map the archive, where there is one; in doubt the JVM goes without it, and says nothing."""
        if not self.path.exists():
            return []
        with contextlib.suppress(OSError):  # a cache that is shared may be another user's
            os.utime(self.path)  # the sign that it is in use
        return [f"-XX:SharedArchiveFile={self.path}", "-Xshare:auto", *_QUIET]

    def make(self) -> list[str]:
        """The JVM's options that leave a draft behind when it ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.draft.unlink(missing_ok=True)  # of a JVM that was killed while it wrote
        return [f"-XX:ArchiveClassesAtExit={self.draft}", *_QUIET]

    def keep(self) -> None:
        """Publish the draft of a JVM that has ended in good order; archives that nobody has used for a month go, and all but the newest few.

        Raises EnvironmentProblem where there is no draft.
        """
        if not self.draft.exists():
            raise EnvironmentProblem(
                "Java left no class-data archive behind", hint="sessions start without it, only later"
            )
        self.draft.replace(self.path)
        used = {other: other.stat().st_mtime for other in self.path.parent.glob("*.jsa")}
        for rank, other in enumerate(sorted(used, key=lambda each: used[each], reverse=True)):
            if other != self.path and (rank >= _MOST or time.time() - used[other] > _UNUSED_S):
                other.unlink(missing_ok=True)  # a JVM that has mapped it keeps it


SWITCH = "TWILIGHT_CLASS_DATA"
_WITHOUT = f"{SWITCH}=off does without"
_QUIET = ["-Xlog:cds=off", "-Xlog:cds+dynamic=off", "-Xlog:class+path=off"]


def archive(java: str, java_version: str, class_path: Sequence[Path]) -> Archive:
    """The archive for this Java and these jars; it fits as long as none of their files is replaced."""
    import pyspark  # noqa: PLC0415  # only its version and place

    home = Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)
    files = [Path(java).resolve(), home / "jars", *class_path]
    parts = [java_version, pyspark.__version__, *(f"{file} {file.stat().st_mtime_ns}" for file in files)]
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return Archive(cache_root() / "archives" / f"{name}.jsa")


def is_off() -> bool:
    """Whether TWILIGHT_CLASS_DATA says that sessions do without an archive."""
    return os.environ.get(SWITCH, "").strip().lower() in ("off", "0", "false", "no")


def must_have_room(archive: Archive) -> None:
    """Raise EnvironmentProblem where the disk of the cache is too full for an archive."""
    free = shutil.disk_usage(_existing(archive.path.parent)).free
    if free < _FREE_BYTES:
        raise EnvironmentProblem(
            f"no class-data archive is made: {archive.path.parent} has {free / 1e6:,.0f} MB free, and {_FREE_BYTES / 1e6:,.0f} MB are wanted",
            hint="free some space, or set TWILIGHT_CACHE; sessions start without it, some seconds later",
        )


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def prepare() -> None:
    """Make the archive for the default profile now, and wait for it; nothing where it is made already.

    Raises EnvironmentProblem where the training fails, takes longer than `TRAIN_S`, or has no room.
    """
    # A session of its own: what a terminal sends to all in front is heard here, and passed on once it can be cleared away.
    training = subprocess.Popen(  # noqa: S603  # our own program
        _TRAIN,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    _TRAINING.append(training)
    try:
        output, _ = training.communicate(timeout=TRAIN_S)
    except subprocess.TimeoutExpired as cause:
        end_training()
        raise EnvironmentProblem(f"the class-data archive was not made within {TRAIN_S} s", hint=_WITHOUT) from cause
    except BaseException:
        end_training()
        raise
    finally:
        _TRAINING.remove(training)
    if training.returncode != 0:
        last = [line for line in output.splitlines() if line.strip()][-3:]
        raise EnvironmentProblem(
            "the class-data archive could not be made: " + " | ".join(last), hint="run `etl doctor`"
        )


def end_training() -> None:
    """End a training that is waited for: nobody waits any more."""
    for training in tuple(_TRAINING):
        training.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            training.wait(_ENDING_S)
        training.kill()


def prepare_behind(archive: Archive) -> None:
    """Have the archive made by a process that nobody waits for, at the lowest priority; nothing where one is at it."""
    if is_being_made(archive):
        return
    try:
        must_have_room(archive)
    except EnvironmentProblem:
        return  # `etl doctor` tells of it; a run that has ended well need not
    with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
        sys.stderr.write(
            f"a class-data archive is made in the background, once: later sessions start some seconds sooner (about a minute at the lowest"
            f" priority, 200 MB in {archive.path.parent}; {_WITHOUT})\n"
        )
    subprocess.Popen(  # noqa: S603  # our own program
        ["nice", "-n", "19", *_TRAIN],  # noqa: S607  # wherever it lies
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=cache_root(),
        start_new_session=True,
    )


def is_being_made(archive: Archive) -> bool:
    """Whether a living process holds the right to make this archive."""
    try:
        handle = os.open(archive.path.with_suffix(".lock"), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


@contextlib.contextmanager
def alone(archive: Archive) -> Iterator[None]:
    """Hold the right to make this archive; waits while another process holds it. A process that dies lets go of it."""
    archive.path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(archive.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


if __name__ == "__main__":
    prepare()
