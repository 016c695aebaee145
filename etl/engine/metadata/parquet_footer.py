"""What the footer of a Parquet file says of its columns and its rows: as much of Thrift's compact protocol as that takes. No JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.storage.places import place, tail_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etl.engine.storage.places import Place

INT96 = 3
"""The physical type of the timestamps that Spark writes unless it is told otherwise."""

_MAGIC, _TAIL, _USUAL = b"PAR1", 8, 1 << 16
_BOOLEANS, _BYTE, _NUMBERS, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 11, 12
_SCHEMA, _ROWS, _PHYSICAL = 2, 3, 1  # two fields of FileMetaData, one of SchemaElement
_LONG = 15  # a list's or a field's number that does not fit into four bits


def physical_types(file: Place) -> frozenset[int]:
    """The physical types of a file's values, by Parquet's numbers: none where it has no rows. ValueError where it is no Parquet file."""
    types, rows = _footer(file)
    return types if rows else frozenset()


def rows_of_files(names: Iterable[str]) -> int | None:
    """How many rows files have, by their absolute paths; None where one is damaged or gone: whoever reads it says which, and why."""
    try:
        return sum(_footer(place(name))[1] for name in names)
    except (OSError, ValueError):
        return None


def _footer(file: Place) -> tuple[frozenset[int], int]:
    """The physical types of a file's values and the number of its rows. ValueError where it is no Parquet file."""
    end = tail_of(file, _USUAL)
    size = int.from_bytes(end[-_TAIL:-4], "little") + _TAIL
    if size > len(end) and end[-4:] == _MAGIC:
        end = tail_of(file, size)
    if end[-4:] != _MAGIC or size > len(end):
        message = f"{file} is no Parquet file, or is cut off"
        raise ValueError(message)
    try:
        return _Thrift(end[-size:-_TAIL]).types_and_rows()
    except IndexError as cause:
        message = f"the footer of {file} is damaged"
        raise ValueError(message) from cause


class _Thrift:
    """A reader of one value after the other; IndexError where they end too soon."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def types_and_rows(self) -> tuple[frozenset[int], int]:
        """Of a FileMetaData the physical type of each element of its schema that has one, and the number of rows."""
        types: frozenset[int] = frozenset()
        for field, kind in self._fields():
            if field == _ROWS:
                return types, self._number()
            if field == _SCHEMA:
                types = frozenset(self._schema())
            else:
                self._skip(kind)
        raise IndexError(_ROWS)

    def _schema(self) -> Iterator[int]:
        _, count = self._list()
        for _ in range(count):
            for field, kind in self._fields():
                if field == _PHYSICAL:
                    yield self._number()
                else:
                    self._skip(kind)

    def _fields(self) -> Iterator[tuple[int, int]]:
        """The number and the type of each field of a struct; whoever asks reads its value before the next."""
        number = 0
        while (header := self._byte()) != 0:
            number = number + (header >> 4) if header >> 4 else self._number()
            yield number, header & _LONG

    def _skip(self, kind: int) -> None:
        if kind in (_BYTE, *_NUMBERS):
            self._skip_number(kind)
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind in _LISTS:
            element, count = self._list()
            for _ in range(count):
                self._skip_element(element)
        elif kind == _MAP:
            count = self._varint()
            kinds = self._byte() if count else 0
            for _ in range(count):
                self._skip_element(kinds >> 4)
                self._skip_element(kinds & _LONG)
        elif kind == _STRUCT:
            for _, inner in self._fields():
                self._skip(inner)
        elif kind not in _BOOLEANS:  # a field's boolean is its type
            raise IndexError(kind)

    def _skip_number(self, kind: int) -> None:
        if kind == _BYTE:
            self._byte()
        else:
            self._varint()

    def _skip_element(self, kind: int) -> None:
        if kind in _BOOLEANS:
            self._byte()
        else:
            self._skip(kind)

    def _list(self) -> tuple[int, int]:
        header = self._byte()
        return header & _LONG, self._varint() if header >> 4 == _LONG else header >> 4

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift

    def _number(self) -> int:
        """A signed number, as zigzags tell it."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
