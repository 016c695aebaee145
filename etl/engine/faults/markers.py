"""Errors that we raise inside Spark ourselves, as they are written there and found again in what Spark makes of them."""

from __future__ import annotations

EXPECTATION = "etl-expectation-failed"
"""A violated `fail` expectation: `[etl-expectation-failed:<name>] <row>`."""

NULL_SEQUENCE = "etl-null-sequence"
"""A row whose `sequence_by` is NULL: `[etl-null-sequence] <what>`."""

PARTITION_VALUE = "etl-partition-value"
"""A row with a value that a partition would not keep: `[etl-partition-value] <what>`."""

LOCK_LOST = "etl-lock-lost"
"""A commit of a run that lost its lock: `[etl-lock-lost] <what>`; written by jvm/ConditionalLogStore.java."""

UNREADABLE = "etl-unreadable"
"""A file that cannot be read as it was written, whatever becomes of malformed records: `[etl-unreadable] <file>:<line> | <why> | `; likewise."""
MALFORMED = "etl-malformed"
"""A record that is no row, of a source that takes none such: `[etl-malformed] <file>:<line> | <why> | <record>`; written by
jvm/files/MalformedRecord.java. Line 0 stands for a column of the whole file."""
