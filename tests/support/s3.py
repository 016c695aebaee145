"""A real S3 API on loopback, and what a test does to it: moto's server, with each request served whole before the next.

`python -m tests.support.s3 PORT` serves. What S3 promises and a server of threads does not is added: a condition and its put are one. Faults are asked
for by a side door, `PUT /_faults/<name>`: `deaf` takes a put and answers that it failed, `blind` takes no heed of conditions,
`blind-to-tags` of those that name a tag.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyspark
from obstore.store import S3Store

from etl.engine.session.jars import cache_root
from etl.engine.session.java import find_java

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
HADOOP_AWS = ("org.apache.hadoop", "hadoop-aws", "3.5.0")
KEY, SECRET, REGION = "machine", "s3cr3t-of-the-store", "us-east-1"


@dataclass(frozen=True, slots=True)
class S3:
    """A server that runs."""

    endpoint: str
    pid: int

    def make_bucket(self, name: str) -> str:
        """A new, empty bucket; its URI."""
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")  # our own, on loopback
        with urllib.request.urlopen(request, timeout=30):  # likewise
            return f"s3a://{name}"

    def conf(self) -> dict[str, str]:
        """Spark's settings for it."""
        return {
            "spark.hadoop.fs.s3a.endpoint": self.endpoint,
            "spark.hadoop.fs.s3a.endpoint.region": REGION,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.access.key": KEY,
            "spark.hadoop.fs.s3a.secret.key": SECRET,
        }

    def options(self) -> dict[str, str]:
        """deltalake's settings for it: the independent reader has its own way there."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ALLOW_HTTP": "true",
        }

    def keys(self, uri: str) -> list[str]:
        """Every object below a place."""
        bucket, _, prefix = uri.removeprefix("s3a://").partition("/")
        return sorted(item["path"] for page in self.client(bucket).list(prefix=prefix or None) for item in page)

    def client(self, bucket: str) -> S3Store:
        """The bucket by another way than Hadoop's, and with none of the framework's settings."""
        return S3Store(
            bucket,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def fault(self, name: str, *, times: int, key: str = "") -> None:
        """Have the server misbehave at the next so many puts of objects with `key` in their names; 0: no more."""
        body = json.dumps({"times": times, "key": key}).encode()
        request = urllib.request.Request(f"{self.endpoint}/_faults/{name}", data=body, method="PUT")
        with urllib.request.urlopen(request, timeout=30):
            pass


def hadoop_aws() -> str:
    """Hadoop's access to S3 and all that it needs, as a class path: 700 MB, fetched once and kept beside Delta's jars."""
    folder = cache_root() / "test" / "-".join(HADOOP_AWS[1:])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)  # two processes of tests ask for it at once
        if not folder.exists():
            ivy = next(Path(pyspark.__file__).parent.glob("jars/ivy-*.jar"))
            settings = os.environ.get("TWILIGHT_IVY_SETTINGS")
            with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
                command = [find_java().program, "-jar", str(ivy), *(["-settings", settings] if settings else [])]
                command += [
                    "-cache",
                    f"{draft}/cache",
                    "-dependency",
                    *HADOOP_AWS,
                    "-confs",
                    "default",
                    "-types",
                    "jar",
                ]
                command += ["-retrieve", f"{draft}/jars/[artifact]-[revision].[ext]"]
                done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
                found = sorted(file.name for file in Path(draft, "jars").glob("*.jar"))
                assert {name.rpartition("-")[0] for name in found} >= {"hadoop-aws", "bundle"}, (
                    done.stdout + done.stderr
                )
                Path(draft, "jars").rename(folder)
    return os.pathsep.join(map(str, sorted(folder.glob("*.jar"))))


@contextlib.contextmanager
def serving() -> Iterator[S3]:
    """A server in a process of its own, for the body."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.s3", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, server)
        yield S3(f"http://127.0.0.1:{port}", server.pid)
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert server.poll() is None, "the S3 server did not start"
            assert time.monotonic() < deadline, "the S3 server does not answer"
            time.sleep(0.1)
        else:
            return


def _serve(port: int) -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, run_simple

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_given: object) -> None:
            pass

    application, one_at_a_time = DomainDispatcherApplication(create_backend_app), threading.Lock()
    faults: dict[str, dict[str, Any]] = {}

    def serve(environ: dict[str, Any], answer: Any) -> Any:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path.startswith("/_faults/"):
            faults[path.rpartition("/")[2]] = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            answer("200 OK", [("Content-Length", "0")])
            return [b""]

        def has(fault: str) -> bool:
            found = faults.get(fault, {"times": 0, "key": ""})
            if method != "PUT" or not found["times"] or found["key"] not in path:
                return False
            found["times"] -= 1
            return True

        with one_at_a_time:
            if has("blind"):
                for name in _CONDITIONS:
                    environ.pop(name, None)
            if has("blind-to-tags"):
                environ.pop("HTTP_IF_MATCH", None)
            if has("deaf"):
                list(application(environ, lambda *_: None))
                answer("500 Internal Server Error", [("Content-Length", "0")])
                return [b""]
            return list(application(environ, answer))

    run_simple("127.0.0.1", port, serve, threaded=True, request_handler=Quiet)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
