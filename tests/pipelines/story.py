"""A page of docs/stories followed: its commands, run in their order in a copy of the project, and what they said."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from click.testing import CliRunner

from etl.cli import main

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
        self.root = root
        self.text = (ROOT / "docs" / "stories" / page).read_text(encoding="utf-8")
        self.said = [(command, self._run(command)) for command in re.findall(r"^\$ (.*)$", self.text, re.MULTILINE)]

    def _run(self, command: str) -> str:
        program, *arguments = shlex.split(command)
        return self._etl(arguments) if program == ".venv/bin/etl" else self._python(program, arguments)

    def _python(self, program: str, arguments: list[str]) -> str:
        assert program == ".venv/bin/python"
        done = subprocess.run([sys.executable, *arguments], cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _etl(self, arguments: list[str]) -> str:
        """In this process, whose session it finds: a JVM for each command would take most of a minute."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with contextlib.chdir(self.root):
                done = CliRunner().invoke(main, arguments)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        assert done.exit_code == 0, done.output
        return done.output

    def storage(self, environment: str) -> Path:
        """Where an environment's tables are."""
        return self.root / ".etl" / environment

    def scores(self) -> list[list[str]]:
        """What each run of score.py said at its end: the lines with a precision."""
        outputs = [output for command, output in self.said if "score.py" in command]
        return [[line for line in output.splitlines() if "precision" in line] for output in outputs]
