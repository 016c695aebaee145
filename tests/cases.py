"""Data that others lost rows and values of, by the `etl` command in each way of running, read by each reader: `python -m tests.cases [CASE]...`.

A case is a project whose files come in one or two arrivals: all of them to a batch; one after the other to streams; the first to a batch
and the second to a stream. Its tables are held against the rows that they must have, as Spark, deltalake, DuckDB and pyarrow read them,
and a refusal against what it must say. A project that `etl validate` must refuse is not run.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from etl.config.spec import SparkSpec
from etl.engine.session.start import open_session
from tests.crash.killing import run, tune
from tests.generated.readers import by_deltalake, by_duckdb, by_pyarrow, by_spark

Row = tuple[Any, ...]
WAYS = (("batch",), ("stream", "stream"), ("batch", "stream"))  # with one mode, all arrivals have come before it


@dataclass(frozen=True)
class Case:
    """A pipeline, the files that arrive for it, and what must come of them."""

    pipeline: str
    arrivals: Sequence[Mapping[str, str | Callable[[Path], None]]]  # by path: a text, or what writes the file
    tables: Mapping[str, tuple[str, Sequence[Row]]] = field(default_factory=dict)  # the columns, the rows
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)  # what the error of a flow says
    exit_code: int = 3  # of a run with a refusal: the data's fault
    invalid: Sequence[str] = ()  # what `etl validate` says
    init: str = ""  # the folder from whose first files `etl init` writes the pipeline


_HOUR = 1_729_987_200_000_000  # 2024-10-27T00:00:00Z, microseconds: in Berlin the hour from two to three comes twice
_JULY = 1_719_792_000_000_000  # 2024-07-01
_LANGUAGE = """
sources:
  dim: {format: json, path: ./landing/dim, schema: "k STRING, name STRING"}
  src: {format: json, path: ./landing/src, schema: "id INT, k STRING, x BIGINT, ts TIMESTAMP"}
"""
_SRC = {
    "landing/dim/1.json": '{"k":"a","name":"one"}\n{"k":"b","name":"two"}\n',
    "landing/src/1.json": '{"id":1,"k":"a","x":5,"ts":"2024-01-01T00:00:00Z"}\n{"id":2,"k":"b","x":7,"ts":"2024-01-02T00:00:00Z"}\n',
}
_MORE = {"landing/src/2.json": '{"id":3,"k":"a","x":9,"ts":"2024-01-03T00:00:00Z"}\n'}
_JOINED = "sources:\n  events: {format: json, path: ./landing/events, schema: 'id INT, v STRING'%s}\nflows:\n  events_all: {inputs: [events]}\n"


def _day(first: int, notes: list[str | None]) -> Callable[[Path], None]:
    """A Parquet file as pandas writes it when nothing is said."""
    at = pd.to_datetime(["2024-07-01 12:00:00.5", "2024-07-02 00:00:00.0"]).astype("datetime64[ns]")
    return pd.DataFrame({"id": [first, first + 1], "at": at, "note": notes}).to_parquet


CASES = {
    "partition_values": Case(
        """
sources:
  stock: {format: json, path: ./landing, schema: "shop STRING, tag BINARY, at TIMESTAMP, seq INT, qty INT, gone BOOLEAN"}
run: {timezone: Europe/Berlin}
flows:
  by_shop:
    inputs: [stock]
    transform: {sql: "SELECT shop, seq, qty, gone FROM stock"}
    sink: {strategy: merge, keys: [shop], sequence_by: seq, delete_when: gone, partition_by: [shop]}
  shop_totals:
    inputs: [stock]
    transform: {sql: "SELECT shop, count(*) AS n, sum(qty) AS qty FROM stock GROUP BY shop"}
    incremental: {groups: {shop: shop}}
    sink: {partition_by: [shop]}
  by_tag:
    inputs: [stock]
    transform: {sql: "SELECT tag, seq, qty FROM stock"}
    sink: {strategy: merge, keys: [tag], sequence_by: seq, partition_by: [tag]}
  by_hour:
    inputs: [stock]
    transform: {sql: "SELECT date_trunc('HOUR', at) AS hour, seq, qty FROM stock"}
    sink: {strategy: merge, keys: [hour], sequence_by: seq, partition_by: [hour]}
  plain:
    inputs: [stock]
    transform: {sql: "SELECT shop, tag, date_trunc('HOUR', at) AS hour, qty FROM stock"}
    sink: {strategy: append, partition_by: [shop, tag, hour]}
  unpartitioned:
    inputs: [stock]
    transform: {sql: "SELECT shop, tag, date_trunc('HOUR', at) AS hour, qty FROM stock"}
""",
        (
            {
                "landing/1.json": '{"shop":"","tag":"/w==","at":"2024-10-27T00:30:00Z","seq":1,"qty":1,"gone":false}\n'
                '{"shop":null,"tag":"/g==","at":"2024-10-27T01:30:00Z","seq":1,"qty":10,"gone":false}\n'
            },
            {"landing/2.json": '{"shop":"","tag":"/w==","at":"2024-10-27T00:45:00Z","seq":2,"qty":2,"gone":true}\n'},
        ),
        tables={
            "by_hour": ("hour, seq, qty", [(_HOUR, 2, 2), (_HOUR + 3_600_000_000, 1, 10)]),
            "unpartitioned": (
                "shop, tag, hour, qty",
                [
                    (b"", b"\xff", _HOUR, 1),
                    (b"", b"\xff", _HOUR, 2),
                    (None, b"\xfe", _HOUR + 3_600_000_000, 10),
                ],
            ),
        },
        refused={
            "by_shop": ("'shop', by which the table is partitioned, is ''", "in the row {"),
            "shop_totals": ("'shop', by which the table is partitioned, is ''", "in the row {"),
            "by_tag": ("'tag', by which the table is partitioned, is X'F", "in the row {"),
            "plain": ("by which the table is partitioned, is ", "in the row {"),
        },
    ),
    "far_timestamps": Case(
        """
sources:
  prices: {format: json, path: ./landing, schema: "id INT, until TIMESTAMP"}
flows:
  prices_all: {inputs: [prices]}
""",
        (
            {
                "landing/1.json": '{"id":1,"until":"9999-12-31T00:00:00Z"}\n{"id":2,"until":"1600-01-01T00:00:00Z"}\n'
                '{"id":3,"until":"2024-01-01T00:00:00Z"}\n'
            },
            {"landing/2.json": '{"id":4,"until":"0001-01-01T00:00:00Z"}\n'},
        ),
        tables={
            "prices_all": (
                "id, until",
                [
                    (1, 253402214400000000),
                    (2, -11676096000000000),
                    (3, 1704067200000000),
                    (4, -62135596800000000),
                ],
            )
        },
    ),
    "two documents in a line": Case(
        _JOINED % "",
        (
            {"landing/events/1.json": '{"id":1,"v":"a"}\n'},
            {"landing/events/2.json": '{"id":2,"v":"b"}{"id":3,"v":"c"}\n'},
        ),
        refused={"events_all": ("landing/events/2.json:1", "something follows the first document")},
    ),
    "a text after a document": Case(
        _JOINED % "",
        (
            {"landing/events/1.json": '{"id":1,"v":"a"}\n{"id":4,"v":"d"} trailing\n'},
            {"landing/events/2.json": '{"id":2,"v":"b"}\n'},
        ),
        refused={"events_all": ("landing/events/1.json:2", "'trailing'")},
    ),
    "two documents in a line, quarantined": Case(
        _JOINED % ", on_malformed: quarantine",
        (
            {"landing/events/1.json": '{"id":1,"v":"a"}\n'},
            {"landing/events/2.json": '{"id":2,"v":"b"}{"id":3,"v":"c"}\n{"id":4,"v":"d"} trailing\n'},
        ),
        tables={"events_all": ("id, v", [(1, b"a")])},
    ),
    "names in other capitals": Case(
        "sources:\n  people: {format: json, path: ./landing/people, schema: 'id INT, name STRING'}\nflows:\n  people_all: {inputs: [people]}\n",
        ({"landing/people/1.json": '{"Id":2,"Name":"y"}\n'}, {"landing/people/2.json": '{"ID":3,"name":"z"}\n'}),
        tables={"people_all": ("id, name", [(2, b"y"), (3, b"z")])},
    ),
    "counts": Case(
        """
sources:
  src: {format: json, path: ./landing, schema: "id INT, k STRING, n DOUBLE"}
flows:
  m: {inputs: [src], incremental: rows, transform: {sql: "SELECT n, id FROM src"}, sink: {strategy: merge, keys: [n], sequence_by: [id]}}
  k: {inputs: [src], incremental: rows, transform: {sql: "SELECT k, id FROM src"}, sink: {strategy: merge, keys: [k], sequence_by: [id]}}
  i: {inputs: [src], incremental: rows, transform: {sql: "SELECT id, n FROM src"}, sink: {strategy: merge, keys: [id], sequence_by: [id]}}
""",
        (
            {"landing/1.json": '{"id":1,"k":"a","n":1.5}\n{"id":2,"k":"b","n":0.0}\n'},
            {"landing/2.json": '{"id":3,"k":"a","n":-0.0}\n{"id":4,"k":null,"n":2.5}\n'},
        ),
        tables={
            "m": ("n, id", [(0.0, 3), (1.5, 1), (2.5, 4)]),
            "k": ("k, id", [(b"a", 3), (b"b", 2), (None, 4)]),
            "i": ("id, n", [(1, 1.5), (2, 0.0), (3, 0.0), (4, 2.5)]),
        },
    ),
    "groups over a view": Case(
        _LANGUAGE
        + """
flows:
  w: {inputs: [src], transform: {sql: "SELECT id, k FROM src WHERE id > 0"}, sink: {strategy: view}}
  f: {inputs: [w], incremental: {groups: {k: k}}, transform: {sql: "SELECT k, count(*) AS c FROM w GROUP BY k"}}
""",
        (_SRC, _MORE),
        tables={"f": ("k, c", [(b"a", 2), (b"b", 1)])},
    ),
    "ignored columns": Case(
        _LANGUAGE
        + """
flows:
  by_cte: {inputs: [src], incremental: rows, transform: {sql: "WITH c AS (SELECT id, run_ts() AS l FROM src) SELECT * FROM c"}, equality: {ignore: [l]}}
  by_subquery: {inputs: [src], incremental: rows, transform: {sql: "SELECT id, l FROM (SELECT id, run_ts() AS l FROM src) WHERE id < 9"}, equality: {ignore: [l]}}
""",
        (_SRC, _MORE),
        tables={"by_cte": ("id", [(1,), (2,), (3,)]), "by_subquery": ("id", [(1,), (2,), (3,)])},
    ),
    "join hints": Case(
        _LANGUAGE
        + """
flows:
  alias: {inputs: {src: changes, dim: snapshot}, transform: {sql: "SELECT /*+ BROADCAST(d) */ s.id, d.name FROM src s JOIN dim d ON s.k = d.k"}}
  changes: {inputs: {src: changes, dim: snapshot}, transform: {sql: "SELECT /*+ SHUFFLE_HASH(src) */ src.id, dim.name FROM src JOIN dim ON src.k = dim.k"}}
""",
        (_SRC, _MORE),
        tables={name: ("id, name", [(1, b"one"), (2, b"two"), (3, b"one")]) for name in ("alias", "changes")},
    ),
    "pipe operators": Case(
        _LANGUAGE
        + 'flows:\n  filtered: {inputs: [src], incremental: rows, transform: {sql: "FROM src |> WHERE id > 1 |> SELECT id, k"}}\n',
        (_SRC, _MORE),
        tables={"filtered": ("id, k", [(2, b"b"), (3, b"a")])},
    ),
    "values that differ from run to run": Case(
        _LANGUAGE
        + """
flows:
  now_literal: {inputs: [src], incremental: rows, transform: {sql: "SELECT id, TIMESTAMP'now' AS loaded FROM src"}}
  now_expected: {inputs: [src], incremental: rows, transform: {sql: "SELECT id, ts FROM src"}, expectations: {old: {expr: "ts < TIMESTAMP'now'", on_violation: drop}}}
  sketched: {inputs: [src], incremental: full, transform: {sql: "SELECT kll_sketch_get_quantile_bigint(kll_sketch_agg_bigint(x), 0.5D) AS q FROM src"}}
""",
        (_SRC,),
        invalid=(
            "flow 'now_literal' uses TIMESTAMP'now'",
            "expectation 'old' uses TIMESTAMP'now'",
            "flow 'sketched' uses kll_sketch_agg_bigint()",
        ),
    ),
    "a text that is cast to now": Case(
        _LANGUAGE
        + """
flows:
  now_compared: {inputs: [src], incremental: rows, transform: {sql: "SELECT id, ts < 'now' AS past FROM src"}}
""",
        (_SRC,),
        refused={"now_compared": ("E262", "'now'")},
        exit_code=2,
    ),
    "markers in types": Case(
        "params: {p: {type: int, default: 5}}\n"
        + _LANGUAGE
        + 'flows:\n  scaled: {inputs: [src], incremental: rows, transform: {sql: "SELECT id, CAST(x AS DECIMAL(:p, 2)) AS x FROM src"}}\n',
        (_SRC,),
        invalid=(":p", "stands for a value"),
    ),
    "table properties": Case(
        _LANGUAGE
        + """
flows:
  mode: {inputs: [src], sink: {strategy: append, properties: {delta.columnMapping.mode: nme}}}
  interval: {inputs: [src], sink: {strategy: append, properties: {delta.logRetentionDuration: banana}}}
""",
        (_SRC,),
        invalid=("nme", "banana"),
    ),
    "a column of Delta's own in a followed table": Case(
        """
sources:
  j: {format: json, path: ./landing/j, schema: "k INT, seq INT, _change_type STRING"}
flows:
  latest: {inputs: [j], sink: {strategy: merge, keys: [k], sequence_by: seq}}
  kinds:
    inputs: [latest]
    transform: {sql: "SELECT _change_type, count(*) AS n FROM latest GROUP BY _change_type"}
    incremental: {groups: {_change_type: _change_type}}
""",
        (),
        invalid=("_change_type",),
    ),
    "a folder without its value": Case(
        'sources:\n  hive: {format: csv, path: ./landing/hive, schema: "id INT, k STRING", options: {header: true}}\nflows:\n  a_hive: {inputs: [hive]}\n',
        ({"landing/hive/k=/1.csv": "id\n1\n"},),
        refused={"a_hive": ("landing/hive/k=",)},
    ),
    "files of pandas": Case(
        "",
        ({"landing/shop/day1.parquet": _day(1, ["a", "b"])}, {"landing/shop/day2.parquet": _day(3, [None, None])}),
        tables={
            "day1_clean": (
                "id, at, note",
                [
                    (1, _JULY + 43_200_500_000, b"a"),
                    (2, _JULY + 86_400_000_000, b"b"),
                    (3, _JULY + 43_200_500_000, None),
                    (4, _JULY + 86_400_000_000, None),
                ],
            )
        },
        init="landing/shop",
    ),
}


def play(name: str, root: Path, say: Callable[[str], None]) -> Iterator[tuple[str, Path]]:
    """Run a case in each way; the places of its tables. Raises ValueError where a command did not end as it must."""
    case = CASES[name]
    for way in (("validate",),) if case.invalid else WAYS[:1] if len(case.arrivals) < 2 else WAYS:
        here = root / "_".join([name.replace(" ", "_"), *way])
        here.mkdir()
        if not case.init:
            tune(here)
        if case.init:
            _land(here, case.arrivals[0])
            done = run(here, "init", ".", "--from", case.init, "--name", "case")
            _hold(name, done.returncode == 0, f"exit code {done.returncode}", done.stdout + done.stderr)
        else:
            (here / "pipelines").mkdir()
            (here / "pipelines/case.yml").write_text("version: 1\nname: case\n" + case.pipeline, encoding="utf-8")
        began = time.monotonic()
        if case.invalid:
            done = run(here, "validate", "case")
            _hold(name, done.returncode == 2, f"exit code {done.returncode}", done.stdout + done.stderr)
            _say_all(name, case.invalid, done.stdout + done.stderr)
        else:
            arrivals = [{path: text for one in case.arrivals for path, text in one.items()}]
            for mode, files in zip(way, arrivals if len(way) == 1 else case.arrivals, strict=True):
                _land(here, files)
                done = run(here, "run", "case", "--mode", mode, "--json")
                _hold(name, not any(word in done.stderr for word in ("Traceback", "py4j")), "a traceback", done.stderr)
                _fails_only(name, case, json.loads(done.stdout), done.returncode)
            _judge(name, case, json.loads(done.stdout), done.returncode)
        say(f"{name}, {', '.join(way)}: {time.monotonic() - began:.0f} s")
        for flow in case.tables:
            _hold(
                name,
                (here / f".etl/local/tables/case/{flow}/_delta_log").is_dir(),
                f"there is no table {flow}",
                str(here),
            )
            yield flow, here / ".etl/local/tables/case" / flow


def _land(root: Path, files: Mapping[str, str | Callable[[Path], None]]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            (root / path).write_text(content, encoding="utf-8")
        else:
            content(root / path)


def _fails_only(name: str, case: Case, told: Mapping[str, Any], exit_code: int) -> None:
    """Hold that a run, perhaps before all has arrived, fails of nothing but what is refused."""
    failed = {flow["flow"] for flow in told["flows"] if flow["status"] == "failed"}
    _hold(name, failed <= case.refused.keys(), f"failed: {sorted(failed)}", json.dumps(told["flows"], indent=1))
    _hold(name, exit_code == (case.exit_code if failed else 0), f"exit code {exit_code}", "")


def _judge(name: str, case: Case, told: Mapping[str, Any], exit_code: int) -> None:
    flows = {flow["flow"]: flow for flow in told["flows"]}
    failed = {flow: item for flow, item in flows.items() if item["status"] == "failed"}
    _hold(name, sorted(failed) == sorted(case.refused), f"failed: {sorted(failed)}", json.dumps(failed, indent=1))
    _hold(name, exit_code == (case.exit_code if failed else 0), f"exit code {exit_code}", "")
    for flow, words in case.refused.items():
        _say_all(f"{name}, {flow}", words, str(failed[flow]["error"]))
        _hold(name, failed[flow]["attempts"] == 1, "it was tried again", json.dumps(failed[flow]))


def _say_all(name: str, words: Sequence[str], text: str) -> None:
    for word in words:
        _hold(name, word in text, f"{word!r} is not said", text)


def _hold(name: str, holds: bool, what: str, shown: str) -> None:
    if not holds:
        raise ValueError(f"{name}: {what}\n{shown}")


def read(spark: SparkSession, table: Path, columns: str) -> Mapping[str, Counter[Row]]:
    """The rows of a table as each of the four reads them."""
    readers = {
        "spark": lambda place: by_spark(spark, place),
        "deltalake": by_deltalake,
        "duckdb": by_duckdb,
        "pyarrow": by_pyarrow,
    }
    names = columns.split(", ")
    return {
        name: Counter(tuple(row[column] for column in names) for row in reader(table))
        for name, reader in readers.items()
    }


def main() -> int:
    """Play all cases, or those that are named."""
    root = Path(tempfile.mkdtemp(prefix="cases-"))
    wrong: list[str] = []
    tables: list[tuple[str, str, Path]] = []
    names = sys.argv[1:] or list(CASES)
    for name in names:
        try:
            tables += [(name, flow, table) for flow, table in play(name, root, _say)]
        except ValueError as error:
            wrong.append(str(error))
    handle = open_session(SparkSpec(), app_name="cases", short=True)
    for name, flow, table in tables:
        columns, rows = CASES[name].tables[flow]
        wrong += [
            f"{table}: {reader} reads {dict(found)}, not {rows}"
            for reader, found in read(handle.spark, table, columns).items()
            if found != Counter(rows)
        ]
    handle.close()
    _say(
        "\n".join(
            [
                f"{len(names)} cases, {len(tables)} tables, each read by Spark, deltalake, DuckDB and pyarrow: {len(wrong)} wrong",
                *wrong,
            ]
        )
    )
    if not wrong:
        shutil.rmtree(root)
    return 1 if wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
