"""What befalls an input between two runs: a new generation says why, no rows are lost or counted twice, no run is stuck."""

from __future__ import annotations

import json

import pytest
from deltalake import DeltaTable

from etl.engine.crash_points import Crash, Point, armed
from tests.support.place import CSV, HEAD, THINGS, Place

pytestmark = pytest.mark.spark

COPIED = "  f: {inputs: [things], incremental: rows}\n"

# The order of inputs.

SUMS = """
  a: {{format: csv, path: "{a}", schema: "k STRING, n INT"}}
  b: {{format: csv, path: "{b}", schema: "k STRING, n INT"}}
flows:
  f:
    inputs: [{order}]
    transform: {{sql: "SELECT k, sum(n) AS s FROM (SELECT k, n FROM a UNION ALL SELECT k, -n AS n FROM b) GROUP BY k"}}
    incremental: {{groups: {{k: k}}}}
"""


@pytest.mark.parametrize(("a", "b"), [("in/a*.csv", "in/b*.csv"), ("a", "b")], ids=["one folder", "two folders"])
def test_inputs_in_another_order_go_on_where_they_were(place: Place, a: str, b: str) -> None:
    in_a, in_b = (a.rpartition("*")[0], b.rpartition("*")[0]) if "*" in a else (f"{a}/", f"{b}/")
    place.define(HEAD + SUMS.format(a=a, b=b, order="a, b"))
    place.put(f"{in_a}1.csv", "x,1", "y,2")
    place.put(f"{in_b}1.csv", "x,10")
    assert place.good().generation == 0
    place.put(f"{in_a}2.csv", "x,3")
    place.good()
    place.define(HEAD + SUMS.format(a=a, b=b, order="b, a"))
    assert place.planned() == ("unchanged", "no input has anything new")
    place.put(f"{in_a}3.csv", "y,5")
    assert (place.good().generation, place.rows()) == (0, [("x", -6), ("y", 7)])
    place.put(f"{in_b}2.csv", "z,50", "x,100")
    assert (place.good().generation, place.rows()) == (0, [("x", -106), ("y", 7), ("z", -50)])


# Another source under the same name.


def test_a_table_where_there_were_files_is_another_source_and_takes_their_rows_only_if_allowed(place: Place) -> None:
    place.define(THINGS + COPIED)
    place.land(0)
    place.land(1)
    place.good()
    place.append(7)
    for definition, there in (
        (THINGS.replace(CSV, "{format: delta, path: lake}"), [(7, "x")]),
        (THINGS, [(0, "x"), (1, "x")]),
    ):
        before = place.rows()
        place.define(definition + COPIED)
        assert place.planned()[0] == "new generation"
        for asked in ({}, {"full_refresh": True}):
            for mode in ("stream", "batch"):
                place.planned(mode, **asked)
                refused = place.run(mode, **asked)
                assert refused.failure is not None
                assert "things: it is another kind of source now" in refused.failure.message
                assert "--allow-history-loss" in refused.failure.hint
                assert place.rows() == before
        assert place.good(allow_history_loss=True).status == "succeeded"
        assert place.rows() == there
        assert place.good().status == "unchanged"


# The same source under another name.


@pytest.mark.parametrize("flow", [COPIED, "  f: {inputs: [things], incremental: full}\n"], ids=["rows", "full"])
@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_a_source_that_was_renamed_still_remembers_the_files_that_are_gone(place: Place, flow: str, mode: str) -> None:
    place.define(THINGS + flow)
    first = place.land(0)
    place.land(1)
    place.good(mode)
    place.define((THINGS + flow).replace("things", "stuff"))
    place.land(2)
    assert place.planned(mode) == ("new generation", "the definition changed")
    assert place.good(mode).generation == 1
    place.define(THINGS + flow)
    first.unlink()
    refused = place.run(mode)
    assert refused.failure is not None
    assert "things: 1 file (0.csv) is gone" in refused.failure.message
    assert "--allow-history-loss" in refused.failure.hint
    assert place.rows() == [(0, "x"), (1, "x"), (2, "x")]
    assert place.good(mode, allow_history_loss=True).generation == 2
    assert place.rows() == [(1, "x"), (2, "x")]


def test_an_input_that_joins_another_does_not_hide_what_that_has_lost(place: Place) -> None:
    """It comes first by name, so the checkpoint's first source is the other one's."""
    one = '  f: {{inputs: [{}], transform: {{sql: "SELECT k, count(*) AS c FROM ({}) GROUP BY k"}}, incremental: {{groups: {{k: k}}}}}}\n'
    sources = "".join(f"  {name}: {{format: csv, path: {name}, schema: 'k STRING'}}\n" for name in ("more", "things"))
    place.define(HEAD + sources + "flows:\n" + one.format("things", "SELECT k FROM things"))
    first = place.put("things/1.csv", "x")
    place.put("things/2.csv", "y")
    place.good()
    first.unlink()
    place.put("more/1.csv", "z")
    both = "SELECT k FROM more UNION ALL SELECT k FROM things"
    place.define(HEAD + sources + "flows:\n" + one.format("more, things", both))
    refused = place.run()
    assert refused.failure is not None
    assert "things: 1 file (1.csv) is gone, and with that up to all 2 rows" in refused.failure.message
    assert place.good(allow_history_loss=True).status == "succeeded"
    assert place.rows() == [("y", 1), ("z", 1)]


# A Delta table that was not read to its end.


def test_a_first_snapshot_vacuumed_before_it_was_read_to_its_end_is_read_anew(place: Place) -> None:
    limited = "  lake: {format: delta, path: lake, rate_limit: {files: 1}}\n"
    place.define(f"{HEAD}{limited}flows:\n  f: {{inputs: [lake], incremental: rows}}\n")
    lake = place.append(0, 1, 2)
    with armed(Point.EPOCH_OFFERED, 2), pytest.raises(Crash):
        place.run()
    assert len(place.rows()) == 1
    place.spark.sql(f"OPTIMIZE delta.`{lake}`")
    DeltaTable(lake).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert place.planned() == (
        "new generation",
        "lake: the files of version 2 were vacuumed before all of them were read",
    )
    assert place.good().generation == 1
    assert place.rows() == [(0, "x"), (1, "x"), (2, "x")]
    assert place.good().status == "unchanged"


# An epoch that was begun, failed, and whose files were withdrawn.

CHECKED = ', expectations: {ok: {expr: "n < 90", on_violation: fail}}}\n'
ROWS = '  f: {inputs: [things], transform: {sql: "SELECT id AS n, v FROM things"}, incremental: rows' + CHECKED
GROUPS = (
    '  f: {inputs: [things], transform: {sql: "SELECT sum(id) AS n, v FROM things GROUP BY v"}, incremental: {groups: {v: v}}'
    + CHECKED
)


@pytest.mark.parametrize("first", [False, True], ids=["a later epoch", "the first epoch"])
@pytest.mark.parametrize("corrected", [False, True], ids=["deleted", "corrected"])
@pytest.mark.parametrize("flow", [ROWS, GROUPS], ids=["rows", "groups"])
def test_a_file_that_failed_an_epoch_may_be_withdrawn_or_corrected(
    place: Place, flow: str, corrected: bool, first: bool
) -> None:
    place.define(THINGS + flow)
    place.land(0)
    if not first:
        place.good()
    bad = place.land(99)
    place.land(1)
    failed = place.run()
    assert failed.failure is not None
    assert "ok" in failed.failure.message
    if corrected:
        place.land(99, "5,x", "6,x", "7,x")
    else:
        bad.unlink()
    action, reason = place.planned()
    assert action == "new generation"
    assert "99.csv" in reason
    assert place.good().status == "succeeded"
    ids = [0, 1, *([5, 6, 7] if corrected else [])]
    assert place.rows() == ([(number, "x") for number in ids] if flow == ROWS else [(sum(ids), "x")])
    place.land(2)
    assert place.good().status == "succeeded"
    assert place.good("batch").status == "unchanged"
    ids = sorted([*ids, 2])
    assert place.rows() == ([(number, "x") for number in ids] if flow == ROWS else [(sum(ids), "x")])


# Names and types.


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ("1 AS `a b`", "'a b': in a Delta table's names"),
        ("named_struct('a,b', id) AS deep", "'a,b': in a Delta table's names"),
        ("INTERVAL '1' DAY AS long", "'long', an interval"),
        ("array(INTERVAL '1' MONTH) AS long", "an interval"),
    ],
)
@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_what_no_delta_table_holds_is_refused_before_anything_is_written(
    place: Place, column: str, what: str, mode: str
) -> None:
    place.define(f'{THINGS}  f: {{inputs: [things], transform: {{sql: "SELECT id, {column} FROM things"}}}}\n')
    place.land(0)
    failure = place.run(mode).failure
    assert failure is not None
    assert failure.kind == "configuration"
    assert "E345" in failure.message
    assert what in failure.message
    assert not (place.root / ".etl" / "local" / "tables").exists()


def test_names_with_spaces_are_held_where_columns_are_mapped_and_beside_the_target_too(place: Place) -> None:
    mapped = "properties: {delta.columnMapping.mode: name}"
    merged = f"sink: {{strategy: merge, keys: [a b], sequence_by: [a b], delete_when: v = 'gone', {mapped}}}"
    ok = "expectations: {ok: {expr: v <> 'bad', on_violation: quarantine}}"
    query = 'transform: {sql: "SELECT id AS `a b`, v FROM things"}'
    place.define(f"{THINGS}  f: {{inputs: [things], {query}, incremental: rows, {ok}, {merged}}}\n")
    place.land(0, "0,x", "1,bad", "2,gone")
    place.good()
    place.land(1, "3,x", "4,bad", "5,gone")
    place.good()
    assert place.spark_rows("tables", "`a b`") == [0, 3]
    assert place.spark_rows("quarantine", "`a b`") == [1, 4]
    assert place.spark_rows("state", "`a b`") == [2, 5]
    place.good("batch", full_refresh=True)
    assert place.spark_rows("quarantine", "`a b`") == [1, 4]


def test_a_file_s_texts_may_have_a_length(place: Place) -> None:
    schema = "id INT, a CHAR(3), b VARCHAR(10), deep STRUCT<c: VARCHAR(2), character: INT>"
    place.define(
        f'{HEAD}  things: {{format: json, path: landing, schema: "{schema}"}}\nflows:\n  f: {{inputs: [things], incremental: rows}}\n'
        '  g: {inputs: [things], transform: {sql: "SELECT a, count(*) AS n FROM things GROUP BY a"}, incremental: {groups: {a: a}}}\n'
    )
    line = {"a": "abc", "b": "b", "deep": {"c": "c", "character": 1}}
    told = []
    for mode in ("stream", "batch", "stream"):
        place.put(f"landing/{len(told)}.json", json.dumps({"id": len(told), **line}))
        told.append((len(told), "abc", "b", "c", 1))
        place.good(mode)
        assert place.rows("f", "id, a, b, deep.c, deep.character") == told
        assert place.rows("g") == [("abc", len(told))]
    for path in (place.root / "landing").iterdir():
        path.unlink()
    place.good("batch", full_refresh=True, allow_history_loss=True)
    assert place.rows("f", "id") == []


def test_a_name_with_a_dot_is_set_aside_whole(place: Place) -> None:
    place.define(
        f'{HEAD}  things: {{format: json, path: landing, schema: "id INT, `c.d` INT"}}\nflows:\n'
        "  f: {inputs: [things], incremental: rows, expectations: {ok: {expr: id < 5, on_violation: quarantine}}}\n"
        '  g: {inputs: [things], transform: {sql: "SELECT id, max(`c.d`) AS `c.d` FROM things GROUP BY id"},'
        " incremental: {groups: {id: id}}, expectations: {ok: {expr: id < 5, on_violation: quarantine}}}\n"
    )
    place.put("landing/0.json", '{"id": 1, "c.d": 2}', '{"id": 9, "c.d": 3}')
    place.good()
    place.put("landing/1.json", '{"id": 8, "c.d": 4}')
    place.good()
    for flow in ("f", "g"):
        assert place.rows(flow, 'id, "c.d"') == [(1, 2)]
        assert place.rows(flow, 'id, "c.d", _etl_reason', "quarantine") == [(8, 4, "ok"), (9, 3, "ok")]
    place.good("batch")
    assert place.rows("f", 'id, "c.d"', "quarantine") == [(8, 4), (9, 3)]
