"""Writes messages.txt again: what a user reads of each case."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.config.catalogue.cases import CASES, MESSAGES, PROJECT
from tests.config.catalogue.told import golden, told

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder).resolve() / "project"
        shutil.copytree(PROJECT, project)
        MESSAGES.write_text(golden({case.name: told(case, project).text for case in CASES}), encoding="utf-8")
    print(f"written: {MESSAGES.relative_to(Path.cwd())}; now read it")
