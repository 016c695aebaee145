"""docs/: the generated pages are the code's, links lead somewhere, and codes and keys are all explained."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from etl.config.codes import CODES
from etl.config.grammar.models import ENVIRONMENT_MODELS, MODELS

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    committed = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert committed == PAGES[name], "`make docs` rewrites it"


def test_every_generated_page_is_committed_and_no_other() -> None:
    assert {file.name for file in (ROOT / "docs" / "reference").iterdir()} == set(PAGES)


def test_every_key_of_the_grammar_is_explained() -> None:
    models = {*MODELS.values(), *ENVIRONMENT_MODELS.values()}
    silent = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert silent == []


def test_every_code_that_is_used_is_explained_and_none_is_explained_in_vain() -> None:
    used = {
        code
        for file in (ROOT / "etl").rglob("*.py")
        if file.name != "codes.py"
        for code in re.findall(r'"([EW]\d{3})"', file.read_text(encoding="utf-8"))
    }
    assert used == set(CODES)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    "page", [page for page in DOCS if "reference" not in page.parts], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_modules_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`(etl/[\w/]+(?:\.py|/))`", text)) - set(
        re.findall(r"^New file `([^`]+)`", text, re.MULTILINE)
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
