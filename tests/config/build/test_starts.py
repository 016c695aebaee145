"""What may be said of a source's beginning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.errors import ConfigurationError
from etl.planning.fingerprint import fingerprint

Write = Callable[[Mapping[str, str]], Path]
YAML = """\
version: 1
name: p
sources:
  s: {format: csv, path: landing, schema: "id INT", start_at: {timestamp: "2024-01-01"}}
  t: {format: delta, path: table, start_at: {version: 3}}
flows:
  one: {inputs: [s]}
  two: {inputs: [t], incremental: rows}
"""


def test_a_time_is_meant_in_the_run_s_zone_unless_it_names_one(project: Write) -> None:
    found = []
    for text in (YAML, YAML + "run: {timezone: Asia/Tokyo}\n", YAML.replace("2024-01-01", "2024-01-01T09:00:00+09:00")):
        source = load(project({"pipelines/p.yml": text}) / "pipelines" / "p.yml").source("s")
        assert source is not None
        found.append(source.start_ms)
    assert found == [1_704_067_200_000, 1_704_034_800_000, 1_704_067_200_000]


def test_another_beginning_is_another_flow(project: Write) -> None:
    digests = []
    for text in (YAML, YAML.replace("version: 3", "version: 4")):
        spec = load(project({"pipelines/p.yml": text}) / "pipelines" / "p.yml")
        digests.append([fingerprint(spec, flow).digest for flow in spec.flows])
    assert digests[0][0] == digests[1][0]
    assert digests[0][1] != digests[1][1]


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ('{timestamp: "2024-01-01"}', "{version: 3}", "E205", "files have no versions"),
        ('{timestamp: "2024-01-01"}', "{timestamp: soon}", "E105", "'soon' is no time"),
        ('{timestamp: "2024-01-01"}', "{}", "E205", "either timestamp or version"),
        ("{version: 3}", "{version: -1}", "E122", "out of range"),
        ("{version: 3}", "{vresion: 3}", "E103", "did you mean 'version'?"),
        ("two: {inputs: [t], incremental: rows}", "two: {inputs: [t], incremental: full}", "E202", "needs the whole of 't'"),
        ("two: {inputs: [t], incremental: rows}", "two: {inputs: {s: changes, t: snapshot}, transform: {sql: 'SELECT s.id FROM s, t'}}", "E202", "needs the whole of 't'"),
    ],
)  # fmt: skip
def test_a_beginning_that_is_none_is_told(project: Write, old: str, new: str, code: str, said: str) -> None:
    assert YAML.count(old) == 1
    root = project({"pipelines/p.yml": YAML.replace(old, new)})
    with pytest.raises(ConfigurationError) as caught:
        load(root / "pipelines" / "p.yml")
    found = [item for item in caught.value.diagnostics if item.code.startswith(code) and said in item.render()]
    assert found, str(caught.value)
