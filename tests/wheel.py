"""The wheel, as a user gets it: `python -m tests.wheel` builds it, and installs it for each Python that the package names.

Where such a Python is at hand a new project is made, checked and run in it; where none is, what would be installed is told from wheels alone
(but pyspark, which has none).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = str(Path(sys.executable).with_name("uv"))
_WHEELS_ALONE = ("--only-binary", ":all:", "--no-binary", "pyspark")
_PREFIX = "Programming Language :: Python :: 3."


def versions() -> list[str]:
    """The Pythons that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [f"3.{name.removeprefix(_PREFIX)}" for name in project["classifiers"] if name.startswith(_PREFIX)]


def run(*command: str, cwd: Path = ROOT) -> str:
    """What a command printed; it must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def interpreter(version: str) -> str | None:
    """The path of a Python of that version; None where there is none on this machine."""
    command = [UV, "python", "find", "--no-project", "--no-python-downloads", version]
    found = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def tried(wheel: Path, version: str, place: Path) -> str:
    """What came of one version, in words."""
    wanted = f"twilight-etl[s3,state] @ {wheel.as_uri()}"
    python = interpreter(version)
    if python is None:
        run(
            UV,
            "pip",
            "install",
            "--dry-run",
            "--target",
            str(place / version),
            "--python-version",
            version,
            *_WHEELS_ALONE,
            wanted,
        )
        return "not at hand; all that it needs can be had"
    environment, project = place / version, place / f"project-{version}"
    run(UV, "venv", "--quiet", "--no-project", "--python", python, str(environment))
    run(UV, "pip", "install", "--quiet", "--python", str(environment), *_WHEELS_ALONE, wanted)
    etl = str(environment / "bin" / "etl")
    run(etl, "init", str(project))
    (pipeline,) = (project / "pipelines").iterdir()
    run(etl, "validate", cwd=project)
    run(etl, "run", pipeline.name, "--mode", "batch", cwd=project)
    said = run(etl, "run", pipeline.name, "--mode", "stream", cwd=project)
    if "unchanged" not in said:
        sys.exit(f"a stream after the batch had work to do on Python {version}:\n{said}")
    return "a new project ran there in both modes"


def main() -> None:
    """Build it, and try each version."""
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        place = Path(folder)
        run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, str(ROOT))
        (wheel,) = place.glob("*.whl")
        for version in versions():
            sys.stdout.write(f"Python {version}: {tried(wheel, version, place)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
