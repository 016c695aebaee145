"""The example of a plug-in, built and installed as a user would, in both modes; and what is said when one does not work."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.config.load import load
from etl.errors import ConfigurationError
from tests.support.independent import rows

Write = Callable[[Mapping[str, str]], Path]
EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "twilight-fixedwidth"
YAML = """\
version: 1
name: stock
defaults:
  source: {options: {header: true}}
sources:
  lines:
    format: fixedwidth
    path: landing
    schema: "id INT, name STRING"
    options: {widths: "3, 5"}
    on_malformed: quarantine
flows:
  known:
    inputs: [lines]
    incremental: rows
    sink:
      strategy: distinct
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example in a folder of its own, on the path of this process."""
    place, package = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("package") / "p"
    shutil.copytree(EXAMPLE, package)  # building leaves things behind
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        command = ["uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*command, str(place), str(package)], check=True)
    sys.path.insert(0, str(place))
    yield place
    sys.path.remove(str(place))
    for name in [item for item in sys.modules if item.startswith("twilight_fixedwidth")]:
        del sys.modules[name]


@pytest.mark.spark
def test_the_example_reads_and_writes_alike_in_both_modes(installed: Path, project: Write) -> None:
    root = project({"pipelines/stock.yml": YAML, "landing/a.txt": "  1apple\n  2pear\nxx pear\n  1apple\n"})
    pipeline = etl.load("stock")
    modes: tuple[Any, ...] = ("stream", "stream", "batch")
    for index, mode in enumerate(modes):
        (root / "landing" / f"{index}.txt").write_text(f"  2pear\n {index + 10}plum\n", encoding="utf-8")
        (flow,) = pipeline.run(mode=mode).flows
        assert flow.failure is None
        plums = [(number + 10, "plum") for number in range(index + 1)]
        assert rows(root / ".etl/local/tables/stock/known") == sorted([(1, "apple"), (2, "pear"), *plums], key=repr)
        assert rows(root / ".etl/local/quarantine/stock/known", "_etl_record") == [("xx pear",)]
    assert pipeline.audit().holds
    assert pipeline.run(mode="stream").status == "unchanged"


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("format: fixedwidth", "format: fixdwidth", "E121", "did you mean 'fixedwidth'?"),
        ("strategy: distinct", "strategy: distinkt", "E121", "did you mean 'distinct'?"),
        ('{widths: "3, 5"}', '{width: "3, 5"}', "E103", "did you mean 'widths'?"),
        ('{widths: "3, 5"}', '{widths: "3, x"}', "E105", "whole numbers with commas"),
        ('    options: {widths: "3, 5"}\n', "", "E104", "missing option 'widths'"),
        ("      strategy: distinct", "      strategy: distinct\n      options: {a: 1}", "E103", "unknown option 'a'"),
        ("      strategy: distinct", "      strategy: append\n      options: {a: 1}", "E204", "has no options"),
        ("incremental: rows", "incremental: full", "E203", "not to distinct"),
        ('    schema: "id INT, name STRING"\n', "", "E104", "'schema' is missing"),
    ],
)
def test_what_is_said_of_a_plug_in_is_checked_without_spark(
    installed: Path, project: Write, old: str, new: str, code: str, said: str
) -> None:
    assert YAML.count(old) == 1
    root = project({"pipelines/stock.yml": YAML.replace(old, new)})
    with pytest.raises(ConfigurationError) as caught:
        load(root / "pipelines" / "stock.yml")
    assert any(item.code == code and said in item.render() for item in caught.value.diagnostics), str(caught.value)


def test_the_example_as_it_is_validates_and_brings_no_pyspark(installed: Path, project: Write) -> None:
    root = project({"pipelines/stock.yml": YAML})
    program = (
        f"import sys; sys.path.insert(0, {str(installed)!r})\nfrom etl.config.load import load\n"
        "load('pipelines/stock.yml'); sys.exit('pyspark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


BROKEN = {
    "missing": ("import not_there\n", "cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
    "wrong": ("FORMAT = 5\n", "is a int, not a Format"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_plug_in_that_does_not_work_is_named_with_its_distribution(
    tmp_path: Path, project: Write, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    code, said = BROKEN[name]
    distribution(tmp_path / "site", f"some-{name}", {f"plug_{name}": code}, f"{name} = plug_{name}:FORMAT")
    monkeypatch.syspath_prepend(tmp_path / "site")
    root = project(
        {
            "pipelines/stock.yml": YAML.replace("format: fixedwidth", f"format: {name}").replace(
                "strategy: distinct", "strategy: append"
            )
        }
    )
    with pytest.raises(ConfigurationError) as caught:
        load(root / "pipelines" / "stock.yml")
    (item,) = caught.value.diagnostics
    assert item.code == "E208"
    assert f"plug-in '{name}' of some-{name}" in item.message
    assert said in item.message
    assert item.at.line == 7


def test_a_plug_in_that_does_not_work_hides_no_mistake_of_another_source(
    tmp_path: Path, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path / "site", "some-missing", {"plug_none": "import not_there\n"}, "none = plug_none:FORMAT")
    monkeypatch.syspath_prepend(tmp_path / "site")
    text = YAML.replace("format: fixedwidth", "format: none").replace("strategy: distinct", "strategy: append")
    text = text.replace("flows:\n", "  others: {format: csv, path: others}\nflows:\n")
    root = project({"pipelines/stock.yml": text})
    with pytest.raises(ConfigurationError) as caught:
        load(root / "pipelines" / "stock.yml")
    assert [item.code for item in caught.value.diagnostics] == ["E208", "E104"]


def test_two_distributions_that_bring_one_name_are_both_named(
    tmp_path: Path, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in ("first", "second"):
        distribution(tmp_path / one, f"the-{one}", {f"plug_{one}": "FORMAT = 5\n"}, f"twice = plug_{one}:FORMAT")
        monkeypatch.syspath_prepend(tmp_path / one)
    root = project(
        {
            "pipelines/stock.yml": YAML.replace("format: fixedwidth", "format: twice").replace(
                "strategy: distinct", "strategy: append"
            )
        }
    )
    with pytest.raises(ConfigurationError, match="'twice' is brought by the-first and the-second"):
        load(root / "pipelines" / "stock.yml")


def distribution(place: Path, name: str, modules: Mapping[str, str], entry: str) -> None:
    """What an installer would leave of a distribution with one format."""
    info = place / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[etl.sources]\n{entry}\n", encoding="utf-8")
    for module, code in modules.items():
        (place / f"{module}.py").write_text(code, encoding="utf-8")
