"""Settings of Spark's that every flow has alike: refused in conf/ where they say something else, at their place and without a JVM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.checks.pinned_settings import PINNED, UNSET
from etl.config.load import check_environments, load
from etl.errors import ConfigurationError
from tests.config.grammar.test_mistakes import PYTHON, VALID

Write = Callable[[Mapping[str, str]], Path]
OTHERS = {
    **{name: {"true": "false", "false": "true"}.get(value, "other") for name, value in PINNED.items()},
    **dict.fromkeys(UNSET, "true"),
    "spark.sql.session.timeZone": "Europe/Berlin",
    "spark.master": "local[1]",
    "spark.app.name": "mine",
    "spark.databricks.delta.commitInfo.userMetadata": "mine",
    "spark.databricks.delta.write.txnAppId": "a",
    "spark.sql.extensions": "com.example.Extensions",
    "spark.sql.catalog.spark_catalog": "com.example.Catalog",
}


def written(project: Write, conf: Mapping[str, str], file: str = "local", more: str = "") -> Path:
    lines = "".join(f"    {name}: {value}\n" for name, value in conf.items())
    return project(
        {
            "pipelines/orders/pipeline.yml": VALID,
            "pipelines/orders/transforms.py": PYTHON,
            f"conf/{file}.yml": f"{more}spark:\n  conf:\n{lines}",
        }
    )


def test_each_setting_that_would_be_ignored_is_a_mistake_at_its_place(project: Write) -> None:
    written(project, OTHERS)
    with pytest.raises(ConfigurationError) as refused:
        load("orders")
    found = refused.value.diagnostics
    assert {item.code for item in found} == {"E151"}
    assert [item.at.line for item in found] == list(range(3, 3 + len(OTHERS)))  # type: ignore[attr-defined]  # each is a Diagnostic
    for item, name in zip(found, OTHERS, strict=True):
        assert name in item.message
        assert item.hint
    zone = next(item for item in found if "timeZone" in item.message)
    assert "say run: {timezone: Europe/Berlin}" in zone.hint
    assert "conf/local.yml:3:5 [E151] spark.sql.ansi.enabled is true for every flow" in str(refused.value)


def test_what_says_the_same_and_what_is_the_users_own_is_taken(project: Write) -> None:
    mine = {"spark.sql.ansi.enabled": "true", "spark.sql.shuffle.partitions": "7"}
    mine["spark.sql.extensions"] = "io.delta.sql.DeltaSparkSessionExtension,com.example.Extensions"
    written(project, mine)
    assert dict(load("orders").spark.conf) == mine


def test_other_environments_are_looked_at_by_validate_too(project: Write) -> None:
    root = written(project, {"spark.sql.caseSensitive": "true"}, file="prod")
    assert [item.code for item in check_environments(root, "local")] == ["E151"]


def test_what_a_key_of_another_environment_is_does_not_wait_for_its_secret(project: Write) -> None:
    root = written(project, {}, file="prod")
    (root / "conf" / "prod.yml").write_text("storge: ${env:BUCKET}\nparams: ${p}\nspark: ${x}\n", encoding="utf-8")
    found = [(item.code, item.at.line) for item in check_environments(root, "local")]
    assert sorted(found) == [("E103", 1), ("E105", 2), ("E105", 3)]


def test_a_log_store_of_the_users_is_refused_where_storage_is_in_a_bucket(project: Write) -> None:
    conf = {"spark.delta.logStore.s3a.impl": "io.delta.storage.S3DynamoDBLogStore"}
    written(project, conf)
    assert load("orders").spark.conf
    written(project, conf, more="storage: s3a://bucket/here\n")
    with pytest.raises(ConfigurationError, match="E151"):
        load("orders")
