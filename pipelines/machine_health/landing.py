"""Lands six days of readings from the machines of a factory as its two gateways would: a file of JSON lines each six hours.

`python landing.py --to DIR [--days 6] [--seed 1]`

Writes DIR/readings/<time>-<line>.json, DIR/service/<day>.csv, DIR/machines.csv and, for whoever wants to judge the alerts,
DIR/planted_failures.csv, which the pipeline never reads. `--days` lands only what has arrived by then; a file that is there is left
as it is, so landing more days later adds to them. The same seed gives the same files.

Some machines fail: a bearing wears (vibration grows), a machine overheats, or it leaks (pressure falls). Much else only looks like
trouble: load that follows the shifts, single spikes, an hour of shaking, maintenance, sensors that drop out. Gateways are no better:
lines come twice, out of order, hours late, garbled, or with values that cannot be.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import io
import json
import math
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

START = dt.datetime(2024, 3, 4, tzinfo=dt.UTC)
DAYS = 6
END = START + dt.timedelta(days=DAYS)
EVERY = dt.timedelta(minutes=5)
FILE = dt.timedelta(hours=6)
MACHINES = 16
MODES = ("bearing", "overheating", "leak")
FAILURES_A_MODE = 3
IMPOSSIBLE = {"temperature": 6553.5, "vibration": -1.0, "pressure": -1.0}
SENSORS = ("temperature", "vibration", "pressure", "rpm", "current_draw")


@dataclass(frozen=True)
class Failure:
    """A failure to come: from when it shows, when the machine stops, how far it has gone by then, and along which curve."""

    machine_id: str
    failure_mode: str
    starts_at: dt.datetime
    fails_at: dt.datetime
    peak: float
    curve: float

    def progress(self, at: dt.datetime) -> float:
        """From 0 (nothing to see) to 1 (the machine stops)."""
        if not self.starts_at <= at < self.fails_at:
            return 0.0
        return float(((at - self.starts_at) / (self.fails_at - self.starts_at)) ** self.curve)


@dataclass(frozen=True)
class Service:
    """An entry of the service log, and when it reached us."""

    machine_id: str
    started_at: dt.datetime
    ended_at: dt.datetime
    kind: str
    arrives_at: dt.datetime


@dataclass(frozen=True)
class Machine:
    """A machine as it was built, with everything that will happen to it."""

    machine_id: str
    line: str
    model: str
    usual: dict[str, float]
    failure: Failure | None
    services: tuple[Service, ...]
    shaken: tuple[dt.datetime, dt.datetime]
    dropout: tuple[str, dt.datetime, dt.datetime]

    def reading(self, at: dt.datetime, dice: random.Random) -> dict[str, float | None] | None:
        """What its sensors say; None while it stands still."""
        service = next((item for item in self.services if item.started_at <= at < item.ended_at), None)
        if self.failure and self.failure.fails_at <= at < max(item.ended_at for item in self.services):
            return None
        load = 1.0 if 6 <= at.hour < 22 else 0.0  # two shifts a day
        ambient = 3 * math.sin((at.hour - 9) / 24 * math.tau)
        values: dict[str, float | None] = {}
        values["temperature"] = self.usual["temperature"] + 4 * load + ambient + dice.gauss(0, 1.2)
        values["vibration"] = self.usual["vibration"] * (1 + 0.12 * load) * (1 + dice.gauss(0, 0.08))
        values["pressure"] = self.usual["pressure"] * (1 + dice.gauss(0, 0.015))
        values["rpm"] = self.usual["rpm"] * (0.7 + 0.3 * load) * (1 + dice.gauss(0, 0.01))
        values["current_draw"] = self.usual["current_draw"] * (0.6 + 0.4 * load) * (1 + dice.gauss(0, 0.03))
        if self.failure:
            _worsen(values, self.failure.failure_mode, self.failure.peak * self.failure.progress(at))
        if service:  # a test run with the cover off
            _worsen(values, "bearing", 2.0)
            _worsen(values, "overheating", 25.0)
            _worsen(values, "leak", 0.8)
        if self.shaken[0] <= at < self.shaken[1]:
            _worsen(values, "bearing", 1.0)
        if dice.random() < 0.004:  # one reading alone
            _worsen(values, "bearing", 4.0)
            _worsen(values, "overheating", 60.0)
        sensor, since, until = self.dropout
        if since <= at < until:
            values[sensor] = None
        if dice.random() < 0.002:
            values[dice.choice(SENSORS)] = None
        if dice.random() < 0.001:
            values.update([dice.choice(sorted(IMPOSSIBLE.items()))])
        return {name: None if value is None else round(value, 3) for name, value in values.items()}


def _worsen(values: dict[str, float | None], failure_mode: str, amount: float) -> None:
    sensor, change = {
        "bearing": ("vibration", lambda value: value * (1 + amount)),
        "overheating": ("temperature", lambda value: value + amount),
        "leak": ("pressure", lambda value: value * (1 - amount)),
    }[failure_mode]
    values[sensor] = change(values[sensor])


def factory(seed: int) -> list[Machine]:
    """The machines of one seed, nine of which will fail."""
    dice = random.Random(f"{seed}: factory")
    names = [f"M{number:02}" for number in range(1, MACHINES + 1)]
    failing = dice.sample(names, FAILURES_A_MODE * len(MODES))
    modes = dict(zip(failing, MODES * FAILURES_A_MODE, strict=True))
    return [_machine(name, modes.get(name), random.Random(f"{seed}: {name}")) for name in names]


def _machine(name: str, failure_mode: str | None, dice: random.Random) -> Machine:
    usual = {
        "temperature": dice.uniform(50, 65),
        "vibration": dice.uniform(1.5, 4.0),
        "pressure": dice.uniform(4.0, 7.0),
        "rpm": dice.uniform(1200, 1800),
        "current_draw": dice.uniform(10, 30),
    }
    failure = _failure(name, failure_mode, dice) if failure_mode else None
    services = []
    for _ in range(dice.randint(1, 2)):
        begins = _within(dice, START, END - dt.timedelta(hours=6))
        services.append(_service(name, "cleaning", begins, dice.uniform(1, 3), dice))
    if failure:  # a machine that is wearing out is cleaned before or after that, and repaired when it stands still
        services = [item for item in services if item.ended_at <= failure.starts_at]
        services.append(
            _service(name, "repair", failure.fails_at + _hours(dice.uniform(1, 3)), dice.uniform(2, 5), dice)
        )
    shaken, dropped = (_within(dice, START, END) for _ in range(2))
    return Machine(
        name,
        "north" if int(name[1:]) % 2 else "south",
        dice.choice(["P-100", "P-200", "Q-7"]),
        usual,
        failure,
        tuple(services),
        (shaken, shaken + dt.timedelta(minutes=dice.uniform(20, 70))),
        (dice.choice(SENSORS), dropped, dropped + _hours(dice.uniform(2, 8))),
    )


def _failure(name: str, failure_mode: str, dice: random.Random) -> Failure:
    lead, peak = {
        "bearing": (dice.uniform(18, 48), dice.uniform(0.6, 1.6)),
        "overheating": (dice.uniform(6, 14), dice.uniform(16, 32)),
        "leak": (dice.uniform(8, 30), dice.uniform(0.12, 0.3)),
    }[failure_mode]
    starts = _within(dice, START + _hours(30), END - _hours(lead + 10))
    return Failure(name, failure_mode, starts, starts + _hours(lead), peak, dice.uniform(1, 2))


def _service(name: str, kind: str, begins: dt.datetime, hours: float, dice: random.Random) -> Service:
    ends = begins + dt.timedelta(minutes=int(hours * 60))
    return Service(name, begins, ends, kind, ends + _hours(dice.choice([0, 0, 2, 20])))


def _within(dice: random.Random, first: dt.datetime, last: dt.datetime) -> dt.datetime:
    return first + dt.timedelta(minutes=dice.randrange(int((last - first) / dt.timedelta(minutes=1))))


def _hours(count: float) -> dt.timedelta:
    return dt.timedelta(minutes=int(count * 60))


def arrivals(seed: int) -> dict[tuple[dt.datetime, str], list[str]]:
    """The lines of each file of readings, by the time the file lands and its production line."""
    files: dict[tuple[dt.datetime, str], list[str]] = defaultdict(list)
    for machine in factory(seed):
        dice = random.Random(f"{seed}: readings of {machine.machine_id}")
        for at in _ticks():
            values = machine.reading(at, dice)
            if values is None:
                continue
            text = _garble(json.dumps({"machine_id": machine.machine_id, "read_at": _iso(at), **values}), dice)
            for delay in _delays(machine.line, at, dice):
                files[_lands_at(at + delay), machine.line].append(text)
    bench = {"machine_id": "BENCH", "read_at": _iso(START), **dict.fromkeys(SENSORS, 1.0)}
    files[START + FILE, "north"].append(json.dumps(bench))  # the test bench is no machine of ours
    for (landed, line), lines in files.items():
        random.Random(f"{seed}: order of {landed} {line}").shuffle(lines)
    return dict(sorted(files.items()))


def _ticks() -> Iterator[dt.datetime]:
    at = START
    while at < END:
        yield at
        at += EVERY


def _delays(line: str, at: dt.datetime, dice: random.Random) -> list[dt.timedelta]:
    """How late a reading arrives: at once, late, with the outage of its gateway, and now and then once more."""
    outage = START + _hours(50 if line == "north" else 80)
    delay = dt.timedelta()
    if outage <= at < outage + _hours(5):
        delay = outage + _hours(13) - at
    elif dice.random() < 0.01:
        delay = _hours(dice.uniform(1, 30))
    again = [delay + _hours(dice.choice([0, 8]))] if dice.random() < 0.015 else []
    return [delay, *again]


def _garble(text: str, dice: random.Random) -> str:
    chance = dice.random()
    if chance < 0.002:
        return text[: dice.randrange(10, len(text) - 1)]
    if chance < 0.0025:
        return text.replace('"rpm": ', '"rpm": "ERR", "was": ')
    return text


def _lands_at(at: dt.datetime) -> dt.datetime:
    return min(START + FILE * ((at - START) // FILE + 1), END)


def _iso(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def land(to: Path, *, days: int = DAYS, seed: int = 1) -> int:
    """Land what has arrived after so many days; returns how many files were new."""
    now = START + dt.timedelta(days=days)
    machines = factory(seed)
    new = _write(to / "machines.csv", _csv(["machine_id", "line", "model"], _described(machines)))
    failures = [item.failure for item in machines if item.failure]
    planted = [[it.machine_id, it.failure_mode, _iso(it.starts_at), _iso(it.fails_at)] for it in failures]
    new += _write(to / "planted_failures.csv", _csv(["machine_id", "failure_mode", "starts_at", "fails_at"], planted))
    for (landed, line), lines in arrivals(seed).items():
        if landed <= now:
            name = f"{landed:%Y-%m-%dT%H}-{line}.json"
            new += _write(to / "readings" / name, "".join(text + "\n" for text in lines))
    services = [item for machine in machines for item in machine.services]
    for day in (START + dt.timedelta(days=number) for number in range(days)):
        entries = [
            [item.machine_id, _iso(item.started_at), _iso(item.ended_at), item.kind]
            for item in sorted(services, key=lambda item: (item.started_at, item.machine_id))
            if min(item.arrives_at, END - EVERY).date() == day.date()
        ]
        header = ["machine_id", "started_at", "ended_at", "kind"]
        new += _write(to / "service" / f"{day:%Y-%m-%d}.csv", _csv(header, entries))
    return new


def _described(machines: list[Machine]) -> list[list[Any]]:
    return [[machine.machine_id, machine.line, machine.model] for machine in machines]


def _csv(header: list[str], lines: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *lines])
    return text.getvalue()


def _write(path: Path, text: str) -> int:
    """A file appears whole or not at all; readers pass over names that begin with a dot."""
    if path.exists():
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return 1


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Land the readings of a factory's machines.")
    parser.add_argument("--to", type=Path, required=True, help="the landing folder")
    parser.add_argument(
        "--days", type=int, default=DAYS, choices=range(1, DAYS + 1), help="land what has arrived by then"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed is another factory")
    wanted = parser.parse_args()
    count = land(wanted.to, days=wanted.days, seed=wanted.seed)
    print(f"landed {count} new files in {wanted.to}")


if __name__ == "__main__":
    main()
