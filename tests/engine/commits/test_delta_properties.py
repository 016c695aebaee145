"""What `validate` says of a table property is what Delta itself says of it, for every property that Delta knows."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from etl.config.grammar import delta_properties
from etl.config.grammar.delta_properties import wrong, wrong_together

BOOLEANS = ("true", "FALSE", "yes", "1", "")
LENGTHS = (
    "interval 30 days", "2 weeks", "36 HOURS", "interval  1 day 2 hours", "1.5 seconds", "0 months", "+ 1 day", "1 day -1 hour",
    "banana", "30days", "30", "1 month", "1 year", "-1 day", "1.5 days", "interval", "1 fortnight", "1 day 2", "day 1",
)  # fmt: skip
NUMBERS = ("1", "0", "-1", "-2", "+3", "x", "1.0", "99999999999", "", " 1")
WORDS = {
    "autoOptimize.autoCompact": ("true", "false", "auto", "yes"),
    "checkpointPolicy": ("classic", "v2", "V3"),
    "columnMapping.mode": ("none", "name", "ID", "nme", ""),
    "isolationLevel": ("Serializable", "serializable", "WriteSerializable", "SnapshotIsolation", "x"),
    "minReaderVersion": ("1", "2", "3", "4", "0", "x"),
    "minWriterVersion": ("2", "7", "8", "x"),
    "parquet.format.version": ("1.0.0", "2.12.0", "2.9.0", "2", "3.0.0", "2.12", "x", ""),
    "dataSkippingStatsColumns": ("id", "id,v", "`a b`, id", "s.x"),
    "universalFormat.enabledFormats": ("iceberg", "hudi", "iceberg,hudi", "parquet"),
}


TOGETHER = (
    {"delta.logRetentionDuration": "3 days"},
    {"delta.logRetentionDuration": "7 days"},
    {"delta.deletedFileRetentionDuration": "60 days"},
    {"delta.deletedFileRetentionDuration": "60 days", "delta.logRetentionDuration": "61 days"},
    {"delta.deletedFileRetentionDuration": "2 days", "delta.logRetentionDuration": "1 day"},
    {"delta.deletedFileRetentionDuration": "2 days", "delta.logRetentionDuration": "3 days"},
)


def said(spark: SparkSession, given: dict[str, str]) -> str:
    """Delta's complaint about properties; empty where it takes them."""
    jvm: Any = spark._jvm  # noqa: SLF001  # Delta's own judgement, which no SQL shows without a commit
    given = jvm.org.apache.spark.api.python.PythonUtils.toScalaMap(given)
    try:
        jvm.org.apache.spark.sql.delta.DeltaConfigs.validateConfigurations(given)
    except Exception as cause:  # noqa: BLE001  # whatever it is, Delta refuses
        return str(cause).strip().split("\n")[0] or type(cause).__name__
    return ""


def values(key: str) -> tuple[str, ...]:
    shown = delta_properties._KNOWN[key].shown  # noqa: SLF001  # which values to try
    return WORDS.get(key) or (LENGTHS if "length of time" in shown else NUMBERS if "number" in shown else BOOLEANS)


def test_every_property_of_delta_is_known_and_no_other(spark: SparkSession) -> None:
    known = spark._jvm.org.apache.spark.sql.delta.DeltaConfigs.getAllConfigs()  # type: ignore[union-attr]  # noqa: SLF001  # py4j is untyped
    theirs, names = set(), known.values().iterator()
    while names.hasNext():
        theirs.add(names.next().key())
    ours = {f"delta.{name}" for name in (*delta_properties._KNOWN, *delta_properties._INTERNAL)}  # noqa: SLF001  # the lists are what is tested
    assert ours == theirs


def test_what_validate_refuses_delta_refuses_and_what_it_passes_delta_takes(spark: SparkSession) -> None:
    apart = []
    for key in delta_properties._KNOWN:  # noqa: SLF001  # see above
        beside = {"delta.deletedFileRetentionDuration": "0 days"} if key == "logRetentionDuration" else {}
        for value in values(key):
            ours, theirs = wrong(f"delta.{key}", value), said(spark, beside | {f"delta.{key}": value})
            if (ours is not None and ours.code in ("E253", "E254")) != bool(theirs):
                apart.append(f"delta.{key} = {value!r}: we say {ours}, Delta says {theirs!r}")
    for name in ("delta.logRetentionDurations", "delta.nosuch"):
        assert wrong(name, "true").code == "E253"  # type: ignore[union-attr]  # that it is None is a failure, too
        assert said(spark, {name: "true"})
    for given in TOGETHER:
        if (wrong_together(given) is not None) != bool(said(spark, given)):
            apart.append(f"{given}: we say {wrong_together(given)}, Delta says {said(spark, given)!r}")
    assert not apart, "\n".join(apart)


def test_capitals_make_no_difference_to_a_propertys_name() -> None:
    assert delta_properties.canonical("DELTA.columnmapping.MODE") == "delta.columnMapping.mode"
    assert delta_properties.canonical("delta.feature.rowTracking") == "delta.feature.rowTracking"
