"""Text files whose columns have fixed widths: a listing of files like any other, and a line cut into a row."""

from dataclasses import replace

from pyspark.sql import functions as F

from etl.plugins import CORRUPT, FileSource, parse_ddl


class FixedWidth(FileSource):
    """All that knows of files is the text source's; only what a line means is ours."""

    def __init__(self, spec):
        super().__init__(replace(spec, format="text", schema="value STRING", options=(), on_malformed="fail"))
        self._said = spec
        self._widths = [int(width) for width in dict(spec.options)["widths"].split(",")]

    def empty(self, session):
        return session.createDataFrame([], self._said.schema)

    def as_of(self, session, pin):
        return self._cut(super().as_of(session, pin))

    def stream(self, session, *, limited):
        return self._cut(super().stream(session, limited=limited))

    def _cut(self, lines):
        columns, fits, start = [], F.length("value") <= sum(self._widths), 1
        for column, width in zip(parse_ddl(self._said.schema), self._widths, strict=True):
            text = F.trim(F.substring("value", start, width))
            value = F.when(text == "", None).otherwise(text)
            columns.append(value.try_cast(column.type).alias(column.name))
            fits = fits & (value.isNull() | value.try_cast(column.type).isNotNull())
            start += width
        if self._said.on_malformed == "fail":
            wrong = F.concat(F.lit("MALFORMED_RECORD_IN_PARSING: record parsing: "), F.col("value"))
            line = F.when(fits, F.col("value")).otherwise(F.raise_error(wrong))
            return lines.withColumn("value", line).select(*columns)
        return lines.select(*columns, F.when(~fits, F.col("value")).alias(CORRUPT))
