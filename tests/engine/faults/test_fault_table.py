"""Every error class of the jars goes through the table of faults: permanent, transient or unknown, by a written reason.

The verdicts stand in fault_table.txt beside this file; ETL_GOLDEN=write writes them again.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from etl.config.spec import FlowSpec
from etl.engine.faults.evidence import Evidence, Fact, evidence_in, plain
from etl.engine.faults.rule import Rule
from etl.engine.faults.table import RULES, UNKNOWN, judged, verdict
from etl.engine.faults.translation import translate
from etl.engine.session.jars import jars as cached
from etl.engine.session.java import find_java

pytestmark = pytest.mark.pure

GOLDEN = Path(__file__).with_name("fault_table.txt")
WORDS = {True: "transient", False: "permanent", None: "unknown"}
RAISED = re.compile(r"(?:Exception|Error|Failure)\.class$")
PACKAGES = (
    "org/apache/spark/",
    "io/delta/exceptions/",
    "io/delta/storage/",
    "org/apache/parquet/",
    "org/apache/orc/",
    "org/apache/avro/",
    "org/apache/arrow/",
    *(f"org/apache/hadoop/{name}/" for name in ("fs", "security", "hdfs", "io", "ipc", "net", "util", "mapred")),
)
NOT_IN_A_JAR = [
    "java.io.IOException",
    "java.io.EOFException",
    "java.io.FileNotFoundException",
    "java.io.NotSerializableException",
    "java.io.InvalidClassException",
    "java.io.UncheckedIOException",
    "java.nio.file.AccessDeniedException",
    "java.nio.file.NoSuchFileException",
    "java.nio.file.FileAlreadyExistsException",
    "java.nio.channels.ClosedChannelException",
    "java.nio.charset.MalformedInputException",
    "java.net.ConnectException",
    "java.net.SocketTimeoutException",
    "java.net.UnknownHostException",
    "java.net.MalformedURLException",
    "javax.net.ssl.SSLException",
    "javax.net.ssl.SSLHandshakeException",
    "java.lang.OutOfMemoryError",
    "java.lang.StackOverflowError",
    "java.lang.NullPointerException",
    "java.lang.ClassCastException",
    "java.lang.IllegalArgumentException",
    "java.lang.UnsupportedOperationException",
    "java.lang.ArithmeticException",
    "java.lang.NumberFormatException",
    "java.lang.ArrayIndexOutOfBoundsException",
    "java.lang.NoClassDefFoundError",
    "java.lang.ClassNotFoundException",
    "java.lang.AssertionError",
    "java.lang.RuntimeException",
    "java.lang.IllegalStateException",
    "java.lang.InterruptedException",
    "java.util.NoSuchElementException",
    "java.util.ConcurrentModificationException",
    "java.util.concurrent.TimeoutException",
    "java.util.concurrent.ExecutionException",
    "java.util.zip.ZipException",
    "java.time.DateTimeException",
    "scala.MatchError",
    "java.sql.SQLException",
    "java.sql.SQLTransientConnectionException",
    "java.sql.SQLSyntaxErrorException",
    "org.apache.hadoop.fs.s3a.AWSBadRequestException",
    "org.apache.hadoop.fs.s3a.AWSClientIOException",
    "org.apache.hadoop.fs.s3a.AWSNoResponseException",
    "org.apache.hadoop.fs.s3a.AWSServiceThrottledException",
    "org.apache.hadoop.fs.s3a.AWSStatus500Exception",
    "org.apache.hadoop.fs.s3a.UnknownStoreException",
    "org.apache.hadoop.fs.s3a.auth.NoAuthWithAWSException",
    "org.apache.hadoop.fs.s3a.auth.NoAwsCredentialsException",
    "software.amazon.awssdk.core.exception.SdkClientException",
    "builtins.PermissionError",
    "builtins.OSError",
    "builtins.ConnectionResetError",
]


@cache
def jars() -> list[Path]:
    spark = find_spec("pyspark")
    assert spark is not None
    assert spark.origin is not None
    return [
        *sorted((Path(spark.origin).parent / "jars").glob("*.jar")),
        *(jar for jar in cached(find_java().program) if jar.name.startswith("delta-")),
    ]


@cache
def conditions() -> dict[str, str]:
    """Every condition and class of Spark's and Delta's own lists, with the SQLSTATE that its message tells (Delta's tell none)."""
    told: dict[str, str] = {}
    for jar in jars():
        with zipfile.ZipFile(jar) as archive:
            for name in ("error/error-conditions.json", "error/delta-error-classes.json"):
                if name in archive.namelist():
                    for condition, item in json.loads(archive.read(name)).items():
                        state = item.get("sqlState", "") if "delta" not in name else ""
                        told[condition] = state
                        told |= {f"{condition}.{part}": state for part in item.get("subClass", {})}
    return told


@cache
def classes() -> tuple[str, ...]:
    return (*_classes(), *NOT_IN_A_JAR)


def _classes() -> Iterator[str]:
    for jar in jars():
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if RAISED.search(name) and name.startswith(PACKAGES):
                    yield name.removesuffix(".class").replace("/", ".")


def table() -> dict[str, list[str]]:
    """What there is, under the verdict and the reason that it gets; of a condition's parts those alone whose verdict is another."""
    told: dict[str, list[str]] = defaultdict(list)
    known = conditions()
    for name, state in known.items():
        rule, whole = verdict(Fact("condition", name, state=state)), name.partition(".")[0]
        if name == whole or rule.passes != verdict(Fact("condition", whole, state=known[whole])).passes:
            told[f"{WORDS[rule.passes]}: {rule.reason}"].append(f"{name} {state}".strip())
    for name in classes():
        rule = verdict(Fact("class", name))
        told[f"{WORDS[rule.passes]}: {rule.reason}"].append(name)
    return {reason: sorted(set(names)) for reason, names in sorted(told.items())}


def test_each_error_class_of_spark_and_delta_has_a_verdict_and_a_reason_that_somebody_has_read(
    tell: Callable[[str], None],
) -> None:
    found = table()
    text = "\n".join(f"# {reason}\n" + "".join(f"{name}\n" for name in names) for reason, names in found.items())
    if os.environ.get("ETL_GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")
    counted = {
        word: sum(len(names) for reason, names in found.items() if reason.startswith(word)) for word in WORDS.values()
    }
    assert sum(counted.values()) > 2000, counted
    tell(f"{sum(counted.values())} error classes through the table of faults: {counted}")


def test_every_rule_says_why_and_no_pattern_of_a_condition_is_dead() -> None:
    known = conditions()
    for rule in RULES:
        assert rule.reason, rule
        assert rule.advice, rule
        if rule.of == "condition":
            for name in alternatives(rule):
                assert any(re.fullmatch(name, item) for item in known), f"no jar has {name}"


def alternatives(rule: Rule) -> list[str]:
    """The patterns that stand side by side at the top of a rule's pattern."""
    parts, depth, last = [], 0, 0
    for index, letter in enumerate(rule.pattern):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            parts.append(rule.pattern[last:index])
            last = index + 1
    return [*parts, rule.pattern[last:]]


def test_every_message_of_a_rule_can_be_told() -> None:
    known = {"in_file", "record", "part", "rule", "malformed_at", "malformed_because", "malformed_shown"}
    for rule in RULES:
        words = dict.fromkeys((*known, *re.compile(rule.pattern).groupindex), "x")
        assert "{" not in rule.message.format(**words)


@pytest.mark.parametrize("state", ["22", "23", "42", "21", "0A", "38", "46", "54"])
def test_what_its_sqlstate_calls_wrong_is_permanent_but_for_conflicts_of_a_moment(state: str) -> None:
    passing = {
        name
        for name, own in conditions().items()
        if own.startswith(state) and verdict(Fact("condition", name, state=own)).passes is not False
    }
    assert passing <= {"CONCURRENT_QUERY", "INCOMPATIBLE_TABLE_CHANGE_AFTER_ANALYSIS"}, passing


@pytest.mark.parametrize(
    ("text", "passes", "kind"),
    [
        ("[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint x violated by row", False, "run"),
        ("org.apache.spark.sql.delta.DeltaUnsupportedOperationException: [DELTA_CHANGE_TABLE_FEED_DISABLED] no", False, "run"),
        ("org.apache.spark.sql.delta.DeltaUnsupportedOperationException: no", False, "run"),
        ("[STREAM_FAILED] Query terminated: [DELTA_CONCURRENT_APPEND] conflict SQLSTATE: XXKST", True, "run"),
        ("[TASK_WRITE_FAILED] Task failed while writing rows to file:/t. SQLSTATE: 58030\nCaused by: java.io.IOException: No space left on device", True, "run"),
        ("[TASK_WRITE_FAILED] Task failed. SQLSTATE: 58030\nCaused by: java.io.FileNotFoundException: /t/x.parquet (Permission denied)", False, "environment"),
        ("java.nio.file.AccessDeniedException: s3a://b/k: getFileStatus: S3Exception: (Service: S3, Status Code: 403, Request ID: 1)", False, "environment"),
        ("org.apache.hadoop.fs.s3a.AWSServiceIOException: PUT: software.amazon.awssdk.services.s3.model.S3Exception: Please reduce (Service: S3, Status Code: 503)", True, "run"),
        ("org.apache.hadoop.fs.s3a.AWSBadRequestException: HEAD: S3Exception: (Service: S3, Status Code: 400)", False, "run"),
        ("[FAILED_READ_FILE.NO_HINT] Encountered error while reading file file:/x. SQLSTATE: KD001\nCaused by: org.apache.parquet.io.ParquetDecodingException: Can not read value", False, "run"),
        ("[FAILED_READ_FILE.NO_HINT] Encountered error while reading file hdfs://n/x. SQLSTATE: KD001\nCaused by: java.net.SocketTimeoutException: 60000 millis", True, "run"),
        ("[FAILED_READ_FILE.NO_HINT] x SQLSTATE: KD001\nCaused by: [CAST_OVERFLOW] The value 300 SQLSTATE: 22003", False, "run"),
        ("Job aborted due to stage failure: Lost task 0.3: ExecutorLostFailure (executor 1 exited)", True, "run"),
        ("java.lang.OutOfMemoryError: Java heap space", True, "environment"),
        ("java.lang.StackOverflowError", False, "run"),
        ("[INTERNAL_ERROR] The Spark SQL phase planning failed. SQLSTATE: XX000\nCaused by: java.lang.NullPointerException: x", False, "run"),
        ("[INTERNAL_ERROR] something SQLSTATE: XX000", True, "run"),
        ("com.acme.driver.OddException: what?", True, "run"),
    ],
)  # fmt: skip
def test_a_chain_of_causes_is_judged_by_the_innermost_that_says_something(
    text: str, passes: bool, kind: str
) -> None:  # a table of cases
    rule = judged(evidence_in(RuntimeError(text)), spark=True).rule
    assert (rule.passes is not False, rule.kind) == (passes, kind), rule
    failure = translate(RuntimeError(text), FlowSpec("f", ()))
    assert failure.kind == kind


def test_what_no_rule_knows_is_tried_again_and_does_not_blame_the_network() -> None:
    rule = judged(Evidence("com.acme.OddException", (Fact("class", "com.acme.OddException"),)), spark=True).rule
    assert rule.passes is None
    assert "network" not in rule.advice
    assert UNKNOWN.advice == rule.advice


@pytest.mark.parametrize(
    "text",
    [
        "An error occurred while calling o31.save.\n: java.io.IOException: x",
        "py4j.protocol.Py4JJavaError: An error occurred while calling o123.collectToPython.\n: java.io.IOException: x",
        "An error occurred while calling z:org.apache.spark.sql.functions.expr.\n: java.io.IOException: x\n\tat a.B.c(D.java:1)\n\t... 12 more",
        "Py4JError: An error occurred while calling o1. Trace:\njava.io.IOException: x",
        "An error occurred while calling None.org.apache.spark.api.java.JavaSparkContext.\n: java.io.IOException: x\n\nJVM stacktrace:\n\tat a.B.c(D.java:1)",
    ],
)
def test_nothing_of_the_bridge_to_the_jvm_is_left_of_a_text(text: str) -> None:
    assert plain(text) == "java.io.IOException: x"
