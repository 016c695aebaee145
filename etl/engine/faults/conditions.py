"""Faults that words, Spark's error conditions, Delta's error classes and SQLSTATEs tell (docs/concepts/faults.md)."""

from __future__ import annotations

from etl.engine.faults import markers
from etl.engine.faults.rule import MEMORY, WHOLE_FILE, Rule

TEXTS = (
    Rule(
        "text",
        rf"\[{markers.LOCK_LOST}\] (?P<what>[^\n]*)",
        passes=False,
        reason="another run holds the lock by now",
        message="{what}",
        hint="it did not renew the lock in time: it was paused, or cut off from the store; nothing of it was committed since",
    ),
    Rule(
        "text",
        rf"\[{markers.EXPECTATION}:(?P<name>[^\]]+)\] (?P<row>[^\n]*?)(?: SQLSTATE: P0001)?(?:\n|$)",
        passes=False,
        reason="the same rows break the same expectation",
        kind="expectation",
        message="expectation '{name}'{rule} is violated, by the row {row}",
        hint="correct the data, or say drop or quarantine in on_violation; nothing was written",
    ),
    Rule(
        "text",
        rf"\[{markers.NULL_SEQUENCE}\] (?P<what>\S[^\n]* is NULL)(?: SQLSTATE|\n|$)",
        passes=False,
        reason="the same row has no sequence again",
        kind="expectation",
        message="{what}, so the newest row of a key cannot be told",
        hint="fill the column in the transform, or drop such rows by an expectation",
    ),
    Rule(
        "text",
        rf"\[{markers.PARTITION_VALUE}\] (?P<what>[^\n]*?)(?: SQLSTATE: P0001)?(?:\n|$)",
        passes=False,
        reason="the same row has the same value again",
        kind="expectation",
        message="{what}",
        hint="give such values a name of their own in the transform (coalesce, nullif, hex), drop or quarantine the rows by an expectation, or say"
        " cluster_by instead of partition_by; nothing was written",
    ),
    Rule(
        "text",
        r"CSV header(?s:.*?)Header length: (?P<header>\d+), schema size: (?P<schema>\d+)",
        passes=False,
        reason="the file is as it is",
        kind="expectation",
        message="a file's header is not its source's schema: the header has {header} columns, the schema {schema}{in_file}",
        hint="bring the schema into the header's order; or take columns by place with options: {enforceSchema: true}",
    ),
    Rule(
        "text",
        r"CSV header(?s:.*?)Header: (?P<header>[^\n]*)\n\s*Schema: (?P<schema>[^\n]*)",
        passes=False,
        reason="the file is as it is",
        kind="expectation",
        message="a file's header is not its source's schema: the header says {header}; the schema {schema}{in_file}",
        hint="bring the schema into the header's order; or take columns by place with options: {enforceSchema: true}",
    ),
    Rule(
        "text",
        r"CSV header",
        passes=False,
        reason="the file is as it is",
        kind="expectation",
        message="a file's header is not its source's schema{in_file}",
        hint="bring the schema into the header's order; or take columns by place with options: {enforceSchema: true}",
    ),
    Rule(
        "text",
        r"Unexpected end of input stream|not in gzip format|incorrect header check|invalid (?:block|stored block|code)|bad block header"
        r"|unexpected end of stream|not a gzip file",
        passes=False,
        reason="the file has the same bytes at the next try",
        kind="expectation",
        message="a compressed file is damaged or cut off{in_file}",
        hint=WHOLE_FILE,
    ),
    Rule(
        "text",
        r"is not a Parquet file|Could not read footer|CANNOT_READ_FILE_FOOTER|Malformed ORC file|Not a valid ORC file"
        r"|corrupted file: the footer|can not read class org\.apache\.parquet\.format",
        passes=False,
        reason="the file has the same bytes at the next try",
        kind="expectation",
        message="a file is damaged or cut off{in_file}",
        hint=WHOLE_FILE,
    ),
    Rule(
        "text",
        rf"\[{markers.UNREADABLE}\] (?P<malformed_file>\S+):(?P<malformed_line>\d+|row (?:about )?\d+) \| (?P<why>[^\n]*?) \| ",
        passes=False,
        reason="the file has the same bytes at the next try",
        kind="expectation",
        message="a file cannot be read as it was written, at {malformed_at}: {why}",
        hint="do what is said there, or have the file rewritten; nothing was written",
    ),
    Rule(
        "text",
        rf"\[{markers.MALFORMED}\] (?P<malformed_file>\S+):0 \| (?P<why>[^\n]*?) \| ",
        passes=False,
        reason="the file has the same columns at the next try",
        kind="expectation",
        message="{malformed_file} does not fit its source's schema: {why}",
        hint="declare the type that the file has, and cast in the transform",
    ),
    Rule(
        "text",
        rf"\[{markers.MALFORMED}\] (?P<malformed_file>\S+):(?P<malformed_line>\d+|row \d+|\d+ after byte \d+)"
        r" \| (?P<malformed_why>[^\n]*?) \| (?P<malformed_record>[^\n]*)",
        passes=False,
        reason="the same row does not fit at the next try",
        kind="expectation",
        message="a row does not fit its source's schema, at {malformed_at}{malformed_because}{malformed_shown}",
        hint="correct the file, or say on_malformed: quarantine or drop at the source; nothing was written",
    ),
    Rule(
        "text",
        r"MALFORMED_RECORD_IN_PARSING[^\n]*?|Malformed records are detected",
        passes=False,
        reason="the same row does not fit at the next try",
        kind="expectation",
        message="a row does not fit its source's schema{record}{in_file}",
        hint="correct the file, or say on_malformed: quarantine or drop at the source; nothing was written",
    ),
    Rule(
        "text",
        r"\[EMPTY_PARTITION_COLUMN_(?P<what>VALUE|NAME)\][^\n]*?path segment '(?P<folder>[^']*)'",
        passes=False,
        reason="the folder is called so at the next try",
        kind="expectation",
        message="the folder '{folder}' of its source stands for a column of partitions, and has no {part} in its name{in_file}",
        hint="rename the folder to column=value (a NULL is column=__HIVE_DEFAULT_PARTITION__), or take it away; nothing was written",
    ),
)
"""Faults that only words tell, our own among them: looked for before anything else, in this order."""

CONDITIONS = (
    # What only says that something below it failed.
    Rule(
        "condition",
        r"STREAM_FAILED|TASK_WRITE_FAILED|FOREACH_BATCH_USER_FUNCTION_ERROR|STAGE_MATERIALIZATION_MULTIPLE_FAILURES",
        passes=None,
        reason="it only says that something below it failed",
    ),
    Rule(
        "condition",
        r"_LEGACY_\w+",
        passes=None,
        reason="Spark gave it no name yet: the Java class that raises it decides",
    ),
    Rule(
        "condition",
        r"FAILED_READ_FILE\.(?:CANNOT_READ_FILE_FOOTER|PARQUET_COLUMN_DATA_TYPE_MISMATCH|UNSUPPORTED_FILE_SYSTEM)",
        passes=False,
        reason="the file is no file of its format, or has another type, at the next try too",
        hint="bring the whole file again, or correct its source's schema",
    ),
    Rule(
        "condition",
        r"FAILED_READ_FILE\.FILE_NOT_EXIST",
        passes=True,
        reason="the file went away after it was listed; the next try lists again",
        hint="a file went away while it was read; if it stays away, look for who removes files of the source: nothing is half-written",
    ),
    Rule(
        "condition",
        r"FAILED_READ_FILE(?:\.\w+)?|DELTA_FAILED_READ_FILE_FOOTER|DELTA_CHANGELOG_READ_FAILED(?:\.\w+)?"
        r"|CANNOT_(?:LOAD_STATE_STORE|WRITE_STATE_STORE|LOAD_CHECKPOINT_FILE_MANAGER)(?:\.(?:UNCATEGORIZED|CANNOT_COMMIT|CANNOT_READ_CHECKPOINT"
        r"|CANNOT_READ_STREAMING_STATE_FILE|FAILED_TO_GET_CHANGELOG_WRITER|AUTO_SNAPSHOT_REPAIR_FAILED))?"
        r"|FAILED_RENAME_TEMP_FILE|CANNOT_RESTORE_PERMISSIONS_FOR_PATH|FAILED_JDBC(?:\.\w+)?|UNABLE_TO_FETCH_HIVE_TABLES|DATA_SOURCE_EXTERNAL_ERROR"
        r"|FAILED_TO_CREATE_PLAN_FOR_DIRECT_QUERY|DELTA_POST_COMMIT_HOOK_FAILED|DELTA_UNIVERSAL_FORMAT_CONVERSION_FAILED",
        passes=None,
        reason="a file, a table or a service could not be read or written; why stands in the cause below it",
    ),
    # What may pass.
    Rule(
        "condition",
        r"DELTA_CONCURRENT_(?:APPEND|DELETE_DELETE|DELETE_READ|TRANSACTION|WRITE)(?:\.\w+)?|DELTA_(?:METADATA|PROTOCOL)_CHANGED"
        r"|DELTA_MAX_COMMIT_RETRIES_EXCEEDED|DELTA_FEATURE_DROP_(?:CONFLICT_REVALIDATION_FAIL|CHECKPOINT_FAILED)"
        r"|DELTA_ROW_TRACKING_BACKFILL_RUNNING_CONCURRENTLY_WITH_UNBACKFILL|CONCURRENT_STREAM_LOG_UPDATE|CONCURRENT_QUERY",
        passes=True,
        reason="somebody else wrote at the same moment; the next try begins from what is there now",
        hint="somebody else wrote to the table at the same time; find out who, then run again: nothing is half-written",
    ),
    Rule(
        "condition",
        r"DELTA_SCHEMA_CHANGED(?:_WITH_\w+)?|DELTA_SCHEMA_CHANGE_SINCE_ANALYSIS|DELTA_STREAMING_(?:METADATA_EVOLUTION|SCHEMA_MISMATCH_ON_RESTART)"
        r"|INCOMPATIBLE_TABLE_CHANGE_AFTER_ANALYSIS(?:\.\w+)?|INCOMPATIBLE_COLUMN_CHANGES_AFTER_VIEW_WITH_PLAN_CREATION",
        passes=True,
        reason="the table changed between analysis and reading; the next try analyses what is there now",
        hint="a table that the flow reads changed just then; run again: nothing is half-written",
    ),
    Rule(
        "condition",
        r"CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND|INTERNAL_ERROR_(?:NETWORK|SHUFFLE|BROADCAST|STORAGE|EXECUTOR)"
        r"|DELTA_MERGE_MATERIALIZE_SOURCE_FAILED_REPEATEDLY|STREAMING_PYTHON_RUNNER_INITIALIZATION_(?:COMMUNICATION|TIMEOUT)_FAILURE"
        r"|STATE_STORE_OPERATION_OUT_OF_ORDER|STATE_STORE_UNEXPECTED_EMPTY_FILE_IN_ROCKSDB_ZIP|STATE_STORE_COMMIT_VALIDATION_FAILED"
        r"|DELTA_COMMIT_INTERMEDIATE_REDIRECT_STATE",
        passes=True,
        reason="an executor, a block or a connection inside the cluster was lost, or Spark itself asks for another try",
    ),
    Rule(
        "condition",
        r"(?:AGGREGATE|POINTER_ARRAY|SPILL)_OUT_OF_MEMORY|UNABLE_TO_ACQUIRE_MEMORY|INTERNAL_ERROR_MEMORY"
        r"|CANNOT_LOAD_STATE_STORE\.(?:ROCKSDB|HDFS)_STORE_PROVIDER_OUT_OF_MEMORY",
        passes=True,
        reason="flows side by side share the memory; alone the same work may fit",
        kind="environment",
        hint=MEMORY,
    ),
    # What nobody can tell.
    Rule(
        "condition",
        r"INTERNAL_ERROR|INTERNAL_ERROR_TWS|STDS_INTERNAL_ERROR|DELTA_COMMAND_INVARIANT_VIOLATION|CANNOT_LOAD_STATE_STORE(?:\.UNRELEASED_THREAD_ERROR)?",
        passes=None,
        reason="a fault inside Spark or Delta: of the plan, so that it stays, or of a race, so that it passes",
    ),
    Rule(
        "condition",
        r"SPARK_JOB_CANCELLED|OPERATION_CANCELED|INVALID_HANDLE(?:\.\w+)?|INVALID_CURSOR(?:\.\w+)?|CONNECT(?:\.\w+)?|CONNECT_CLIENT_UNEXPECTED_MISSING_SQL_STATE"
        r"|SPARK_CONNECT_ILLEGAL_STATE(?:\.\w+)?",
        passes=None,
        reason="somebody cancelled the work, or the session on the server ended; both may be wanted",
    ),
    # What stays, with better advice than the rest of its kind.
    Rule(
        "condition",
        r"PYTHON_EXCEPTION|PYTHON_DATA_SOURCE_ERROR|PYTHON_STREAMING_DATA_SOURCE_RUNTIME_ERROR|FAILED_EXECUTE_UDF",
        passes=False,
        reason="a function of the user's raised it, and does so again on the same row",
        hint="correct the function, or the rows that it cannot take; running again will fail the same way",
    ),
    Rule(
        "condition",
        r"DELTA_STREAMING_(?:INCOMPATIBLE_SCHEMA_CHANGE\w*|CANNOT_CONTINUE_PROCESSING_POST_SCHEMA_EVOLUTION|CHECK_COLUMN_MAPPING_NO_SNAPSHOT)",
        passes=False,
        reason="a column that the stream's checkpoint knows was renamed or dropped: it cannot go on from there",
        hint="rebuild the flow from its source as it is now, with --select {flow} --mode batch --full-refresh; streams go on from there",
    ),
    Rule(
        "condition",
        r"DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE|MERGE_CARDINALITY_VIOLATION",
        passes=False,
        reason="the same rows have one key again",
        hint="let the keys tell the rows of the transform apart, or name a sequence_by that tells which of them is the newest",
    ),
    Rule(
        "condition",
        r"DELTA_UNSUPPORTED_FEATURES_FOR_(?:READ|WRITE)|DELTA_INVALID_PROTOCOL_VERSION",
        passes=False,
        reason="the table asks for more than this Delta knows",
        hint="write the table with a Delta no newer than this one, or drop the feature from it (ALTER TABLE … DROP FEATURE)",
    ),
    Rule(
        "condition",
        r"RESERVED_CDC_COLUMNS_ON_WRITE",
        passes=False,
        reason="the names belong to Delta's change feed",
        hint="rename the column: _change_type, _commit_version and _commit_timestamp belong to the change feed of the table",
    ),
    # What Delta and Spark refuse.
    Rule(
        "condition",
        r"DELTA_\w+(?:\.\w+)?|DIFFERENT_DELTA_TABLE_READ_BY_STREAMING_SOURCE|INCORRECT_NUMBER_OF_ARGUMENTS|WRONG_COLUMN_DEFAULTS_FOR_DELTA_\w+"
        r"|(?:UNRESOLVED_)?INSERT_REPLACE_USING_\w+",
        passes=False,
        reason="Delta refuses what it was asked, and its messages have no SQLSTATE: what may pass stands above by name",
    ),
    Rule(
        "condition",
        r"UNSUPPORTED_\w+(?:\.\w+)?|UNRESOLVED_\w+(?:\.\w+)?|DATATYPE_MISMATCH(?:\.\w+)?|(?:CAST_|NUMERIC_)\w+|DIVIDE_BY_ZERO|ARITHMETIC_OVERFLOW",
        passes=False,
        reason="a query that is not understood, or a value that its rules do not take, also where no SQLSTATE is told",
    ),
)
"""Spark's error conditions and Delta's error classes, by name."""

STATES = (
    Rule("state", r"0A", passes=False, reason="SQLSTATE 0A: a feature that is not supported"),
    Rule("state", r"21", passes=False, reason="SQLSTATE 21: more or fewer values than fit"),
    Rule("state", r"22", passes=False, reason="SQLSTATE 22: a value that a rule of ANSI SQL does not take"),
    Rule("state", r"23|44", passes=False, reason="SQLSTATE 23, 44: a constraint is violated"),
    Rule("state", r"38|39|46|P0", passes=False, reason="SQLSTATE 38, 39, 46, P0: raised by a function of the user's, or about one"),
    Rule("state", r"42|3F|2B|51|07", passes=False, reason="SQLSTATE 42, 3F, 2B, 51, 07: syntax, names, types or access"),
    Rule("state", r"54|F0|56|55|24|25|02|0B|08003|HV091|HY000|HY109", passes=False, reason="SQLSTATE 54, 55, 56, F0 and cursors: a limit, a setting or a state that stays"),
    Rule("state", r"KD", passes=False, reason="SQLSTATE KD: the source or the table is not as it must be"),
    Rule("state", r"XX", passes=False, reason="SQLSTATE XX: Spark's plan, state or catalog is damaged, and is so at the next try"),
    Rule("state", r"08|40|53|57", passes=True, reason="SQLSTATE 08, 40, 53, 57: a connection, a conflict, resources or an operator's doing"),
    Rule("state", r"58|HV|HY|82|2D", passes=None, reason="SQLSTATE 58 and the like: something outside Spark failed; why stands below it"),
)  # fmt: skip
"""The classes of SQLSTATEs, for conditions that no rule names."""
