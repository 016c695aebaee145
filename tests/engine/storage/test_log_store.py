"""Delta's log in an object store: of those that write one version, one does; and the class that sees to it is what its source says."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl.config.spec import SparkSpec
from etl.engine.session import profile
from etl.engine.session.jars import FILES, LOG_STORE
from etl.engine.session.requirements import must_reach_objects
from etl.engine.session.start import open_session
from etl.errors import EnvironmentProblem
from tests.log_store import READERS, SOURCE, made_of
from tests.support.independent import arrow
from tests.support.log_store_races import APPENDERS, APPENDS, ONCE, RENEWED, RIVALS, ROUNDS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.support.s3 import S3

ROOT = Path(__file__).parents[3]
TAKEN, REFUSED = "", "java.nio.file.FileAlreadyExistsException"
VERSIONS = 1 + APPENDERS * APPENDS + 1  # the table's first, the races', and the one whose answer was lost


@pytest.fixture(scope="module")
def bucket(s3: S3) -> str:
    return s3.make_bucket(f"logs-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def tried(s3: S3, bucket: str) -> dict[str, Any]:
    """What came of all that was tried, in a session of its own."""
    command = [sys.executable, "-m", "tests.support.log_store_races", s3.endpoint, bucket]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(s3: S3, table: str) -> list[str]:
    """The rows of a table as the independent reader finds them, each by its only column."""
    return sorted(arrow(table, s3.options())["who"].to_pylist())


@pytest.mark.system
def test_the_jar_is_what_its_source_compiles_to() -> None:
    assert LOG_STORE.read_bytes() == made_of(SOURCE), "make log-store rebuilds it"


@pytest.mark.system
def test_the_readers_of_files_are_what_their_sources_compile_to() -> None:
    assert FILES.read_bytes() == made_of(*READERS), "make log-store rebuilds it"


@pytest.mark.system
def test_another_source_makes_another_jar(tmp_path: Path) -> None:
    other = tmp_path / SOURCE.name
    text = SOURCE.read_text(encoding="utf-8")
    assert "builder.must(CONDITIONAL, true)" in text
    other.write_text(
        text.replace("builder.must(CONDITIONAL, true)", "builder.opt(CONDITIONAL, true)"), encoding="utf-8"
    )
    assert made_of(other) != LOG_STORE.read_bytes()


@pytest.mark.system
def test_what_is_no_java_is_told_in_the_compiler_s_words(tmp_path: Path) -> None:
    other = tmp_path / SOURCE.name
    other.write_text("public final class ConditionalLogStore { nothing }", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"ConditionalLogStore\.java"):
        made_of(other)


@pytest.mark.system
@pytest.mark.slow
def test_a_session_that_has_the_log_store_is_used_as_it_is(tried: dict[str, Any]) -> None:
    assert tried["owned"] == [True, False]


@pytest.mark.system
@pytest.mark.slow
def test_of_all_that_write_one_version_one_does(tried: dict[str, Any]) -> None:
    found = tried["races"]
    assert len(found) == ROUNDS
    for race in found:
        assert sorted(race["thrown"]) == [TAKEN, *[REFUSED] * (RIVALS - 1)]
        assert race["text"] == f"by {race['thrown'].index(TAKEN)}\nand no other\n"


@pytest.mark.system
@pytest.mark.slow
def test_without_a_condition_both_are_taken(tried: dict[str, Any]) -> None:
    """What the races are tried against: a store that looks before it puts lets a second one through."""
    assert tried["unconditional"] == {"thrown": [TAKEN, TAKEN], "text": "by 1\n"}


@pytest.mark.system
@pytest.mark.slow
def test_a_commit_whose_answer_was_lost_is_known_as_ours(tried: dict[str, Any]) -> None:
    found = tried["lost_answers"]
    assert found["bare"]["thrown"].startswith("org.apache.hadoop."), (
        "no answer was lost: the put was not asked for again"
    )
    assert found["mine"] == {"thrown": TAKEN, "text": "mine\n"}
    assert found["theirs"] == {"thrown": REFUSED, "text": "theirs\n"}
    assert found["keys"] == [f"lost/{name}.json" for name in ("bare", "mine", "theirs")]


@pytest.mark.system
@pytest.mark.slow
def test_a_version_is_replaced_only_where_that_is_asked_for(tried: dict[str, Any]) -> None:
    assert tried["replacing"] == {"thrown": [TAKEN, REFUSED, TAKEN], "text": "third\n"}


@pytest.mark.system
@pytest.mark.slow
def test_appends_at_once_are_all_there_each_in_a_version_of_its_own(s3: S3, bucket: str, tried: dict[str, Any]) -> None:
    assert tried["appends"] == {"thrown": [TAKEN] * VERSIONS}
    races = [f"{who} in {number}" for who in range(APPENDERS) for number in range(APPENDS)]
    assert rows(s3, f"{bucket}/table") == sorted(["first", *races, "last"])
    log = "table/_delta_log"
    commits = [key for key in s3.keys(f"{bucket}/{log}") if key.endswith(".json")]
    assert commits == [f"{log}/{version:020}.json" for version in range(VERSIONS)]


@pytest.mark.system
@pytest.mark.slow
def test_of_appends_at_once_that_are_the_same_one_one_is_taken(s3: S3, bucket: str, tried: dict[str, Any]) -> None:
    thrown = tried["once"]["thrown"]
    assert {name for race in thrown for name in race} <= {TAKEN, "io.delta.exceptions.ConcurrentTransactionException"}
    found = [row.partition(" in ") for row in rows(s3, f"{bucket}/once") if row != "first"]
    assert sorted(number for _, _, number in found) == [str(number) for number in range(ONCE)]
    assert all(thrown[int(number)][int(who)] == TAKEN for who, _, number in found)


@pytest.mark.system
@pytest.mark.slow
def test_a_run_that_must_hold_a_lock_commits_nothing_without_it(tried: dict[str, Any]) -> None:
    thrown = tried["guarded"]["thrown"]
    assert thrown.pop("held") == [TAKEN, TAKEN]
    assert set(thrown) == {"given up", "another's", "let go of", "never taken"}
    assert all(set(names) == {"java.io.IOException"} for names in thrown.values()), thrown
    assert tried["guarded"]["keys"] == ["guarded/0.json", f"guarded/table/_delta_log/{0:020}.json"]


@pytest.mark.system
@pytest.mark.slow
def test_a_lock_that_is_renewed_while_it_is_read_refuses_nothing(tried: dict[str, Any]) -> None:
    assert tried["renewed"] == [TAKEN] * RENEWED


def test_a_user_s_session_without_the_log_store_is_told_what_to_start_it_with(spark: SparkSession) -> None:
    with pytest.raises(EnvironmentProblem, match="commits to s3a") as refused:
        open_session(SparkSpec(), storage="s3a://lake/x", app_name="guest", short=True)
    ((setting, ours),) = profile.LOG_STORE.items()
    assert f"--conf {setting}={ours}" in refused.value.hint
    assert f"--jars {LOG_STORE}" in refused.value.hint
    assert spark.range(3).count() == 3


def test_a_session_that_cannot_reach_a_bucket_is_told_what_it_lacks(spark: SparkSession) -> None:
    with pytest.raises(EnvironmentProblem, match="no Hadoop S3A on its class path") as told:
        must_reach_objects(spark)
    assert "spark.jars.packages: org.apache.hadoop:hadoop-aws:3." in told.value.hint
