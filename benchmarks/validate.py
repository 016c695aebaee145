"""`etl validate` over 100 pipelines of 10 flows against the imports that it cannot do without, and against other builds: whole processes, in turn.

    python -m benchmarks.validate [--rounds 7] [--build COMMIT]

Prints each round and the medians of the ratios, and exits 1 where one of processor seconds is above its limit. All run in this environment.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path

from benchmarks.builds import take_out
from benchmarks.json_to_delta import HERE
from benchmarks.process import Taken, ran

LIMIT, BUILD_LIMIT = 6.0, 1.3
_THIS = "this"
PIPELINES, FLOWS = 100, 10
IMPORTS = "import pydantic, yaml, click, sqlglot"

_HEAD = """\
version: 1
name: shop_{p}
description: What shop {p} sells, to whom, and what comes back
tags: [nightly]
params:
  landing: ./landing/shop_{p}
  least: {{type: int, default: {p}}}
defaults:
  source: {{options: {{header: true, nullValue: NA}}}}
sources:
  orders:
    format: csv
    path: ${{landing}}/orders
    schema: "id BIGINT, customer BIGINT, product BIGINT, quantity INT, price DECIMAL(12, 2), country STRING, placed TIMESTAMP"
    on_malformed: quarantine
    rate_limit: {{files: 100}}
  customers: {{format: json, path: "${{landing}}/customers", schema: "id BIGINT, name STRING, country STRING"}}
  products: {{format: csv, path: "${{landing}}/products.csv", schema: "id BIGINT, title STRING, shelf STRING"}}
flows:
"""
_CLEAN = """\
  clean:
    inputs: {{orders: changes, customers: snapshot, products: snapshot}}
    transform: {{sql_file: clean.sql}}
    incremental: rows
    expectations:
      sold: {{expr: quantity > 0, on_violation: drop}}
      known_customer: {{expr: name IS NOT NULL AND length(name) < {p} + 200, on_violation: quarantine}}
    sink: {{strategy: append, partition_by: [country]}}
"""
_LATEST = """\
  latest_{f}:
    description: The last order of each customer over {f} pieces
    inputs: [clean]
    transform:
      sql: |
        SELECT id, customer, product, quantity * {f} AS quantity, placed
        FROM clean
        WHERE quantity > :least AND shelf <> 'shelf {p}-{f}'
    incremental: rows
    expectations:
      priced: {{expr: "quantity >= {f}", on_violation: warn}}
    sink: {{strategy: merge, keys: [customer], sequence_by: [placed], delete_when: quantity < {f}}}
"""
_TOTAL = """\
  total_{f}:
    description: What each country buys
    inputs: [clean]
    transform:
      sql: |
        SELECT country, date_trunc('DAY', placed) AS day, count(*) AS orders, sum(price * quantity) AS revenue
        FROM clean
        WHERE product % {p_plus} = {f}
        GROUP BY country, date_trunc('DAY', placed)
    incremental: full
"""
_PYTHON = """\
  ranked:
    inputs: [clean]
    transform: {python: "transforms:ranked"}
    incremental: full
run:
  mode: batch
  retry: {max_retries: 2, min_retry_interval: 5 seconds}
"""
_SQL = """\
-- Each order with the names of its customer and its product, shop {p}
SELECT o.id, o.customer, c.name, o.product, p.title, p.shelf, o.quantity, o.price,
       coalesce(o.country, c.country) AS country, o.placed,
       CASE WHEN o.price * o.quantity > {p}00 THEN 'large' ELSE 'small' END AS size
FROM orders AS o
LEFT JOIN customers AS c ON o.customer = c.id
LEFT JOIN products AS p ON o.product = p.id
WHERE o.placed >= TIMESTAMP '2013-01-01 00:00:00'
"""
_FUNCTIONS = """\
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def ranked(clean: DataFrame) -> DataFrame:
    window = Window.partitionBy("country").orderBy(F.desc("price"))
    return clean.withColumn("rank", F.row_number().over(window))
"""


def project(folder: Path) -> None:
    """A project of PIPELINES pipelines, each of FLOWS flows, with SQL files, SQL in the YAML, and Python; no two queries are the same."""
    for p in range(1, PIPELINES + 1):
        home = folder / "pipelines" / f"shop_{p}"
        home.mkdir(parents=True)
        flows = [_CLEAN.format(p=p)]
        flows += [(_LATEST if f % 2 else _TOTAL).format(p=p, f=f, p_plus=p + 10) for f in range(1, FLOWS - 1)]
        text = _HEAD.format(p=p) + "".join(flows) + _PYTHON
        (home / "pipeline.yml").write_text(text, encoding="utf-8")
        (home / "clean.sql").write_text(_SQL.format(p=p), encoding="utf-8")
        (home / "transforms.py").write_text(_FUNCTIONS, encoding="utf-8")
    (folder / "conf").mkdir()
    (folder / "conf" / "base.yml").write_text("storage: ./storage\nrun: {max_concurrent_flows: 4}\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--build", action="append", default=[], metavar="COMMIT", help="a build to compare with, too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        work = Path(scratch)
        project(work / "project")
        commands = {_THIS: _of_build(HERE.parent), IMPORTS: ([sys.executable, "-c", IMPORTS], {})}
        for commit in chosen.build:
            take_out(commit, work / commit)
            commands[commit] = _of_build(work / commit)
        _must_check_all(work / "project")
        rounds = []
        for number in range(-1, chosen.rounds):  # the first compiles what is not compiled yet, and does not count
            taken = {name: ran(command, work / "project", more) for name, (command, more) in commands.items()}
            shown = "; ".join(f"{name} {spent}" for name, spent in taken.items())
            print(f"{'warm-up' if number < 0 else f'round {number + 1}'}: {shown}", flush=True)
            if number >= 0:
                rounds.append(taken)
    print(f"{PIPELINES} pipelines of {FLOWS} flows, {len(rounds)} rounds, medians of the rounds' ratios:")
    passed = [_passed(name, LIMIT if name == IMPORTS else BUILD_LIMIT, rounds) for name in commands if name != _THIS]
    return 0 if all(passed) else 1


def _of_build(build: Path) -> tuple[list[str], dict[str, str]]:
    """`etl validate` of a checkout: the command and what it needs in its environment."""
    return [sys.executable, "-P", "-m", "etl", "validate"], {"PYTHONPATH": str(build)}


def _must_check_all(folder: Path) -> None:
    """Raise SystemExit unless every pipeline is checked, and valid."""
    command, more = _of_build(HERE.parent)
    done = subprocess.run(command, cwd=folder, env={**os.environ, **more}, capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stdout.count(f"{FLOWS} flows") != PIPELINES:
        raise SystemExit(f"not all pipelines were checked:\n{done.stdout}{done.stderr}")


def _passed(other: str, limit: float, rounds: Sequence[Mapping[str, Taken]]) -> bool:
    """Print the ratios to another command; whether that of the processors is within the limit."""
    cpu, wall = (
        statistics.median(pick(taken[_THIS]) / pick(taken[other]) for taken in rounds)
        for pick in (attrgetter("cpu"), attrgetter("wall"))
    )
    print(
        f"etl validate ÷ {other}: processors {cpu:.2f}, wall {wall:.2f}, limit {limit}: {'passed' if cpu <= limit else 'FAILED'}"
    )
    return bool(cpu <= limit)


if __name__ == "__main__":
    sys.exit(main())
