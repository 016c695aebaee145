"""The README keeps its word: its commands are run, in its order, in a copy of the project; its snippets are executed."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.pipelines.nyc_oracle import landing
from tests.support.terminal import typed

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
# What make does in this checkout cannot be done in a copy of it: `.ci/run` runs two of these, and a test here the recipe of the third.
MAKE = {"make demo", "make test", "make lint"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as it was cloned, with the environment of this one."""
    for name in ("pipelines", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    tests = (
        "__init__.py",
        "support/__init__.py",
        "support/independent.py",
        "support/oracle.py",
        "pipelines/__init__.py",
        "pipelines/nyc_oracle.py",
    )
    for name in tests:  # what the demo asks for its last question
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests" / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def ran(command: str, folder: Path) -> str:
    code, said = typed(command, folder)
    assert code == 0, f"{command}: {said}"
    return said


def test_a_block_holds_one_command_each_a_make_target_or_a_program_of_the_environment() -> None:
    assert len(COMMANDS) == README.count("```console\n")
    assert {command for command in COMMANDS if not command.startswith(".venv/bin/")} == MAKE


def test_the_make_targets_exist_and_ci_runs_the_checks() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in MAKE:
        assert re.search(rf"^{command.removeprefix('make ')}:", makefile, re.MULTILINE), command
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in MAKE - {"make demo"}:
        assert command in ci


def test_the_links_lead_somewhere() -> None:
    for place in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / place).exists(), place


@pytest.mark.system
@pytest.mark.spark
@pytest.mark.timeout(600)
def test_the_commands_do_what_the_text_around_them_says(copy: Path) -> None:
    said = []
    for command in COMMANDS:
        if command not in MAKE:
            said.append((command, ran(command, copy)))
    batch, stream = (text for command, text in said if " run nyc_flights " in command)
    assert "nyc_flights: succeeded" in batch
    assert re.search(r"^flights_clean +succeeded +stream +2 ", stream, re.MULTILINE)
    own = {command.split()[1]: text for command, text in said if "fleet" in command}
    assert "planes: csv, 1 file" in own["init"]
    assert "guessed from all 3,322 rows" in own["init"]
    assert "N10156" in own["preview"]
    assert "2 passed" in own["test"]
    both = [text for command, text in said if " run fleet" in command]
    assert re.search(r"^planes_clean +succeeded +batch +1 +3,322 +3,322 ", both[0], re.MULTILINE)
    assert "unchanged" in both[1], "the batch has read the one file"
    audit = next(text for command, text in said if " audit " in command)
    assert "holds" in audit
    assert "unchanged" in ran(".venv/bin/etl run nyc_flights --env trial --mode stream", copy)


@pytest.mark.system
@pytest.mark.timeout(900)
def test_the_demo_ends_with_the_screen_that_the_readme_shows(copy: Path) -> None:
    recipe = re.search(r"^demo:.*\n\t@\$\(BIN\)/(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    screen = ran(f".venv/bin/{recipe[1]}", copy)
    shown = re.search(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert shown is not None
    for line in shown[1].splitlines():
        if line != "…":
            assert f"{line}\n" in screen
    for kind, flow in (("tables", "carrier_punctuality"), ("quarantine", "weather_clean")):
        assert f"  {copy / '.etl' / 'local' / kind / 'nyc_flights' / flow}\n" in screen


@pytest.mark.spark
def test_the_notebook_snippets_run(copy: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    landing().land(copy / "landing" / "nyc", first=dt.date(2013, 1, 30), last=dt.date(2013, 1, 31))
    monkeypatch.chdir(copy)
    without_spark, with_spark = SNIPPETS
    exec(compile(with_spark, "README.md", "exec"), {})
    names: dict[str, object] = {}
    exec(compile(without_spark, "README.md", "exec"), names)
    assert len(names["delays"]) > 0  # type: ignore[arg-type]  # a data frame, which the snippet does not say
    assert spark.range(1).count() == 1, "the session that was active is still there"
