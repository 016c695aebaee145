"""Two drivers on one storage in a bucket: one works, the other says who holds it; one that stood still, or died, harms nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl.engine.storage.object_store import ObjectPlace, use
from tests.conftest import LITTLE_DATA
from tests.crash.killing import ETL, environment, run
from tests.support.independent import connection, differences, register
from tests.support.s3 import KEY, SECRET, hadoop_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.s3 import S3

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(1800)]

PIPELINE = """
version: 1
name: shop
run: {retry: {max_retries: 0}, max_concurrent_flows: 2}
sources:
  orders: {format: json, path: landing, schema: "id INT, customer STRING, amount INT, at TIMESTAMP", on_malformed: quarantine}
flows:
  clean:
    inputs: [orders]
    transform: {sql: "SELECT id, customer, amount, at FROM orders"}
    expectations: {positive: {expr: amount > 0, on_violation: quarantine}}
  totals:
    inputs: [clean]
    transform: {sql: "SELECT customer, count(*) AS n, sum(amount) AS total FROM clean GROUP BY customer"}
    incremental: {groups: {customer: customer}}
  latest:
    inputs: [clean]
    transform: {sql: "SELECT customer, id, amount FROM clean"}
    sink: {strategy: merge, keys: [customer], sequence_by: [id]}
  hours:
    inputs: [clean]
    transform: {sql: "SELECT window.start AS hour, count(*) AS n FROM clean GROUP BY window(at, '1 hour')"}
    incremental: {state: {watermark: at, delay: 90 days}}
    sink: {strategy: merge, keys: [hour]}
"""
WANTED = {
    "clean": 'SELECT id, customer, amount, "at" FROM orders WHERE amount > 0',
    "totals": "SELECT customer, count(*) AS n, sum(amount)::BIGINT AS total FROM orders WHERE amount > 0 GROUP BY customer",
    "latest": "SELECT customer, max(id) AS id, max_by(amount, id) AS amount FROM orders WHERE amount > 0 GROUP BY customer",
    "hours": 'SELECT time_bucket(INTERVAL 1 HOUR, "at") AS hour, count(*) AS n FROM orders WHERE amount > 0 GROUP BY ALL',
}


@dataclass
class Shop:
    """A project whose storage lies in a bucket, and the runs of it that still go on."""

    root: Path
    s3: S3
    storage: str
    landed: int = 0
    going: list[subprocess.Popen[str]] = field(default_factory=list)
    last: str = ""  # the run that was seen to hold a lock

    def land(self) -> None:
        """Thirty more orders, one of them malformed."""
        first = self.landed * 30
        orders = [
            {
                "id": first + i,
                "customer": f"c{(first + i * 7) % 5}",
                "amount": (first + i * 13) % 11 - 1,
                "at": f"2024-01-{1 + i % 3:02} {i % 24:02}:30:00+00",
            }
            for i in range(30)
        ]
        text = "\n".join([json.dumps(item) for item in orders] + ["{not an order"])
        (self.root / "landing" / f"{self.landed}.json").write_text(text, encoding="utf-8")
        self.landed += 1

    def etl(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        return run(self.root, *arguments, **more)

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """A run on, let us say, another machine; it is ended with the test."""
        found = subprocess.Popen(
            [*ETL, "run", "shop", *arguments, "--json"],
            cwd=self.root,
            env=environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.going.append(found)
        return found

    def holder(self, flow: str, *, not_run: str = "") -> str:
        """The run that holds the flow's lock, waited for."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            try:
                words = json.loads(ObjectPlace.of(f"{self.storage}/checkpoints/shop/{flow}/lock").read_bytes() or b"{}")
            except FileNotFoundError:
                words = {}
            if words.get("run", not_run) != not_run and not words["gave_up"]:
                self.last = str(words["run"])
                return self.last
            time.sleep(0.1)
        raise AssertionError(f"nobody took the lock of {flow}")

    def moved_elsewhere(self, flow: str) -> None:
        """Let the lock be that of a process on another machine: this one cannot tell whether it, or its JVM, lives."""
        lock = ObjectPlace.of(f"{self.storage}/checkpoints/shop/{flow}/lock")
        words = json.loads(lock.read_bytes())
        lock.put(json.dumps(words | {"machine": "another", "jvm_start": "another/1"}).encode())

    def must_be_right(self) -> None:
        """The tables are what one batch over all files makes of them, each row came from somewhere, and nothing is left behind."""
        duck = connection()
        files = f"{self.root}/landing/*.json"
        duck.sql(
            'CREATE TABLE orders AS SELECT id, customer, amount, "at" FROM read_json('
            f"'{files}', format = 'newline_delimited', ignore_errors = true,"
            " columns = {id: 'INT', customer: 'VARCHAR', amount: 'INT', \"at\": 'TIMESTAMPTZ'}) WHERE id IS NOT NULL"
        )
        for flow, wanted in WANTED.items():
            register(duck, f"found_{flow}", f"{self.storage}/tables/shop/{flow}", self.s3.options())
            duck.sql(f"CREATE VIEW wanted_{flow} AS {wanted}")
            assert differences(duck, f"found_{flow}", f"wanted_{flow}") == []
        audit = self.etl("audit", "shop", "--json")
        assert audit.returncode == 0, audit.stdout + audit.stderr
        assert self.left_behind() == []

    def left_behind(self) -> list[str]:
        keys, bucket = self.s3.keys(self.storage), self.storage.split("/")[2]
        drafts = [
            key
            for key in keys
            if key.rpartition("/")[2].startswith(".") or key.endswith(".tmp") or "/_temporary/" in key
        ]
        asked = [key for key in keys if key.rpartition("/")[2].startswith(("stop-", "failure-"))]
        locks = [key for key in keys if key.endswith("/lock") and ObjectPlace.of(f"s3a://{bucket}/{key}").read_bytes()]
        return [key for key in drafts + asked + locks if not key.endswith(".crc")]


@pytest.fixture
def shop(tmp_path: Path, s3: S3) -> Iterator[Shop]:
    bucket = s3.make_bucket(f"lake-{tmp_path.name.replace('_', '-').lower()}")
    storage = f"{bucket}/twilight"
    use(storage, s3.conf())
    secret = {"spark.hadoop.fs.s3a.access.key": "${env:S3_KEY}", "spark.hadoop.fs.s3a.secret.key": "${env:S3_SECRET}"}
    conf = {**dict(LITTLE_DATA), "spark.driver.extraClassPath": hadoop_aws(), **s3.conf(), **secret}
    for folder in ("pipelines", "conf", "landing"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pipelines" / "shop.yml").write_text(PIPELINE, encoding="utf-8")
    (tmp_path / "conf" / "local.yml").write_text(
        json.dumps({"storage": storage, "spark": {"conf": conf}}), encoding="utf-8"
    )
    os.environ.update(S3_KEY=KEY, S3_SECRET=SECRET)
    found = Shop(tmp_path, s3, storage)
    found.land()
    yield found
    for process in found.going:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    del os.environ["S3_KEY"], os.environ["S3_SECRET"]


def result(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    """The exit code of a run, its flows, and what it said."""
    out, err = process.communicate(timeout=600)
    flows = json.loads(out)["flows"] if out.strip() else []
    return process.returncode, {flow["flow"]: flow for flow in flows}, err


def test_of_two_machines_one_works_and_one_that_stood_still_harms_nothing(shop: Shop) -> None:
    # The first stands still in the very moment between its last look at the lock and its commit, with a JVM that lives.
    paused = shop.start("--mode", "batch", ETL_CRASH_AT="target_committing:1:SIGSTOP")
    first = shop.holder("clean")
    _wait_until_it_stands_still(paused)
    shop.moved_elsewhere("clean")
    other = shop.start("--mode", "stream")
    second = shop.holder("clean", not_run=first)
    third = shop.etl("run", "shop", "--select", "clean", "--json")
    told = json.loads(third.stdout)["flows"][0]["error"]
    assert third.returncode == 5
    assert f"flow 'clean' is being worked on by run {second} (process " in told
    code, flows, said = result(other)
    assert code == 0, said
    assert {flow["status"] for flow in flows.values()} == {"succeeded"}
    shop.must_be_right()

    os.kill(paused.pid, signal.SIGCONT)
    code, flows, said = result(paused)
    assert code == 1, said
    # Either the log store has refused its commit, or its next beat has told it before.
    told = flows["clean"]["error"]
    assert f"run {first} does not hold" in told or "flow 'clean': its lock " in told
    shop.must_be_right()


def test_one_that_is_killed_again_and_again_leaves_the_same_tables_and_no_lock(shop: Shop) -> None:
    """Before the first commit of an epoch, between that of what it remembers and that of its target, and after one that nobody knows of."""
    for point, mode in (
        ("target_committing:1", "batch"),
        ("state_committed:2", "stream"),
        ("target_committed:2", "stream"),
    ):
        shop.land()
        killed = shop.etl("run", "shop", "--mode", mode, ETL_CRASH_AT=point)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended = shop.etl("run", "shop", "--mode", "stream")
    assert ended.returncode == 0, ended.stderr
    shop.must_be_right()
    unchanged = shop.etl("run", "shop", "--mode", "batch", "--json")
    assert json.loads(unchanged.stdout)["status"] == "unchanged"
    for command in (("plan", "shop"), ("checkpoints", "show", "shop"), ("checkpoints", "repair", "shop")):
        done = shop.etl(*command)
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout + done.stderr


def test_one_that_is_killed_at_any_moment_leaves_the_same_tables(shop: Shop, tell: Callable[[str], None]) -> None:
    """Driver alone, whose JVM goes on for a while, or both; in a batch or a stream; several before one comes through (ETL_BUCKET_KILLS)."""
    seed, kills = int(os.environ.get("ETL_BUCKET_SEED", "1")), int(os.environ.get("ETL_BUCKET_KILLS", "1"))
    dice, done, missed = random.Random(seed), 0, 0
    while done < kills:
        for _ in range(min(dice.randint(1, 3), kills - done)):
            shop.land()
            killed = shop.start("--mode", dice.choice(["batch", "stream"]))
            shop.holder("clean", not_run=shop.last)
            time.sleep(dice.uniform(0, 30))
            missed += killed.poll() is not None
            if dice.random() < 0.5 and killed.poll() is None:
                os.killpg(killed.pid, signal.SIGKILL)
            killed.kill()
            killed.wait()
            done += 1
        ended = shop.etl("run", "shop", "--mode", dice.choice(["batch", "stream"]))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        shop.must_be_right()
    tell(f"seed {seed}: {done} kills, {missed} of them too late")


def _wait_until_it_stands_still(process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        state = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        if state == "T":
            return
        time.sleep(0.1)
    raise AssertionError("it never came there")
