"""The planted bugs keep up with the code; whether tests catch them is asked by `make mutations`, which takes longer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutations.__main__ import plant
from tests.mutations.planted import PLANTED, Mutation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutation", PLANTED, ids=lambda item: item.name.split(":")[0])
def test_a_bug_has_its_place_in_the_code_and_its_tests_are_there(mutation: Mutation, tmp_path: Path) -> None:
    copy = tmp_path / mutation.file
    copy.parent.mkdir(parents=True)
    copy.write_text((ROOT / mutation.file).read_text(encoding="utf-8"), encoding="utf-8")
    plant(mutation, tmp_path)
    ast.parse(copy.read_text(encoding="utf-8"))
    assert all((ROOT / test).is_file() for test in mutation.tests)


def test_a_bug_that_has_lost_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"0 times in code\.py"):
        plant(Mutation("lost", "code.py", "y = 1", "y = 2", ()), tmp_path)
