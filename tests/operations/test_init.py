"""`etl init`: the project that it writes is valid and runs, over rows of its own and over whatever files lie there."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from etl.cli import main
from etl.config.document.reader import read_document
from etl.config.load import load
from etl.errors import ConfigurationError
from etl.operations.harness.pipeline_tests import run_tests, selected
from etl.operations.init import init
from etl.operations.run import run
from etl.planning.request import RunRequest
from tests.support.independent import rows


def etl(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, arguments)
    return done.exit_code, done.output


def test_a_new_project_is_valid_has_at_most_eight_files_and_says_what_to_type_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = etl("init", "my-shop")
    assert code == 0
    assert said.endswith("next:\n  cd my-shop\n  etl validate\n  etl run my_shop\n")
    files = [file for file in (tmp_path / "my-shop").rglob("*") if file.is_file()]
    assert len(files) <= 8
    monkeypatch.chdir(tmp_path / "my-shop")
    assert etl("validate")[0] == 0
    spec = load("my_shop")
    assert [flow.name for flow in spec.flows] == ["orders_clean", "by_country"]
    assert [item.name for item in spec.flows[0].expectations] == ["positive", "has_customer"]


def test_every_yaml_file_of_a_new_project_names_a_schema_that_it_keeps(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("a b,n\nx,1\n", encoding="utf-8")
    init(tmp_path / "shop")
    init(tmp_path / "own", origin=str(tmp_path / "own.csv"))
    files = [*tmp_path.glob("*/pipelines/*/*.yml"), *tmp_path.glob("*/conf/*.yml")]
    assert len(files) == 4
    for file in files:
        named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", file.read_text(encoding="utf-8"))
        assert named is not None
        schema = json.loads((file.parent / named[1]).read_text(encoding="utf-8"))
        assert [
            error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(read_document(file).values)
        ] == []


def test_nothing_is_overwritten_and_nothing_is_written_where_something_would_be(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "local.yml").write_text("", encoding="utf-8")
    code, said = etl("init", str(tmp_path))
    assert code == 2
    assert "[E130]" in said
    assert "README.md, conf/local.yml already: nothing was written" in said
    assert sorted(file.name for file in tmp_path.iterdir()) == ["README.md", "conf"]


def test_a_second_pipeline_joins_a_project_and_leaves_its_files_alone(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,name\n1,Anna\n", encoding="utf-8")
    init(tmp_path, name="first")
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    made = init(tmp_path, name="second", origin=str(tmp_path / "people.csv"))
    assert made.written == ("pipelines/second/pipeline.yml",)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"
    assert load("second", project=tmp_path).sources[0].path == str(tmp_path / "people.csv")
    with pytest.raises(ConfigurationError, match=r"pipelines/second/pipeline\.yml already"):
        init(tmp_path, name="second", origin=str(tmp_path / "people.csv"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{}/file",), "is a file"),
        (("{}/new", "--name", "My-Shop"), "'My-Shop' is no name"),
        (("{}/new", "--from", "{}/nothing"), "there is nothing at"),
        (("{}/new", "--header"), "--header and --no-header are for --from"),
    ],
)
def test_wrong_usage_exits_2_and_writes_nothing(tmp_path: Path, arguments: Sequence[str], message: str) -> None:
    (tmp_path / "file").touch()
    code, said = etl("init", *(item.format(tmp_path) for item in arguments))
    assert code == 2
    assert message in said
    assert not (tmp_path / "new").exists()


def test_what_was_guessed_is_said_as_text_and_as_json(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("Order ID,amount\n1,2.5\n2,NA\n", encoding="utf-8")
    code, said = etl("init", str(tmp_path / "one"), "--from", str(file))
    assert code == 0
    assert f"orders: csv, 1 file at {file}; guessed from all 2 rows" in said
    assert "note: 'NA' is read as null, in every column" in said
    document = json.loads(etl("init", str(tmp_path / "two"), "--from", str(file), "--json")[1])
    (source,) = document["sources"]
    assert [(item["name"], item["type"], item["output"]) for item in source["columns"]] == [
        ("Order ID", "INT", "order_id"),
        ("amount", "DOUBLE", "amount"),
    ]
    assert (source["rows"], source["whole"], source["options"]) == (2, True, {"header": True, "nullValue": "NA"})
    assert document["next"][-1] == "etl run two"


def attempt(folder: Path, file: Path, *, header: bool | None = None) -> str:
    """Why a project over this file was refused; empty where it was made."""
    try:
        init(folder, origin=str(file), header=header)
    except ConfigurationError as cause:
        return str(cause)
    return ""


CELL = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.sampled_from(["", "NA", "NULL", "1", "-3", "007", "2.5", "1e5", "true", "2024-01-01", "2024-01-01 10:00:00", '"', "a,b", "x\ny", "${x}", "#", "`"]),
    st.integers(-(10**25), 10**25).map(str),
)  # fmt: skip
TABLE = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=6)
)


@pytest.mark.property
@given(table=TABLE, sep=st.sampled_from(",;\t|"), every=st.booleans(), header=st.sampled_from([None, True, False]))
def test_over_any_csv_the_pipeline_is_valid(
    tmp_path: Path, table: list[list[str]], sep: str, every: bool, header: bool | None
) -> None:
    file = tmp_path / "odd $ nämes.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, delimiter=sep, quoting=csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL).writerows(table)
    shutil.rmtree(tmp_path / "project", ignore_errors=True)
    refused = attempt(tmp_path / "project", file, header=header)
    if refused:
        assert "[E131]" in refused, "nothing but 'there is no row', or NUL in the text"
    else:
        spec = load("project", project=tmp_path / "project")
        assert spec.sources[0].path == str(file)


KEY = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["a", "A", "order", "x y", "a.b", "`", "${x}", "_etl_x"]),
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["2024-01-01", "2024-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.property
@given(
    documents=st.lists(st.dictionaries(KEY, VALUE, min_size=1, max_size=4), min_size=1, max_size=4), lines=st.booleans()
)
def test_over_any_json_the_pipeline_is_valid(tmp_path: Path, documents: list[dict[str, object]], lines: bool) -> None:
    file = tmp_path / "events.json"
    text = "".join(json.dumps(item) + "\n" for item in documents) if lines else json.dumps(documents, indent=1)
    file.write_text(text, encoding="utf-8")
    shutil.rmtree(tmp_path / "project", ignore_errors=True)
    refused = attempt(tmp_path / "project", file)
    if refused:
        assert "no name in" in refused, "every name was empty, odd or reserved"
    else:
        load("project", project=tmp_path / "project")


NASTY = {
    "quotes.csv": (
        'Order ID,order,"a ""b""",,x,X\n1,"say ""hi"", twice",2.5,"C:\\dir\\",NA,2024-01-02\n2,plain,NA,y,7,2024-01-03 10:00\n',
        [(1, 'say "hi", twice', 2.5, "C:\\dir\\", None, "2024-01-02 00:00:00+00:00"), (2, "plain", None, "y", 7, "2024-01-03 10:00:00+00:00")],
    ),
    "lines.csv": (
        'id;text;n\r\n1;"two\r\nlines";12345678901\r\n2;"say \\"hi\\"; so";-1\r\n',
        [(1, "two\r\nlines", 12345678901), (2, 'say "hi"; so', -1)],
    ),
    "bare [1].csv": ("x|1|true|0012\ny|2|FALSE|0013\n", [("x", 1, True, "0012"), ("y", 2, False, "0013")]),
    "padded.csv": (" a , n \nx , 1\ny, 2\n", [("x", 1), ("y", 2)]),
    "empty.csv": ('k,n\na,""\nb,\nc,3\n', [("a", None), ("b", None), ("c", 3)]),
    "null.csv": ('k,n\na,""\nb,NA\nc,3\n', [("a", None), ("b", None), ("c", 3)]),
    "events.json": (
        '{"id": 1, "user": {"name": "a"}, "tags": ["x", "y"], "mix": 1, "at": "2024-01-02T03:04:05Z"}\n{"id": 2, "mix": "z", "a.b": 0.5}\n',
        [(1, {"name": "a"}, ["x", "y"], "1", "2024-01-02 03:04:05+00:00", None), (2, None, None, "z", None, 0.5)],
    ),
}  # fmt: skip


@pytest.mark.spark
def test_over_nasty_files_the_first_run_reads_every_value_as_it_was_written(tmp_path: Path) -> None:
    for file, (text, expected) in NASTY.items():
        (tmp_path / file).write_text(text, encoding="utf-8", newline="")
        name = re.split(r"[ .]", file)[0]
        init(tmp_path, name=name, origin=str(tmp_path / file))
        result = run(load(name, project=tmp_path), RunRequest())
        assert result.status == "succeeded", (file, result.flows)
        assert result.flows[0].counts.quarantined == 0, file
        found = rows(result.flows[0].target)
        assert sorted((tuple(_plain(item) for item in row) for row in found), key=repr) == sorted(expected, key=repr), (
            file
        )


@pytest.mark.spark
def test_a_new_project_runs_at_once_and_its_own_tests_pass(tmp_path: Path) -> None:
    init(tmp_path, name="shop")
    (tmp_path / "people.csv").write_text('Full Name,born,"pay; $"\nAnna,1990-01-02,1234.50\n', encoding="utf-8")
    init(tmp_path, name="own", origin=str(tmp_path / "people.csv"))
    shop, own = load("shop", project=tmp_path), load("own", project=tmp_path)
    result = run(shop, RunRequest())
    assert [(flow.status, flow.counts.written, flow.counts.quarantined) for flow in result.flows] == [
        ("succeeded", 4, 1),
        ("succeeded", 4, 0),
    ]
    tests = [*shop.tests, *own.tests]
    assert len(tests) == 3
    done = run_tests(selected([shop, own], ()), tell=lambda _: None)
    assert [item.status for item in done] == ["passed"] * 6


def _plain(value: object) -> object:
    return str(value) if hasattr(value, "tzinfo") else value


@pytest.mark.parametrize(
    ("there", "call", "before"),
    [
        (False, "write_text", 0),
        (False, "write_text", 5),
        (False, "rename", 0),
        (True, "write_text", 3),
        (True, "link", 0),
        (True, "link", 7),
    ],
)
def test_a_start_that_is_interrupted_leaves_no_file_and_no_folder_and_can_be_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool, call: str, before: int
) -> None:
    root = tmp_path / "above" / "shop"
    if there:
        root.mkdir(parents=True)
        (root / "mine.txt").write_text("mine", encoding="utf-8")
    found = sorted(tmp_path.rglob("*"))
    owner = os if call == "link" else Path
    real, calls = getattr(owner, call), itertools.count()

    def interrupted(*given: Any, **more: Any) -> Any:
        if next(calls) == before:
            raise KeyboardInterrupt
        return real(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(owner, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            init(root)
    assert sorted(tmp_path.rglob("*")) == found
    assert len(init(root).written) == 8
    monkeypatch.chdir(root)
    assert etl("validate")[0] == 0


def test_what_a_start_that_was_killed_has_left_is_no_obstacle_and_anothers_file_is(tmp_path: Path) -> None:
    made = init(tmp_path / "whole", name="shop")
    root = tmp_path / "half"
    shutil.copytree(tmp_path / "whole", root)
    (root / "pipelines" / "shop" / "pipeline.yml").unlink()  # it comes last
    (root / "landing" / "orders" / "2024-03.csv").unlink()
    again = init(root, name="shop")
    assert set(again.written) == {"pipelines/shop/pipeline.yml", "landing/orders/2024-03.csv"}
    assert all((root / file).read_bytes() == (tmp_path / "whole" / file).read_bytes() for file in made.written)
    (root / "pipelines" / "shop" / "pipeline.yml").unlink()
    (root / "landing" / "orders" / "2024-03.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="E130"):
        init(root, name="shop")
    assert not (root / "pipelines" / "shop" / "pipeline.yml").exists()
    assert (root / "landing" / "orders" / "2024-03.csv").read_text(encoding="utf-8") == "mine"
