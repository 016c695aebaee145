"""What is said of a query's names without Spark, held against what Spark says: no false alarm, and no misspelling that is missed."""

from __future__ import annotations

import re
from collections.abc import Callable

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from etl.config.schema.ddl import parse
from etl.config.sql.relation import NamedColumn, Relation
from etl.config.sql.resolution import Resolution, resolve
from etl.config.sql.syntax import stand_in, understood
from tests.support.named_queries import TABLES, WRONG, misspelt, queries

_OF_A_NAME = re.compile(
    r"UNRESOLVED_COLUMN|UNRESOLVED_USING|FIELD_NOT_FOUND|AMBIGUOUS_|CANNOT_RESOLVE_STAR|INVALID_EXTRACT_BASE|UNRESOLVED_MAP_KEY"
)
# Of these only Spark knows the columns: names of expressions, of PIVOT and UNPIVOT, of generators that take any number of them.
_NOT_KNOWN = re.compile(r"`[^`]*\W[^`]*zz`|`\d+zz`|PIVOT|stack\(|json_tuple\(")


def test_three_hundred_queries_and_their_misspellings_are_judged_as_spark_judges_them(
    spark: SparkSession, tell: Callable[[str], None]
) -> None:
    known = {}
    for name, schema in TABLES.items():
        spark.createDataFrame([], schema).createOrReplaceTempView(name)
        known[name] = Relation(tuple(NamedColumn(column.name, column.shape) for column in parse(schema)))
    taken = found = unknown = 0
    problems: list[str] = []
    for text in (*queries(), *(text for text, _ in WRONG)):
        ours, sparks = _resolved(text, known), _refused(spark, text)
        if bool(ours.faults) != bool(sparks):
            problems.append(f"{[fault.name for fault in ours.faults]} against {sparks}: {text}")
        if sparks:
            found += 1
            continue
        taken += 1
        if not ours.output.unknown and not ours.output.has_generated_names:
            names = spark.sql(text).columns
            problems += [] if [*ours.output.names] == names else [f"returns {names}, not {ours.output.names}: {text}"]
        for wrong, start, end in misspelt(text, most=4):
            ours, sparks = _resolved(wrong, known), _refused(spark, wrong)
            here = any(fault.offset is not None and start <= fault.offset <= end for fault in ours.faults)
            found += bool(sparks) and here
            if not sparks and ours.faults:
                problems.append(f"false alarm {[fault.name for fault in ours.faults]}: {wrong}")
            elif sparks and not ours.faults and _NOT_KNOWN.search(wrong):
                unknown += 1
            elif sparks and not ours.faults:
                problems.append(f"missed {sparks}: {wrong}")
    tell(
        f"{taken} queries taken, {found} wrong names found, {unknown} that only Spark knows, {len(problems)} otherwise"
    )
    assert not problems, "\n".join(problems)
    assert (taken > 200, found > 500, unknown < 40) == (True, True, True)


def _resolved(text: str, known: dict[str, Relation]) -> Resolution:
    return resolve(understood(text) or understood(stand_in(text)), known)


def _refused(spark: SparkSession, text: str) -> str:
    """Why Spark refuses a query for a name; empty where it takes it, or refuses it for something else."""
    try:
        spark.sql(text)
    except AnalysisException as cause:
        condition = cause.getCondition() or ""
        return condition if _OF_A_NAME.match(condition) else ""
    return ""
