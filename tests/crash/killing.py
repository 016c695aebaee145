"""Real runs, really killed: `python -m tests.crash.killing PIPELINE SEED [KILLS]` plays one seed, `… attack FILE` goes on and on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import tune
from tests.property.test_changes_flow_downstream import some_events
from tests.property.test_modes_are_equal import orders
from tests.support import changing_cases, engine_cases
from tests.support.leftovers import left_behind

ETL = [sys.executable, "-m", "etl"]
ROOT = Path(__file__).parents[2]
WAYS = (
    ("--mode", "batch"),
    ("--mode", "stream"),
    ("--mode", "stream", "--trigger", "1 second"),
    ("--mode", "stream", "--trigger", "continuous"),
)
AT_ONCE = 3  # kills before a run that may come through, at most


def environment(**more: str) -> dict[str, str]:
    """This checkout's package, wherever the process runs."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def run(root: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [*ETL, *arguments],
        cwd=root,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,  # many times what it takes on a quiet machine
    )


def started(root: Path, *arguments: str, until: str | None = None) -> subprocess.Popen[str]:
    """A run whose first flow has begun to work, or that had nothing to do; with `until`, one that has said that.

    It leads a process group of its own, with its JVM in it.
    """
    process = subprocess.Popen(
        [*ETL, "run", *arguments],
        cwd=root,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    said = any((until or ": started") in line for line in process.stderr)  # reads no further than that
    assert said or until is None, f"it ended without {until!r}"
    return process


def kill(process: subprocess.Popen[str], *, jvm: bool) -> bool:
    """SIGKILL to the driver, or to its JVM as well; False where it had ended before."""
    done = process.poll() is not None
    if not done:
        os.killpg(process.pid, signal.SIGKILL) if jvm else process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    return not done


def kill_before_commit(process: subprocess.Popen[str], tables: Path) -> bool:
    """Kill driver and JVM at a moment when a table has new data files and not yet the commit that adds them; False where that was missed."""
    known = {item for item in tables.rglob("*.parquet") if "_delta_log" not in item.parts}
    while process.poll() is None:
        new = [item for item in tables.rglob("*.parquet") if item not in known and "_delta_log" not in item.parts]
        if new:
            os.killpg(process.pid, signal.SIGSTOP)
            table = next(
                parent
                for parent in new[0].parents
                if (parent / "_delta_log").is_dir() or parent.parent.parent == tables
            )
            logs = sorted(table.glob("_delta_log/*.json"))
            if not any(new[0].name in log.read_text(encoding="utf-8") for log in logs):
                return kill(process, jvm=True)
            os.killpg(process.pid, signal.SIGCONT)
            known.update(new)
        time.sleep(0.002)  # the run needs the processor, too
    kill(process, jvm=True)
    return False


@dataclass(slots=True)
class Case:
    """A project into which files arrive, and what its tables must be."""

    name: str
    root: Path
    dice: random.Random
    rows: list[Any] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        (engine_cases if self.name == "shop" else changing_cases).write_project(self.root)
        tune(self.root)

    def arrive(self, number: int) -> None:
        """One more file of each source."""
        if self.name == "shop":
            new = orders(self.dice, self.dice.randrange(5, 25))
            engine_cases.land(self.root, f"{number:03}.json", new)
        else:
            new = some_events(self.dice, self.dice.randrange(3, 12))
            changing_cases.land(self.root, "events", f"{self.dice.randrange(1000)}-{number}.json", new)
            label = {"label": self.dice.choice(["x", "z", None]), "w": self.dice.randrange(5)}
            changing_cases.land(self.root, "notes", f"{number}.json", [label])
            self.notes.append(label)
        self.rows += new

    def differences(self) -> list[str]:
        """The tables that are not what the model says."""
        if self.name == "shop":
            found, wanted = engine_cases.actual(self.root), engine_cases.model(self.rows)
        else:
            found, wanted = changing_cases.actual(self.root), changing_cases.model(self.rows, self.notes)
        return [f"{name}: {found[name]} is not {wanted[name]}" for name in wanted if found[name] != wanted[name]]


def play(name: str, seed: int, kills: int, root: Path, say: Callable[[str], None]) -> list[str]:
    """Kill runs of a pipeline `kills` times, several before each recovery; what is wrong afterwards, and nothing where all is well."""
    dice = random.Random(seed)
    case = Case(name, root, dice)
    case.arrive(0)
    done, ways = 0, _ways(dice)
    for number in range(1, 4 * kills):
        if done >= kills:
            break
        case.arrive(number)
        for _ in range(dice.randrange(2, AT_ONCE + 1)):
            way = next(ways)
            process = started(root, name, *way)
            time.sleep(dice.uniform(0.0, 9.0))
            jvm = dice.random() < 0.5
            hit = kill(process, jvm=jvm)
            done += hit
            say(
                f"{name} seed {seed}: {' '.join(way)}: {'killed' if hit else 'was done'}{' with its JVM' if jvm else ''}"
            )
            if done >= kills:
                break
        if dice.random() < 0.4 and (wrong := recovered(case, dice)):
            return wrong
    wrong = recovered(case, dice)
    audit = run(root, "audit", name)
    wrong += [audit.stdout] if audit.returncode else []
    again = run(root, "run", name, "--mode", "stream", "--json")
    wrong += [] if json.loads(again.stdout)["status"] == "unchanged" else [again.stdout]
    return wrong


def _ways(dice: random.Random) -> Iterator[tuple[str, ...]]:
    """Batch, and stream drained, at an interval and continuous, in any order, each as often as the others."""
    while True:
        yield from dice.sample(WAYS, len(WAYS))


def recovered(case: Case, dice: random.Random) -> list[str]:
    """Run it once, undisturbed; what is wrong then, with its tables or with the rest of storage."""
    healed = run(case.root, "run", case.name, *dice.choice(WAYS[:2]))
    if healed.returncode:
        return [healed.stdout + healed.stderr]
    return case.differences() + [f"left behind: {item}" for item in left_behind(case.root / ".etl" / "local")]


def main() -> int:
    """Play a seed, or new ones until it is stopped; the file remembers which are done."""

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    if sys.argv[1] != "attack":
        name, seed = sys.argv[1], int(sys.argv[2])
        return _one(name, seed, int(sys.argv[3]) if len(sys.argv) > 3 else 5, say)
    memory, wanted = Path(sys.argv[2]), int(os.environ.get("ETL_KILLS", "60"))
    memory.parent.mkdir(parents=True, exist_ok=True)
    each = 6
    done = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else []
    while len(done) * each < wanted:
        seed, name = len(done) + 1, ("shop", "chain")[len(done) % 2]
        done.append([name, seed, each, "failed" if _one(name, seed, each, say) else "passed"])
        memory.write_text(json.dumps(done), encoding="utf-8")
    failed = [
        f"python -m tests.crash.killing {name} {seed} {kills}" for name, seed, kills, how in done if how == "failed"
    ]
    say("\n".join([f"{len(done) * each} kills in {len(done)} chains, {len(failed)} of which failed", *failed]))
    return 1 if failed else 0


def _one(name: str, seed: int, kills: int, say: Callable[[str], None]) -> int:
    place = Path(tempfile.mkdtemp(prefix="killing-"))
    wrong = play(name, seed, kills, place, say)
    for text in wrong:
        say(text)
    if wrong:
        say(f"it is all in {place}")
    else:
        shutil.rmtree(place)
    say(f"{'FAILED' if wrong else 'passed'}: python -m tests.crash.killing {name} {seed} {kills}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
