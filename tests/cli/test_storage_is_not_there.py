"""Commands that only read, where storage cannot be read: exit code 4 and the reason, never "nothing is there yet"."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.config.spec import FlowSpec, PipelineSpec
from etl.errors import EnvironmentProblem
from tests.support.engine_cases import land, write_project

COMMANDS = (
    ("plan", "shop"), ("audit", "shop"), ("history", "shop"), ("checkpoints", "show", "shop"), ("quarantine", "list", "shop"), ("orphans", "shop"),
    ("preview", "shop", "clean"), ("run", "shop"),
)  # fmt: skip
ORDER = {"id": 1, "who": "a", "amount": 1, "seq": 1, "gone": False}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    (tmp_path / "conf").mkdir()
    land(tmp_path, "a.json", [ORDER])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(shop: Path, conf: object, said: str) -> None:
    (shop / "conf" / "local.yml").write_text(json.dumps(conf), encoding="utf-8")
    for command in COMMANDS:
        done = CliRunner().invoke(main, list(command))
        assert done.exit_code == 4, f"{command}: {done.output}"
        assert said in done.output, f"{command}: {done.output}"
        as_json = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
        assert as_json["status"] == "failed"


def test_storage_that_is_a_file(shop: Path) -> None:
    (shop / "store").write_text("a file", encoding="utf-8")
    refused(shop, {"storage": "store"}, "store is a file")


def test_storage_below_a_file(shop: Path) -> None:
    (shop / "store").write_text("a file", encoding="utf-8")
    refused(shop, {"storage": "store/deep/er"}, "is a file")


def test_storage_that_may_not_be_read(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "store").mkdir()
    # Whoever runs the tests may be root, who may read everything.
    monkeypatch.setattr("etl.engine.storage.layout.os.access", lambda path, _: Path(path).name != "store")
    refused(shop, {"storage": "store"}, "store may not be read")


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_store_that_does_not_answer(shop: Path, deaf_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    monkeypatch.setattr(
        "etl.engine.storage.object_store._RETRIES",
        {"max_retries": 0, "retry_timeout": timedelta(seconds=1), "backoff": {}},
    )
    conf = {
        "spark.hadoop.fs.s3a.endpoint": f"http://127.0.0.1:{deaf_port}",
        "spark.hadoop.fs.s3a.path.style.access": "true",
    }
    conf |= {"spark.hadoop.fs.s3a.access.key": "key", "spark.hadoop.fs.s3a.secret.key": "s3cr3t-of-a-store"}
    refused(shop, {"storage": "s3a://nowhere", "spark": {"conf": conf}}, "s3a://nowhere")


def test_a_plan_tells_what_else_it_knows_where_one_input_is_not_there(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_state(spec: PipelineSpec, flow: FlowSpec, **_: object) -> object:
        raise EnvironmentProblem(f"source of {flow.name} is not there")

    monkeypatch.setattr("etl.operations.plan.read_state", read_state)
    done = CliRunner().invoke(main, ["plan", "shop"])
    assert done.exit_code == 4, done.output
    assert "warning: clean: source of clean is not there" in done.output
    assert "writes  append into" in done.output
    document = json.loads(CliRunner().invoke(main, ["plan", "shop", "--json"]).stdout)
    assert document["problems"] == ["clean: source of clean is not there"]
    assert len(document["flows"]) == 6
