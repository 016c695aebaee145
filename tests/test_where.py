"""docs/where.md, done: its source and its command are built in a copy from the page alone, and each change goes to a folder that is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import LITTLE_DATA
from tests.support.independent import rows

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "where.md").read_text(encoding="utf-8")
NEW = re.compile(r"^New file `([^`]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDED = re.compile(
    r"^In `([^`]+)`, after the line that begins with `([^`]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
PIPELINE = """
version: 1
name: settings
sources: {landed: {format: pairs, path: landing}}
flows: {latest: {inputs: [landed], incremental: rows}}
"""
ASKED = (
    "Kafka", "Connect", "expectation", "metric", "lineage", "cron", "Fargate", "studio", "compaction", "reader's option", "error code",
)  # fmt: skip


def changes() -> list[list[str]]:
    """The rows of the page's table: a change, its folder, what else it touches, the contract."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| a") and not line.startswith("| a change |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_each_change_that_people_ask_for_has_one_folder_and_one_contract() -> None:
    table = changes()
    for asked in ASKED:
        assert len([row for row in table if asked in row[0]]) == 1, asked
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}
    contracts.add("Only the session's wing touches the JVM")
    assert "def test_only_the_session_s_wing_touches_the_jvm" in (ROOT / "tests" / "test_walls.py").read_text(
        encoding="utf-8"
    )
    for row in table:
        folder = re.fullmatch(r"`([^`]+)`", row[1])
        assert folder is None or (ROOT / folder.group(1)).exists(), row
        assert all((ROOT / name).exists() for name in re.findall(r"`([\w/.]+)`", row[2])), row
        assert row[3] in contracts, row


def test_the_tables_of_the_architecture_name_every_wing_and_room() -> None:
    """And nothing that is not there: a folder a row, and the rooms of a wing behind its name."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for package in ("config", "engine", "operations"):
        part = text.split(f"### `etl/{package}/`")[1].split("\n#")[0]
        named = {line.split("`")[1].rstrip("/"): line for line in part.splitlines() if line.startswith("| `")}
        for names in [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]:
            named |= dict.fromkeys(re.findall(r"`([\w/]+)`", names), "") if "/" not in names else {}
        here = ROOT / "etl" / package
        wings = {item.name for item in here.iterdir() if (item / "__init__.py").exists()}
        rooms = {item.stem for item in here.glob("*.py")} - {"__init__"}
        assert set(named) - {"jvm"} == wings | rooms
        for wing in wings:
            inside = {item.stem for item in (here / wing).glob("*.py")} - {"__init__"}
            told = set(re.findall(r"`([a-z_0-9]+)`", named[wing].split("|", 2)[2]))
            missing = {name for name in inside if name not in told and not name.startswith("class_data_")}
            assert missing == set(), f"{wing}: {missing} stand in no row"


@pytest.mark.system
@pytest.mark.slow
def test_the_page_s_source_and_command_work_as_they_are_written(tmp_path: Path) -> None:
    copy = tmp_path / "twilight"
    shutil.copytree(ROOT / "etl", copy / "etl", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    written = [name for name, _ in NEW.findall(PAGE)]
    assert written == ["etl/engine/sources/pairs.py", "etl/operations/places.py", "etl/cli/places.py"]
    for name, text in NEW.findall(PAGE):
        (copy / name).write_text(text, encoding="utf-8")
    for name, before, added in ADDED.findall(PAGE):
        lines = (copy / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (index,) = [index for index, line in enumerate(lines) if line.startswith(before)]
        (copy / name).write_text("".join([*lines[: index + 1], added, *lines[index + 1 :]]), encoding="utf-8")
    tools = Path(sys.executable).parent
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    for command in (
        ["ruff", "check", *written],
        ["ruff", "format", "--check", *written],
        ["lint-imports", "--no-cache"],
    ):
        checked = subprocess.run(
            [str(tools / command[0]), *command[1:]],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr

    project = tmp_path / "project"
    for folder in ("pipelines", "conf", "landing"):
        (project / folder).mkdir(parents=True)
    (project / "pipelines" / "settings.yml").write_text(PIPELINE, encoding="utf-8")
    (project / "conf" / "local.yml").write_text(json.dumps({"spark": {"conf": dict(LITTLE_DATA)}}), encoding="utf-8")

    def etl(*words: str) -> str:
        command = [sys.executable, "-m", "etl", *words]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    target = project / ".etl" / "local" / "tables" / "settings" / "latest"
    assert etl("places", "settings") == f"latest  {target}\n"
    assert json.loads(etl("places", "settings", "--json")) == {"latest": str(target)}
    (project / "landing" / "1.txt").write_text("a=1\nb=2=3\n", encoding="utf-8")
    etl("run", "settings", "--mode", "batch")
    (project / "landing" / "2.txt").write_text("c=\n", encoding="utf-8")
    etl("run", "settings", "--mode", "stream")
    assert rows(target) == [("a", "1"), ("b", "2=3"), ("c", "")]
