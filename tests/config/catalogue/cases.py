"""One mistake a case: a valid project with one edit, and the code that it must be told with.

The texts that a user then reads stand in messages.txt; `python -m tests.config.catalogue` writes them again. Read them after.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent / "project"
MESSAGES = Path(__file__).parent / "messages.txt"


@dataclass(frozen=True, slots=True)
class Case:
    """`old`, which stands once in `file`, becomes `new`; in `delivered` the new text is not UTF-8, but these bytes."""

    name: str
    code: str
    old: str
    new: str
    file: str = "pipelines/shop/pipeline.yml"
    encoding: str = "utf-8"

    def edited(self, project: Path) -> range:
        """Makes the edit; the lines, from 1, that it touches."""
        path = project / self.file
        before = path.read_text(encoding="utf-8")
        assert before.count(self.old) == 1, f"{self.name}: {self.old!r} stands {before.count(self.old)} times"
        path.write_bytes(before.replace(self.old, self.new).encode(self.encoding))
        first = before[: before.index(self.old)].count("\n") + 1
        return range(first, first + max(1, len(self.new.rstrip("\n").splitlines())))


SQL, PYTHON, LIB = "pipelines/shop/clean.sql", "pipelines/shop/transforms.py", "lib/shared.py"
BASE, TICKS, REPORT = "conf/base.yml", "pipelines/ticks/pipeline.yml", "pipelines/report.yml"

CASES = (
    # The file
    Case("a quote that is never closed", "E101", 'path: "${landing}/returns"', 'path: "${landing}/returns'),
    Case("a bracket that is never closed", "E101", "cluster_by: [country]}", "cluster_by: [country}"),
    Case("a colon inside of plain text", "E101", "What is sold, to whom", "What is sold: to whom"),
    Case("a tab before a key", "E101", "  timezone: Europe", "\ttimezone: Europe"),
    Case("a key without its colon", "E101", "  mode: batch", "  mode batch"),
    Case("a key that stands too far left", "E101", "    on_malformed: quarantine", "   on_malformed: quarantine"),
    Case("an alias without its anchor", "E101", "<<: *merge", "<<: *merged"),
    Case("a backslash in double quotes", "E101", '{sep: ";"}', '{sep: "\\;"}'),
    Case("a key that stands twice", "E102", "  mode: batch\n", "  mode: batch\n  mode: stream\n"),
    Case("two merges in one mapping", "E102", "      <<: *merge\n", "      <<: *merge\n      <<: *merge\n"),
    Case("an object of Python's", "E106", "  mode: batch", "  mode: !!python/name:os.system batch"),
    Case("a second document", "E108", "run:\n  mode", "---\nrun:\n  mode"),
    Case("values nested too deep", "E109", "tags: [nightly]", "tags: " + "[" * 60 + "nightly" + "]" * 60),
    Case("a key that is a number", "E116", "  landing: ./landing", "  2013: ./landing"),
    Case("a key that is true", "E116", "description: What", "true: What"),
    Case("a merge with a text", "E117", "      <<: *merge", "      <<: merge"),
    Case("a number of five thousand digits", "E118", "{type: int, default: 1}", "{type: int, default: " + "9" * 5000 + "}"),
    Case("a number beyond all numbers", "E118", "{type: float, default: 0.5}", "{type: float, default: 1e999}"),
    Case("a file in Latin-1", "E135", "What is sold, to whom", "Was verkauft wird, für wen", encoding="latin-1"),
    Case("a file in UTF-16", "E135", "version: 1\n", "version: 1\n", encoding="utf-16"),
    Case("a control character", "E132", "What is sold", "What\x07 is sold"),
    Case("an invisible character", "E132", "name: shop", "name: \ufeffshop"),
    Case("half of a pair", "E101", "What is sold, to whom, and what comes back", '"\\ud800"'),
    Case("the character NUL", "E132", '{sep: ";"}', '{sep: "\\0"}'),
    # Keys, types, words, numbers
    Case("an unknown key at the top", "E103", "tags: [nightly]", "tag: [nightly]"),
    Case("an unknown key of a source", "E103", "    on_malformed: quarantine", "    on_malformd: quarantine"),
    Case("an unknown key of a sink", "E103", "partition_by: [country]", "partitioned_by: [country]"),
    Case("an unknown key of defaults", "E103", "  flow: {tags: [gold]}", "  flows: {tags: [gold]}"),
    Case("an unknown key under defaults", "E103", "  flow: {tags: [gold]}", "  flow: {tag: [gold]}"),
    Case("an unknown key of a retry", "E103", "{max_retries: 1}", "{max_retrys: 1}"),
    Case("an unknown key of an environment", "E103", "storage: ./storage", "storag: ./storage", BASE),
    Case("an unknown option of a format", "E103", "{rowsPerSecond: 5}", "{rowsPerSecnd: 5}", TICKS),
    Case("a source without a format", "E104", "{format: json, path:", "{path:"),
    Case("a source without a path", "E104", 'path: "${landing}/returns", ', ""),
    Case("a source without a schema", "E104", ', schema: "id BIGINT, name STRING"', ""),
    Case("an expectation without an expression", "E104", "{expr: quantity > 0, on_violation: drop}", "{on_violation: drop}"),
    Case("a text where a mapping belongs", "E105", "    rate_limit: {files: 100}", "    rate_limit: 100"),
    Case("a mapping where a text belongs", "E105", "description: What is sold, to whom, and what comes back", "description: {what: is sold}"),
    Case("a list where a mapping belongs", "E105", "{type: int, default: 1}", "[int, 1]"),
    Case("a yes where true belongs", "E105", "insert_only: true", "insert_only: yes"),
    Case("a number in quotes", "E105", "max_concurrent_flows: 2", 'max_concurrent_flows: "2"'),
    Case("inputs that are a text", "E105", "  latest:\n    inputs: [clean]", "  latest:\n    inputs: clean"),
    Case("a flow that is a number", "E105", "later: {inputs: [clean], enabled: false}", "later: 5"),
    Case("defaults that are a list", "E105", "  flow: {tags: [gold]}", "  flow: [gold]"),
    Case("a name with capitals", "E107", "name: shop\n", "name: My-Shop\n"),
    Case("a flow with a name that is none", "E107", "  once:", "  1st_time:"),
    Case("an expectation with a name that is none", "E107", "      sold: {", "      is-sold: {"),
    Case("another version", "E121", "version: 1", "version: 2"),
    Case("an unknown format", "E121", "    format: csv\n    path: ${landing}/orders", "    format: cvs\n    path: ${landing}/orders"),
    Case("an unknown mode", "E121", "  mode: batch", "  mode: batsch"),
    Case("an unknown kind of processing", "E121", "    incremental: full", "    incremental: fulll"),
    Case("an unknown strategy", "E121", "strategy: overwrite", "strategy: upsert"),
    Case("an unknown way to read", "E121", "{orders: changes, customers: snapshot}", "{orders: changes, customers: snapshots}"),
    Case("an unknown violation", "E121", "on_violation: drop", "on_violation: remove"),
    Case("an unknown type of a param", "E121", "{type: bool, default: false}", "{type: boolean, default: false}"),
    Case("no files at all in a micro-batch", "E122", "rate_limit: {files: 100}", "rate_limit: {files: 0}"),
    Case("fewer retries than none", "E122", "{max_retries: 1}", "{max_retries: -1}"),
    Case("a duration that is none", "E123", "timeout: 2 hours", "timeout: 2 fortnights"),
    Case("a trigger that is none", "E123", "trigger: 10 seconds", "trigger: whenever"),
    Case("a trigger of no time", "E123", "trigger: 10 seconds", "trigger: 0 seconds"),
    Case("an empty path", "E125", "    path: ${landing}/orders", '    path: ""'),
    Case("a rate limit of nothing", "E224", "    rate_limit: {files: 100}", "    rate_limit: {}"),
    Case("a time zone that is none", "E143", "Europe/Berlin", "Mars/Olympus"),
    Case("pauses that shrink", "E144", "max_retry_interval: 1 minute", "max_retry_interval: 1 second"),
    # Params, secrets, for_each
    Case("an unknown param", "E110", "    path: ${landing}/orders", "    path: ${lnding}/orders"),
    Case("a default of another type", "E111", "{type: int, default: 1}", "{type: int, default: one}"),
    Case("an environment's value of another type", "E111", "  least: 2", "  least: two", BASE),
    Case("a secret that is not set", "E112", "    path: ${landing}/orders", "    path: ${env:NO_SUCH_VARIABLE}/orders"),
    Case("a secret's file that is not there", "E112", "    path: ${landing}/orders", "    path: ${file:no/such/file}/orders"),
    Case("a for_each without values", "E113", "    for_each: {region: [eu, us]}\n    format", "    for_each: {region: []}\n    format"),
    Case("a for_each with one value twice", "E113", "    for_each: {region: [eu, us]}\n    format", "    for_each: {region: [eu, eu]}\n    format"),
    Case("a param without a value", "E114", "{type: float, default: 0.5}", "{type: float}"),
    Case("a reference that is never closed", "E115", "    path: ${landing}/orders", "    path: ${landing/orders"),
    Case("a reference without a name", "E115", "    path: ${landing}/orders", "    path: ${}/orders"),
    Case("a flow with the name of a source", "E119", "  once:\n", "  returns:\n"),
    Case("a variable with the name of a param", "E119", "    for_each: {region: [eu, us]}\n    inputs", "    for_each: {least: [eu, us]}\n    inputs"),
    # Flows, sinks, paths
    Case("an unknown input", "E200", "    inputs: {returns: changes}", "    inputs: {return: changes}"),
    Case("a flow that reads itself", "E201", "    inputs: {returns: changes}", "    inputs: {once: changes}"),
    Case("nothing but snapshots", "E202", "    inputs: {returns: changes}", "    inputs: {returns: snapshot}"),
    Case("rows that replace their target", "E203", "    sink: {strategy: append, partition", "    sink: {strategy: overwrite, partition"),
    Case("a full flow that appends", "E203", "    sink: {strategy: overwrite", "    sink: {strategy: append"),
    Case("keys of an append", "E204", "{strategy: append, partition_by", "{strategy: append, keys: [id], partition_by"),
    Case("malformed rows of orc", "E205", "{format: parquet, path", "{format: orc, on_malformed: drop, path"),
    Case("a sink outside of storage", "E206", "path: tables/once", "path: ../once"),
    Case("an absolute sink", "E206", "path: tables/once", "path: /data/once"),
    Case("a query outside of the project", "E327", "{sql_file: clean.sql}", "{sql_file: ../../../clean.sql}"),
    Case("an option of the framework's", "E207", '{sep: ";"}', "{mode: PERMISSIVE}"),
    Case("on_change of changes", "E221", "    inputs: {returns: changes}", "    inputs: {returns: {read: changes, on_change: keep}}"),
    Case("a snapshot that does not say what then", "E222", "latest: {read: snapshot, on_change: recompute}", "latest: snapshot"),
    Case("rows of two changes", "E223", "{orders: changes, customers: snapshot}", "{orders: changes, customers: changes}"),
    Case("files and bytes", "E224", "rate_limit: {files: 100}", "rate_limit: {files: 100, bytes: 1000}"),
    Case("a batch of what comes once", "E225", "{mode: stream}", "{mode: batch}", TICKS),
    Case("a merge without keys", "E231", "merge, keys: [id], ", "merge, "),
    Case("a merge without an order", "E232", "insert_only: true, ", ""),
    Case("deletes of a merge that inserts", "E233", "insert_only: true,", "insert_only: true, delete_when: id < 0,"),
    Case("a key that is not stored", "E234", "except_columns: [quantity]", "except_columns: [customer]"),
    Case("a key in capitals that is not stored", "E234", "except_columns: [quantity]", "except_columns: [CUSTOMER]"),
    Case("partitions and clusters", "E235", "cluster_by: [country]", "cluster_by: [country], partition_by: [country]"),
    Case("deletion vectors", "E236", "delta.logRetentionDuration: 60 days", "delta.enableDeletionVectors: true"),
    Case("a table feature that readers lack", "E236", "delta.logRetentionDuration: 60 days", "delta.feature.typeWidening: supported"),
    Case("a checkpoint that readers lack", "E236", "delta.logRetentionDuration: 60 days", "delta.checkpointPolicy: v2"),
    Case("a table property that Delta does not know", "E253", "delta.logRetentionDuration", "delta.logRetentionDurations"),
    Case("a table feature that Delta does not know", "E253", "delta.logRetentionDuration: 60 days", "delta.feature.rowTraking: supported"),
    Case("a table property's value", "E254", "delta.logRetentionDuration: 60 days", "delta.logRetentionDuration: 2 months"),
    Case("a table property's word", "E254", "delta.logRetentionDuration: 60 days", "delta.columnMapping.mode: nme"),
    Case("a type that no table holds", "E345", "id BIGINT, reason STRING", "id BIGINT, reason ARRAY<TIME>"),
    Case("a column twice", "E237", "partition_by: [country]", "partition_by: [country, Country]"),
    Case("two flows at one place", "E246", "path: tables/once", "path: tables/shop/latest"),
    Case("a flow inside of another's place", "E246", "path: tables/once", "path: tables/shop/latest/once"),
    Case("a flow in the framework's place", "E247", "path: tables/once", "path: history/once"),
    Case("a source of the framework's own files", "E248", "    path: ${landing}/orders", "    path: ./storage/tables/shop/clean"),
    Case("a name that is no table's", "E209", "table: raw.ledger", "table: raw.led ger"),
    Case("a flow that is disabled", "E210", "    inputs: {customers: changes}", "    inputs: {later: changes}"),
    Case("a pipeline that is not there", "E211", "{pipeline: shop, flow: clean}", "{pipeline: shopp, flow: clean}", REPORT),
    Case("a flow that its pipeline has not", "E211", "{pipeline: shop, flow: clean}", "{pipeline: shop, flow: cleen}", REPORT),
    Case("two schemas", "E226", 'schema: "id BIGINT, name STRING"', 'schema: "id BIGINT, name STRING", schema_file: names.ddl'),
    Case("a schema's file that is not there", "E325", 'schema: "id BIGINT, name STRING"', "schema_file: names.ddl"),
    Case("a history without an order", "E232", "sequence_by: [name], track: [name]", "track: [name]"),
    Case("a history of its own key", "E234", "track: [name]", "track: [id]"),
    Case("a primary key that the merge does not keep", "E238", "primary_key: [customer]", "primary_key: [id]"),
    Case("a group twice", "E237", "{groups: {country: country}}", "{groups: {country: country, Country: country}}"),
    Case("a group of what is no changes input", "E240", "{groups: {country: country}}", "{groups: {country: {clean: country, orders: country}}}"),
    Case("a group that counts", "E307", "{groups: {country: country}}", "{groups: {country: max(country)}}"),
    Case("an append of what changes", "E241", "    inputs: [cheap]", "    inputs: [latest]"),
    Case("a watermark that is no column", "E243", "{watermark: placed, delay", "{watermark: placd, delay"),
    Case("a watermark that is no time", "E243", "{watermark: placed, delay", "{watermark: quantity, delay"),
    Case("a watermark of a snapshot", "E243", "{watermark: placed, delay", "{watermark: {orders: placed, clean: placed}, delay"),
    Case("a delay that is no duration", "E123", "delay: 2 hours}}", "delay: two hours}}"),
    Case("a watermark without a delay", "E104", "{watermark: placed, delay: 2 hours}", "{watermark: placed}"),
    Case("state with an output mode that is none", "E121", "delay: 2 hours}}", "delay: 2 hours, output_mode: complete}}"),
    Case("state with a history", "E203", "    sink: {strategy: merge, keys: [hour]}", "    sink: {strategy: scd2, keys: [hour], sequence_by: [hour]}"),
    Case("state whose merge is told what is newer", "E204", "    sink: {strategy: merge, keys: [hour]}", "    sink: {strategy: merge, keys: [hour], sequence_by: [n]}"),
    Case("state with the instant of an epoch", "E262", "start AS hour, count(*) AS n FROM orders", "start AS hour, run_ts() AS n FROM orders"),
    Case("state over what changes", "E241", "    inputs: {orders: changes}\n    transform: {sql: \"SELECT window(placed, '1 hour').start AS hour, count(*) AS n FROM orders GROUP", "    inputs: {latest: changes}\n    transform: {sql: \"SELECT window(placed, '1 hour').start AS hour, count(*) AS n FROM latest GROUP"),
    Case("a view with partitions", "E245", "{strategy: view}", "{strategy: view, partition_by: [id]}"),
    Case("groups that append", "E203", "    columns: {country: {type: STRING, description: Where it went}}", "    sink: {strategy: append}"),
    Case("a column with a type that is none", "E311", "{type: STRING, description", "{type: STRNG, description"),
    Case("another kind of path", "E900", "    path: ${landing}/orders", "    path: s3://bucket/orders"),
    Case("storage of another kind", "E900", "storage: ./storage", "storage: hdfs://cluster/tables", BASE),
    Case("storage in no bucket", "E136", "storage: ./storage", "storage: s3a:///tables", BASE),
    Case("storage in what no bucket is called", "E136", "storage: ./storage", "storage: s3a://Our_Lake/tables", BASE),
    Case("storage that names a version", "E136", "storage: ./storage", "storage: s3a://lake/tables?v=1", BASE),
    Case("storage above its bucket", "E136", "storage: ./storage", "storage: s3a://lake/../other", BASE),
    # SQL
    Case("SQL that does not parse", "E300", "WHERE o.price > :share", "WHERE (o.price > :share", SQL),
    Case("SQL in the YAML that does not parse", "E300", "        WHERE quantity >= :least", "        WHERE quantity >= >= :least"),
    Case("two statements", "E301", "WHERE o.price > :share", "WHERE o.price > :share; SELECT 1", SQL),
    Case("a statement that is no query", "E301", "SELECT value % 60 AS second FROM clock", "DROP TABLE clock", TICKS),
    Case("a table that is no input", "E302", "LEFT JOIN customers AS c", "LEFT JOIN customer AS c", SQL),
    Case("a file read past the inputs", "E302", "FROM orders AS o", "FROM parquet.`/data/orders` AS o", SQL),
    Case("a marker that is no param", "E303", "WHERE o.price > :share", "WHERE o.price > :shares", SQL),
    Case("a marker inside a type", "E350", "WHERE o.price > :share", "WHERE CAST(o.price AS DECIMAL(:share, 2)) > 1", SQL),
    Case("the clock in SQL", "E262", "WHERE o.price > :share", "WHERE o.price > :share AND o.at < TIMESTAMP'now'", SQL),
    Case("the clock in an expression", "E262", "{expr: quantity > 0,", "{expr: \"at < TIMESTAMP'now'\","),
    Case("an input that is not read", "E304", "  latest:\n    inputs: [clean]", "  latest:\n    inputs: {clean: changes, customers: snapshot}"),
    Case("a value that would be code", "E305", "        WHERE quantity >= :least", "        WHERE quantity >= ${least}"),
    Case("an expression that does not parse", "E306", "{expr: quantity > 0,", "{expr: quantity > > 0,"),
    Case("an expression that closes its bracket", "E306", "{expr: quantity > 0,", "{expr: '1=1) OR (1=1',"),
    Case("an expression with a second statement", "E306", "delete_when: quantity < 0", "delete_when: quantity < 0; DROP TABLE x"),
    Case("an expression that comments the rest out", "E306", "{expr: quantity > 0,", "{expr: 'quantity > 0) --',"),
    Case("an aggregate in an expression", "E307", "{expr: quantity > 0,", "{expr: count(quantity) > 0,"),
    Case("a window in an expression", "E307", "{expr: quantity > 0,", "{expr: 'row_number() OVER (ORDER BY id) > 0',"),
    Case("a subquery in an expression", "E307", "{expr: quantity > 0,", "{expr: 'id IN (SELECT id FROM customers)',"),
    Case("SQL of nothing", "E308", "transform: {sql: SELECT value % 60 AS second FROM clock}", "transform: {sql: '-- later'}", TICKS),
    Case("a marker in an expression", "E309", "{expr: quantity > 0,", "{expr: 'quantity > :least',"),
    Case("the instant of a run in an expression", "E309", "{expr: quantity > 0,", "{expr: 'quantity > 0 AND run_ts() IS NOT NULL',"),
    # Schemas
    Case("a schema that does not parse", "E310", "id BIGINT, reason STRING", "id BIGINT reason STRING"),
    Case("a name that needs backquotes", "E310", "id BIGINT, reason STRING", "id BIGINT, Größe-cm STRING"),
    Case("a type that is none", "E311", "price DECIMAL(12, 2)", "price DECIMEL(12, 2)"),
    Case("a column twice in a schema", "E312", "id BIGINT, reason STRING", "id BIGINT, ID STRING"),
    Case("a column of the framework's", "E313", "id BIGINT, reason STRING", "id BIGINT, _etl_reason STRING"),
    Case("a decimal of too many digits", "E314", "DECIMAL(12, 2)", "DECIMAL(39, 2)"),
    # Python
    Case("a function that is not there", "E320", "transforms:ranked", "transforms:rank"),
    Case("a parameter that is no input", "E321", "def ranked(clean: DataFrame, latest: DataFrame)", "def ranked(clean: DataFrame, latest: DataFrame, other: int)", PYTHON),
    Case("a module that is not there", "E322", "transforms:ranked", "transform:ranked"),
    Case("a module of Python's own", "E322", "transforms:ranked", "os:system"),
    Case("a reference that is none", "E323", "transforms:ranked", "transforms.ranked"),
    Case("Python that does not parse", "E324", "def ranked(clean", "def ranked(clean:", PYTHON),
    Case("a query that is not there", "E325", "{sql_file: clean.sql}", "{sql_file: claen.sql}"),
    Case("a coroutine", "E326", "def halved(stock", "async def halved(stock", LIB),
    Case("a number as a function", "E326", "transforms:ranked", "transforms:THRESHOLD"),
    Case("an input that the function does not take", "E328", "def ranked(clean: DataFrame, latest: DataFrame)", "def ranked(clean: DataFrame)", PYTHON),
    Case("inputs by stars", "E329", "def ranked(clean: DataFrame, latest: DataFrame)", "def ranked(*inputs: DataFrame)", PYTHON),
    Case("inputs by place only", "E329", "def ranked(clean: DataFrame, latest: DataFrame)", "def ranked(clean: DataFrame, latest: DataFrame, /)", PYTHON),
    Case("no transform of two inputs", "E126", "{orders: changes, customers: snapshot}\n    transform: {sql_file: clean.sql}", "{orders: changes, customers: snapshot}"),
    Case("two transforms at once", "E126", "{sql_file: clean.sql}", "{sql_file: clean.sql, sql: SELECT 1}"),
)  # fmt: skip
