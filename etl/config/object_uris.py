"""Places outside of the local file system: which kinds there are, and how their URIs are joined."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath

OBJECT_STORES = ("s3a",)
"""The schemes of Hadoop's whose stores take conditional writes, which the lock and Delta's log need; each was tested to do so."""

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<bucket>[^/]*)(?P<path>/.*|)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_.=+-]+")  # what Hadoop, Delta and the store's own client all write alike
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]*[a-z0-9]")


def is_object(path: str) -> bool:
    """Whether a place lies in an object store."""
    return path.partition("://")[0] in OBJECT_STORES and "://" in path


def below(root: str, *parts: str) -> str:
    """A place below another, local or not; `parts` are relative, and mean what a path means by them."""
    return posixpath.join(root, str(PurePosixPath(*parts)))


def bucket_of(uri: str) -> str:
    """The bucket that a place lies in."""
    return uri.partition("://")[2].partition("/")[0]


def key_of(uri: str) -> str:
    """The name of a place within its bucket; empty for the bucket itself."""
    return uri.partition("://")[2].partition("/")[2].strip("/")


def fault_of(uri: str) -> str:
    """What is wrong with the URI of a folder in an object store; empty where nothing is."""
    match = _URI.fullmatch(uri)
    if match is None or not match["bucket"]:
        return "it names no bucket"
    if not _BUCKET.fullmatch(match["bucket"]):
        return f"'{match['bucket']}' is no name of a bucket"
    parts = [part for part in match["path"].split("/") if part]
    if {".", ".."} & set(parts) or not all(map(_NAME.fullmatch, parts)) or "//" in match["path"]:
        return "its path is not of names of letters, digits and - _ . = + with / between them"
    return ""
