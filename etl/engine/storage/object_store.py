"""Places in a bucket of an object store, as the part of `pathlib.Path` that the engine uses, and puts that are refused where somebody was first.

The settings are those that Spark's own access goes by (`spark.hadoop.fs.s3a.*` in conf/, with those of a single bucket), so that both see
one store; what they leave open comes from the environment (`AWS_*`, a container's or an instance's role). Nothing is cached: S3
answers a listing or a read that follows a put with what was put.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import translate as pattern_of
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from etl.config.object_uris import bucket_of, key_of
from etl.errors import EnvironmentProblem, StoreSilent

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Store

_PREFIX = "spark.hadoop.fs.s3a."
_RETRIES: RetryConfig = {"max_retries": 6, "retry_timeout": timedelta(seconds=60)}
_CLIENT: ClientConfig = {"connect_timeout": "5s", "timeout": "30s", "allow_http": True}


class Taken(Exception):
    """A put was refused: the object is there already, or is not the one any more that it was to replace."""


# A lease is short: what keeps it must have an answer, or none, while it lasts.
_HURRIED_CLIENT: ClientConfig = {"connect_timeout": "2s", "timeout": "4s", "allow_http": True}
_HURRIED_RETRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=6)}

_SETTINGS: dict[str, Mapping[str, str]] = {}
_STORES: dict[tuple[str, bool], S3Store] = {}


def use(uri: str, settings: Mapping[str, str]) -> None:
    """Reach the bucket of `uri` by these settings of Spark's from now on, in this process."""
    bucket = bucket_of(uri)
    own = {name: value for name, value in settings.items() if name.startswith(_PREFIX)}
    if _SETTINGS.get(bucket) != own:
        _SETTINGS[bucket] = own
        for hurried in (False, True):
            _STORES.pop((bucket, hurried), None)


def store(bucket: str, *, hurried: bool = False) -> S3Store:
    """The client of a bucket; EnvironmentProblem where its library is missing, or does not understand the settings.

    One that is `hurried` gives up after a few seconds.
    """
    found = _STORES.get((bucket, hurried))
    if found is None:
        found = _STORES[bucket, hurried] = _open(bucket, hurried=hurried)
    return found


def connection(bucket: str) -> dict[str, Any]:
    """How a bucket is reached, by the names that the `object_store` library has for it: only what the settings say."""
    settings = _SETTINGS.get(bucket, {})
    with_bucket = f"{_PREFIX}bucket.{bucket}."

    def said(name: str) -> str:
        return settings.get(with_bucket + name) or settings.get(_PREFIX + name) or ""

    endpoint, by_path = said("endpoint"), said("path.style.access").lower() == "true"
    if endpoint:
        secure = said("connection.ssl.enabled").lower() != "false"
        endpoint, by_path = _addressed(endpoint, bucket, secure=secure, by_path=by_path)
    options = {
        "endpoint": endpoint,
        "region": said("endpoint.region"),
        "access_key_id": said("access.key"),
        "secret_access_key": said("secret.key"),
        "session_token": said("session.token"),
        "skip_signature": "AnonymousAWSCredentialsProvider" in said("aws.credentials.provider"),
        "virtual_hosted_style_request": not by_path,
    }
    return {name: value for name, value in options.items() if value != ""}


def _open(bucket: str, *, hurried: bool) -> S3Store:
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415  # an extra of the package
        from obstore.store import S3Store  # noqa: PLC0415
    except ImportError as cause:
        raise EnvironmentProblem(
            f"storage in s3a://{bucket} needs the package obstore", hint="pip install 'twilight-etl[s3]'"
        ) from cause
    try:
        return S3Store(
            bucket,
            **connection(bucket),
            client_options=_HURRIED_CLIENT if hurried else _CLIENT,
            retry_config=_HURRIED_RETRIES if hurried else _RETRIES,
        )
    except (BaseError, ValueError) as cause:
        raise _problem(bucket, cause) from cause


def _addressed(endpoint: str, bucket: str, *, secure: bool, by_path: bool) -> tuple[str, bool]:
    """An endpoint as the client takes it, and whether the bucket stands in the path: as S3A decides, or both would see other buckets."""
    scheme, mark, host = endpoint.rstrip("/").rpartition("://")
    scheme = scheme if mark else "https" if secure else "http"
    try:
        ip_address(re.sub(r":\d+$", "", host).strip("[]"))
    except ValueError:
        is_address = False
    else:
        is_address = True
    if by_path or is_address or ("." in bucket and scheme == "https"):
        return f"{scheme}://{host}", True
    return f"{scheme}://{bucket}.{host}", False


@contextmanager
def _told(at: ObjectPlace) -> Iterator[S3Store]:
    """The client of the place's bucket; what the store refuses, or does not answer, as EnvironmentProblem, and what it lacks as FileNotFoundError."""
    client = store(at.bucket, hurried=at.hurried)
    from obstore.exceptions import BaseError  # noqa: PLC0415  # `store` has told what to do where it is missing

    try:
        yield client
    except FileNotFoundError as cause:
        if "NoSuchBucket" in str(cause):  # who looked for a file must not take it for one that is not there
            raise _problem(at.bucket, cause) from cause
        raise FileNotFoundError(str(at)) from cause
    except BaseError as cause:
        raise _problem(at.bucket, cause) from cause


def _problem(bucket: str, cause: Exception) -> EnvironmentProblem:
    text = str(cause)
    code = re.search(r"<Code>(\w+)</Code>", text)
    words = text.split("\n", 1)[0].split(": <?xml", 1)[0].strip()
    hint = "look at spark.hadoop.fs.s3a.* under spark.conf in conf/, and at AWS_* in the environment"
    if code is not None and code[1] == "NoSuchBucket":
        return EnvironmentProblem(
            f"there is no bucket '{bucket}'", hint=f"make it, or correct storage in conf/; {hint}"
        )
    kind = StoreSilent if re.search(r"HTTP error|status code: 5\d\d|timed? ?out", text) else EnvironmentProblem
    return kind(f"the object store of s3a://{bucket} does not do what is asked: {words}", hint=hint)


def unheeded(at: ObjectPlace) -> str:
    """The condition of a put that the store does not heed, tried on an object of that name, which is gone afterwards; empty where it heeds all."""
    at.put(b"1")
    try:
        for header, new, instead_of in (("If-None-Match", True, None), ("If-Match", False, f'"{"0" * 32}"')):
            try:
                at.put(b"2", new=new, instead_of=instead_of)
            except Taken:
                continue
            return header
    finally:
        at.unlink(missing_ok=True)
    return ""


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """What the store tells of an object."""

    st_size: int
    st_mtime_ns: int
    tag: str  # of its content: another put, another tag
    st_ino: int = 0

    @property
    def st_mtime(self) -> float:
        return self.st_mtime_ns / 1e9


@dataclass(frozen=True, slots=True, order=True)
class ObjectPlace:
    """A key in a bucket, whether or not there is an object of that name."""

    bucket: str
    key: str
    scheme: str = "s3a"
    hurried: bool = False  # answers are waited for a few seconds, no longer

    @classmethod
    def of(cls, uri: str) -> ObjectPlace:
        """The place that a URI names."""
        return cls(bucket_of(uri), key_of(uri), uri.partition("://")[0])

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}".rstrip("/")

    def _at(self, key: str) -> ObjectPlace:
        return replace(self, key=key)

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        _, dot, after = self.name.lstrip(".").rpartition(".")
        return f".{after}" if dot and after else ""

    @property
    def stem(self) -> str:
        return self.name.removesuffix(self.suffix)

    @property
    def parent(self) -> ObjectPlace:
        return self._at(self.key.rpartition("/")[0])

    def __truediv__(self, key: str, /) -> ObjectPlace:
        if "://" in key:  # as a Delta log may name a file that lies elsewhere
            return self.of(key)
        return self._at(f"{self.key}/{key}".strip("/"))

    def with_name(self, name: str) -> ObjectPlace:
        return self.parent / name

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is something below; a folder's own marker, which Hadoop puts, is nothing."""
        with _told(self) as client:
            pages = client.list(prefix=self.key or None, chunk_size=2)
            return any(item["path"] != self.key for page in pages for item in page)

    def iterdir(self) -> Iterator[ObjectPlace]:
        with _told(self) as client:
            found = client.list_with_delimiter(self.key or None)
        yield from (self._at(key) for key in found["common_prefixes"])
        yield from (self._at(item["path"]) for item in found["objects"] if item["path"] != self.key)

    def files(self) -> Iterator[ObjectPlace]:
        """Every object below, and no folder's marker that can be told from one."""
        with _told(self) as client:
            for page in client.list(prefix=self.key or None):
                yield from (self._at(item["path"]) for item in page if item["path"] != self.key)

    def glob(self, pattern: str) -> Iterator[ObjectPlace]:
        """What lies below under a pattern of the kind that a single name has, in each of its parts."""
        first, _, rest = pattern.partition("/")
        wanted = re.compile(pattern_of(first))
        for item in [self / first] if not re.search(r"[*?\[]", first) else self.iterdir():
            if wanted.match(item.name):
                if rest:
                    yield from item.glob(rest)
                elif item.exists():
                    yield item

    def stat(self) -> ObjectStatus:
        with _told(self) as client:
            found = client.head(self.key)
        changed = found["last_modified"] - datetime(1970, 1, 1, tzinfo=UTC)
        return ObjectStatus(found["size"], changed // timedelta(microseconds=1) * 1000, str(found["e_tag"]))

    def read_bytes(self) -> bytes:
        return self.read_tagged()[0]

    def tail(self, length: int) -> bytes:
        """The last bytes of an object, or all of one that is shorter."""
        with _told(self) as client:
            return bytes(client.get(self.key, options={"range": {"suffix": length}}).bytes())

    def read_tagged(self) -> tuple[bytes, str]:
        """The content, and the tag that `put` replaces it by."""
        with _told(self) as client:
            found = client.get(self.key)
            return bytes(found.bytes()), str(found.meta["e_tag"])

    def read_text(self, encoding: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8")

    def write_text(self, data: str, encoding: str | None = None) -> int:
        """Put the text: a reader sees all of it or what was there before."""
        self.put(data.encode(encoding or "utf-8"))
        return len(data)

    def put(self, data: bytes, *, new: bool = False, instead_of: str | None = None) -> str:
        """Put the content, and return its tag. Taken where it is to be `new` and is not, or is not `instead_of` that tag."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415  # an extra; see `_told`

        mode: Any = "create" if new else {"e_tag": instead_of} if instead_of is not None else "overwrite"
        with _told(self) as client:
            try:
                found = client.put(self.key, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError) as cause:
                raise Taken(str(self)) from cause
            except FileNotFoundError as cause:
                if instead_of is None or "NoSuchBucket" in str(cause):
                    raise
                raise Taken(str(self)) from cause  # the one that was to be replaced is gone
        return str(found["e_tag"])

    def touch(self) -> None:
        self.put(b"")

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002  # pathlib's own
        """Nothing: a folder is there as soon as something is in it."""

    def replace(self, target: str) -> ObjectPlace:
        """Copy to `target`, which appears whole, and remove; one that dies between leaves both."""
        other = ObjectPlace.of(target)
        with _told(self) as client:
            client.copy(self.key, other.key)
        self.unlink()
        return other

    def unlink(self, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002  # pathlib's own
        if not missing_ok and not self.is_file():
            raise FileNotFoundError(str(self))
        with _told(self) as client:
            client.delete(self.key)
