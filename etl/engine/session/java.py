"""The Java that Spark will start, found and checked before Spark tries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from etl.errors import EnvironmentProblem

SUPPORTED = (17, 21)


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its program and its version as it names itself."""

    program: str
    version: str

    @property
    def major(self) -> int:
        """17 of 17.0.15; 8 of 1.8.0."""
        parts = re.findall(r"\d+", self.version)
        return int(parts[1] if parts[0] == "1" and len(parts) > 1 else parts[0])


def find_java() -> Java:
    """The Java of JAVA_HOME, else of PATH; EnvironmentProblem where there is none, or one that Spark cannot start on."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if program is None or not Path(program).exists():
        where = f"JAVA_HOME is {home}, and there is no bin/java in it" if home else "there is no `java` on PATH"
        raise EnvironmentProblem(
            f"Java was not found: {where}", hint="install a Java 17 or 21 runtime, or set JAVA_HOME to one"
        )
    java = Java(program, _version(program))
    if java.major not in SUPPORTED:
        raise EnvironmentProblem(
            f"Java {java.version} ({program}) cannot run Spark 4.2",
            hint="install Java 17 or 21 and set JAVA_HOME to it",
        )
    return java


def _version(program: str) -> str:
    release = Path(program).resolve().parent.parent / "release"
    try:
        version = re.search(r'JAVA_VERSION="([^"]+)"', release.read_text(encoding="utf-8"))
    except OSError:
        version = None
    if version is None:  # not every runtime has the file; asking it takes a tenth of a second
        done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  # the user's Java
        version = re.search(r'version "([^"]+)"', done.stderr + done.stdout)
    if version is None:
        raise EnvironmentProblem(f"{program} does not say which Java it is", hint="install a Java 17 or 21 runtime")
    return version.group(1)
