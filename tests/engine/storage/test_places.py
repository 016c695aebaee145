"""What lies in a bucket answers as what lies in a folder does: the same questions, put to both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl.engine.storage import object_store
from etl.engine.storage.json_files import read_json, write_json
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.object_store import ObjectPlace, Taken
from etl.engine.storage.places import Place, files_below, lines_of, place, remove_tree, tail_of
from etl.engine.storage.stale_files import sweep_checkpoints
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.s3 import S3

pytestmark = pytest.mark.system

NAMES = (
    "g0/generation.json",
    "g0/offsets/0",
    "g0/offsets/10",
    "g0/offsets/.0.crc",
    "g0/sources/0/9.compact",
    "g10/etl/held/0/part-0.parquet",
    "a b/50%/köln=1/x.tar.gz",
    "day=2024-01-01 00%3A00/part-1.parquet",
    "top.json",
)


@pytest.fixture(scope="module")
def bucket(s3: S3) -> str:
    uri = s3.make_bucket("places")
    object_store.use(uri, s3.conf())
    return uri


@pytest.fixture(params=["folder", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path, bucket: str) -> Place:
    """An empty place of either kind, with a name that has to be escaped on its way."""
    text = f"{tmp_path}/ro ot" if request.param == "folder" else f"{bucket}/{request.node.name}/ro ot"
    return place(text)


def filled(root: Place) -> Place:
    for name in NAMES:
        file = place(root, *name.split("/"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"this is {name}\n", encoding="utf-8")
    return root


def below(root: Place, found: Any) -> list[str]:
    return sorted(str(item).removeprefix(f"{root}/") for item in found)


ASKED: dict[str, tuple[Callable[[Place], Any], Any]] = {
    "its entries": (lambda at: below(at, at.iterdir()), ["a b", "day=2024-01-01 00%3A00", "g0", "g10", "top.json"]),
    "all files": (lambda at: below(at, files_below(at)), sorted(NAMES)),
    "files of nothing": (lambda at: below(at, files_below(at / "none")), []),
    "a pattern": (lambda at: below(at, at.glob("g*/etl/held")), ["g10/etl/held"]),
    "a pattern of files": (
        lambda at: below(at, (at / "g0" / "offsets").glob("[0-9]*")),
        ["g0/offsets/0", "g0/offsets/10"],
    ),
    "a pattern of suffixes": (
        lambda at: below(at, (at / "g0" / "sources" / "0").glob("*.compact")),
        ["g0/sources/0/9.compact"],
    ),
    "a pattern of nothing": (lambda at: below(at, (at / "none").glob("*")), []),
    "a file is there": (
        lambda at: [(at / "top.json").exists(), (at / "top.json").is_file(), (at / "top.json").is_dir()],
        [True, True, False],
    ),
    "a folder is there": (
        lambda at: [(at / "g0").exists(), (at / "g0").is_file(), (at / "g0").is_dir()],
        [True, False, True],
    ),
    "a part of a name": (
        lambda at: [(at / "g").exists(), (at / "g1").is_dir(), (at / "top").exists()],
        [False, False, False],
    ),
    "names": (
        lambda at: [
            (item.name, item.stem, item.suffix, item.parent.name) for item in (at / ".x.crc", at / "y.tar.gz", at / "0")
        ],
        [(".x.crc", ".x", ".crc", "ro ot"), ("y.tar.gz", "y.tar", ".gz", "ro ot"), ("0", "0", "", "ro ot")],
    ),
    "a neighbour": (lambda at: below(at, [(at / "g0" / "offsets" / "0").with_name(".0.crc")]), ["g0/offsets/.0.crc"]),
    "text": (
        lambda at: (at / "a b" / "50%" / "köln=1" / "x.tar.gz").read_text(encoding="utf-8"),
        "this is a b/50%/köln=1/x.tar.gz\n",
    ),
    "lines": (lambda at: list(lines_of(at / "top.json")), ["this is top.json"]),
    "size": (lambda at: (at / "top.json").stat().st_size, 17),
    "inside of a place's text": (lambda at: place(str(at / "top.json")).exists(), True),
}


@pytest.mark.parametrize("question", ASKED)
def test_a_bucket_answers_as_a_folder_does(root: Place, question: str) -> None:
    asked, answer = ASKED[question]
    assert asked(filled(root)) == answer


def test_what_is_not_there_is_missing_and_no_more(root: Place) -> None:
    with pytest.raises(FileNotFoundError):
        (root / "none").read_text(encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        (root / "none").stat()
    with pytest.raises(FileNotFoundError):
        (root / "none").unlink()
    (root / "none").unlink(missing_ok=True)
    assert read_json(root / "none.json") is None
    assert not root.exists()


def test_files_are_written_whole_moved_and_removed(root: Place) -> None:
    filled(root)
    write_json(root / "new" / "record.json", {"a": "ü"})
    assert read_json(root / "new" / "record.json") == {"a": "ü"}
    (root / "new" / "record.json").replace(str(root / "new" / "moved.json"))
    assert below(root, files_below(root / "new")) == ["new/moved.json"]
    (root / "g0" / "touched").touch()
    assert (root / "g0" / "touched").read_bytes() == b""
    remove_tree(root / "g0")
    assert below(root, files_below(root)) == sorted(
        [name for name in NAMES if not name.startswith("g0/")] + ["new/moved.json"]
    )


@pytest.mark.parametrize(("length", "end"), [(2, b"fg"), (7, b"abcdefg"), (20, b"abcdefg")])
def test_the_end_of_a_file_is_read_alone(root: Place, length: int, end: bytes) -> None:
    root.mkdir(parents=True)
    (root / "file").write_text("abcdefg", encoding="utf-8")
    assert tail_of(root / "file", length) == end


def test_lines_end_with_a_line_feed_and_with_nothing_else(root: Place) -> None:
    """A Delta log names a file or a value as it is: what other programs take for the end of a line may stand in it."""
    root.mkdir(parents=True)
    (root / "log").write_text('{"a":"\u2028\x0b\x85"}\n{}\n', encoding="utf-8")
    assert list(lines_of(root / "log")) == ['{"a":"\u2028\x0b\x85"}', "{}"]
    (root / "empty").touch()
    assert list(lines_of(root / "empty")) == []


def test_who_comes_after_a_killed_run_takes_away_what_it_left_and_nothing_else(root: Place) -> None:
    kept = ["g0/generation.json", "g0/etl/counts/0.json", "g0/offsets/0", "g0/offsets/.0.crc"]
    gone = [
        "g0/offsets/.1.c0ffee.tmp",
        "g0/offsets/..1.c0ffee.tmp.crc",
        "g0/etl/stop-theirs",
        "g0/etl/stop-theirs.json",
        "g0/etl/failure-theirs.json",
    ]
    for name in (*kept, *gone):
        file = place(root, *name.split("/"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    sweep_checkpoints(FlowPaths("", "", "", str(root)))
    assert below(root, files_below(root)) == sorted(kept)


def test_the_marker_of_an_empty_folder_is_no_file_of_it(s3: S3, bucket: str) -> None:
    """Hadoop puts an object with a slash at its end where it makes a folder."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=s3.endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    for key in ("marked/g3/", "marked/g4/", "marked/g4/generation.json"):
        client.put_object(Bucket="places", Key=key, Body=b"")
    at = ObjectPlace.of(f"{bucket}/marked")
    assert not (at / "g3").is_dir()
    assert list((at / "g3").iterdir()) == []
    assert list((at / "g3").files()) == []
    assert (at / "g4").is_dir()
    assert [item.name for item in (at / "g4").iterdir()] == ["generation.json"]


def test_a_put_that_is_to_be_the_first_or_to_replace_one_is_refused_where_it_would_not(bucket: str) -> None:
    at = ObjectPlace.of(f"{bucket}/conditional")
    with pytest.raises(Taken):
        at.put(b"x", instead_of='"0"')
    first = at.put(b"1", new=True)
    with pytest.raises(Taken):
        at.put(b"2", new=True)
    second = at.put(b"2", instead_of=first)
    with pytest.raises(Taken):
        at.put(b"3", instead_of=first)
    assert at.read_tagged() == (b"2", second)


def test_a_missing_bucket_a_deaf_server_and_a_wrong_setting_are_told_as_what_they_are(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them may pass for a file that is not there: a run would begin again from nothing."""
    missing = ObjectPlace.of("s3a://no-such-bucket/x")
    object_store.use("s3a://no-such-bucket/x", s3.conf())
    for ask in (
        missing.is_dir,
        lambda: list(missing.iterdir()),
        lambda: missing.put(b"x"),
        lambda: missing.put(b"x", new=True),
        missing.read_bytes,
    ):
        with pytest.raises(EnvironmentProblem, match="there is no bucket 'no-such-bucket'") as told:
            ask()
        assert "conf/" in told.value.hint
    monkeypatch.setattr(object_store, "_RETRIES", {"max_retries": 1})
    object_store.use("s3a://nobody/x", {**s3.conf(), "spark.hadoop.fs.s3a.endpoint": "http://127.0.0.1:9"})
    for ask in (ObjectPlace.of("s3a://nobody/x").exists, ObjectPlace.of("s3a://nobody/x").read_bytes):
        with pytest.raises(EnvironmentProblem, match="the object store of s3a://nobody does not do what is asked"):
            ask()


def test_a_bucket_has_settings_of_its_own_and_no_secret_is_told(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr("obstore.store.S3Store", lambda bucket, **options: seen.append({"bucket": bucket, **options}))
    prefix = "spark.hadoop.fs.s3a."
    object_store.use(
        "s3a://own/x",
        {
            **s3.conf(),
            f"{prefix}bucket.own.endpoint": "minio.example:9000",
            f"{prefix}connection.ssl.enabled": "false",
            f"{prefix}bucket.own.session.token": "t",
        },
    )
    object_store.store("own")
    object_store.use("s3a://aws/x", {f"{prefix}endpoint.region": "eu-west-1", "spark.master": "local"})
    object_store.store("aws")
    own, aws = seen
    assert own["endpoint"] == "http://minio.example:9000", "path.style.access is said of all buckets"
    assert (own["session_token"], own["virtual_hosted_style_request"]) == ("t", False)
    assert "endpoint" not in aws
    assert aws["virtual_hosted_style_request"]
    assert (aws["region"], "access_key_id" in aws) == ("eu-west-1", False)
    assert json.dumps(sorted(object_store._SETTINGS["aws"])) == f'["{prefix}endpoint.region"]'  # noqa: SLF001  # nothing else is kept


@pytest.mark.parametrize(
    ("endpoint", "bucket", "secure", "by_path", "address"),
    [
        ("s3.eu-central-1.amazonaws.com", "lake", True, False, ("https://lake.s3.eu-central-1.amazonaws.com", False)),
        ("https://minio.example:9000/", "lake", True, False, ("https://lake.minio.example:9000", False)),
        ("minio.example:9000", "lake", False, True, ("http://minio.example:9000", True)),
        ("http://127.0.0.1:9000", "lake", True, False, ("http://127.0.0.1:9000", True)),
        ("http://[::1]:9000", "lake", True, False, ("http://[::1]:9000", True)),
        ("s3.amazonaws.com", "our.lake", True, False, ("https://s3.amazonaws.com", True)),
    ],
)
def test_a_bucket_is_addressed_as_hadoop_addresses_it(
    endpoint: str, bucket: str, secure: bool, by_path: bool, address: tuple[str, bool]
) -> None:
    """Or lock and decisions would lie in another bucket than the tables."""
    assert object_store._addressed(endpoint, bucket, secure=secure, by_path=by_path) == address  # noqa: SLF001  # no server has these names
