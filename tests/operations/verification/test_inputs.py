"""The inputs of a verification: files cut, split and sampled without losing a row; what it says of its verdicts."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path

import pytest

import etl
from etl.cli.documents import verify_document
from etl.cli.verify import command_of, text
from etl.config.schema import ddl
from etl.config.spec import ExpectationSpec, FlowSpec, InputSpec, SinkSpec, SourceSpec, SqlTransform
from etl.errors import ConfigurationError
from etl.operations.harness.difference import ComparedTable, compare
from etl.operations.verification.generated import GeneratedValues, generated, never_null
from etl.operations.verification.lines import can_cut, pieces
from etl.operations.verification.literals import compared
from etl.operations.verification.source_copies import copy_of_files, sampled
from etl.operations.verification.split_plan import SplitPlan
from etl.operations.verification.verdicts import FlowVerdict, VerifyResult

CSV = SourceSpec("orders", "csv", "", "id BIGINT", options=(("Header", "TRUE"),))


def _rows(folder: Path) -> list[str]:
    return sorted(line for file in folder.rglob("*.csv") for line in file.read_text().splitlines()[1:])


def _landed(root: Path, names: list[str]) -> SourceSpec:
    for number, name in enumerate(names):
        file = root / "mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("id\n" + "".join(f"{10 * number + row}\n" for row in range(5)))
    return SourceSpec("orders", "csv", str(root / "mine"), "id BIGINT", options=CSV.options)


def test_a_file_is_cut_at_lines_each_piece_with_the_header_and_no_row_lost(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"id,who\r\n1,a\r\n\r\n2,b\r\n3,c")
    cut = pieces(CSV, file, 3, random.Random(1))
    assert all(piece.startswith(b"id,who\r\n") for piece in cut)
    assert sorted(line for piece in cut for line in piece.splitlines()[1:]) == [b"1,a", b"2,b", b"3,c"]


def test_files_whose_lines_may_mean_something_else_are_never_cut(tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.gz", "a.parquet"):
        (tmp_path / name).write_bytes(b"1\n")
    many = SourceSpec("orders", "csv", "", "id BIGINT", options=(("multiLine", "true"),))
    assert can_cut(CSV, tmp_path / "a.csv")
    assert not can_cut(many, tmp_path / "a.csv")
    assert not can_cut(CSV, tmp_path / "a.csv.gz")
    assert not can_cut(SourceSpec("orders", "parquet", "", "id BIGINT"), tmp_path / "a.parquet")


@pytest.mark.parametrize("names", [["a.csv"], [f"day={number}/x.csv" for number in range(9)]])
def test_arrivals_together_bring_every_row_once_and_the_same_seed_brings_them_alike(
    tmp_path: Path, names: list[str]
) -> None:
    copy = copy_of_files(_landed(tmp_path, names), tmp_path / "scratch", cuts=True)
    seen = []
    for _ in range(2):
        split, folder = SplitPlan(5, 3), tmp_path / "scratch" / "landing" / "orders"
        given = copy.source(tmp_path, "orders", split)
        for number in range(split.portions):
            copy.bring(tmp_path, "orders", split, number)
            seen.append(_rows(folder))
        assert given.path == str(folder)
        assert seen[-1] == _rows(tmp_path / "mine")
        for file in sorted(folder.rglob("*.csv")):
            file.unlink()
    assert seen[:3] == seen[3:]
    assert seen[0] != seen[2], "not all at once"


def test_a_glob_and_a_single_file_keep_their_names_and_find_a_file_from_the_beginning(tmp_path: Path) -> None:
    source = _landed(tmp_path, ["o1.csv", "o2.csv", "other.csv"])
    for tail, names in (("o?.csv", {"o1.csv", "o2.csv"}), ("o1.csv", {"o1.csv"})):
        given = SourceSpec("orders", "csv", f"{source.path}/{tail}", "id BIGINT", options=CSV.options)
        scratch = tmp_path / tail.replace("?", "_")
        copy, split = copy_of_files(given, scratch, cuts=True), SplitPlan(1, 3)
        assert copy.source(scratch, "orders", split).path == str(scratch / "landing" / "orders" / tail)
        copy.bring(scratch, "orders", split, 0)
        assert list((scratch / "landing" / "orders").iterdir())
        for number in (1, 2):
            copy.bring(scratch, "orders", split, number)
        assert {file.name for file in (scratch / "landing" / "orders").iterdir()} == names


def test_a_sample_is_the_first_rows_of_the_first_files_and_says_so(tmp_path: Path) -> None:
    copy = copy_of_files(_landed(tmp_path, ["a.csv", "b.csv", "c.csv"]), tmp_path / "scratch", cuts=True)
    taken, note = sampled(copy, 7, tmp_path / "scratch", lambda *_: 0)
    taken.whole(tmp_path, "orders")
    assert _rows(tmp_path / "scratch" / "landing") == ["0", "1", "10", "11", "2", "3", "4"]
    assert note == "orders: the first 7 rows, from 2 of 3 files"


def test_generated_rows_have_nulls_and_duplicates_and_none_where_a_sink_needs_a_value(tmp_path: Path) -> None:
    columns = ddl.parse(
        "id INT, who STRING, price DECIMAL(8, 2), at TIMESTAMP, tags ARRAY<STRING>, day DATE, ok BOOLEAN"
    )
    flow = FlowSpec("f", (InputSpec("o"),), sink=SinkSpec("merge", keys=("id",), sequence_by=("At",)))
    source = SourceSpec("o", "csv", "", "id INT")
    copy = generated(source, columns, tmp_path, rows=300, values=GeneratedValues(1, never_null([flow])))
    lines = [line for file, _ in copy.files for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 300
    assert len(set(lines)) < 300
    assert all(row["id"] is not None and row["at"] is not None for row in rows)
    assert all(any(row[name] is None for row in rows) for name in ("who", "price", "tags", "day", "ok"))
    assert max(abs(row["id"]) for row in rows) > 1000


def test_what_cannot_be_brought_again_is_refused_before_any_session_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "ticks.yml").write_text(
        "version: 1\nname: ticks\nsources: {beat: {format: rate}}\nrun: {mode: stream}\nflows: {kept: {inputs: [beat], incremental: rows}}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("etl.engine.session.start.open_session", lambda *_, **__: pytest.fail("a session was opened"))
    with pytest.raises(ConfigurationError) as told:
        etl.load("ticks").verify()
    assert [item.code for item in told.value.diagnostics] == ["E274"]
    assert "--generated" in str(told.value)


def test_the_text_names_flow_seed_rows_and_the_command_that_replays_a_difference() -> None:
    difference = compare([{"id": 1, "n": 1}], [{"id": 1, "n": 2}], ComparedTable("target", ["id", "n"], keys=["id"]))
    assert difference is not None
    flows = (
        FlowVerdict("good", "rows", "merge", "equal", 3, 10),
        FlowVerdict("bad", "groups", "replace", "differs", 2, 10, 8, "2 arrivals", (difference,), hint="look at it"),
        FlowVerdict("odd", "full", "overwrite", "differs from itself", 0, 10, None, "again", (difference,)),
    )
    result = VerifyResult("shop", "differs", 7, 3, flows, ("orders: the first 7 rows, from 2 of 3 files",), 1.5)
    again = command_of("shop", environment="prod", params=("a=b c",), rows=7)
    assert text(result, again) == (
        "input orders: the first 7 rows, from 2 of 3 files\n"
        "ok     good (rows, merge): equal in 3 trials, 10 rows\n"
        "DIFFERS bad (groups, replace): differs (seed 8: 2 arrivals)\n"
        "       expected is one batch over all of the input, actual is what this made of the same rows\n"
        "       target: 0 as expected, 1 different (rows are matched by id)\n"
        "                 id  n\n"
        "       expected  1   »1«\n"
        "       actual    1   »2«\n"
        "       look at it\n"
        "       again: etl verify shop --select bad --splits 1 --seed 8 --env prod --param 'a=b c' --rows 7\n"
        "DIFFERS odd (full, overwrite): differs from itself, whatever the mode: its transform does not give the same rows for the same input (again)\n"
        "       expected is one batch over all of the input, actual is what this made of the same rows\n"
        "       target: 0 as expected, 1 different (rows are matched by id)\n"
        "                 id  n\n"
        "       expected  1   »1«\n"
        "       actual    1   »2«\n"
        "       again: etl verify shop --select odd --splits 0 --seed 7 --env prod --param 'a=b c' --rows 7\n"
        "3 flows, 3 random trials (seeds 7 to 9): 1 equal, 1 differs, 1 differs from itself; 1.5 s"
    )
    document = verify_document(result, lambda flow: again.replay(flow, result.seed))
    assert [(item["flow"], item["status"], item["seed"]) for item in document["flows"]] == [
        ("good", "equal", None),
        ("bad", "differs", 8),
        ("odd", "differs from itself", None),
    ]
    assert document["flows"][1]["tables"][0]["rows"][0]["differing"] == ["n"]
    shown = result._repr_html_()
    assert all(word in shown for word in ("differs from itself", "»2«", "3 trials from seed 7"))


def test_what_the_pipeline_compares_its_columns_with_is_among_the_generated_values(tmp_path: Path) -> None:
    query = "SELECT * FROM o WHERE kind IN ('view', 'click') AND 5 <= n AND price > -2.5 AND who = other"
    rules = (ExpectationSpec("plausible", "dwell IS NULL OR dwell BETWEEN 0 AND 3600", "drop"),)
    flow = FlowSpec("f", (InputSpec("o"),), transform=SqlTransform(query), expectations=rules)
    literals = compared([flow])
    assert literals == {
        "kind": ("view", "click"),
        "n": (Decimal(5),),
        "price": (Decimal("-2.5"),),
        "dwell": (Decimal(0), Decimal(3600)),
    }
    columns = ddl.parse("kind STRING, n TINYINT, dwell DOUBLE")
    source = SourceSpec("o", "json", "", "kind STRING")
    copy = generated(source, columns, tmp_path, rows=200, values=GeneratedValues(1, compared=literals))
    rows = [json.loads(line) for file, _ in copy.files for line in file.read_text(encoding="utf-8").splitlines()]
    assert {"view", "click"} < {row["kind"] for row in rows}
    assert {4, 5, 6} <= {row["n"] for row in rows}
    assert {-1.0, 3600.0, 3601.0} <= {row["dwell"] for row in rows}
