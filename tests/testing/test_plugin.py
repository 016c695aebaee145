"""The pytest plug-in, in projects of its own: what it collects, what a failure looks like, and that it keeps out of the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import etl.testing.modes  # noqa: F401  # pytester forgets what a run in this process imports, and half of yaml is worse than all

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]
# Under its entry point's name it may be there already, or may not: both ways it is loaded once.
PLUGIN = ("-p", "no:twilight", "-p", "etl.testing.plugin", "-p", "no:cacheprovider")

PIPELINE = """\
version: 1
name: shop
sources:
  orders: {format: json, path: landing, schema: "id BIGINT, who STRING"}
flows:
  clean:
    inputs: [orders]
    transform: {sql: "SELECT id, upper(who) AS who FROM orders"}
    incremental: rows
  remembering: {inputs: [orders], transform: {python: "transforms:remembering"}, incremental: rows}
  counted: {inputs: [orders], transform: {python: "transforms:counted"}, incremental: rows}
tests:
  - name: names are written large
    flow: clean
    given: {orders: [{id: 1, who: a}]}
    expect: [{who: A}]
  - name: names are written small
    flow: clean
    given: {orders: [{id: 1, who: a}]}
    expect: [{id: 1, who: a}]
"""
TRANSFORMS = """\
from pyspark.sql import functions as F


def counted(orders):
    return orders.withColumn("among", F.lit(orders.count()))


SEEN = []


def remembering(orders):
    SEEN.append(None)
    return orders.withColumn("attempt", F.lit(len(SEEN)))
"""
TESTS = """\
from etl.engine.crash_points import Point
from etl.testing import assert_equal_modes, crash_everywhere

POINTS = (Point.EPOCH_OFFERED, Point.TARGET_COMMITTING, Point.TARGET_COMMITTED)
ROWS = [{"id": number, "who": "ab"[number % 2]} for number in range(4)]


def test_the_session_knows_delta(spark):
    assert "Delta" in spark.conf.get("spark.sql.catalog.spark_catalog")


def test_a_flow_of_rows_is_equal():
    assert_equal_modes("shop", flow="clean", given={"orders": ROWS}, arrivals=[3])


def test_a_flow_dies_at_any_point():
    died = crash_everywhere("shop", flow="clean", given={"orders": [ROWS[:3], ROWS[3:]]}, modes=["stream"], points=POINTS)
    assert died["stream"] == POINTS


def test_a_transform_that_remembers_its_attempts_is_caught():
    crash_everywhere("shop", flow="remembering", given={"orders": ROWS}, modes=["batch"], points=POINTS)


def test_a_flow_that_looks_at_its_neighbours_is_not():
    assert_equal_modes("shop", flow="counted", given={"orders": [ROWS[:3], ROWS[3:]]}, arrivals=[])
"""


@pytest.mark.spark
def test_pipelines_tests_are_items_and_failures_show_the_difference(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("pipelines") / "shop"
    folder.mkdir()
    (folder / "pipeline.yml").write_text(PIPELINE, encoding="utf-8")
    (folder / "transforms.py").write_text(TRANSFORMS, encoding="utf-8")
    pytester.makepyfile(test_mine=TESTS)
    done = pytester.runpytest_inprocess(*PLUGIN, "-v")
    done.assert_outcomes(passed=5, failed=4)
    done.stdout.fnmatch_lines(
        [
            "pipelines/shop/pipeline.yml::names are written large [[]batch[]] PASSED*",
            "pipelines/shop/pipeline.yml::names are written large [[]stream[]] PASSED*",
            "pipelines/shop/pipeline.yml::names are written small [[]batch[]] FAILED*",
            "pipelines/shop/pipeline.yml:17: shop.clean: names are written small [[]batch[]]",
            "target: 0 as expected, 1 different",
            "          id  who",
            "expected  1   »a«",
            "actual    1   »A«",
        ]
    )
    told = done.stdout.str()
    assert "a batch that died at 'epoch_offered' and was run again (actual) is not equal to an undisturbed one" in told
    assert "a stream in the arrivals as given (actual) is not equal to one batch (expected)" in told
    assert "plugin.py" not in told, "a difference needs no traceback"


def test_mistakes_of_a_pipeline_are_told_where_they_are(pytester: pytest.Pytester) -> None:
    text = "".join(line for line in PIPELINE.splitlines(keepends=True) if "transforms:" not in line)
    pytester.mkdir("pipelines").joinpath("shop.yml").write_text(
        text.replace("flow: clean", "flow: clan", 1), encoding="utf-8"
    )
    done = pytester.runpytest_subprocess(*PLUGIN)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["pipelines/shop.yml:12:11 [[]E270[]] there is no flow 'clan'"])
    assert "Traceback" not in done.stdout.str()


def test_other_yaml_is_left_alone_and_nothing_is_imported(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("pipeline.yml").write_text("stages: [build]\ntests: [unit]\n", encoding="utf-8")
    pytester.mkdir("pipelines").joinpath("broken.yml").write_bytes(b"\xff\xfe")
    pytester.makepyfile("def test_mine():\n    assert True")
    program = (
        "import sys, pytest\n"
        f"code = pytest.main({[*PLUGIN, '-q']})\n"
        "brought = {'pyspark', 'pydantic', 'yaml', 'etl.config', 'etl.operations'} & set(sys.modules)\n"
        "sys.exit(code or (str(brought) if brought else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_project_s_own_spark_fixture_takes_the_place_of_the_plug_in_s(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n\n\n@pytest.fixture\ndef spark():\n    return 'mine'")
    pytester.makepyfile("def test_mine(spark):\n    assert spark == 'mine'")
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)
