"""JVMs that run out of memory in each phase of a run, really: `python -m tests.crash.starved [FLOW/MODE]...`, or all of them.

The `etl` command with a heap that is too small fails and says so; with one that is not, the tables are those of one batch.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.conftest import LITTLE_DATA
from tests.crash.killing import run
from tests.support.independent import rows

LITTLE, ENOUGH = "512m", "5g"
_LETTERS = 8_000_000
_STATE_LETTERS = 3_000_000  # of state Spark has several copies at once
PIPELINE = f"""
version: 1
name: starved
sources:
  wide: {{format: text, path: landing/wide}}
  src: {{format: json, path: landing/src, schema: "id INT, k STRING"}}
  clicks: {{format: json, path: landing/clicks, schema: "at TIMESTAMP, id INT"}}
flows:
  reading: {{inputs: [wide], incremental: rows, transform: {{sql: "SELECT length(value) AS n FROM wide"}}}}
  transform:
    inputs: [src]
    incremental: {{groups: {{k: k}}}}
    transform: {{sql: "SELECT k, size(collect_list(concat(repeat(k, {_LETTERS}), CAST(id AS STRING)))) AS n FROM src GROUP BY k"}}
  commit:
    inputs: [src]
    incremental: rows
    transform: {{sql: "SELECT id, concat(repeat(k, {_LETTERS}), CAST(id AS STRING)) AS v FROM src WHERE id <= 40"}}
    sink: {{strategy: merge, keys: [id], sequence_by: [v]}}
  state:
    inputs: [clicks]
    incremental: {{state: {{watermark: at, delay: 1 minute}}}}
    transform:
      sql: >-
        SELECT window(at, '10 minutes').start AS at, size(collect_list(concat(repeat('s', {_STATE_LETTERS}), CAST(id AS STRING)))) AS n
        FROM clicks GROUP BY window(at, '10 minutes')
  modest: {{inputs: [src], incremental: rows, transform: {{sql: "SELECT id, k FROM src"}}, sink: {{strategy: merge, keys: [id], sequence_by: [id]}}}}
run: {{retry: {{min_retry_interval: 0.1 seconds, max_retries: 1}}}}
"""
# What its table holds when all is well.
WANTED: dict[str, list[tuple[object, ...]]] = {
    "reading": [(150_000_000,), (1,)],
    "transform": [("a", 50), ("b", 1)],
    "commit": [(number, _LETTERS + len(str(number))) for number in range(1, 41)],
    "state": [(0, 50)],
}
CASES = [f"{flow}/{mode}" for flow in WANTED for mode in ("batch", "stream")]


def write_project(root: Path) -> None:
    """The pipeline with its rows."""
    for folder in ("pipelines", "conf", "landing/wide", "landing/src", "landing/clicks"):
        (root / folder).mkdir(parents=True)
    (root / "pipelines/starved.yml").write_text(PIPELINE, encoding="utf-8")
    src = [{"id": number, "k": "a" if number <= 50 else "b"} for number in range(1, 52)]
    clicks = [{"at": "2024-01-01T00:01:00Z", "id": number} for number in range(50)]
    clicks.append({"at": "2024-01-01T00:30:00Z", "id": 50})
    (root / "landing/wide/1.txt").write_text("x" * 150_000_000 + "\ny\n", encoding="utf-8")
    for source, items in {"src": src, "clicks": clicks}.items():
        lines = "".join(json.dumps(item) + "\n" for item in items)
        (root / "landing" / source / "1.json").write_text(lines, encoding="utf-8")


def starve(root: Path, case: str) -> list[str]:
    """Run a flow with a heap that is too small, then with one that is not; what was not as it must be."""
    flow, mode = case.split("/")
    asked = ("run", "starved", "--select", flow, "--mode", mode, "--json", "--env")
    for environment, memory in (("little", LITTLE), ("enough", ENOUGH)):
        conf = {
            "storage": str(root / ".etl" / mode),
            "spark": {"conf": {**dict(LITTLE_DATA), "spark.driver.memory": memory}},
        }
        (root / "conf" / f"{environment}.yml").write_text(json.dumps(conf), encoding="utf-8")
    died = run(root, *asked, "little")
    wrong = [
        f"{word!r} is told" for word in ("Traceback", "py4j", "Py4J", "fault in") if word in died.stdout + died.stderr
    ]
    wrong += [] if died.returncode == 4 else [f"exit code {died.returncode}: {died.stdout}{died.stderr}"]
    if died.stdout.startswith("{"):
        (told,) = json.loads(died.stdout)["flows"]
        error = str(told["error"])
        wrong += [f"{word!r} is not in {error}" for word in ("memory", "spark.driver.memory") if word not in error]
        wrong += [] if (told["error_kind"], told["attempts"]) == ("environment", 2) else [f"told as {told}"]
        record = json.loads(run(root, "history", "starved", "--json", "--env", "little").stdout)
        files = [
            json.loads(file.read_text(encoding="utf-8"))
            for file in (root / ".etl" / mode / "history" / "starved").iterdir()
        ]
        kept = [item for item in files if item["flows"][0]["flow"] == flow]
        wrong += (
            [] if [item["status"] for item in kept] == ["failed"] else [f"the records are {kept}, the history {record}"]
        )
    well = run(root, *asked, "enough")
    wrong += [] if well.returncode == 0 else [f"with {ENOUGH}: {well.returncode} {well.stdout}{well.stderr}"]
    table = root / ".etl" / mode / "tables" / "starved" / flow
    columns = {"commit": "id, length(v)", "state": 'minute("at"), n'}.get(flow, "*")
    found = rows(table, columns) if list(table.glob("_delta_log/*.json")) else None
    wrong += [] if found is not None and sorted(found) == sorted(WANTED[flow]) else [f"the table is {found}"]
    return wrong


def play(cases: Sequence[str], root: Path, say: Callable[[str], None]) -> list[str]:
    """Starve a flow in each of the cases."""
    write_project(root)
    wrong = []
    for number, case in enumerate(cases, 1):
        began = time.monotonic()
        here = starve(root, case)
        wrong += [f"{case}: {what}" for what in here]
        say("\n".join([f"{number}/{len(cases)} {case}: {time.monotonic() - began:.1f} s", *here]))
    return wrong


def main() -> int:
    """Starve them."""
    root = Path(tempfile.mkdtemp(prefix="starved-"))
    cases = sys.argv[1:] or CASES
    wrong = play(cases, root, _say)
    _say("\n".join([f"{len(cases)} runs out of memory: {len(wrong)} wrong", *wrong]))
    if not wrong:
        shutil.rmtree(root)
    return 1 if wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
