"""What a state flow does beside being equal: what is refused before anything is written, what is due, what is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.engine.crash_points import Crash, Point, armed
from etl.errors import ConfigurationError
from tests.support.independent import rows, stamps

pytestmark = pytest.mark.spark

SOURCE = """
version: 1
name: shop
sources:
  clicks: {format: json, path: landing/clicks, schema: "at TIMESTAMP, who STRING, n BIGINT"}
flows:
"""
WINDOWS = (
    "SELECT window(at, '10 minutes').start AS at, who, count(*) AS n FROM clicks GROUP BY window(at, '10 minutes'), who"
)
CLOSED = f"""
  closed:
    inputs: [clicks]
    transform: {{sql: "{WINDOWS}"}}
    incremental: {{state: {{watermark: at, delay: 10 minutes}}}}
"""
HOUR = datetime(2024, 1, 1, 8, tzinfo=UTC)
Project = Callable[[Mapping[str, str]], Path]


def at(minute: int, who: str = "a", n: int = 1) -> str:
    return json.dumps({"at": f"2024-01-01T08:{minute:02}:00Z", "who": who, "n": n})


def land(root: Path, name: str, *lines: str) -> None:
    (root / "landing" / "clicks").mkdir(parents=True, exist_ok=True)
    (root / "landing" / "clicks" / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def table(root: Path, flow: str = "closed") -> list[tuple[Any, ...]]:
    return [(row[0].minute, *row[1:]) for row in rows(root / ".etl" / "local" / "tables" / "shop" / flow)]


def ran(mode: str, **asked: Any) -> Any:
    (flow,) = etl.load("shop").run(mode=mode, **asked).flows  # type: ignore[arg-type]  # a text of the test's own
    return flow


def test_windows_that_are_due_are_closed_by_the_next_run_when_this_one_was_killed_before(project: Project) -> None:
    root = project({"pipelines/shop.yml": SOURCE + CLOSED})
    land(root, "1.json", at(1))
    assert ran("stream").status == "succeeded"
    assert table(root) == []
    land(root, "2.json", at(25))
    with (
        armed(Point.COUNTS_RECORDED),
        pytest.raises(Crash),
    ):  # the epoch with the row is in, the one that closes windows is not
        ran("stream")
    assert table(root) == []
    assert ran("stream").reason == "a run ended before the results that were due were written"
    assert table(root) == [(0, "a", 1)]
    assert ran("stream").status == "unchanged"
    assert etl.load("shop").audit().holds


def test_an_epoch_that_is_done_again_reads_the_snapshots_that_it_read_before(project: Project) -> None:
    query = "SELECT p.name AS who, window(c.at, '10 minutes').start AS at, count(*) AS n FROM clicks c JOIN people p ON c.who = p.who GROUP BY p.name, window(c.at, '10 minutes')"
    people = '  people: {format: csv, path: landing/people, schema: "who STRING, name STRING"}\nflows:\n'
    flow = CLOSED.replace("[clicks]", "{clicks: changes, people: snapshot}").replace(WINDOWS, query)
    root = project({"pipelines/shop.yml": SOURCE.replace("flows:\n", people) + flow})
    (root / "landing" / "people").mkdir(parents=True)
    (root / "landing" / "people" / "1.csv").write_text("a,Anna\n", encoding="utf-8")
    land(root, "1.json", at(1), at(30))
    ran("stream")
    land(root, "2.json", at(25), at(26, "b"))
    with armed(Point.STREAM_ENDED), pytest.raises(Crash):  # Spark's newest epoch; that nothing more is due nobody knows
        ran("stream")
    (root / "landing" / "people" / "2.csv").write_text("b,Bob\n", encoding="utf-8")
    assert ran("stream").status == "succeeded"
    land(root, "3.json", at(45), at(46, "b"))
    assert ran("stream").status == "succeeded"
    found = rows(root / ".etl" / "local" / "tables" / "shop" / "closed", 'who, "at", n')
    assert [(who, start.minute, n) for who, start, n in found] == [("Anna", 0, 1), ("Anna", 20, 1)]


def test_a_batch_swaps_the_target_once_and_readers_see_the_old_one_until_then(project: Project) -> None:
    root = project({"pipelines/shop.yml": SOURCE + CLOSED})
    land(root, "1.json", at(1), at(25))
    assert ran("batch").counts.written == 1
    land(root, "2.json", at(26, "b"), at(45))
    for point in (Point.HOLDING, Point.HELD, Point.STREAM_ENDED, Point.TARGET_COMMITTING):
        with armed(point), pytest.raises(Crash):
            ran("batch")
        assert table(root) == [(0, "a", 1)], point
    assert (
        ran("stream").status == "succeeded"
    )  # what the batch had begun is finished as it was meant, and the stream goes on from there
    assert table(root) == [(0, "a", 1), (20, "a", 1), (20, "b", 1)]
    commits = [stamp for stamp in stamps(root / ".etl" / "local" / "tables" / "shop" / "closed") if stamp]
    assert len(commits) == 2, "one commit a batch"
    assert etl.load("shop").audit().holds
    assert not list((root / ".etl" / "local" / "checkpoints").rglob("held/*"))


def test_late_rows_are_left_out_and_told_and_a_batch_puts_them_in(project: Project) -> None:
    root = project({"pipelines/shop.yml": SOURCE + CLOSED})
    land(root, "1.json", at(45))
    ran("stream")
    # Spark itself would take the second one: its window is still open.
    land(root, "2.json", at(29, "late"), at(34, "late"), at(35, "just in time"), at(56), '{"who": "timeless"}')
    told = ran("stream")
    assert (told.counts.read, told.counts.late) == (5, 3)
    assert told.warnings == ("3 rows came later than the watermark, or without a time, and were left out",)
    assert table(root) == [(30, "just in time", 1)]
    assert ran("stream").status == "unchanged"
    put_in = ran("batch")
    assert put_in.reason == "rows that came late were left out"
    assert put_in.counts.late == 1, "what has no time no epoch can take"
    assert ran("batch").status == "unchanged"
    assert table(root) == [(20, "late", 1), (30, "just in time", 1), (30, "late", 1)]


def test_a_result_that_comes_to_violate_an_expectation_leaves_the_target_and_one_that_does_no_more_comes_back(
    project: Project,
) -> None:
    flow = f"""
  sums:
    inputs: [clicks]
    transform: {{sql: "{WINDOWS.replace("count(*)", "sum(n)")}"}}
    incremental: {{state: {{watermark: at, delay: 10 minutes}}}}
    sink: {{strategy: merge, keys: [at, who]}}
    expectations: {{small: {{expr: n < 5, on_violation: quarantine}}}}
"""
    root = project({"pipelines/shop.yml": SOURCE + flow})
    aside = root / ".etl" / "local" / "quarantine" / "shop" / "sums"
    found = []
    for name, n in (("1.json", 3), ("2.json", 4), ("3.json", -5)):
        land(root, name, at(1, n=n))
        ran("stream")
        found.append((table(root, "sums"), [row[-1] for row in rows(aside)]))
    assert found == [([(0, "a", 3)], []), ([], [7]), ([(0, "a", 2)], [])]


@pytest.mark.parametrize("sink", ["append", "merge, keys: [at, n]"], ids=["append", "merge"])
def test_texts_are_aggregated_in_both_modes(project: Project, sink: str) -> None:
    """Spark sorts to aggregate them, and took the order for one of the frame that it caches, by columns that are none of its own."""
    query = "SELECT window(at, '10 minutes').start AS at, max(who) AS most, n FROM clicks GROUP BY n, window(at, '10 minutes')"
    flow = CLOSED.replace("delay: 10 minutes}}", f"delay: 10 minutes}}}}\n    sink: {{strategy: {sink}}}")
    root = project({"pipelines/shop.yml": SOURCE + flow.replace(WINDOWS, query)})
    land(root, "1.json", at(1, "a"), at(2, "c"), at(3, "b"), at(45, "d"))
    for mode in ("stream", "batch"):
        assert ran(mode, full_refresh=mode == "batch").failure is None
        assert table(root) == [(0, "c", 1), (40, "d", 1)][: 1 if sink == "append" else 2]


def test_two_results_with_the_sink_s_keys_fail_before_the_target_is_written(project: Project) -> None:
    merged = CLOSED.replace("delay: 10 minutes}}", "delay: 10 minutes}}\n    sink: {strategy: merge, keys: [at]}")
    root = project({"pipelines/shop.yml": SOURCE + merged})
    land(root, "1.json", at(1, "a"), at(2, "b"))
    flow = ran("stream")
    failure = flow.failure
    assert ["sink.keys do not name" in warning for warning in flow.warnings] == [True]
    assert "2 results with the same keys (at=2024-01-01 08:00:00)" in failure.message
    assert failure.hint == "let sink.keys be the columns that the transform groups by"
    assert not (root / ".etl" / "local" / "tables").exists()


def test_a_row_at_the_very_watermark_is_late_for_no_operator(project: Project) -> None:
    """By its own rule Spark would leave it out, and tell nobody."""
    queries = {
        "grouped": "SELECT at, who, count(*) AS n FROM clicks GROUP BY at, who",
        "beside_windows": "WITH w AS (SELECT window(at, '10 minutes') AS w, at, who FROM clicks) SELECT at, who FROM w GROUP BY at, who",
        "in_windows": WINDOWS.replace(".start AS at", ".end - INTERVAL 10 MINUTES AS at"),
        "distinct": "SELECT DISTINCT at, who FROM clicks",
        "distinct_windows": "SELECT DISTINCT window(at, '10 minutes').start AS at, who FROM clicks",
        "but": "SELECT at, who FROM clicks EXCEPT SELECT at, 'nobody' AS who FROM known",
    }
    known = '  known: {format: csv, path: landing/known.csv, schema: "at TIMESTAMP, who STRING"}\nflows:\n'
    merged = "delay: 10 minutes}}\n    sink: {strategy: merge, keys: [at, who]}"
    flow = CLOSED.replace("delay: 10 minutes}}", merged)
    flows = [
        flow.replace("closed:", f"{name}:")
        .replace("[clicks]", "{clicks: changes, known: snapshot}" if "known" in query else "[clicks]")
        .replace(WINDOWS, query)
        for name, query in queries.items()
    ]
    root = project({"pipelines/shop.yml": SOURCE.replace("flows:\n", known) + "".join(flows)})
    land(root, "1.json", at(50))
    (root / "landing" / "known.csv").write_text("2024-01-01T08:40:00Z,b\n", encoding="utf-8")
    first = etl.load("shop").run(mode="stream")
    assert [flow.failure for flow in first.flows if flow.failure] == []
    land(root, "2.json", at(40, "b"))
    result = etl.load("shop").run(mode="stream")
    assert [(flow.flow, flow.status, flow.counts.late) for flow in result.flows] == [
        (name, "succeeded", 0) for name in queries
    ]
    for name in queries:
        assert (40, "b") in [row[:2] for row in table(root, name)], name


def test_a_row_of_the_instant_at_which_watermarks_begin_is_late_and_counted_where_times_are_compared(
    project: Project,
) -> None:
    query = "SELECT at, who FROM clicks GROUP BY at, who"
    root = project(
        {"pipelines/shop.yml": SOURCE + CLOSED + CLOSED.replace("closed:", "compared:").replace(WINDOWS, query)}
    )
    land(root, "1.json", at(50), at(50).replace("2024-01-01T08:50", "1970-01-01T00:00"))
    for mode in ("stream", "batch"):
        result = etl.load("shop").run(mode=mode, full_refresh=mode == "batch")  # type: ignore[arg-type]  # a text of the test's own
        assert {flow.flow: (flow.counts.read, flow.counts.late) for flow in result.flows} == {
            "closed": (2, 0),
            "compared": (2, 1),
        }
        assert len(table(root)) == 1
        assert table(root, "compared") == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT who, count(*) AS n FROM clicks GROUP BY who", "without watermark"),
        ("SELECT at, row_number() OVER (PARTITION BY who ORDER BY at) AS place FROM clicks", "window functions"),
        ("SELECT * FROM clicks ORDER BY at", "orting is not supported"),
    ],
    ids=["an aggregate that never closes", "a window function", "a sort"],
)
def test_what_spark_cannot_keep_is_refused_before_a_generation_is_opened(
    project: Project, query: str, said: str
) -> None:
    root = project({"pipelines/shop.yml": SOURCE + CLOSED.replace(WINDOWS, query)})
    land(root, "1.json", at(1))
    failure = ran("stream").failure
    assert failure.kind == "configuration", failure
    assert (
        "pipelines/shop.yml:8:3 [E265] flow 'closed' keeps state by its append mode, and Spark cannot: "
        in failure.message
    )
    assert said in failure.message
    assert not (root / ".etl" / "local" / "checkpoints" / "shop" / "closed" / "g0" / "generation.json").exists()


def test_another_delay_is_another_generation_which_reads_everything_anew(project: Project) -> None:
    root = project({"pipelines/shop.yml": SOURCE + CLOSED})
    land(root, "1.json", at(1), at(25))
    ran("stream")
    assert table(root) == [(0, "a", 1)]
    project({"pipelines/shop.yml": SOURCE + CLOSED.replace("delay: 10", "delay: 30")})
    told = ran("stream")
    assert (told.generation, told.reason) == (1, "the definition changed")
    assert table(root) == []


def test_a_watermark_over_a_table_s_column_that_is_no_time_is_refused(project: Project) -> None:
    flow = """
  days:
    inputs: [clicks]
    transform: {sql: "SELECT CAST(at AS DATE) AS at, who FROM clicks"}
    incremental: rows
  late:
    inputs: [days]
    incremental: {state: {watermark: at, delay: 10 minutes}}
"""
    root = project({"pipelines/shop.yml": SOURCE + flow})
    land(root, "1.json", at(1))
    found = {item.flow: item.failure for item in etl.load("shop").run(mode="batch").flows}
    assert found["days"] is None
    assert "[E243] the watermark 'at' of flow 'late' is of type DATE, no TIMESTAMP" in found["late"].message


def test_a_flow_after_state_and_one_before_it_run_in_both_modes(project: Project) -> None:
    flow = CLOSED.replace("[clicks]", "[good]").replace("FROM clicks", "FROM good")
    around = """
  good:
    inputs: [clicks]
    transform: {sql: "SELECT * FROM clicks WHERE n > 0"}
    incremental: rows
  total:
    inputs: [closed]
    transform: {sql: "SELECT who, sum(n) AS n FROM closed GROUP BY who"}
    incremental: {groups: {who: who}}
"""
    root = project({"pipelines/shop.yml": SOURCE + flow + around})
    land(root, "1.json", at(1), at(2, n=0), at(25))
    for mode in ("batch", "stream"):
        result = etl.load("shop").run(mode=mode)
        assert result.status in ("succeeded", "unchanged"), [item.failure for item in result.flows]
    land(root, "2.json", at(26), at(49))
    assert etl.load("shop").run(mode="stream").status == "succeeded"
    assert rows(root / ".etl" / "local" / "tables" / "shop" / "total") == [("a", 3)]


def test_a_delay_must_be_given_for_each_changes_input(project: Project) -> None:
    text = SOURCE + CLOSED.replace("delay: 10 minutes", "delay: {click: 10 minutes}")
    project({"pipelines/shop.yml": text})
    with pytest.raises(ConfigurationError) as caught:
        etl.load("shop")
    assert [item.message for item in caught.value.diagnostics] == [
        "the delay of flow 'closed' says nothing of the changes input 'clicks'",
        "the delay of flow 'closed' is given for 'click', which is no changes input",
    ]


VARIANTS = """
  counted:
    inputs: [clicks]
    transform:
      sql: >
        SELECT window(at, '10 minutes').start AS at, who, parse_json(concat('{"n": ', count(*), '}')) AS v, map(who, count(*)) AS m
        FROM clicks GROUP BY window(at, '10 minutes'), who
    incremental: {state: {watermark: at, delay: 10 minutes}}
    sink: {strategy: merge, keys: [at, who]}
"""


def test_a_result_of_values_without_an_order_is_merged_as_well_as_the_newest_of_its_keys_wins(project: Project) -> None:
    root = project({"pipelines/shop.yml": SOURCE + VARIANTS})
    found = []
    for mode, lines in (("stream", [at(1), at(2, "b")]), ("stream", [at(3)]), ("batch", [])):
        land(root, f"{len(found)}.json", *lines)
        assert ran(mode).failure is None
        found.append(rows(root / ".etl" / "local" / "tables" / "shop" / "counted", "who, v, m"))
    assert [[len(item) for item in found], found[1] == found[2], found[0] == found[1]] == [[2, 2, 2], True, False]
    assert {who: dict(counts)[who] for who, _, counts in found[2]} == {"a": 2, "b": 1}
