"""One edit of a valid project each: the code, the edited line, and the text that a user reads."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.config.codes import CODES
from tests.config.catalogue.cases import CASES, MESSAGES, PROJECT, Case
from tests.config.catalogue.told import told

_ONE = re.compile(r"^## ([^\n]+)\n\n(.*?)\n\n(?=## |\Z)", re.DOTALL | re.MULTILINE)
_TEXTS = dict(_ONE.findall(MESSAGES.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("catalogue").resolve() / "project"
    shutil.copytree(PROJECT, project)
    return project


def test_the_project_without_an_edit_is_valid(shop: Path) -> None:
    found = told(None, shop)
    assert (found.exit_code, found.text, found.summary) == (0, "", "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_a_mistake_is_told_once_with_its_code_and_at_the_line_that_was_edited(case: Case, shop: Path) -> None:
    found = told(case, shop)
    assert found.exit_code == 2, found.text
    assert [(file, code) for file, _, code in found.mistakes] == [(case.file, case.code)], found.text
    assert found.mistakes[0][1] in found.edited, found.text
    assert len(found.hints) == 1, found.text
    assert found.summary == "1 mistake in 1 file"
    assert found.text == _TEXTS.get(case.name), "make messages writes the texts again"


@pytest.mark.system
@pytest.mark.parametrize(
    "name", ["a key that stands twice", "SQL that does not parse", "a function that is not there", "a file in UTF-16"]
)
def test_a_whole_process_says_the_same_without_java_and_writes_nothing(shop: Path, name: str) -> None:
    case = next(item for item in CASES if item.name == name)
    path = shop / case.file
    valid = path.read_bytes()
    case.edited(shop)
    before = {item: item.stat().st_mtime_ns for item in shop.rglob("*")}
    environment = {**os.environ, "JAVA_HOME": "/nowhere", "PATH": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1"}
    program = [sys.executable, "-m", "etl", "validate"]
    plain = subprocess.run(program, cwd=shop, env=environment, capture_output=True, text=True, check=False)
    as_json = subprocess.run(
        [*program, "--json"], cwd=shop, env=environment, capture_output=True, text=True, check=False
    )
    after = {item: item.stat().st_mtime_ns for item in shop.rglob("*")}
    path.write_bytes(valid)
    assert (plain.returncode, as_json.returncode, after) == (2, 2, before)
    assert plain.stderr == f"{_TEXTS[name]}\n1 mistake in 1 file\n"
    assert "Traceback" not in plain.stdout + plain.stderr + as_json.stdout + as_json.stderr
    (mistake,) = json.loads(as_json.stdout)["errors"]
    assert (mistake["code"], mistake["file"], mistake["severity"]) == (case.code, case.file, "error")
    assert {"message", "line", "column", "hint"} <= mistake.keys()


def test_all_mistakes_of_all_files_are_told_in_one_pass_in_their_order(shop: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(shop, project)
    chosen = (
        "an unknown key of an environment",
        "SQL that does not parse",
        "an unknown option of a format",
        "a parameter that is no input",
        "an unknown format",
        "a column twice",
    )
    cases = [case for case in CASES if case.name in chosen]
    for case in cases:
        case.edited(project)
    (project / "conf/prod.yml").write_text(
        "storage: ./prod\nrun: {mod: batch, timezone: '${env:ZONE}'}\n", encoding="utf-8"
    )
    found = told(None, project)
    assert found.exit_code == 2
    assert {(file, code) for file, _, code in found.mistakes} >= {(case.file, case.code) for case in cases} | {
        ("conf/prod.yml", "E103")
    }
    assert found.mistakes == sorted(found.mistakes, key=lambda item: item[:2])
    assert len(set(found.mistakes)) == len(found.mistakes)
    assert found.summary == f"{len(found.mistakes)} mistakes in {len({file for file, _, _ in found.mistakes})} files"


def test_warnings_fail_only_where_that_is_asked_for(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    shutil.copytree(shop, project)
    file = project / "pipelines/shop/pipeline.yml"
    file.write_text(
        file.read_text(encoding="utf-8").replace('{sep: ";"}', '{password: "s3cret-of-mine"}'), encoding="utf-8"
    )
    monkeypatch.chdir(project)
    easy, strict = (CliRunner().invoke(main, ["validate", "shop", *flags]) for flags in ([], ["--strict"]))
    assert (easy.exit_code, strict.exit_code) == (0, 2)
    assert "[W101]" in easy.stderr
    assert easy.stderr.endswith("1 warning in 1 file\n")


def test_the_catalogue_is_as_large_as_it_says_and_names_known_codes() -> None:
    assert len(CASES) >= 80
    assert len({case.code for case in CASES}) >= 45
    assert {case.code for case in CASES} <= CODES.keys()
    assert list(_TEXTS) == [case.name for case in CASES]
