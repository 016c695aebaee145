"""A page of docs/stories followed: its commands, run in their order in a copy of the project, and what they said."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

from tests.support.terminal import typed

ROOT = Path(__file__).parents[2]


def load(pipeline: str, file: str) -> ModuleType:
    """A Python file of a pipeline, as a module of its own."""
    name = f"{pipeline}_{file}"
    spec = importlib.util.spec_from_file_location(name, ROOT / "pipelines" / pipeline / f"{file}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class Story:
    """A copy of the project in which a page's commands have been run, and the pairs of command and output."""

    def __init__(self, page: str, root: Path) -> None:
        for name in ("pipelines", "conf"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        (root / ".venv").symlink_to(sys.prefix)
        self.root = root
        self.text = (ROOT / "docs" / "stories" / page).read_text(encoding="utf-8")
        self.said = [(command, self._run(command)) for command in re.findall(r"^\$ (.*)$", self.text, re.MULTILINE)]

    def _run(self, command: str) -> str:
        code, said = typed(command, self.root)
        assert code == 0, said
        return said

    def storage(self, environment: str) -> Path:
        """Where an environment's tables are."""
        return self.root / ".etl" / environment

    def scores(self) -> list[list[str]]:
        """What each run of score.py said at its end: the lines with a precision."""
        outputs = [output for command, output in self.said if "score.py" in command]
        return [[line for line in output.splitlines() if "precision" in line] for output in outputs]
