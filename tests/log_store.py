"""Our jars, made of their sources: `python -m tests.log_store` writes those that are checked in.

Delta's log store for object stores, and the readers of files. They are the same everywhere, byte for byte: one compiler, whichever Java runs it, and nothing is compressed, since each zlib has its own way.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pyspark

from etl.engine.session.jars import FILES, LOG_STORE, Jar, cache_root, jars
from etl.engine.session.java import find_java

SOURCE = LOG_STORE.with_name("ConditionalLogStore.java")
READERS = sorted([*FILES.parent.glob("files/*.java"), *FILES.parent.glob("delta/*.java")])
_PYSPARK = Path(pyspark.__file__).parent
# Eclipse's: a jar, so that a Java without a compiler of its own will do.
_COMPILER = Jar("org.eclipse.jdt", "ecj", "3.42.0", "29f6d3918ee02db4400c103bc25dd90a22491c3a395867d9393070cb96a7dd29")
# Not --release, which asks for the class data of older Javas: a runtime of 21 has none.
_FOR_17 = ("-source", "17", "-target", "17", "-encoding", "UTF-8", "-warn:none")


def made_of(*sources: Path) -> bytes:
    """The jar of the sources' classes; RuntimeError with the compiler's words where they are no Java."""
    java = find_java().program
    seen = [*jars(java), *sorted(_PYSPARK.glob("jars/*.jar"))]
    with tempfile.TemporaryDirectory(prefix="log-store-") as folder:
        command = [java, "-jar", str(_compiler(java)), *_FOR_17, "-cp", os.pathsep.join(map(str, seen))]
        done = subprocess.run(
            [*command, "-d", folder, *map(str, sources)], capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        jar = io.BytesIO()
        with zipfile.ZipFile(jar, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(Path(folder).rglob("*.class")):
                entry = zipfile.ZipInfo(file.relative_to(folder).as_posix())  # of 1980, as all that has no time
                entry.create_system = 3  # or it would be the system's that this runs on
                archive.writestr(entry, file.read_bytes())
    return jar.getvalue()


def _compiler(java: str) -> Path:
    """The compiler in the cache, fetched where it is missing or another."""
    kept = cache_root() / "build" / _COMPILER.file
    if kept.exists() and _digest(kept) == _COMPILER.sha256:
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=kept.parent) as draft:
        settings = os.environ.get("TWILIGHT_IVY_SETTINGS")
        command = [java, "-jar", str(next(_PYSPARK.glob("jars/ivy-*.jar")))]
        command += [*(["-settings", settings] if settings else []), "-cache", f"{draft}/cache", "-notransitive"]
        command += ["-dependency", _COMPILER.group, _COMPILER.name, _COMPILER.version]
        command += ["-confs", "default", "-types", "jar", "-retrieve", f"{draft}/[artifact]-[revision].[ext]"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        found = Path(draft, _COMPILER.file)
        if not found.exists():
            raise RuntimeError(f"{_COMPILER.file} could not be fetched\n{done.stdout}{done.stderr}")
        if _digest(found) != _COMPILER.sha256:
            raise RuntimeError(f"the {_COMPILER.file} that was fetched is not the published one")
        found.replace(kept)
    return kept


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    for written, sources in ((LOG_STORE, [SOURCE]), (FILES, READERS)):
        written.write_bytes(made_of(*sources))
        sys.stdout.write(f"written: {written}\n")
