"""One edit of a valid project each: the code, the edited line, and the text that a user reads."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

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
    assert found.text == _TEXTS.get(case.name), "make messages writes the texts anew"


def test_the_catalogue_is_as_large_as_it_says_and_names_known_codes() -> None:
    assert len(CASES) >= 80
    assert len({case.code for case in CASES}) >= 45
    assert {case.code for case in CASES} <= CODES.keys()
    assert list(_TEXTS) == [case.name for case in CASES]
