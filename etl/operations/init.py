"""`etl init`: a small project that runs at once, over rows of its own or over files that lie there already."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.config.document.document import shown
from etl.config.grammar.json_schema import SCHEMAS
from etl.errors import ConfigurationError
from etl.operations.inference.names import NO_TEXT, identifier, plain
from etl.operations.inference.sources import infer_sources
from etl.operations.project_files import is_there, write_all

if TYPE_CHECKING:
    from etl.operations.inference.sources import InferredColumn, InferredSource

_MOST_TESTED = 6  # columns
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLAIN_PATH = re.compile(r"\.?/[A-Za-z0-9_./*-]*")

ORDERS = """\
order_id,ordered_at,customer,country,amount
1001,2024-03-04 08:12:00,ada,NL,59.90
1002,2024-03-04 09:30:00,bo,DE,12.50
1003,2024-03-04 10:05:00,ada,NL,-5.00
1004,2024-03-05 11:45:00,cy,FR,100.00
1005,2024-03-05 12:00:00,,DE,7.25
"""

PIPELINE = """\
# yaml-language-server: $schema=../../schema/pipeline.schema.json
version: 1
name: {name}
description: Orders from CSV files, checked, and what each country ordered on a day

sources:
  orders:
    format: csv
    path: landing/orders # every file that lands here; drop another one in and run again
    options: {{header: true}}
    schema: order_id BIGINT, ordered_at TIMESTAMP, customer STRING, country STRING, amount DECIMAL(10, 2)
    on_malformed: quarantine

flows:
  orders_clean:
    description: Orders that can be true, each on its day
    inputs: [orders]
    transform: {{sql_file: orders_clean.sql}}
    incremental: rows
    expectations:
      positive: {{expr: amount > 0, on_violation: quarantine}}
      has_customer: {{expr: customer IS NOT NULL, on_violation: warn}}

  by_country:
    description: What each country ordered on a day
    inputs: [orders_clean]
    transform:
      sql: SELECT day, country, count(*) AS orders, sum(amount) AS amount FROM orders_clean GROUP BY day, country

tests:
  - name: an order that costs nothing is quarantined
    flow: orders_clean
    given:
      orders:
        - {{order_id: 1, ordered_at: 2024-03-04 08:12:00, customer: ada, amount: 59.90}}
        - {{order_id: 2, ordered_at: 2024-03-04 09:30:00, customer: bo, amount: 0}}
    expect: [{{order_id: 1, day: 2024-03-04}}]
    quarantine: [{{order_id: 2, _etl_reason: positive}}]
  - name: a late order joins the day that it belongs to
    flow: by_country
    given:
      orders_clean:
        - [{{day: 2024-03-04, country: NL, amount: 10}}, {{day: 2024-03-05, country: NL, amount: 1}}]
        - [{{day: 2024-03-04, country: NL, amount: 5}}] # a second arrival: in a stream, an epoch of its own
    expect:
      - {{day: 2024-03-04, country: NL, orders: 2, amount: 15}}
      - {{day: 2024-03-05, country: NL, orders: 1, amount: 1}}
"""

ORDERS_CLEAN = """\
SELECT order_id, ordered_at, CAST(ordered_at AS DATE) AS day, customer, country, amount
FROM orders
"""

ENVIRONMENT = """\
# yaml-language-server: $schema=../schema/environment.schema.json
# What differs on this machine; `--env prod` would read conf/prod.yml instead.
storage: .etl/local # tables, quarantine, checkpoints and history
"""

GITIGNORE = ".etl/\n__pycache__/\n"

README = """\
# {name}

A [Twilight](pipelines/{name}/pipeline.yml) pipeline: the same definition runs as a batch or as a stream, into the same Delta tables.

    etl validate            # every mistake at once, without Spark
    etl test                # the tests in pipeline.yml, each as a batch and as a stream
    etl plan {name}{pad}  # what a run would do, and why
    etl run {name}
    etl run {name} --mode stream    # only what is new since
    etl audit {name}        # proves from the tables' own logs that nothing was lost or written twice

Tables are under `.etl/local/tables/{name}`, quarantined rows under `.etl/local/quarantine/{name}`.
"""


@dataclass(frozen=True, slots=True)
class InitResult:
    """The project that was made.

    Attributes:
        written: The files, relative to the folder.
        kept: Files of a project that was there, left as they are.
        sources: Empty: the rows are the example's own.
    """

    folder: Path
    pipeline: str
    written: tuple[str, ...]
    kept: tuple[str, ...]
    sources: tuple[InferredSource, ...]
    flows: tuple[str, ...]


def init(folder: Path, *, name: str | None = None, origin: str | None = None, header: bool | None = None) -> InitResult:
    """Write a project of at most eight files; ConfigurationError, with nothing written, where files would be overwritten."""
    root = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100  # links stay as the user names them
    if root.exists() and not root.is_dir():
        _refuse("E130", f"{shown(root)} is a file", "name a folder")
    chosen = name or identifier(root.name) or "pipeline"
    if not _NAME.fullmatch(chosen):
        _refuse("E107", f"'{chosen}' is no name", "a name is of the form [a-z][a-z0-9_]*")
    sources = infer_sources(origin, header=header) if origin is not None else ()
    own = _inferred(root, chosen, sources) if sources else _own_rows(chosen)
    shared = {
        "conf/local.yml": ENVIRONMENT,
        ".gitignore": GITIGNORE,
        "README.md": README.format(name=chosen, pad=" " * max(0, 12 - len(chosen))),
        **{f"schema/{kind}.schema.json": json.dumps(make(), indent=1) + "\n" for kind, make in SCHEMAS.items()},
    }
    existing = (root / "pipelines").is_dir()
    main = f"pipelines/{chosen}/pipeline.yml"
    begun = not os.path.lexists(root / main)
    kept = tuple(
        file
        for file, text in {**own, **shared}.items()
        if (existing and file in shared and os.path.lexists(root / file)) or (begun and is_there(root / file, text))
    )
    files = {file: text for file, text in {**own, **shared}.items() if file not in kept}
    taken = sorted(file for file in files if os.path.lexists(root / file))
    if existing and os.path.lexists(root / "pipelines" / f"{chosen}.yml"):
        taken.append(f"pipelines/{chosen}.yml")
    hint = "--name gives the pipeline another name" if existing else "choose an empty folder, or move them away"
    if taken:
        _refuse("E130", f"{shown(root)} holds {', '.join(taken)} already: nothing was written", hint)
    try:
        write_all(root, {**{file: text for file, text in files.items() if file != main}, main: files[main]})
    except FileExistsError as cause:  # by somebody who was faster
        _refuse("E130", f"{cause.filename2 or cause.filename} was written meanwhile: nothing was written here", hint)
    flows = tuple(f"{source.name}_clean" for source in sources) or ("orders_clean", "by_country")
    return InitResult(root, chosen, tuple(files), kept, sources, flows)


def _refuse(code: str, what: str, hint: str) -> None:
    raise ConfigurationError([Diagnostic(code, what, hint=hint)])


def _own_rows(name: str) -> dict[str, str]:
    return {
        f"pipelines/{name}/pipeline.yml": PIPELINE.format(name=_name(name)),
        f"pipelines/{name}/orders_clean.sql": ORDERS_CLEAN,
        "landing/orders/2024-03.csv": ORDERS,
    }


def _inferred(root: Path, name: str, sources: tuple[InferredSource, ...]) -> dict[str, str]:
    lines = [
        "# yaml-language-server: $schema=../../schema/pipeline.schema.json",
        "version: 1",
        f"name: {_name(name)}",
        "",
        "sources:",
    ]
    for source in sources:
        lines += _source(root, source)
    lines += ["", "flows:"]
    for index, source in enumerate(sources):
        lines += [""] * (index > 0) + _flow(source)
    tests = [line for source in sources for line in _test(source)]
    lines += ["", "tests:", *tests] if tests else []
    return {f"pipelines/{name}/pipeline.yml": "\n".join(lines) + "\n"}


def _source(root: Path, source: InferredSource) -> list[str]:
    lines = [f"  {source.name}:", f"    format: {source.format}", f"    path: {_path(root, source.path)}"]
    if source.options:
        lines.append(f"    options: {{{', '.join(f'{key}: {_scalar(value)}' for key, value in source.options)}}}")
    if source.columns:
        origin = f"guessed from {source.rows} rows" if source.rows is not None else "as the files say it"
        lines.append(f"    schema: >- # {origin}; set right what is wrong")
        lines += [
            f"      {text}"
            for text in _listed([f"{column.quoted} {column.type}".replace("$", "$$") for column in source.columns])
        ]
    if source.format in ("csv", "json"):
        lines.append("    on_malformed: quarantine # a row that does not fit is quarantined, with its text")
    return lines


def _flow(source: InferredSource) -> list[str]:
    lines = [f"  {source.name}_clean:", f"    inputs: [{source.name}]"]
    if source.columns:
        lines += ["    transform:", "      sql: |", "        SELECT"]
        lines += [f"          {text}" for text in _listed([_selected(column) for column in source.columns])]
        lines.append(f"        FROM {_in_sql(source.name)}")
    lines.append("    incremental: rows")
    whole = next((column for column in source.columns if not column.nulls), None)
    if whole is not None:
        rule = json.dumps(f"{_in_sql(whole.output)} IS NOT NULL")
        lines += [
            "    expectations:",
            f"      has_{identifier(whole.output) or 'value'}: {{expr: {rule}, on_violation: warn}}",
        ]
    return lines


def _test(source: InferredSource) -> list[str]:
    """A row like those that were looked at, given and expected: a test to begin with."""
    shown = [(column, _example(column)) for column in source.columns]
    some = [(column, value) for column, value in shown if value][:_MOST_TESTED]
    if not some:
        return []
    given = ", ".join(f"{json.dumps(column.name)}: {value}" for column, value in some)
    expected = ", ".join(f"{json.dumps(column.output)}: {value}" for column, value in some)
    return [
        f"  - name: a row of {source.name} arrives as it is",
        f"    flow: {source.name}_clean",
        f"    given: {{{source.name}: [{{{given}}}]}}",
        f"    expect: [{{{expected}}}]",
    ]


def _example(column: InferredColumn) -> str:
    """A value of the column in YAML; empty where none was seen that can be written in a line."""
    if column.example is None or not column.example.isprintable():
        return ""
    if column.type in ("INT", "BIGINT", "DOUBLE", "BOOLEAN"):
        return column.example.lower()
    if column.type in ("STRING", "DATE", "TIMESTAMP") or column.type.startswith("DECIMAL"):
        return json.dumps(column.example.replace("$", "$$"), ensure_ascii=False)
    return ""


def _selected(column: InferredColumn) -> str:
    return column.quoted if column.output == column.name else f"{column.quoted} AS {_in_sql(column.output)}"


def _in_sql(name: str) -> str:
    return name if plain(name) else f"`{name}`"


def _listed(texts: list[str]) -> list[str]:
    return [text + ("," if index < len(texts) - 1 else "") for index, text in enumerate(texts)]


def _path(root: Path, path: str) -> str:
    inside = os.path.relpath(path, root)
    text = path if inside.startswith("..") else f"./{inside}"
    return _scalar(text.replace("$", "$$"))


def _name(name: str) -> str:
    return json.dumps(name) if name in NO_TEXT else name


def _scalar(value: str | bool) -> str:  # noqa: FBT001  # an option's value
    if isinstance(value, bool):
        return str(value).lower()
    return value if _PLAIN_PATH.fullmatch(value) else json.dumps(value, ensure_ascii=not value.isprintable())
