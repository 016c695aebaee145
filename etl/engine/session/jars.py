"""The jars that Spark lacks, in a checked cache: fetched once, verified, and put on the class path from then on.

Spark's own way (`spark.jars.packages`) resolves them again at each start, which takes seconds. They are fetched by the
Apache Ivy that ships with pyspark, so a user's `ivysettings.xml` and mirrors count here as they do there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from etl.errors import EnvironmentProblem

_FETCH_S = 600


@dataclass(frozen=True, slots=True)
class Jar:
    """One artifact of Maven Central and the SHA-256 of its file."""

    group: str
    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.jar"


DELTA = (
    Jar(
        "io.delta", "delta-spark_4.2_2.13", "4.4.0", "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead"
    ),
    Jar("io.delta", "delta-storage", "4.4.0", "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc"),
    Jar("io.delta", "delta-kernel-api", "4.4.0", "ee9b5a14ac3b7efdff4d61a58478fe8eb0e5a3fbca43889dca7290795fe79a11"),
    Jar(
        "io.delta", "delta-kernel-defaults", "4.4.0", "225c975199e4718b38ee5b7e6da7f19e9585024262b2cec2656b32151a856b0b"
    ),
    Jar(
        "io.delta",
        "delta-kernel-unitycatalog",
        "4.4.0",
        "cea22dfb4ac562b3cd27bf652697750e8336009d73fb06631363aaaad5345ffa",
    ),
)
BARE_FS = Jar(
    "com.globalmentor",
    "hadoop-bare-naked-local-fs",
    "0.1.0",
    "e0cc30fb0531eb0b59468dc0abf5b257533d2365b5e9f45e795edd707aa78c62",
)
JARS = (*DELTA, BARE_FS)
LOG_STORE = Path(__file__).parents[1] / "jvm" / "twilight-log-store.jar"
"""Ours, and not fetched: the class by which Delta's log in an object store is written once (jvm/ConditionalLogStore.java)."""


FILES = Path(__file__).parents[1] / "jvm" / "twilight-files.jar"
"""Ours, too: Spark's readers of files, with every byte in a row, a malformed row or an error (jvm/files/). Spark is given `readers()`."""


def class_path(java: str) -> tuple[Path, ...]:
    """The jars that a session of ours has before Spark's own, and that a class-data archive is made of; raises as `jars` does."""
    return (*jars(java), readers())


def readers() -> Path:
    """The jar of our readers as a file: where the package travels in a zip, a copy of it in the cache."""
    if FILES.exists():
        return FILES
    packed = resources.files("etl.engine").joinpath("jvm", FILES.name).read_bytes()
    copy = cache_root() / "own" / f"{hashlib.sha256(packed).hexdigest()[:16]}-{FILES.name}"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="copy-", dir=copy.parent) as folder:
            draft = Path(folder, FILES.name)
            draft.write_bytes(packed)
            draft.replace(copy)
    return copy


def cache_root() -> Path:
    """The folder of everything that can be made again: $TWILIGHT_CACHE, or twilight-etl in the user's cache folder."""
    named = os.environ.get("TWILIGHT_CACHE")
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "twilight-etl")


def jars(java: str) -> tuple[Path, ...]:
    """The jars' places in the cache, fetched where they are missing or not what they should be.

    Raises EnvironmentProblem where they cannot be fetched, or the cache cannot be written.
    """
    root = cache_root() / "jars"
    if any(not _known_good(root / jar.file) for jar in JARS):
        _fetch(root, java)
    return tuple(root / jar.file for jar in JARS)


def damaged() -> tuple[str, ...]:
    """The cached jars whose bytes are not the published ones; reads them whole."""
    root = cache_root() / "jars"
    return tuple(jar.file for jar in JARS if (root / jar.file).exists() and _digest(root / jar.file) != jar.sha256)


def _known_good(path: Path) -> bool:
    """Whether the jar was verified and has not been touched since: size and time stand in a file beside it."""
    try:
        status = path.stat()
        stamp = path.with_suffix(".verified").read_text(encoding="ascii")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False
    return stamp == f"{status.st_size} {status.st_mtime_ns}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(root: Path, java: str) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=root.parent) as draft:
            _run_ivy(Path(draft), java)
            for jar in JARS:
                fetched = Path(draft, jar.file)
                if not fetched.exists() or _digest(fetched) != jar.sha256:
                    raise EnvironmentProblem(
                        f"the jar {jar.group}:{jar.name}:{jar.version} that was fetched is not the published one",
                        hint="look at the mirror or proxy that Apache Ivy uses; nothing was installed",
                    )
            for jar in JARS:
                fetched, kept = Path(draft, jar.file), root / jar.file
                status = fetched.stat()
                fetched.replace(kept)
                note = Path(draft, "note")
                note.write_text(f"{status.st_size} {status.st_mtime_ns}", encoding="ascii")
                note.replace(kept.with_suffix(".verified"))
    except OSError as cause:
        message = f"the jar cache {root} cannot be written: {cause}"
        raise EnvironmentProblem(message, hint="set TWILIGHT_CACHE to a folder that can be written") from cause


def _run_ivy(draft: Path, java: str) -> None:
    import pyspark  # noqa: PLC0415  # only to find its jars

    ivy = next(Path(pyspark.__file__).parent.glob("jars/ivy-*.jar"))
    dependencies = "".join(
        f'<dependency org="{jar.group}" name="{jar.name}" rev="{jar.version}" transitive="false"/>' for jar in JARS
    )
    module = draft / "ivy.xml"
    module.write_text(
        '<ivy-module version="2.0"><info organisation="etl" module="jars"/>'
        f'<dependencies defaultconf="default">{dependencies}</dependencies></ivy-module>',
        encoding="utf-8",
    )
    settings = os.environ.get("TWILIGHT_IVY_SETTINGS")
    command = [java, "-jar", str(ivy), *(["-settings", settings] if settings else []), "-cache", str(draft / "cache")]
    command += ["-ivy", str(module), "-confs", "default", "-types", "jar"]
    command += ["-retrieve", f"{draft}/[artifact]-[revision].[ext]"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_S, check=False)  # noqa: S603  # our own command
        output = done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        output = "no answer in ten minutes"
    if any(not (draft / jar.file).exists() for jar in JARS):
        last = [line.strip() for line in output.splitlines() if line.strip()][-3:]
        raise EnvironmentProblem(
            "Delta's jars could not be fetched from Maven Central: " + " | ".join(last),
            hint="connect once (or name a mirror's ivysettings.xml in TWILIGHT_IVY_SETTINGS), then run again; they are kept in "
            f"{cache_root() / 'jars'}",
        )
    shutil.rmtree(draft / "cache", ignore_errors=True)
