#!/usr/bin/env bash
# Each classic session of pyspark imports pandas and pyspark's own test tools, wherever pandas is installed.
#
# Versions: pyspark 4.2.0, pandas 2.3.3, pyarrow 22.0.0, Java 17.
# One would guess: a session needs py4j and the JVM; pandas is imported where a frame of pandas is made or given.
# What happens: py4j asks each converter of arguments about each argument, and pyspark's for values of numpy asks `pyspark.testing.utils`,
# its test tools, whether there is numpy; importing those imports unittest and pandas. `F.lit`, `a | b` of two columns and
# `sql(..., args=...)` ask in the same way. It costs each short process some 0.3 to 0.4 seconds of a processor, and each driver the memory.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0 pandas==2.3.3 pyarrow==22.0.0
cat > "$folder/program.py" <<'PYTHON'
import sys

import pyspark
from pyspark.sql import SparkSession

looked_for = ("pandas", "pyspark.testing.utils", "unittest")
before = [name for name in looked_for if name in sys.modules]
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
after = [name for name in looked_for if name in sys.modules]
print("pyspark", pyspark.__version__)
print("imported by `import pyspark.sql`:", before)
print("imported once there is a session:", after)
spark.stop()
sys.exit(0 if before == [] and after == list(looked_for) else "the behaviour has changed")
PYTHON
"$folder/venv/bin/python" "$folder/program.py" 2> /dev/null
