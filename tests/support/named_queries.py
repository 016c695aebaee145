"""Queries over tables whose columns are known: those that Spark takes, and those of which it says that a name is wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sqlglot import exp

from etl.config.sql.syntax import stand_in, understood

TABLES = {
    "orders": "id INT, customer_id INT, amount DECIMAL(12,2), at TIMESTAMP, tags ARRAY<STRING>,"
    " address STRUCT<street: STRING, geo: STRUCT<lat: DOUBLE, lon: DOUBLE>>, lines ARRAY<STRUCT<sku: STRING, qty: INT>>,"
    " props MAP<STRING, STRING>, note STRING",
    "customers": "customer_id INT, name STRING, region STRING, since DATE",
    "events": "at TIMESTAMP, who STRING, kind STRING, n INT, `odd name` STRING",
    "t": "t STRUCT<t: INT, x: INT>, x INT, y STRING",
}
WRONG: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("SELECT customer_id FROM orders JOIN customers ON orders.customer_id = customers.customer_id", ("customer_id",)),
    ("SELECT c.name FROM orders LEFT SEMI JOIN customers c ON orders.customer_id = c.customer_id", ("c",)),
    ("SELECT id FROM orders o LEFT ANTI JOIN customers c USING (customer_id) WHERE region = 'x'", ("region",)),
    ("SELECT amount * 2 AS double FROM orders WHERE double > 3", ("double",)),
    ("SELECT DISTINCT customer_id AS c FROM orders ORDER BY amount", ("amount",)),
    ("SELECT DISTINCT customer_id AS c FROM orders ORDER BY customer_id", ("customer_id",)),
    ("SELECT id FROM orders UNION ALL SELECT customer_id FROM customers ORDER BY customer_id", ("customer_id",)),
    ("WITH big(x, y) AS (SELECT id, amount FROM orders) SELECT id FROM big", ("id",)),
    ("SELECT note FROM (SELECT id, amount FROM orders) s", ("note",)),
    ("SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM customers c WHERE EXISTS (SELECT 1 FROM events e WHERE e.n = o.id))", ("o",)),
    ("SELECT note FROM (SELECT * EXCEPT (note) FROM orders)", ("note",)),
    ("SELECT sku FROM (SELECT lines[0].sku FROM orders)", ("sku",)),
    ("SELECT id FROM orders a JOIN orders b ON a.id = b.customer_id", ("id",)),
    ("SELECT o.id FROM orders o JOIN customers c ON o.customer_id = e.n JOIN events e ON e.who = c.name", ("e",)),
    ("SELECT x FROM (SELECT x, y AS x FROM t)", ("x",)),
    ("SELECT customer_id FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.customer_id)", ("customer_id",)),
    ("SELECT id FROM orders o JOIN (SELECT name FROM customers c WHERE c.customer_id = o.customer_id) l", ("o",)),
    ("SELECT j.c FROM (SELECT from_json(note, 'a INT, b STRING') AS j FROM orders)", ("c",)),
    ("SELECT * FROM orders WHERE id = 1 AND amount = z", ("z",)),
    ("SELECT address AS a, a.streeet FROM orders", ("streeet",)),
    ("SELECT id FROM orders o WHERE o.address.geo.lat > 3 AND o.address.geo.lati < 3", ("lati",)),
    ("SELECT lines.sku FROM orders WHERE lines.skuu IS NOT NULL", ("skuu",)),
    ("SELECT m.idd FROM (SELECT max(struct(at, id)) AS m FROM orders)", ("idd",)),
    ("SELECT customer_id FROM (SELECT id FROM orders UNION ALL SELECT customer_id FROM customers)", ("customer_id",)),
    ("SELECT nosuch.* FROM events", ("nosuch",)),
    ("SELECT at FROM events, orders", ("at",)),
    ("SELECT sum(n) FILTER (WHERE kind = 'a') AS a, sum(n) FILTER (WHERE kindd = 'b') AS b FROM events", ("kindd",)),
    ("SELECT who w FROM events WHERE w = 'a'", ("w",)),
    ("SELECT o.id oid FROM orders o JOIN events e ON oid = n", ("oid",)),
    ("SELECT id FROM orders o WHERE o.id IN (SELECT idd FROM events)", ("idd",)),
    ("SELECT a FROM (SELECT 1 AS a) a JOIN (SELECT 1 AS a) b ON a.a = b.a", ("a",)),
)  # fmt: skip
"""Queries that Spark refuses for a name, and the part of each that is wrong."""


@cache
def queries() -> tuple[str, ...]:
    """The queries that Spark takes, one a line of the file."""
    return tuple(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").splitlines())


def misspelt(text: str, most: int) -> Iterator[tuple[str, int, int]]:
    """The query with one name misspelt, at most so often, each with the offsets of that name's first and last character."""
    tree = understood(text) or understood(stand_in(text))
    names = [column.parts for column in tree.find_all(exp.Column) if not isinstance(column.this, exp.Star)]
    columns = [parts for parts in names if all(part.meta.get("end") for part in parts)]
    chosen = random.Random(text)  # the same ones in each run
    for parts in chosen.sample(columns, min(most, len(columns))):
        part = chosen.choice(parts)
        start, end = part.meta["start"], part.meta["end"]
        end -= text[end] == "`"
        yield f"{text[: end + 1]}zz{text[end + 1 :]}", start, end
