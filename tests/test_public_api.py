"""The names that programs, tests and plug-ins import: a change here is a change of the contract, and belongs in CHANGELOG."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PUBLIC = {
    "etl": """
        AuditResult BackfillResult ConfigurationError Counts EnvironmentProblem EtlError ExpectationFailed Failure FlowFailed FlowResult
        History HistoryLost LockHeld Pipeline Plan PreviewResult ReplayResult RunError RunFailed RunResult VerifyResult load
    """,
    "etl.plugins": """
        CORRUPT Drift EpochCommits FileSource Format Groups Job OffsetLog Pin Provenance Replaces Rows SinkStrategy Source SourceSpec
        TargetCommit create parse_ddl stamped
    """,
    "etl.testing": "assert_equal_modes crash_everywhere",
}
MODULES = sorted(PUBLIC)


@pytest.mark.parametrize("module", MODULES)
def test_the_public_names_are_these_and_each_is_there(module: str) -> None:
    names = PUBLIC[module].split()
    package = importlib.import_module(module)
    assert list(package.__all__) == names
    assert [name for name in names if getattr(package, name, None) is None] == []
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize("module", MODULES)
def test_what_a_type_checker_sees_is_what_is_there(module: str) -> None:
    """The names under TYPE_CHECKING and those that are found at run time are written apart; they are the same objects."""
    file = Path(str(importlib.import_module(module).__file__))
    package = importlib.import_module(module)
    seen = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("etl.") and node.module != "etl.lazy"
        for alias in node.names
    }
    assert set(seen) == set(package.__all__)
    for name, (home, original) in seen.items():
        assert getattr(package, name) is getattr(importlib.import_module(str(home)), original), name


@pytest.mark.parametrize("module", MODULES)
def test_importing_the_door_brings_no_spark(module: str) -> None:
    program = f"import sys, {module}\nsys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_every_public_name_of_the_doors_is_used_in_the_program_whose_types_are_checked() -> None:
    text = (ROOT / "tests" / "typed_api.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    unused = {name for module in MODULES for name in PUBLIC[module].split()} - used
    assert unused == {"Drift", "Rows", "OffsetLog", "crash_everywhere"}  # names of values that others hand over
    assert '"tests/typed_api.py"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_a_wrong_use_of_the_public_names_is_seen_by_a_type_checker(tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(
        'import etl\nfrom etl.plugins import Format\netl.load("p").run(mode="streaming")\nFormat("a:B", place="moon")\netl.nothing\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line.rpartition("wrong.py:")[2].split(":")[0] for line in done.stdout.splitlines() if ": error:" in line]
    assert lines == ["3", "4", "5"], done.stdout


def test_the_example_of_a_plug_in_and_its_page_come_in_by_the_door_only() -> None:
    example = ROOT / "docs" / "examples" / "twilight-fixedwidth" / "twilight_fixedwidth"
    imported = {
        str(node.module)
        for file in sorted(example.glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    assert {module for module in imported if module.startswith("etl")} == {"etl.plugins"}
    page = (ROOT / "docs" / "concepts" / "plug-ins.md").read_text(encoding="utf-8")
    assert "etl.plugins" in page
    assert "etl.engine" not in page
    assert "etl.config" not in page
