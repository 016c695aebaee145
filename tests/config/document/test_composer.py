"""What YAML means here, what is refused, and that nothing makes it raise anything but a configuration error."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.config.diagnostics import Diagnostic
from etl.config.document.reader import read_document
from etl.config.load import load
from etl.errors import ConfigurationError
from tests.config.catalogue.cases import PROJECT

Write = Callable[[Mapping[str, str]], Path]


def refused(file: Path, data: bytes | str) -> Diagnostic:
    """The one mistake that is found in a file."""
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(ConfigurationError) as raised:
        read_document(file)
    (found,) = raised.value.diagnostics
    assert isinstance(found, Diagnostic)
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [("on", "on"), ("no", "no"), ("y", "y"), ("22:22", "22:22"), ("012", 12), ("0o14", 12), ("0x1f", 31), ("1e3", 1000.0), ("+5", 5), (".5", 0.5),
     ("5.", 5.0), ("1_000", "1_000"), ("0b11", "0b11"), ("2013-01-01", "2013-01-01"), ("2013-13-45", "2013-13-45"), ("=", "="), ("~", None), ("", None),
     ("null", None), ("nUll", "nUll"), ("true", True), ("tRue", "tRue"), ("'12'", "12"), ('"true"', "true"), (".inf", float("inf")), ("-.5e1", -5.0),
     ("9223372036854775807", 2**63 - 1), ("'<<'", "<<"), ("|\n  12\n", "12\n")],
)  # fmt: skip
def test_a_value_is_what_yaml_s_core_schema_says(tmp_path: Path, text: str, value: object) -> None:
    file = tmp_path / "a.yml"
    file.write_text(f"key: {text}\n", encoding="utf-8")
    found = read_document(file).values["key"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [("a: 1\n1: x", "E116", 2), ("a: 1\nnull: x", "E116", 2), ("true: x", "E116", 1), ("? [a, b]\n: x", "E116", 1), (": x", "E101", 1),
     ("a: 1\nb: 2\na: 3", "E102", 3), ("a: {b: 1, b: 2}", "E102", 1), ("'a': 1\na: 2", "E102", 2),
     ("<<: 5", "E117", 1), ("<<: [{a: 1}, b]", "E117", 1), ("<<: null", "E117", 1),
     ("a: !!str 5", "E106", 1), ("a: !x {b: 1}", "E106", 1), ("!!map {a: 1}", "E106", 1),
     ("a: 1\n---\nb: 2", "E108", 2), ("a: 1\n...\nb: 2", "E108", 3), ("a: &a [*a]", "E101", 1), ("a: *b", "E101", 1),
     ("a: 9223372036854775808", "E118", 1), ("a: " + "1" * 5000, "E118", 1), ("a: 1e400", "E118", 1),
     ("a:\n\t- b", "E101", 2), ("a: [1, 2", "E101", 1), ("a: 'b", "E101", 1), ("a: @b", "E101", 1), ("%YAML 9", "E101", 1),
     ("a: b\x00c", "E132", 1), ("a: b\x1b[0m", "E132", 1), ("a: b\u2028c", "E132", 1), ("a: b\x85c", "E132", 1), ('a: "\\0"', "E132", 1)],
)  # fmt: skip
def test_what_is_refused_is_refused_at_its_line(tmp_path: Path, text: str, code: str, line: int) -> None:
    found = refused(tmp_path / "a.yml", text)
    assert (found.code, found.at.line, bool(found.hint)) == (code, line, True), found.render()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"])
def test_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    assert refused(tmp_path / "a.yml", "name: für\n".encode(encoding)).code in ("E135", "E132")


def test_a_byte_order_mark_of_utf_8_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(b"\xef\xbb\xbfa: b\r\nc: d\r\n")
    assert read_document(tmp_path / "a.yml").values == {"a": "b", "c": "d"}


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "a: " + "{b: " * 50_000,
        "\n".join(" " * depth + "a:" for depth in range(200)),
        "- " * 50_000,
    ],
)
def test_nesting_ends_before_the_stack_does(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path / "a.yml", text).code == "E109"


def test_aliases_that_multiply_are_refused_before_they_do(tmp_path: Path) -> None:
    lists = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    merges = "a: &a {x: 1}\n" + "".join(
        f"{new}: &{new} {{<<: [{', '.join(['*' + old] * 30)}]}}\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert refused(tmp_path / "a.yml", lists).code == "E109"
    assert refused(tmp_path / "a.yml", merges).code == "E109"


def test_a_merged_mapping_gives_way_to_what_is_written_and_its_places_too(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("x: &x {b: 1, c: 2}\ny: {b: 3, <<: *x}\n", encoding="utf-8")
    document = read_document(tmp_path / "a.yml")
    assert document.values["y"] == {"b": 3, "c": 2}
    assert [document.place(("y", key)).line for key in "bc"] == [2, 1]


def test_what_is_no_file_of_a_pipeline_is_told(project: Write, tmp_path: Path) -> None:
    def code(reference: str, environment: str = "local") -> str:
        with pytest.raises(ConfigurationError) as raised:
            load(reference, environment=environment)
        return str(raised.value.diagnostics[0].code)

    valid = "version: 1\nname: p\nsources: {s: {format: csv, path: x, schema: a INT}}\nflows: {f: {inputs: [s]}}\n"
    root = project(
        {
            "pipelines/p/pipeline.yml": valid,
            "pipelines/empty.yml": "",
            "pipelines/list.yml": "- a\n",
            "pipelines/text.yml": "a",
        }
    )
    load("p")
    assert [code(name) for name in ("empty", "list", "text")] == ["E134"] * 3
    (root / "pipelines/folder/pipeline.yml").mkdir(parents=True)
    (root / "pipelines/pipe").mkdir()
    os.mkfifo(root / "pipelines/pipe/pipeline.yml")
    (root / "pipelines/large.yml").write_text("a: b\n" * 1_000_000, encoding="utf-8")
    assert [code(name) for name in ("folder", "pipe", "large")] == ["E100", "E100", "E133"]
    outside = tmp_path.parent / f"{tmp_path.name}-outside.yml"
    outside.write_text(valid, encoding="utf-8")
    (root / "pipelines/link.yml").symlink_to(outside)
    (root / "conf").mkdir()
    (root / "conf/away.yml").symlink_to(outside)
    assert [code("link"), code("p", "away")] == ["E206", "E206"]
    assert [code("x" * 5000), code("\0"), code("p", "../p"), code("p", "a/b"), code("p", "")] == ["E120"] * 5


def test_both_readers_of_pyyaml_give_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    file = PROJECT / "pipelines/shop/pipeline.yml"
    quick = read_document(file)
    monkeypatch.setattr("etl.config.document.reader._LOADER", yaml.SafeLoader)
    slow = read_document(file)
    assert (quick.values, quick.keys, quick.blocks) == (slow.values, slow.keys, slow.blocks)
    assert {path: (at.line, at.column) for path, at in quick.places.items()} == {
        path: (at.line, at.column) for path, at in slow.places.items()
    }


def the_mistakes(file: Path) -> None:
    """A spec, or mistakes at lines that are there; anything else is raised."""
    try:
        load(file)
    except ConfigurationError as cause:
        for item in cause.diagnostics:
            assert isinstance(item, Diagnostic)
            assert item.render()
            if item.at.file.endswith("pipeline.yml"):
                assert 1 <= item.at.line <= max(1, len(file.read_bytes().splitlines())), item


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_make_it_raise_anything_but_a_configuration_error(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "pipeline.yml"
    file.write_bytes(data)
    with pytest.raises(ConfigurationError):
        load(file)


_NASTY = [
    "null", "true", "1", "-1", "1e999", "9" * 30, "''", '"', "'", "[]", "{}", "[a, {b: c}]", "{a: [b]}", "*x", "&x 5", "!!int 5", "<<", "<<: 5", "${", "${}", "${a}", "${env:}",
    "${file:/etc/passwd}", "${landing}", "\\", "`", ";", "--", "/*", "SELECT", "SELECT 1", "a INT", "a INT,", "os:system", "../..", "/", "~", "~root", "a\0b", "\ud7ff", "\U0001f600",
    "- a", "? a", ": a", "|", ">-", "x" * 300, "0 seconds", "rows", "view", "merge", "table", "rate", "changes", "snapshot", "params", "eu", "%", "@", "2013-01-01", "no", "...", "---",
]  # fmt: skip


@given(st.integers(0, 2**32))
def test_no_mutation_of_a_valid_file_makes_it_raise_anything_but_a_configuration_error(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    project = tmp_path / "project"
    if not project.exists():
        shutil.copytree(PROJECT, project)
    file = project / "pipelines/shop/pipeline.yml"
    lines = (PROJECT / "pipelines/shop/pipeline.yml").read_text(encoding="utf-8").splitlines()
    for _ in range(chance.randint(1, 3)):
        at, other, kind = chance.randrange(len(lines)), chance.randrange(len(lines)), chance.randrange(6)
        key, colon, _ = lines[at].partition(":")
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[other])
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3 and colon:
            lines[at] = f"{key}: {chance.choice(_NASTY)}"
        elif kind == 4 and colon:
            lines[at] = lines[at].replace(key.strip(), chance.choice(_NASTY), 1)
        else:
            words = lines[at].split(" ")
            words[chance.randrange(len(words))] = chance.choice(_NASTY)
            lines[at] = " ".join(words)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    the_mistakes(file)
