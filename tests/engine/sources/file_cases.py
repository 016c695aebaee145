"""Records made up by a seed, in every format of files, each with the row that it must become, or none where it is malformed."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq

Row = tuple[Any, ...]
DAY = dt.date(2024, 2, 29)


@dataclass(frozen=True, slots=True)
class Record:
    """One way to write a record: its text, and the rows that it must become; None: it is malformed."""

    text: Callable[[int], bytes]
    rows: Callable[[int], list[Row] | None]
    alone: bool = False  # it must be the last of its file


def _malformed(text: str | bytes, *, alone: bool = False) -> Record:
    pattern = text if isinstance(text, bytes) else text.encode()
    return Record(lambda n: pattern.replace(b"<n>", str(n).encode()), lambda _: None, alone)


def _row(text: str, *rest: Any) -> Record:
    return Record(lambda n: text.replace("<n>", str(n)).encode(), lambda n: [(n, *rest)])


JSON_SCHEMA = "id BIGINT, t TINYINT, i INT, d DOUBLE, x DECIMAL(10,2), s STRING, b BOOLEAN, day DATE, n STRUCT<a: INT>, at TIMESTAMP_NTZ, m MAP<STRING, INT>"
_REST = (1, 2, 1.5, Decimal("1.25"), "a", True, DAY, {"a": 3}, None, None)
_NOTHING = (None,) * 10
_AT = dt.datetime(2024, 2, 29, 12, 30, 45, 123456)  # noqa: DTZ001  # a TIMESTAMP_NTZ has no zone
JSON: dict[str, Record] = {
    "plain": _row('{"id":<n>,"t":1,"i":2,"d":1.5,"x":1.25,"s":"a","b":true,"day":"2024-02-29","n":{"a":3}}', *_REST),
    "capitals": _row('{"ID":<n>,"T":1,"I":2,"D":1.5,"X":1.25,"S":"a","B":true,"Day":"2024-02-29","N":{"A":3}}', *_REST),
    "spaces": _row(' { "n" : {"a":3} , "id" : <n> } \t', *_NOTHING[:7], {"a": 3}, None, None),
    "left out": _row('{"id":<n>}', *_NOTHING),
    "nulls": _row('{"id":<n>,"t":null,"n":null}', *_NOTHING),
    "others' names": _row('{"more":{"id":1,"Id":2},"id":<n>}', *_NOTHING),
    "extremes": _row('{"id":<n>,"t":-128,"i":2147483647}', -128, 2147483647, *_NOTHING[2:]),
    "escapes": _row('{"id":<n>,"s":"\\u00e9\\n\\"\\ud83d\\ude00é😀"}', *_NOTHING[:4], 'é\n"😀é😀', *_NOTHING[5:]),
    "a number as text": _row('{"id":<n>,"s":1.50}', *_NOTHING[:4], "1.50", *_NOTHING[5:]),
    "an object as text": _row('{"id":<n>,"s":{"k": [1.0]}}', *_NOTHING[:4], '{"k": [1.0]}', *_NOTHING[5:]),
    "more zeros": _row(
        '{"id":<n>,"x":"1.2500","day":"2024-02-29T00:00:00","at":"2024-02-29T12:30:45.1234560"}',
        None,
        None,
        None,
        Decimal("1.25"),
        None,
        None,
        DAY,
        None,
        _AT,
        None,
    ),
    "keys": _row('{"id":<n>,"m":{"a":1,"A":2}}', *_NOTHING[:9], {"a": 1, "A": 2}),
    "a list of rows": Record(lambda n: b'[{"id":%d},{"Id":%d}]' % (n, n), lambda n: [(n, *_NOTHING)] * 2),
    "a tombstone": Record(lambda _: b"null", lambda _: [(None, *_NOTHING)]),
    "a text after it": _malformed('{"id":<n>} trailing'),
    "two documents": _malformed('{"id":<n>}{"id":<n>}'),
    "two with a comma": _malformed('{"id":<n>},{"id":<n>}'),
    "a brace too many": _malformed('{"id":<n>}}'),
    "cut off": _malformed('{"id":<n>,"s":"a'),
    "two values": _malformed('{"id":<n>,"i":1,"i":2}'),
    "two values in two spellings": _malformed('{"id":<n>,"i":1,"I":2}'),
    "two values inside": _malformed('{"id":<n>,"n":{"a":1,"A":1}}'),
    "an empty list": _malformed("[]"),
    "a number": _malformed("5"),
    "a text": _malformed('"x"'),
    "beyond TINYINT": _malformed('{"id":<n>,"t":200}'),
    "beyond INT": _malformed('{"id":<n>,"i":9999999999}'),
    "beyond DOUBLE": _malformed('{"id":<n>,"d":1e400}'),
    "beyond DECIMAL": _malformed('{"id":<n>,"x":123456789.5}'),
    "a fraction": _malformed('{"id":<n>,"i":3.0}'),
    "a number in quotes": _malformed('{"id":<n>,"i":"5"}'),
    "a word for a truth": _malformed('{"id":<n>,"b":"true"}'),
    "no day": _malformed('{"id":<n>,"day":"2024-02-30"}'),
    "more than a day": _malformed('{"id":<n>,"day":"2024-02-29 late"}'),
    "a day and an hour": _malformed('{"id":<n>,"day":"2024-02-29T12:30:00"}'),
    "half a day": _malformed('{"id":<n>,"day":"2024-02"}'),
    "digits for a day": _malformed('{"id":<n>,"day":"20240229"}'),
    "a clock": _malformed('{"id":<n>,"at":"12:30"}'),
    "half an instant": _malformed('{"id":<n>,"at":"2024"}'),
    "nanoseconds": _malformed('{"id":<n>,"at":"2024-02-29T12:30:45.123456789"}'),
    "a comma": _malformed('{"id":<n>,"x":"1,25"}'),
    "digits beyond DECIMAL": _malformed('{"id":<n>,"x":1.255}'),
    "digits beyond DECIMAL, as text": _malformed('{"id":<n>,"x":"0.001"}'),
    "two values for a key": _malformed('{"id":<n>,"m":{"a":1,"a":2}}'),
    "half a character": _malformed('{"id":<n>,"s":"a\\ud800"}'),
    "no object": _malformed('{"id":<n>,"n":5}'),
    "no UTF-8": _malformed(b'{"id":<n>,"s":"\xff"}'),
}

CSV_SCHEMA = "id BIGINT, t TINYINT, d DOUBLE, s STRING, day DATE, x DECIMAL(10,2), at TIMESTAMP_NTZ"
_X = Decimal("1.25")
_TAIL = "2024-02-29,1.25,2024-02-29 12:30:45.123456"
_ENDS = (DAY, _X, _AT)
CSV: dict[str, Record] = {
    "plain": _row(f"<n>,1,1.5,a,{_TAIL}", 1, 1.5, "a", *_ENDS),
    "nothing": _row("<n>,,,,,,", None, None, None, None, None, None),
    "quotes": _row(f'<n>,1,"1.5","a,""b""",{_TAIL}', 1, 1.5, 'a,"b"', *_ENDS),
    "a quote inside": _row(f'<n>,1,1.5,5" pipe,{_TAIL}', 1, 1.5, '5" pipe', *_ENDS),
    "extremes": _row(
        f"<n>,-128,-1e308,😀,0001-01-01,-1e-2,{_AT}", -128, -1e308, "😀", dt.date(1, 1, 1), Decimal("-0.01"), _AT
    ),
    "more zeros": _row("<n>,1,1.50,a,2024-02-29 00:00:00,1.2500,2024-02-29T12:30:45.123456000", 1, 1.5, "a", *_ENDS),
    "too few": _malformed("<n>,1,1.5,a"),
    "too many": _malformed(f"<n>,1,1.5,a,{_TAIL},b"),
    "beyond TINYINT": _malformed(f"<n>,200,1.5,a,{_TAIL}"),
    "beyond DOUBLE": _malformed(f"<n>,1,1e400,a,{_TAIL}"),
    "Java's double": _malformed(f"<n>,1,1.5d,a,{_TAIL}"),
    "sixteens": _malformed(f"<n>,1,0x1p3,a,{_TAIL}"),
    "a fraction": _malformed(f"<n>,5.0,1.5,a,{_TAIL}"),
    "a space": _malformed(f"<n>, 5,1.5,a,{_TAIL}"),
    "no day": _malformed(f"<n>,1,1.5,a,2024-02-30,1.25,{_AT}"),
    "more than a day": _malformed(f"<n>,1,1.5,a,2024-02-29 late,1.25,{_AT}"),
    "half a day": _malformed(f"<n>,1,1.5,a,2024-02,1.25,{_AT}"),
    "a comma": _malformed(f'<n>,1,1.5,a,2024-02-29,"1,25",{_AT}'),
    "digits beyond DECIMAL": _malformed(f"<n>,1,1.5,a,2024-02-29,1.255,{_AT}"),
    "nanoseconds": _malformed("<n>,1,1.5,a,2024-02-29,1.25,2024-02-29 12:30:45.1234567"),
    "a clock": _malformed("<n>,1,1.5,a,2024-02-29,1.25,12:30"),
    "an open quote inside": _malformed(f'<n>,1,1.5,"a" b,{_TAIL}'),
    "zero in quotes": _malformed(f'<n>,1,1.5,"a\x00",{_TAIL}'),
    "a value over lines": _malformed(f'<n>,1,1.5,"a\nb",{_TAIL}'),
    "a value over three lines, a row among them": _malformed(f'<n>,1,1.5,"a\n1,1,1.5,a,{_TAIL}\nb",{_TAIL}'),
    "no UTF-8": _malformed(f"<n>,1,1.5,X,{_TAIL}".encode().replace(b"X", b"\xff")),
    "an open quote": _malformed('<n>,1,1.5,"a', alone=True),
}
_OVER_LINES = {"a value over lines", "a value over three lines, a row among them"}
CSV_OVER_LINES: dict[str, Record] = {
    **{name: record for name, record in CSV.items() if name not in _OVER_LINES},
    "a value over lines": _row(f'<n>,1,1.5,"a\n\n# b",{_TAIL}', 1, 1.5, "a\n\n# b", *_ENDS),
    "of Windows": _row(f'<n>,1,1.5,"a\r\nb",{_TAIL}', 1, 1.5, "a\r\nb", *_ENDS),
    "a row among them": _row(
        f'<n>,1,1.5,"a\n1,1,1.5,a,{_TAIL}\nb",{_TAIL}', 1, 1.5, f"a\n1,1,1.5,a,{_TAIL}\nb", *_ENDS
    ),
    "over lines, and wrong": _malformed(f'<n>,200,1.5,"a\nb",{_TAIL}'),
}

PARQUET_SCHEMA = "id BIGINT, t TINYINT, u BIGINT, i INT, at TIMESTAMP, s STRING"
_RANGES = {"t": (-(2**7), 2**7), "u": (-(2**63), 2**63), "i": (-(2**31), 2**31)}
_WHOLE = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]


@dataclass(slots=True)
class Made:
    """The files of one source, and what must come of them."""

    files: dict[str, bytes] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)


def lines(
    chance: random.Random, records: dict[str, Record], files: int, *, name: str, first: int, header: str = ""
) -> Made:
    """Files of lines: of every ending, compressed in every way, with empty lines, marks and without a last newline."""
    made, number = Made(), first
    for index in range(files):
        kinds = list(records) if index == 0 else [chance.choice(list(records)) for _ in range(chance.randrange(12))]
        chosen = [records[kind] for kind in kinds]
        chosen.sort(key=lambda item: item.alone)
        chosen = [item for place, item in enumerate(chosen) if not item.alone or place == len(chosen) - 1]
        ending, texts = chance.choice([b"\n", b"\r\n"]), [header.encode()] if header else []
        for item in chosen:
            number += 1
            text, rows = item.text(number), item.rows(number)
            texts.append(text)
            if rows is None:
                made.malformed.append(text.decode(errors="replace"))
            else:
                made.rows += rows
            if chance.random() < 0.1 and not item.alone:
                texts.append(b"")
        content = ending.join(texts) + (b"" if chance.random() < 0.3 else ending)
        mark = b"\xef\xbb\xbf" if chance.random() < 0.2 else b""
        ending_of, packed = _packed(chance, mark + content)
        made.files[f"{name}{first + index}{ending_of}"] = packed
    return made


def _packed(chance: random.Random, content: bytes) -> tuple[str, bytes]:
    half = len(content) // 2
    return chance.choice(
        [
            ("", content),
            (".gz", gzip.compress(content)),
            (".gz", gzip.compress(content[:half]) + gzip.compress(content[half:])),
            (".bz2", bz2.compress(content)),
            (".zst", pa.compress(content, codec="zstd", asbytes=True)),
        ]
    )


def documents(chance: random.Random, files: int, *, first: int) -> Made:
    """JSON files of one document on many lines; one that is malformed is so as a whole."""
    made = Made()
    # What is no text in a document of many lines comes out as Spark writes it, not as it stood there.
    single = [kind for kind in JSON if kind not in ("a number as text", "an object as text")]
    for index in range(files):
        record = JSON[chance.choice(single)]
        text, rows = record.text(first + index).replace(b",", b",\n"), record.rows(first + index)
        if text.startswith(b"[]"):
            rows = []
        if rows is None:
            made.malformed.append(text.decode(errors="replace"))
        else:
            made.rows += rows
        made.files[f"{first + index}.json"] = text
    return made


def parquet(chance: random.Random, files: int, *, first: int, folder: Path) -> Made:
    """Parquet files whose columns have other types than are declared: values that fit, and values that do not."""
    made, number = Made(), first
    for index in range(files):
        count = chance.randrange(1, 6)
        kinds = {name: chance.choice(_WHOLE) for name in _RANGES}
        unit = chance.choice(["ns", "us", "ms"])
        columns: dict[str, Any] = {"id": pa.array(range(number, number + count), pa.int64())}
        values: dict[str, list[Any]] = {}
        for name, kind in kinds.items():
            low, high = _limits(kind)
            values[name] = [chance.choice([None, low, high, chance.randrange(low, high + 1), 1]) for _ in range(count)]
            columns[name.upper() if chance.random() < 0.3 else name] = pa.array(values[name], kind)
        step = {"ns": 1, "us": 1_000, "ms": 1_000_000}[unit]
        instants = [chance.choice([None, 1_700_000_000_123_456_000, 1_700_000_000_123_456_789]) for _ in range(count)]
        whole = [None if item is None else item // step for item in instants]
        columns["at"] = pa.array(whole, pa.timestamp(unit, tz="UTC"))
        empty = chance.random() < 0.3
        columns["s"] = pa.nulls(count) if empty else pa.array([f"s{n}" for n in range(count)]).dictionary_encode()
        for n in range(count):
            row = {name: values[name][n] for name in _RANGES}
            instant = None if whole[n] is None else whole[n] * step
            fits = all(item is None or _RANGES[name][0] <= item < _RANGES[name][1] for name, item in row.items()) and (
                instant is None or instant % 1000 == 0
            )
            if fits:
                micros = None if instant is None else instant // 1000
                made.rows.append((number + n, row["t"], row["u"], row["i"], micros, None if empty else f"s{n}"))
            else:
                made.malformed.append(str(number + n))
        number += count
        place = folder / f"{first + index}.parquet"
        pq.write_table(pa.table(columns), place, use_dictionary=chance.random() < 0.5, row_group_size=2)
        made.files[place.name] = place.read_bytes()
    return made


def _limits(kind: pa.DataType) -> tuple[int, int]:
    bits = kind.bit_width
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if pa.types.is_signed_integer(kind) else (0, 2**bits - 1)


ORC_SCHEMA = "id BIGINT, i INT, d DOUBLE, s STRING"


def orc(chance: random.Random, files: int, *, first: int, folder: Path) -> Made:
    """ORC files whose columns are as wide as is declared, or narrower, or not there."""
    made, number = Made(), first
    for index in range(files):
        count = chance.randrange(1, 5)
        columns: dict[str, Any] = {"ID": pa.array(range(number, number + count), pa.int64())}
        if chance.random() < 0.8:
            columns["i"] = pa.array(
                [chance.randrange(-128, 128) for _ in range(count)], chance.choice([pa.int8(), pa.int32()])
            )
        if chance.random() < 0.8:
            columns["d"] = pa.array(
                [chance.choice([None, 0.5]) for _ in range(count)], chance.choice([pa.float32(), pa.float64()])
            )
        table = pa.table(columns)
        place = folder / f"{first + index}.orc"
        pyarrow.orc.write_table(table, place)
        made.files[place.name] = place.read_bytes()
        for row in table.to_pylist():
            made.rows.append((row["ID"], row.get("i"), row.get("d"), None))
        number += count
    return made


def text(chance: random.Random, files: int, *, first: int) -> Made:
    """Files of lines that are what they are."""
    made = Made()
    pool = ["", " ", "a", "é😀", '"', "\t", "a,b", "\ufeff", "x" * 5000]
    for index in range(files):
        found = [chance.choice(pool) for _ in range(chance.randrange(6))]
        ending = chance.choice(["\n", "\r\n", "\r"])
        content = ending.join(found) + (
            ending if found and (found[-1] in ("", "\ufeff") or chance.random() < 0.7) else ""
        )
        made.rows += [(line,) for line in found]
        if found and found[0].startswith("\ufeff"):
            made.rows[-len(found)] = ("",)  # a mark of the byte order is no part of the first line
        ending_of, packed = _packed(chance, content.encode())
        made.files[f"{first + index}.txt{ending_of}"] = packed
    return made
