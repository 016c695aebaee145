"""Spark's schema DDL, read without a JVM: `a INT, b STRUCT<x: STRING>, c DECIMAL(10,2) NOT NULL COMMENT 'why'`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from etl.config.diagnostics import did_you_mean
from etl.config.schema.types import Column, Type

_TOKEN = re.compile(r"\s*(?:(`(?:[^`]|``)+`)|('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|([A-Za-z_0-9]+)|([<>(),:]))")
_COMMENT = re.compile(r"(`(?:[^`]|``)*`|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|--[^\n]*|/\*.*?\*/", re.DOTALL)
_LENGTH = re.compile(r"\b(?:var)?char(?:acter)?\s*\(\s*\d+\s*\)", re.IGNORECASE)
_SIMPLE = frozenset(
    [
        "boolean",
        "tinyint",
        "byte",
        "smallint",
        "short",
        "int",
        "integer",
        "bigint",
        "long",
        "float",
        "real",
        "double",
        "date",
        "time",
        "geometry",
        "geography",
        "timestamp",
        "timestamp_ntz",
        "timestamp_ltz",
        "string",
        "binary",
        "decimal",
        "dec",
        "numeric",
        "void",
        "variant",
        "char",
        "character",
        "varchar",
        "interval",
    ]
)

_MOST_DIGITS = 38
_FINEST = 6
_NUMBER = re.compile(r"[0-9]+(?:[eE][0-9]+)?(?:[lsydfLSYDF]|[bB][dD])?")
_UNITS = ("year", "month", "day", "hour", "minute", "second")
_ARGUMENTS = {"time": 1, "decimal": 2, "dec": 2, "numeric": 2, "char": 1, "character": 1, "varchar": 1}


class DdlError(ValueError):
    """The DDL is wrong at `offset`, counted in characters from 0."""

    def __init__(self, message: str, offset: int, width: int = 1, *, code: str = "E310", hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.width = width
        self.code = code
        self.hint = hint or "columns are written: id BIGINT, name STRING, price DECIMAL(12, 2)"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    at: int
    quoted: bool = False


@lru_cache(maxsize=512)
def parse(text: str) -> tuple[Column, ...]:
    """The columns of a schema. Raises DdlError, with its place in `text`, where it is no DDL of Spark's."""
    tokens = _tokens(without_comments(text))
    reader = _Reader(tokens, len(text))
    columns = reader.columns()
    return tuple(columns)


def without_comments(text: str) -> str:
    """`text` with `-- …` and `/* … */` turned into spaces, so that every place in it stays what it was."""
    blank = lambda match: match.group(1) or re.sub(r"[^\n]", " ", match.group())  # noqa: E731  # one replacement
    return _COMMENT.sub(blank, text)


def without_lengths(text: str) -> str:
    """`text` with CHAR and VARCHAR of any length turned into STRING, which Spark makes of them once they are read."""
    return _LENGTH.sub("STRING", text)


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise DdlError(f"'{text[start]}' does not belong in a schema", start, hint=_quoted(text, start))
        quoted = match.group(1)
        token = quoted[1:-1].replace("``", "`") if quoted else match.group().strip()
        tokens.append(_Token(token, match.end() - len(match.group().lstrip()), quoted is not None))
        at = match.end()
    return tokens


def _quoted(text: str, at: int) -> str:
    """The hint for a name that needs backquotes, which holds the character at `at`; empty where that is in no name."""
    word = next(
        (found.group() for found in re.finditer(r"[^\W\d][\w.$@#%/-]*", text) if found.start() <= at < found.end()), ""
    )
    return f"a name of other characters than a to z, digits and _ stands in backquotes: `{word}`" if word else ""


class _Reader:
    def __init__(self, tokens: list[_Token], end: int) -> None:
        self._tokens, self._next, self._end = tokens, 0, end

    def columns(self) -> list[Column]:
        columns: list[Column] = []
        while True:
            name = self._name()
            if not name.quoted and _NUMBER.fullmatch(name.text):
                raise DdlError(
                    f"'{name.text}' is a number, not a name",
                    name.at,
                    len(name.text),
                    hint=f"`{name.text}`, in backquotes",
                )
            if any(item.name.lower() == name.text.lower() for item in columns):
                raise DdlError(
                    f"column '{name.text}' stands twice",
                    name.at,
                    len(name.text),
                    code="E312",
                    hint="keep one of them; capitals make no difference",
                )
            kind = self._type()
            self._attributes()
            columns.append(Column(name.text, kind, name.at))
            if self._peek() is None:
                return columns
            self._expect(",")

    def _type(self) -> Type:
        token = self._take("a type")
        word = token.text.lower()
        if word == "array":
            self._expect("<")
            inner = self._type()
            self._expect(">")
            return Type("array", inner=(inner,))
        if word == "map":
            self._expect("<")
            key = self._type()
            self._expect(",")
            value = self._type()
            self._expect(">")
            return Type("map", inner=(key, value))
        if word == "struct":
            return self._struct()
        if word not in _SIMPLE or token.quoted:
            near = did_you_mean(token.text.lower(), (*sorted(_SIMPLE), "array", "map", "struct")).upper()
            hint = (
                near.replace("DID YOU MEAN", "did you mean")
                or "such as STRING, BIGINT, DOUBLE, DATE, TIMESTAMP, ARRAY<INT>"
            )
            raise DdlError(f"'{token.text}' is no type of Spark's", token.at, len(token.text), code="E311", hint=hint)
        if word == "interval":
            return Type(self._interval(word))
        if word == "timestamp":
            return Type(self._zone(word))
        if word in ("geometry", "geography"):
            return Type(word + self._system(token))
        return Type(word + self._collation(word), self._arguments(token))

    def _struct(self) -> Type:
        self._expect("<")
        fields: list[Column] = []
        while not self._accept(">"):
            if fields:
                self._expect(",")
            name = self._name()
            self._accept(":")
            fields.append(Column(name.text, self._type(), name.at))
            self._attributes()
        return Type("struct", fields=tuple(fields))

    def _interval(self, word: str) -> str:
        """`INTERVAL DAY TO SECOND`: the second unit is a finer one of the same family."""
        first = self._peek()
        if first is None or first.text.lower() not in _UNITS:
            return word
        self._next += 1
        begin = first.text.lower()
        if not self._word("to"):
            return f"{word} {begin}"
        last = self._take("a unit")
        end = last.text.lower()
        finer = _UNITS[_UNITS.index(begin) + 1 :]
        if end not in finer or (begin in _UNITS[:2]) != (end in _UNITS[:2]):
            raise DdlError(
                f"INTERVAL {begin} TO {end} is no interval".upper().replace("IS NO INTERVAL", "is no interval"),
                last.at,
                len(last.text),
                hint="INTERVAL YEAR TO MONTH, or INTERVAL DAY TO SECOND",
            )
        return f"{word} {begin} to {end}"

    def _zone(self, word: str) -> str:
        """`TIMESTAMP WITHOUT TIME ZONE` is TIMESTAMP_NTZ, `WITH LOCAL TIME ZONE` is TIMESTAMP_LTZ."""
        if self._word("without"):
            words, word = ["time", "zone"], "timestamp_ntz"
        elif self._word("with"):
            words, word = ["local", "time", "zone"], "timestamp_ltz"
        else:
            return word
        for expected in words:
            if not self._word(expected):
                token = self._take(expected.upper())
                raise DdlError(f"{expected.upper()} belongs here, not '{token.text}'", token.at, len(token.text))
        return word

    def _system(self, kind: _Token) -> str:
        self._expect("(")
        token = self._take("a number, or ANY")
        if not token.text.isdigit() and token.text.lower() != "any":
            raise DdlError(
                f"{kind.text} takes a number or ANY", token.at, len(token.text), code="E314", hint=f"{kind.text}(4326)"
            )
        self._expect(")")
        return f"({token.text.lower()})"

    def _word(self, word: str) -> bool:
        token = self._peek()
        if token is not None and token.text.lower() == word and not token.quoted:
            self._next += 1
            return True
        return False

    def _collation(self, word: str) -> str:
        following = self._peek()
        if word != "string" or following is None or following.text.lower() != "collate" or following.quoted:
            return ""
        self._next += 1
        return f" collate {self._take('a collation').text.lower()}"

    def _arguments(self, kind: _Token) -> tuple[int, ...]:
        """`(10, 2)`, within what Spark allows."""
        word = kind.text.lower()
        if not self._accept("("):
            if word in ("char", "character", "varchar"):
                hint = f"{kind.text}(20), or STRING"
                raise DdlError(f"{kind.text} lacks its length", kind.at, len(kind.text), code="E314", hint=hint)
            return ()
        numbers: list[int] = []
        most = _ARGUMENTS.get(word, 0)
        if most == 0:
            raise DdlError(f"{kind.text} takes no numbers", kind.at, len(kind.text), code="E314", hint="leave them out")
        while True:
            token = self._take("a number")
            if not token.text.isdigit():
                raise DdlError(f"a number belongs here, not '{token.text}'", token.at, len(token.text))
            numbers.append(int(token.text))
            if self._accept(")"):
                self._bounds(kind, numbers, most)
                return tuple(numbers)
            self._expect(",")

    @staticmethod
    def _bounds(kind: _Token, numbers: list[int], most: int) -> None:
        wrong, word = "", kind.text.lower()
        if len(numbers) > most:
            wrong = f"{kind.text} takes {most} {'number' if most == 1 else 'numbers'} at most"
        elif most == 1 and word != "time" and numbers[0] < 1:
            wrong = f"{kind.text} holds one character at least"
        elif word == "time" and numbers[0] > _FINEST:
            wrong = f"{kind.text} has at most {_FINEST} digits after its second"
        elif most > 1 and numbers[0] > _MOST_DIGITS:
            wrong = f"{kind.text} has at most {_MOST_DIGITS} digits"
        elif most > 1 and len(numbers) > 1 and numbers[1] > numbers[0]:
            wrong = f"{kind.text} has at most {numbers[0]} digits after its point"
        if wrong:
            raise DdlError(wrong, kind.at, len(kind.text), code="E314", hint="such as DECIMAL(12, 2)")

    def _attributes(self) -> None:
        if self._word("not"):
            following = self._take("NULL")
            if following.text.lower() != "null":
                raise DdlError("NOT is followed by NULL", following.at, len(following.text))
        if self._word("comment"):
            following = self._take("a comment in quotes")
            if following.text[:1] not in "'\"":
                raise DdlError("COMMENT is followed by text in quotes", following.at, len(following.text))

    def _name(self) -> _Token:
        token = self._take("a column's name")
        if not token.quoted and not re.fullmatch(r"[A-Za-z_0-9]+", token.text):
            raise DdlError(f"a column's name belongs here, not '{token.text}'", token.at, len(token.text))
        return token

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, expected: str) -> _Token:
        token = self._peek()
        if token is None:
            raise DdlError(f"{expected} is missing at the end", max(0, self._end - 1))
        self._next += 1
        return token

    def _accept(self, text: str) -> bool:
        token = self._peek()
        if token is not None and token.text == text and not token.quoted:
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        token = self._take(f"'{text}'")
        if token.text != text or token.quoted:
            raise DdlError(f"'{text}' belongs here, not '{token.text}'", token.at, len(token.text))
