"""Storage in an object store: which URIs are folders there, and how places are named below one."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.config.load import load
from etl.config.object_uris import below, bucket_of, fault_of, is_object, key_of
from etl.errors import ConfigurationError

PIPELINE = """
version: 1
name: p
sources:
  things: {{format: csv, path: landing, schema: "id INT"}}
flows:
  f: {{inputs: [things], sink: {{path: "{path}"}}}}
"""


def storing(root: Path, storage: str, path: str) -> tuple[str, str]:
    """The root of storage, and where a flow's target lies below it, as the spec has them."""
    from etl.engine.storage.layout import FlowPaths

    (root / "pipelines").mkdir()
    (root / "conf").mkdir()
    (root / "pipelines" / "p.yml").write_text(PIPELINE.format(path=path), encoding="utf-8")
    (root / "conf" / "base.yml").write_text(f"storage: {storage}\n", encoding="utf-8")
    spec = load(root / "pipelines" / "p.yml", environment="local")
    return spec.storage, FlowPaths.of(spec, spec.flows[0]).target


@pytest.mark.parametrize("uri", ["s3a://lake", "s3a://lake/", "s3a://our-lake.eu/a/b_c/d=1", "s3a://lake/v1.2+x/"])
def test_a_folder_in_a_bucket_is_no_fault(uri: str) -> None:
    assert is_object(uri)
    assert fault_of(uri) == ""


@pytest.mark.parametrize(
    "uri",
    ["s3a://", "s3a:///x", "s3a://Lake/x", "s3a://key:secret@lake/x", "s3a://lake/a//b", "s3a://lake/./x", "s3a://lake/x y", "s3a://lake/ü", "s3a://lake/a%20b", "s3a://lake/x#y", "s3a://l"],
)  # fmt: skip
def test_what_is_no_folder_in_a_bucket_is_told(uri: str) -> None:
    told = fault_of(uri)
    assert told
    assert "secret" not in told or "@" not in uri.partition("://")[2].partition("/")[2]


@pytest.mark.parametrize("path", ["./.etl", "/srv/s3a", "file:///x", "s3a", "hdfs://lake/x", "s3://lake/x"])
def test_other_places_are_none(path: str) -> None:
    assert not is_object(path)


def test_a_uri_is_a_bucket_and_a_key() -> None:
    assert (bucket_of("s3a://lake/a/b"), key_of("s3a://lake/a/b/")) == ("lake", "a/b")
    assert (bucket_of("s3a://lake"), key_of("s3a://lake")) == ("lake", "")


@pytest.mark.parametrize("root", ["/srv/storage", "s3a://lake/twilight", "s3a://lake"])
@pytest.mark.parametrize(
    ("written", "meant"), [("out", "out"), ("out/", "out"), ("./out", "out"), ("a//b", "a/b"), ("a/./b/", "a/b")]
)
def test_a_path_below_is_what_a_path_means(root: str, written: str, meant: str) -> None:
    """Places are compared as texts: with the catalog's, and with what a generation's record says."""
    assert below(root, written) == f"{root}/{meant}"


@pytest.mark.parametrize("storage", ["s3a://lake/twilight", "s3a://lake/twilight/"])
def test_a_target_lies_below_its_storage(tmp_path: Path, storage: str) -> None:
    assert storing(tmp_path, storage, "gold/f/") == ("s3a://lake/twilight", "s3a://lake/twilight/gold/f")


def test_a_target_that_no_object_store_can_have_is_told_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as told:
        storing(tmp_path, "s3a://lake", "gold layer/f")
    (mistake,) = told.value.diagnostics
    assert (mistake.code, mistake.at.line) == ("E136", 7)
