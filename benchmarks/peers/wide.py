"""Three columns of a wide source and a filter, by hand, in a session with the settings of `etl run`: SIZE FORMAT SOURCE TARGET."""

from __future__ import annotations

import sys

from etl.config.spec import SparkSpec
from etl.engine.session.start import open_session


def main() -> None:
    size, form, source, target = sys.argv[1:]
    handle = open_session(SparkSpec(), app_name="by hand", short=size == "small")
    rows = handle.spark.read.format(form).load(source).filter("c7 < 500000").select("id", "c3", "c90")
    rows.write.format("delta").save(target)
    handle.close()


if __name__ == "__main__":
    main()
