"""docs/concepts/running.md, done: spark-submit on one machine and on a standalone cluster, and a master named in conf/.

One pipeline is handed from one to the next, so every way of running it goes on where another one ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest

from etl.engine.session.jars import JARS, jars
from etl.engine.session.java import find_java
from tests.support.independent import rows, stamps

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "concepts" / "running.md").read_text(encoding="utf-8")
SPARK = Path(pyspark.__file__).parent
LOOPBACK = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
SHORT = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # these JVMs live for seconds
QUICK = {
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.driver.extraJavaOptions": SHORT,
    "spark.executor.extraJavaOptions": SHORT,
}
PACKAGES = f"--packages {JARS[0].group}:{JARS[0].name}:{JARS[0].version}"

PROJECT = {
    "pipelines/sensors/pipeline.yml": """
version: 1
name: sensors
sources:
  readings: {format: csv, path: landing, schema: "id INT, celsius DOUBLE", options: {header: true}}
flows:
  readings_clean:
    inputs: [readings]
    transform: {python: "transforms:readings_clean"}
    incremental: rows
""",
    "pipelines/sensors/transforms.py": """
import os

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from scales import to_fahrenheit

convert = F.udf(lambda celsius: to_fahrenheit(celsius), "double")
place = F.udf(lambda _: os.getcwd(), "string")


def readings_clean(readings: DataFrame) -> DataFrame:
    return readings.select("id", convert("celsius").alias("fahrenheit"), place("id").alias("computed_in"))
""",
    "lib/scales.py": "def to_fahrenheit(celsius):\n    return celsius * 9 / 5 + 32\n",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}[^\n]*\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def sensors(tmp_path: Path) -> Path:
    """A project that nobody has installed anything for, and the page's own driver program and zip."""
    folder = tmp_path / "project"
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    program = next(block for block in blocks("python") if "etl.cli" in block)
    where = "import etl\nopen('shipped', 'w').write(etl.__file__)\n"
    (folder / "etl_main.py").write_text(where + program, encoding="utf-8")
    zipping = next(block for block in blocks("console") if "zipfile" in block).removeprefix("$ python ")
    making = zipping.replace("twilight_etl.zip", str(folder / "twilight_etl.zip"))
    subprocess.run([sys.executable, *shlex.split(making)], cwd=ROOT, check=True)
    return folder


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A master and a worker of Spark's standalone cluster on the loopback; the master's address."""
    work = tmp_path / "work"
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(daemon(tmp_path / "master.log", "master.Master", "--port", "0"))
        address = spoken(master, tmp_path / "master.log", r"Starting Spark master at (spark://\S+)")
        options = ("--cores", "2", "--memory", "1g", "--work-dir", str(work), address)
        worker = stack.enter_context(daemon(tmp_path / "worker.log", "worker.Worker", *options))
        spoken(worker, tmp_path / "worker.log", r"Successfully registered with (master)")
        yield address


@contextlib.contextmanager
def daemon(log: Path, name: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(SPARK / "bin/spark-class"), f"org.apache.spark.deploy.{name}", "--host", "127.0.0.1"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*command, "--webui-port", "0", *options],
            stdout=said,
            stderr=said,
            env={**os.environ, **LOOPBACK, "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": SHORT},
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def spoken(process: subprocess.Popen[bytes], log: Path, pattern: str) -> str:
    """What a daemon has written, as soon as it has."""
    deadline = time.monotonic() + 60
    while (found := re.search(pattern, log.read_text(errors="replace"))) is None:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return found[1]


def run(command: list[str], folder: Path, **environment: str) -> dict[str, Any]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | LOOPBACK | environment
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False, env=variables)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["status"] == "succeeded"
    return document


def submit(folder: Path, master: str, mode: str) -> dict[str, Any]:
    """The page's command with this master, and with the cached jars in the place of those that --packages would fetch."""
    line = next(block for block in blocks("console") if "spark-submit" in block).removeprefix("$ ")
    assert PACKAGES in line
    fetched = f"--jars {','.join(map(str, jars(find_java().program)))}"
    line = line.replace(PACKAGES, fetched).replace("spark://HOST:7077", master).replace("NAME", "sensors")
    command = shlex.split(line.replace("--mode batch", f"--mode {mode} --json"))
    options = [part for name, value in QUICK.items() for part in ("--conf", f"{name}={value}")]
    document = run([str(SPARK / "bin" / command[0]), *options, *command[1:]], folder)
    shipped = (folder / "shipped").read_text(encoding="utf-8")
    assert shipped == str(folder / "twilight_etl.zip" / "etl" / "__init__.py"), "the package is the one that travels"
    return document


def put(folder: Path, name: str, *lines: str) -> None:
    (folder / "landing").mkdir(exist_ok=True)
    (folder / "landing" / name).write_text("\n".join(("id,celsius", *lines)) + "\n", encoding="utf-8")


def test_one_pipeline_is_handed_from_one_machine_to_a_cluster_and_to_a_driver_that_names_it(
    sensors: Path, cluster: str, tmp_path: Path
) -> None:
    tables = sensors / ".etl" / "local" / "tables" / "sensors"

    put(sensors, "1.csv", "1,0.0", "2,100.0")
    assert submit(sensors, "local[2]", "batch")["flows"][0]["rows_out"] == 2
    assert rows(tables / "readings_clean", "id, fahrenheit") == [(1, 32.0), (2, 212.0)]

    put(sensors, "2.csv", "3,-40.0")
    assert submit(sensors, cluster, "stream")["flows"][0]["rows_out"] == 1
    assert rows(tables / "readings_clean", "id, fahrenheit") == [(1, 32.0), (2, 212.0), (3, -40.0)]
    places = dict(rows(tables / "readings_clean", "id, computed_in"))
    assert Path(places[3]).is_relative_to(tmp_path / "work"), "the function ran in the worker's own process"

    put(sensors, "3.csv", "4,10.0")
    (sensors / "conf").mkdir()
    conf = json.dumps({**QUICK, "spark.driver.host": "127.0.0.1", "spark.executor.memory": "512m"})
    settings = f"spark:\n  master: {cluster}\n  conf: {conf}\n"
    (sensors / "conf" / "cluster.yml").write_text("storage: .etl/local\n" + settings, encoding="utf-8")
    command = [sys.executable, "-m", "etl", "run", "sensors", "--env", "cluster", "--mode", "stream", "--json"]
    run(command, sensors, PYTHONPATH=str(ROOT))
    assert rows(tables / "readings_clean", "id, fahrenheit")[3] == (4, 50.0)
    places = dict(rows(tables / "readings_clean", "id, computed_in"))
    assert Path(places[4]).is_relative_to(tmp_path / "work")
    assert [(stamp["generation"], stamp["epoch"]) for stamp in stamps(tables / "readings_clean")] == [
        (0, 0),
        (0, 1),
        (0, 2),
    ]
