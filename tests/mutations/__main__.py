"""Plant each bug in a copy, run the tests that must notice, and say which of them lived: `python -m tests.mutations [words]`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutations.planted import PLANTED, Mutation

ROOT = Path(__file__).parents[2]
COPIED = ("etl", "tests", "docs", "pipelines", "conf", "pyproject.toml", "README.md")


def plant(mutation: Mutation, root: Path) -> None:
    """Change the copy in `root`; ValueError where the text is not there exactly once."""
    file = root / mutation.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        message = f"{mutation.name}: the text to replace is {text.count(mutation.old)} times in {mutation.file}"
        raise ValueError(message)
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")


def caught_by(mutation: Mutation) -> str:
    """The first test that fails with the bug; empty where none does."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as place:
        root = Path(place)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", ".etl"))
            else:
                shutil.copy(source, root)
        plant(mutation, root)
        done = subprocess.run(
            # A machine that is slow has caught nothing: no test is cut off.
            [sys.executable, "-m", "pytest", "-x", "-q", "--timeout=0", "-p", "no:cacheprovider", *mutation.tests],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if failed is None:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return failed.group(1)


def main() -> int:
    """0 where every bug was caught."""
    words = [word.lower() for word in sys.argv[1:]]
    survivors = 0
    for mutation in PLANTED:
        if words and not any(word in mutation.name for word in words):
            continue
        began = time.monotonic()
        test = caught_by(mutation)
        survivors += not test
        verdict = "caught  " if test else "SURVIVED"
        sys.stdout.write(f"{verdict} {mutation.name} ({time.monotonic() - began:.0f} s) {test}\n")
        sys.stdout.flush()
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
