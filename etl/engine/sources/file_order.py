"""The order in which a stream with a rate limit takes files: by their modification times, and files of one time by their paths.

Spark sorts files by their times alone; those of one time stay in the order of the listing, which on a local disk is that of no name.
Files that match a pattern are listed by their names: so a folder in which several have one time is given to Spark as a pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTITION = "/[!.]*=*"
_FILE = "/{[!._]*,_*=*}"
_PLACE = "regexp_replace(_metadata.file_path, '^[A-Za-z0-9+.-]+:/+', '/')"


def has_ties(files: Mapping[str, int]) -> bool:
    """Whether several of the files (path → modification time) have one time."""
    return len(set(files.values())) < len(files)


def below(folders: str, partitions: int) -> str:
    """The pattern of the files in the folders of a pattern, so many partition folders deep."""
    return folders.rstrip("/") + _PARTITION * partitions + _FILE


def lies_below(folders: str, partitions: int) -> str:
    """The condition, in SQL, that a file lies as deep as `below` says: a folder that matches in its place is read by Spark as well."""
    depth = folders.rstrip("/").count("/") + partitions + 1
    return f"length({_PLACE}) - length(replace({_PLACE}, '/', '')) = {depth}"


def partitions_of(name: str, folders: str) -> list[str]:
    """The names of the folders between the folders of a path or pattern and a file below them."""
    return name.split("/")[folders.rstrip("/").count("/") + 1 : -1]
