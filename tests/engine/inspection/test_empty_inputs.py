"""A folder or a pattern without a file is warned of before a flow's first epoch, and no later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import etl

Write = Callable[[Mapping[str, str]], Path]
YAML = """
version: 1
name: shop
sources: {{s: {{format: csv, path: "{path}", schema: "id INT"{more}}}}}
flows: {{clean: {{inputs: [s]}}}}
"""


@pytest.mark.parametrize(
    ("path", "more", "files", "warned"),
    [
        ("landing", "", {}, True),
        ("landing", "", {"landing/_hidden.csv": "1\n"}, True),
        ("landing", "", {"landing/below/a.csv": "1\n"}, True),
        ("landing", "", {"landing/k=1/a.csv": "1\n"}, False),
        ("landing", "", {"landing/a.csv": ""}, False),
        ("landing/*.csv", "", {"landing/a.txt": "1\n"}, True),
        ("landing/*.csv", "", {"landing/a.csv": "1\n"}, False),
        ("landing", ', start_at: {timestamp: "2100-01-01"}', {"landing/a.csv": "1\n"}, True),
    ],
)
def test_a_source_without_a_file_that_counts_is_warned_of(
    project: Write, path: str, more: str, files: dict[str, str], warned: bool
) -> None:
    root = project({"pipelines/shop.yml": YAML.format(path=path, more=more), **files})
    (root / "landing").mkdir(exist_ok=True)
    told = [message for message in etl.load("shop").plan().warnings if "has no file" in message]
    assert len(told) == warned
    if warned:
        assert told[0].startswith(f"clean: source 's' has no file: nothing that counts lies at {root / path}")
        assert ("start_at" in told[0]) == bool(more)


@pytest.mark.spark
def test_a_run_warns_of_it_until_the_first_epoch(project: Write) -> None:
    root = project({"pipelines/shop.yml": YAML.format(path="landing", more="")})
    (root / "landing").mkdir()
    (first,) = etl.load("shop").run(mode="batch").flows
    assert [message for message in first.warnings if "has no file" in message] != []
    (second,) = etl.load("shop").run(mode="batch").flows
    assert (second.failure, second.warnings) == (None, ())
