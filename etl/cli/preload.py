"""What a session that stays has imported before a command comes: all that its commands import anyway, and nothing of a project's."""

from __future__ import annotations

import gc
from importlib import import_module
from pkgutil import iter_modules

from etl.engine.session.deferred_tools import defer, import_meanwhile

_ROOMS = (
    "etl.cli.run", "etl.cli.preview", "etl.cli.plan", "etl.cli.test", "etl.cli.verify",
    "etl.config.load", "etl.config.sql.resolution", "sqlglot", "sqlglot.dialects.spark",
    "etl.operations.run_pipelines", "etl.operations.preview", "etl.operations.plan", "etl.operations.explain",
    "etl.operations.maintenance.orphans", "etl.operations.harness.pipeline_tests",
    "etl.operations.harness.difference_table", "etl.operations.verification.verify",
    "etl.engine.session.start", "etl.engine.sources.delta",
    "pyspark.java_gateway", "pyspark.cloudpickle", "pyspark.sql.functions", "pyspark.sql.streaming",
    "pyspark.sql.classic.column", "pyspark.sql.classic.dataframe", "pyspark.sql.pandas.map_ops", "pyspark.logger.worker_io",
    "rich.live", "rich.table", "ctypes",
)  # fmt: skip
_WINGS = (
    "etl.engine.run", "etl.engine.kinds", "etl.engine.sinks", "etl.engine.commits", "etl.engine.state", "etl.engine.transform",
    "etl.engine.analysis", "etl.engine.inspection", "etl.engine.metadata", "etl.engine.tables", "etl.engine.faults", "etl.engine.frames",
)  # fmt: skip
"""Those of which a command imports every room, when it comes to that."""


def import_all() -> None:
    """Import it, and keep the collector of garbage from touching it: what is not touched is shared by all commands."""
    for name in _ROOMS:
        import_module(name)
    for name in _WINGS:
        for room in iter_modules(import_module(name).__path__, f"{name}."):
            import_module(room.name)
    defer()
    import_meanwhile()
    gc.collect()
    gc.freeze()
