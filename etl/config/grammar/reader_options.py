"""What Spark's readers can be told, format by format: for editors and messages. An option that is not here is passed on all the same.

Names, types and defaults are those of Spark's "Generic Load/Save Functions" pages for each data source, version 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ReaderOption:
    """One option of a reader: the type of its value, and what it does."""

    type: Literal["text", "bool", "int"]
    description: str
    choices: tuple[str, ...] = ()


def _text(description: str, *choices: str) -> ReaderOption:
    return ReaderOption("text", description, choices)


def _bool(description: str) -> ReaderOption:
    return ReaderOption("bool", description)


def _int(description: str) -> ReaderOption:
    return ReaderOption("int", description)


_DATES = {
    "dateFormat": _text("How dates are written, as a pattern such as dd.MM.yyyy (default yyyy-MM-dd)."),
    "timestampFormat": _text("How timestamps are written, as a pattern (default ISO 8601)."),
    "timestampNTZFormat": _text("How timestamps without a zone are written, as a pattern."),
    "locale": _text("The language of names of months and days, such as de-DE (default en-US)."),
}
_LINES = {
    "encoding": _text("The character set of the files (default UTF-8)."),
    "lineSep": _text("What ends a line (default: any of \\n, \\r, \\r\\n)."),
    "multiLine": _bool(
        "Whether one record may stand on several lines (default false); such a file is read by one process."
    ),
}
_REBASE = ("EXCEPTION", "CORRECTED", "LEGACY")

READER_OPTIONS: dict[str, dict[str, ReaderOption]] = {
    "csv": {
        "header": _bool("Whether the first line of each file holds the names (default false)."),
        "sep": _text("What stands between two fields (default a comma)."),
        "quote": _text('What fields with separators are put in (default "); empty: no quoting.'),
        "escape": _text('What stands before a quote inside of quotes (default \\); " where quotes are doubled.'),
        "comment": _text("Lines that begin with this character are left out (default: none are)."),
        "nullValue": _text("The text that means null (default: the empty text)."),
        "emptyValue": _text("What an empty text in quotes is read as (default: null, as an empty field is)."),
        "nanValue": _text("The text that means not-a-number (default NaN)."),
        "positiveInf": _text("The text that means infinity (default Inf)."),
        "negativeInf": _text("The text that means minus infinity (default -Inf)."),
        "ignoreLeadingWhiteSpace": _bool("Whether spaces before a value are left out (default false)."),
        "ignoreTrailingWhiteSpace": _bool("Whether spaces after a value are left out (default false)."),
        "enforceSchema": _bool("Whether columns are taken by place, whatever the header calls them (default false: they must agree)."),
        "unescapedQuoteHandling": _text(
            "What is done with a quote in a field without quotes.",
            "STOP_AT_CLOSING_QUOTE", "BACK_TO_DELIMITER", "STOP_AT_DELIMITER", "SKIP_VALUE", "RAISE_ERROR",
        ),
        "charToEscapeQuoteEscaping": _text("What escapes the escape of a quote."),
        "maxColumns": _int("The most columns a record may have (default 20480)."),
        "maxCharsPerColumn": _int("The longest value (default -1: any length)."),
        **_DATES,
        **_LINES,
    },
    "json": {
        "allowComments": _bool("Whether comments as in Java and C++ are passed over (default false)."),
        "allowSingleQuotes": _bool("Whether single quotes count, too (default true)."),
        "allowUnquotedFieldNames": _bool("Whether names may stand without quotes (default false)."),
        "allowNumericLeadingZeros": _bool("Whether numbers such as 00012 are taken (default false)."),
        "allowNonNumericNumbers": _bool("Whether NaN and Infinity are numbers (default true)."),
        "allowBackslashEscapingAnyCharacter": _bool("Whether a backslash may stand before any character (default false)."),
        "allowUnquotedControlChars": _bool("Whether text may hold control characters as they are (default false)."),
        "timeZone": _text("The zone of timestamps that name none (default: the run's timezone)."),
        **_DATES,
        **_LINES,
    },
    "parquet": {
        "mergeSchema": _bool("Whether the files' schemas are put together (default false)."),
        "datetimeRebaseMode": _text("How dates of the old calendar are read.", *_REBASE),
        "int96RebaseMode": _text("How INT96 timestamps of the old calendar are read.", *_REBASE),
    },
    "orc": {"mergeSchema": _bool("Whether the files' schemas are put together (default false).")},
    "text": {
        "wholetext": _bool("Whether a file is one row (default false: a line is)."),
        "lineSep": _text("What ends a line (default: any of \\n, \\r, \\r\\n)."),
    },
}  # fmt: skip

OWNED_OPTIONS = {
    "mode": "on_malformed",
    "columnnameofcorruptrecord": "on_malformed",
    "badrecordspath": "on_malformed",
    "ignorecorruptfiles": "on_malformed",
    "ignoremissingfiles": "nothing: a file that goes missing is never passed over",
    "maxfilespertrigger": "rate_limit: {files: …}",
    "maxbytespertrigger": "rate_limit: {bytes: …}",
    "maxfileage": "nothing: files are never too old",
    "latestfirst": "nothing: the order of files never decides",
    "filenameonly": "nothing: a file is its whole path",
    "cleansource": "nothing: files are never deleted",
    "inferschema": "schema",
    "path": "path",
    "basepath": "path",
    "recursivefilelookup": "path, with a glob",
    "pathglobfilter": "path, with a glob",
    "modifiedbefore": "nothing: every file counts",
    "modifiedafter": "nothing: every file counts",
    "versionasof": "nothing: the framework pins versions",
    "timestampasof": "nothing: the framework pins versions",
    "startingversion": "nothing: the framework knows where to start",
    "startingtimestamp": "nothing: the framework knows where to start",
    "readchangefeed": "nothing: a flow that needs the change feed reads it",
    "ignorechanges": "nothing: changes are never ignored",
    "ignoredeletes": "nothing: deletes are never ignored",
    "skipchangecommits": "nothing: commits are never skipped",
}
"""Options of a reader that the framework sets itself, in small letters: what says the same instead."""
