"""Two long-lived streaming queries by hand, the second behind the first, in a session with the settings of `etl run`: LANDING FOLDER.

The tables are FOLDER/clean and FOLDER/shown. SIGTERM ends it.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from etl.config.spec import SparkSpec
from etl.engine.session.start import open_session

SCHEMA = "id BIGINT, sensor STRING, celsius DOUBLE"


def main(landing: str, folder: str) -> None:
    """Start both with the default trigger, and leave them to it."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    handle = open_session(SparkSpec(), app_name="by hand", short=True)
    files = handle.spark.readStream.schema(SCHEMA).option("maxFileAge", "36500d").json(landing)
    clean = files.where("celsius < 60").writeStream.format("delta").option("checkpointLocation", f"{folder}/of_clean")
    first = clean.start(f"{folder}/clean")
    while not list(Path(folder, "clean", "_delta_log").glob("*.json")) and not stopped.wait(0.1):
        pass
    rows = handle.spark.readStream.format("delta").load(f"{folder}/clean")
    shown = rows.selectExpr("id", "upper(sensor) AS sensor", "round(celsius, 1) AS celsius")
    second = (
        shown.writeStream.format("delta").option("checkpointLocation", f"{folder}/of_shown").start(f"{folder}/shown")
    )
    stopped.wait()
    first.stop()
    second.stop()
    handle.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
