"""What Spark's stateful operators remember, read from outside: whether the files that a version of it needs are all there.

Format (Spark's state store on RocksDB with a log of changes): `state/<operator>/_metadata/metadata`, or the newest of `_metadata/v2/`, names
the operator's stores and its partitions; a store lies in `state/<operator>/<partition>[/<store>]`, where `<v>.zip` is the whole of version
v, beside tables in `SSTs/` that it lists, and `<v>.changelog` what version v changed. Epoch n leaves version n + 1. Beside a file lies
Hadoop's `.<name>.crc`: eight bytes, then four for each 512 of the file.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from etl.engine.storage.places import place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.engine.storage.places import Place

_CHUNK, _HEADER, _SUM = 512, 8, 4
_DAMAGES = (OSError, ValueError, IndexError, KeyError, TypeError, BadZipFile)


def state_damage(checkpoint: str, epoch: int) -> str:
    """Why Spark could not load the state that an epoch left, with the file; empty where it can, or there is none.

    Of a file's content only its length is judged: Spark compares the rest with its checksum when it loads the file, before anything is written.
    """
    for operator in sorted(place(checkpoint, "state").glob("[0-9]*"), key=str):
        described = _newest_description(operator)
        try:
            stores = _second_line(described.read_text(encoding="utf-8"))["stateStoreInfo"]
            folders = [folder for store in stores for folder in _folders(operator, store)]
        except _DAMAGES:
            return f"the checkpoint's state is damaged: {described} cannot be read"
        for folder in folders:
            fault = next(_faults(folder, epoch + 1), "")
            if fault:
                return fault
    return ""


def _newest_description(operator: Place) -> Place:
    folder = operator / "_metadata"
    newer = [item for item in folder.glob("v2/*") if item.name.isdigit()]
    return max(newer, key=lambda item: int(item.name), default=folder / "metadata")


def _second_line(text: str) -> dict[str, Any]:
    found = json.loads(text.splitlines()[1])
    if not isinstance(found, dict):
        raise TypeError(text[:20])
    return found


def _folders(operator: Place, store: dict[str, Any]) -> Iterator[Place]:
    name = str(store["storeName"])
    for partition in range(int(store["numPartitions"])):
        yield operator / str(partition) if name == "default" else operator / str(partition) / name


def _faults(folder: Place, version: int) -> Iterator[str]:
    wholes = [int(item.stem) for item in folder.glob("*.zip") if item.stem.isdigit()]
    whole = max((item for item in wholes if item <= version), default=0)
    if whole:
        yield from _faults_of_whole(folder / f"{whole}.zip")
    for item in range(whole + 1, version + 1):
        yield from _fault(folder / f"{item}.changelog")


def _faults_of_whole(path: Place) -> Iterator[str]:
    yield from _fault(path)
    try:
        with ZipFile(BytesIO(path.read_bytes())) as content:
            tables = [
                str(item["dfsSstFileName"])
                for item in _second_line(content.read("metadata").decode("utf-8"))["sstFiles"]
            ]
    except _DAMAGES:
        yield f"the checkpoint's state is damaged: {path} cannot be read"
        return
    for name in tables:
        yield from _fault(path.parent / "SSTs" / name)


def _fault(path: Place) -> Iterator[str]:
    if not path.is_file():
        yield f"the checkpoint's state has a hole: {path} is missing"
    elif not _has_its_length(path):
        yield f"the checkpoint's state is damaged: {path} is cut off"


def _has_its_length(path: Place) -> bool:
    try:
        sums = path.with_name(f".{path.name}.crc").stat().st_size
    except FileNotFoundError:
        return path.stat().st_size > 0  # Spark then takes the file as it is
    return -(-path.stat().st_size // _CHUNK) == (sums - _HEADER) // _SUM
