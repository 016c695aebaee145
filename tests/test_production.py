"""What docs/concepts/production.md says to cron and to systemd is what they can run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.engine.session.java import find_java

Write = Callable[[Mapping[str, str]], Path]
PAGE = (Path(__file__).parents[1] / "docs" / "concepts" / "production.md").read_text(encoding="utf-8")
PIPELINE = """
version: 1
name: shop
sources: {orders: {format: csv, path: landing, schema: "id INT"}}
flows: {clean: {inputs: {orders: changes}, transform: {sql: "SELECT id FROM orders"}}}
"""
PAGES = "spark: {conf: {spark.ui.enabled: true}}"


def blocks(language: str) -> list[tuple[str, str]]:
    """The fenced blocks of a language: the file's name and its text."""
    return re.findall(rf"^```{language} ?(\S*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.system
def test_the_line_of_cron_runs_with_what_cron_gives_a_command(project: Write) -> None:
    ((_, text),) = blocks("cron")
    (root := project({"pipelines/shop.yml": PIPELINE, "landing/1.csv": "1\n2\n", "conf/local.yml": PAGES})).joinpath(
        ".venv"
    ).mkdir()
    (root / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    *_, line = text.splitlines()
    command = line.split(maxsplit=5)[5].replace("/srv/shop", str(root))
    # crontab(5): HOME, LOGNAME, SHELL and this PATH are all that is set; the command starts in the home folder.
    env = {"HOME": str(root / "landing"), "LOGNAME": "etl", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    env |= {
        "JAVA_HOME": str(Path(find_java().program).resolve().parents[1]),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=env["HOME"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert (
        len(re.findall(r"^Spark's pages, until the run ends: http://127\.0\.0\.1:\d+$", done.stderr, re.MULTILINE)) == 1
    )
    assert json.loads((root / "run.json").read_text(encoding="utf-8"))["status"] == "succeeded"


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and "CI" not in os.environ, reason="there is no systemd here"
)
def test_the_units_are_what_systemd_takes(tmp_path: Path) -> None:
    for name, text in blocks("ini"):
        fitting = text.replace("/srv/shop/.venv/bin/etl", sys.executable).replace("/srv/shop", str(tmp_path))
        (tmp_path / name).write_text(fitting.replace("User=etl\n", ""), encoding="utf-8")
    units = [str(tmp_path / name) for name, _ in blocks("ini")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "shop." in line] == []
    broken = tmp_path / "broken.service"
    broken.write_text(
        (tmp_path / "shop.service").read_text(encoding="utf-8").replace("oneshot", "once"), encoding="utf-8"
    )
    found = subprocess.run(["systemd-analyze", "verify", str(broken)], capture_output=True, text=True, check=False)
    assert "broken.service" in found.stderr, "a unit with a mistake would not be noticed"
