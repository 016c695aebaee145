"""A class-data archive of the JVM: loading Spark's and Delta's classes from it saves seconds at each start.

Made once, at the end of the first session that has none (JDK: -XX:ArchiveClassesAtExit), and used by every later one
(-XX:SharedArchiveFile). Its name carries everything that must fit; the JVM itself ignores one that does not.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.session_jars import cache_root

if TYPE_CHECKING:
    from collections.abc import Sequence

_ABANDONED_S = 3600


@dataclass(frozen=True, slots=True)
class Archive:
    """The archive that fits one class path, Java and choice of collector."""

    path: Path

    @property
    def draft(self) -> Path:
        """Where this process lets its JVM write a new one."""
        return self.path.with_name(f"{self.path.name}.{os.getpid()}.draft")

    def options(self) -> list[str]:
        """The JVM's options: use the archive where there is one, else leave one behind."""
        if self.path.exists():
            return [f"-XX:SharedArchiveFile={self.path}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for left in self.path.parent.glob("*.draft"):  # of a JVM that was killed while it wrote
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                left.unlink(missing_ok=True)
        return [f"-XX:ArchiveClassesAtExit={self.draft}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]

    def keep(self) -> None:
        """Publish the draft, after the JVM that wrote it has ended in good order."""
        if self.draft.exists():
            self.draft.replace(self.path)

    def discard(self) -> None:
        """Forget the draft of a JVM that did not."""
        self.draft.unlink(missing_ok=True)


def archive(java_version: str, class_path: Sequence[Path], options: Sequence[str]) -> Archive:
    """The archive for this combination, made or not."""
    import pyspark  # noqa: PLC0415  # only its version and place

    parts = [java_version, pyspark.__version__, str(Path(pyspark.__file__).parent), *map(str, class_path), *options]
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return Archive(cache_root() / "archives" / f"{name}.jsa")
