"""The properties of a Delta table that Delta 4.4 knows, the values it takes, and those that a target cannot have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.config.diagnostics import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MONTHS = {"year": 12, "month": 1}
_MICROSECONDS = {
    "week": 7 * 86_400_000_000,
    "day": 86_400_000_000,
    "hour": 3_600_000_000,
    "minute": 60_000_000,
    "second": 1_000_000,
    "millisecond": 1000,
    "microsecond": 1,
}
_PART = re.compile(
    r"([+-]?)\s*(\d{1,9})(\.\d{0,9})?\s+(year|month|week|day|hour|minute|second|millisecond|microsecond)s?(?=\s|$)"
)
_LOG_KEPT, _FILES_KEPT = "delta.logRetentionDuration", "delta.deletedFileRetentionDuration"
_FEATURE = "delta.feature."
_CONSTRAINT = "delta.constraints."


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a property: its code, what to say, what to do, and whether it is the value that is wrong."""

    code: str
    message: str
    hint: str
    value: bool = False


@dataclass(frozen=True, slots=True)
class _Values:
    takes: Callable[[str], bool]
    shown: str


def _whole(least: int) -> Callable[[str], bool]:
    return lambda text: bool(re.fullmatch(r"[+-]?\d{1,10}", text)) and least <= int(text) < 2**31


def _words(*words: str, fold: bool = False) -> _Values:
    values = {word.lower() for word in words} if fold else set(words)
    return _Values(lambda text: (text.lower() if fold else text) in values, " or ".join(words))


def microseconds(text: str) -> int | None:
    """The length of time that Delta reads in the text: Spark's interval, without months, not below zero; None where it is none."""
    words = text.strip().lower()
    rest = words.removeprefix("interval ").strip() if words.startswith("interval ") else words
    months = total = 0
    while rest:
        part = _PART.match(rest)
        if part is None or (part.group(3) and part.group(4) != "second"):
            return None
        sign = -1 if part.group(1) == "-" else 1
        months += sign * int(part.group(2)) * _MONTHS.get(part.group(4), 0)
        total += sign * int(part.group(2)) * _MICROSECONDS.get(part.group(4), 0)
        rest = rest[part.end() :].strip()
    return total if words and words != "interval" and months == 0 and total >= 0 else None


_BOOLEAN = _words("true", "false", fold=True)
_INTERVAL = _Values(
    lambda text: microseconds(text) is not None, "a length of time without months, such as interval 30 days"
)
_ANY = _Values(lambda _: True, "any text")
_COLUMNS = _Values(
    lambda text: bool(re.fullmatch(r"\s*(?:`(?:[^`]|``)+`|\w+)(?:\s*[.,]\s*(?:`(?:[^`]|``)+`|\w+))*\s*", text)),
    "names of columns with commas between them",
)

_KNOWN: Mapping[str, _Values] = {
    "appendOnly": _BOOLEAN,
    "autoOptimize": _BOOLEAN,
    "autoOptimize.autoCompact": _words("true", "false"),
    "autoOptimize.optimizeWrite": _BOOLEAN,
    "checkpoint.writeStatsAsJson": _BOOLEAN,
    "checkpoint.writeStatsAsStruct": _BOOLEAN,
    "checkpointInterval": _Values(_whole(1), "a whole number above 0"),
    "checkpointPolicy": _words("classic", "v2"),
    "checkpointRetentionDuration": _INTERVAL,
    "columnMapping.mode": _words("none", "name", "id", fold=True),
    "compatibility.symlinkFormatManifest.enabled": _BOOLEAN,
    "dataSkippingNumIndexedCols": _Values(_whole(-1), "a whole number from -1 on"),
    "dataSkippingStatsColumns": _COLUMNS,
    "dataSkippingStringPrefixLength": _Values(_whole(0), "a whole number from 0 on"),
    "deletedFileRetentionDuration": _INTERVAL,
    "dropFeatureTruncateHistory.retentionDuration": _INTERVAL,
    "enableChangeDataCapture": _BOOLEAN,
    "enableChangeDataFeed": _BOOLEAN,
    "enableDeletionVectors": _BOOLEAN,
    "enableExpiredLogCleanup": _BOOLEAN,
    "enableFullRetentionRollback": _BOOLEAN,
    "enableIcebergCompatV1": _BOOLEAN,
    "enableIcebergCompatV2": _BOOLEAN,
    "enableIcebergCompatV3": _BOOLEAN,
    "enableInCommitTimestamps": _BOOLEAN,
    "enableMaterializePartitionColumnsFeature": _BOOLEAN,
    "enableRowTracking": _BOOLEAN,
    "enableTypeWidening": _BOOLEAN,
    "enableVariantShredding": _BOOLEAN,
    "ignoreProtocolDefaults": _BOOLEAN,
    "isolationLevel": _words("Serializable", fold=True),
    "logRetentionDuration": _INTERVAL,
    "minReaderVersion": _words("1", "2", "3"),
    "minWriterVersion": _words("1", "2", "3", "4", "5", "6", "7"),
    "parquet.format.version": _Values(lambda text: bool(re.fullmatch(r"\d+\.\d+\.\d+", text)), "1.0.0 or 2.12.0"),
    "randomizeFilePrefixes": _BOOLEAN,
    "randomPrefixLength": _Values(_whole(1), "a whole number above 0"),
    "sampleRetentionDuration": _INTERVAL,
    "setTransactionRetentionDuration": _INTERVAL,
    "universalFormat.enabledFormats": _Values(
        lambda text: set(text.split(",")) <= {"", "iceberg", "hudi"}, "iceberg, hudi, or both with a comma between them"
    ),
    "writePartitionColumnsToParquet": _BOOLEAN,
}
"""Those that a sink may set, below `delta.`, with what Delta takes for each."""

_READERS = "deltalake and what reads through it could not read the table"
_UNREADABLE: Mapping[str, str] = {
    "deletionVectors": "other readers could not read a table with deletion vectors",
    "typeWidening": _READERS,
    "v2Checkpoint": _READERS,
    "vacuumProtocolCheck": _READERS,
    "variantShredding": _READERS,
    "geospatial": _READERS,
    "adaptiveMetadata": _READERS,
    "catalogManaged": "only a catalog could commit to the table, and Twilight commits to its path",
    "coordinatedCommits": "only a commit coordinator could commit to the table, and Twilight commits to its path",
    "redirectReaderWriter": "the table would be another one than its path says",
    "redirectWriterOnly": "the table would be another one than its path says",
}
"""Table features that take a target from its readers, or from Twilight: docs/concepts/tables.md shows what was tried."""

_ENABLED_BY: Mapping[str, tuple[str, str]] = {
    "enableDeletionVectors": ("true", "deletionVectors"),
    "enableTypeWidening": ("true", "typeWidening"),
    "enableVariantShredding": ("true", "variantShredding"),
    "checkpointPolicy": ("v2", "v2Checkpoint"),
}
"""The properties, and the value of each, that switch such a feature on."""

_FEATURES = (
    "allowColumnDefaults",
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    "checkpointProtection",
    "clustering",
    "columnMapping",
    "domainMetadata",
    "generatedColumns",
    "icebergCompatV1",
    "icebergCompatV2",
    "icebergCompatV3",
    "identityColumns",
    "inCommitTimestamp",
    "invariants",
    "materializePartitionColumns",
    "rowTracking",
    "timestampNtz",
    "variantType",
    "variantType-preview",
)
"""The features that may be asked for by name."""

_INTERNAL = (
    "castIcebergTimeType",
    "columnMapping.maxColumnId",
    "coordinatedCommits.commitCoordinator-preview",
    "coordinatedCommits.commitCoordinatorConf-preview",
    "coordinatedCommits.tableConf-preview",
    "ignoreIcebergBucketPartition",
    "inCommitTimestampEnablementTimestamp",
    "inCommitTimestampEnablementVersion",
    "redirectReaderWriter-preview",
    "redirectWriterOnly-preview",
    "requireCheckpointProtectionBeforeVersion",
    "rowTrackingSuspended",
    "universalFormat.iceberg.atomicConversion.supported",
)
"""What Delta and its tools write down for themselves."""

_BY_NAME = {name.lower(): name for name in (*_KNOWN, *_INTERNAL)}


def canonical(name: str) -> str:
    """A property's name in Delta's own capitals, which make no difference to Delta."""
    lower = name.lower()
    if lower.startswith("delta.") and lower.removeprefix("delta.") in _BY_NAME:
        return f"delta.{_BY_NAME[lower.removeprefix('delta.')]}"
    return name


def wrong(name: str, value: str) -> Wrong | None:
    """What is wrong with a property of a target; None where Delta takes it, and the target's readers do."""
    lower = name.lower()
    if not lower.startswith("delta."):
        return Wrong(
            "E236", f"Delta keeps no property '{name}', only those of its own", "a property begins with delta."
        )
    if lower.startswith(_FEATURE):
        return _wrong_feature(name, value)
    if lower.startswith(_CONSTRAINT):
        return Wrong(
            "E236",
            f"'{name}' is no property: a table's constraints stand in its flow",
            "write it as one of the flow's expectations, with on_violation: fail",
        )
    key = _BY_NAME.get(lower.removeprefix("delta."))
    if key is None:
        hint = (
            did_you_mean(name, [f"delta.{known}" for known in _KNOWN]) or "docs/concepts/tables.md lists what it knows"
        )
        return Wrong("E253", f"Delta knows no property '{name}'", hint)
    if key in _INTERNAL:
        return Wrong("E236", f"'{name}' is written by Delta itself", "leave the property out")
    if not _KNOWN[key].takes(value):
        return Wrong("E254", f"'{name}' takes {_KNOWN[key].shown}, not '{value}'", _meant(key, value), value=True)
    enabling, feature = _ENABLED_BY.get(key, ("", ""))
    if feature and value.lower() == enabling:
        return Wrong("E236", _UNREADABLE[feature], "leave the property out")
    if key == "universalFormat.enabledFormats" and value:
        return Wrong(
            "E236", f"'{name}' needs jars of Iceberg's or Hudi's, which are not there", "leave the property out"
        )
    return None


def wrong_together(properties: Mapping[str, str]) -> Wrong | None:
    """What is wrong with properties that Delta takes one by one: a log that is shorter than the files it names are kept."""
    values = {canonical(name): value for name, value in properties.items()}
    log = microseconds(values.get(_LOG_KEPT, "30 days"))
    files = microseconds(values.get(_FILES_KEPT, "7 days"))
    if log is None or files is None or log >= files or not {_LOG_KEPT, _FILES_KEPT} & values.keys():
        return None
    message = f"'{_LOG_KEPT}' ({values.get(_LOG_KEPT, '30 days')}) is shorter than '{_FILES_KEPT}' ({values.get(_FILES_KEPT, '7 days')})"
    return Wrong("E254", message, "keep the log at least as long as the files that are deleted", value=True)


def log_kept_s(properties: Mapping[str, str]) -> float:
    """For how many seconds Delta keeps the log of a table with these properties; it keeps it for 30 days where they do not say."""
    values = {name.lower(): value for name, value in properties.items()}
    kept = microseconds(values.get(_LOG_KEPT.lower(), "30 days"))
    return (kept if kept is not None else microseconds("30 days") or 0) / 1e6


def warning(name: str, value: str) -> str:
    """What a reader of the target should know before a property is set; empty where there is nothing."""
    lower = name.lower()
    mapped = lower == "delta.columnmapping.mode" and value.lower() != "none"
    if mapped or lower == f"{_FEATURE}columnmapping":
        return (
            f"with '{name}' the columns of the files have other names than the table's: readers that do not know column mapping"
            " cannot read it, and deltalake's to_pyarrow_table and to_pyarrow_dataset give NULL for every value"
        )
    return ""


def _wrong_feature(name: str, value: str) -> Wrong | None:
    feature = name[len(_FEATURE) :]
    unreadable = {key.lower(): why for key, why in _UNREADABLE.items()}
    bare = re.sub(r"-(?:preview|dev)$", "", feature.lower())
    if bare in unreadable:
        return Wrong("E236", f"'{name}': {unreadable[bare]}", "leave the property out")
    if feature.lower() not in {name.lower() for name in _FEATURES}:
        hint = did_you_mean(name, [f"{_FEATURE}{each}" for each in _FEATURES]) or f"it knows: {', '.join(_FEATURES)}"
        return Wrong("E253", f"Delta knows no table feature '{feature}'", hint)
    if value.lower() not in ("supported", "enabled"):
        return Wrong("E254", f"'{name}' takes supported, not '{value}'", "write supported", value=True)
    return None


def _meant(key: str, value: str) -> str:
    words = [word for word in _KNOWN[key].shown.split(" or ") if " " not in word]
    return did_you_mean(value, words) or "correct the value, or leave the property out"
