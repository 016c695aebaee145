"""Lands three days of a shop's clickstream: views and clicks each six hours, accounts and prices each day.

`python landing.py --to DIR [--days 3] [--seed 1]`

Writes DIR/events/<time>.json, DIR/accounts/<day>.json, DIR/prices/<day>.csv and, for whoever wants to judge the result,
DIR/planted.json, which the pipeline never reads. `--days` lands only what has arrived by then; a file that is there is left as it
is, so landing more days later adds to them. The same seed gives the same files.

Some items become trending at a known time, some pairs of items are viewed together, some users are bots, and some delete their
account. Phones are offline: events come hours late, out of order, twice, or garbled; so do changes of accounts and prices.
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
from typing import Any

START = dt.datetime(2024, 5, 6, tzinfo=dt.UTC)
DAYS = 3
END = START + dt.timedelta(days=DAYS)
FILE = dt.timedelta(hours=6)
CATEGORIES = ("books", "garden", "kitchen", "music", "sport", "toys")
ITEMS_A_CATEGORY = 15
USERS = 240
SESSIONS_A_USER = 6
BOTS = 3
CRAWLERS = 2
TRENDS = 5
PAIRS = 6
DELETED = 12
BROWSER, CRAWLER = "Mozilla/5.0", "crawler-bot/2.1"

Event = dict[str, Any]


@dataclass(frozen=True)
class Trend:
    """An item that many users look at, from one time to another."""

    item_id: str
    starts_at: dt.datetime
    ends_at: dt.datetime


@dataclass(frozen=True)
class Shop:
    """The items by category, and what is planted among them."""

    items: dict[str, list[str]]
    users: list[str]
    pairs: dict[str, str]  # both ways
    trends: list[Trend]
    bots: list[str]
    deleted: dict[str, dt.datetime]


def shop(seed: int) -> Shop:
    """The shop of one seed."""
    dice = random.Random(f"{seed}: shop")
    items = {name: [f"{name}-{number:02}" for number in range(1, ITEMS_A_CATEGORY + 1)] for name in CATEGORIES}
    users = [f"u{number:03}" for number in range(1, USERS + 1)]
    pairs: dict[str, str] = {}
    for name in dice.sample(CATEGORIES, PAIRS):
        one, other = dice.sample(items[name], 2)
        pairs.update({one: other, other: one})
    alone = [item for category in items.values() for item in category if item not in pairs]
    trends = []
    for item in dice.sample(alone, TRENDS):
        starts = _within(dice, START + dt.timedelta(hours=31), END - dt.timedelta(hours=5))
        trends.append(Trend(item, starts, starts + dt.timedelta(hours=dice.uniform(2, 4))))
    bots = [f"b{number:03}" for number in range(1, BOTS + 1)]
    deleted = {user: _within(dice, START, END - FILE) for user in dice.sample(users, DELETED)}
    return Shop(items, users, pairs, trends, bots, deleted)


def events(seed: int) -> list[Event]:
    """Everything that happened, each event once, in order of time."""
    place, happened = shop(seed), []
    for user in place.users:
        happened += _visits(place, user, random.Random(f"{seed}: {user}"))
    dice = random.Random(f"{seed}: crowds")
    for trend in place.trends:
        happened += _crowd(place, trend, dice)
    for number, bot in enumerate((*place.bots, *(f"c{number:03}" for number in range(1, CRAWLERS + 1)))):
        happened += _sweep(place, bot, BROWSER if number < BOTS else CRAWLER, dice)
    happened.sort(key=lambda event: (event["happened_at"], event["user_id"], event["item_id"], event["kind"]))
    return [{"event_id": f"e{number:06}", **event} for number, event in enumerate(happened)]


def _visits(place: Shop, user: str, dice: random.Random) -> list[Event]:
    """A user's sessions: mostly categories that the user likes, mostly items that everybody looks at."""
    liked = dice.sample(CATEGORIES, 2)
    found = []
    for _ in range(SESSIONS_A_USER):
        begins = _within(dice, START, END - dt.timedelta(minutes=30))
        if dice.random() > 0.55 - 0.45 * math.cos((begins.hour - 7) / 24 * math.tau):  # evenings are busy
            begins = begins.replace(hour=dice.randrange(15, 22))
        items = []
        for _ in range(dice.randint(3, 9)):
            category = dice.choices([*liked, dice.choice(CATEGORIES)], weights=[45, 25, 30])[0]
            items.append(dice.choices(place.items[category], weights=[1 / rank**0.6 for rank in range(2, 17)])[0])
            if items[-1] in place.pairs and dice.random() < 0.6:
                items.append(place.pairs[items[-1]])
        found += _session(user, begins, items, dice)
    gone = place.deleted.get(user, END)
    return [event for event in found if event["happened_at"] < gone]


def _session(user: str, begins: dt.datetime, items: list[str], dice: random.Random) -> list[Event]:
    found, at, session = [], begins, f"{user}@{begins:%d%H%M}"
    for item in items:
        dwell = min(round(dice.expovariate(1 / 25), 1), 600.0)
        found.append(_event(user, at, session, item, "view", dwell))
        if dice.random() < 0.2:
            found.append(_event(user, at + dt.timedelta(seconds=dwell), session, item, "click", None))
        at += dt.timedelta(seconds=dwell + dice.uniform(2, 30))
    return found


def _event(user: str, at: dt.datetime, session: str, item: str, kind: str, dwell: float | None) -> Event:
    return {
        "user_id": user,
        "happened_at": at,
        "session_id": session,
        "item_id": item,
        "kind": kind,
        "dwell_s": dwell,
        "agent": BROWSER,
    }


def _crowd(place: Shop, trend: Trend, dice: random.Random) -> list[Event]:
    """Users who come for one item; how many an hour differs from trend to trend."""
    found = []
    an_hour = dice.uniform(12, 30)
    for _ in range(int(an_hour * (trend.ends_at - trend.starts_at) / dt.timedelta(hours=1))):
        user = dice.choice([name for name in place.users if name not in place.deleted])
        found += _session(user, _within(dice, trend.starts_at, trend.ends_at), [trend.item_id], dice)
    return found


def _sweep(place: Shop, bot: str, agent: str, dice: random.Random) -> list[Event]:
    """A program that looks at everything in a few hours, and at one item again and again."""
    begins = _within(dice, START, END - FILE)
    everything = [item for category in place.items.values() for item in category]
    favourite = dice.choice(everything)
    found = []
    for _ in range(dice.randint(300, 700)):
        at = begins + dt.timedelta(seconds=dice.uniform(0, 7200))
        item = favourite if dice.random() < 0.4 else dice.choice(everything)
        found.append({**_event(bot, at, f"{bot}@{begins:%d%H%M}", item, "view", 0.1), "agent": agent})
    return found


def accounts(seed: int) -> list[tuple[dt.datetime, Event]]:
    """What happened to accounts, each with the time at which it reaches us: deleted ones may change afterwards, as we see it."""
    place, dice, found = shop(seed), random.Random(f"{seed}: accounts"), []
    for user in place.users:
        country, opened = dice.choice(["AT", "CH", "DE"]), START - dt.timedelta(hours=dice.uniform(5, 500))
        found.append((START, _account(user, opened, "created", country)))
        if user in place.deleted or dice.random() < 0.2:
            gone = place.deleted.get(user, END)
            changed = opened + (gone - opened) * dice.uniform(0.1, 0.9)
            delay = dt.timedelta(hours=dice.choice([0, 0, 30]))
            found.append((max(START, changed + delay), _account(user, changed, "changed", dice.choice(["FR", "IT"]))))
        if user in place.deleted:
            found.append((place.deleted[user], _account(user, place.deleted[user], "deleted", None)))
    return found


def _account(user: str, at: dt.datetime, kind: str, country: str | None) -> Event:
    return {"user_id": user, "happened_at": _iso(at), "kind": kind, "country": country}


def prices(seed: int) -> list[tuple[dt.datetime, list[Any]]]:
    """What items cost from when on, each with the time at which it reaches us."""
    place, dice, found = shop(seed), random.Random(f"{seed}: prices"), []
    for category, items in place.items.items():
        for item in items:
            price, title = dice.uniform(5, 90), item.replace("-", " no. ").capitalize()
            for number in range(dice.choice([1, 1, 2, 3])):
                at = START - dt.timedelta(days=1) if number == 0 else _within(dice, START, END)
                delay = dt.timedelta(hours=dice.choice([0, 0, 26]))
                found.append((START if number == 0 else at + delay, [item, category, title, f"{price:.2f}", _iso(at)]))
                price *= dice.uniform(0.8, 1.2)
    return found


def deliveries(seed: int) -> dict[dt.datetime, list[str]]:
    """The lines of each file of events, by the time the file lands."""
    dice = random.Random(f"{seed}: deliveries")
    files: dict[dt.datetime, list[str]] = defaultdict(list)
    for event in events(seed):
        delay = dt.timedelta(hours=dice.uniform(1, 12)) if dice.random() < 0.04 else dt.timedelta()
        if dice.random() < 0.001:
            event.update(dice.choice([{"dwell_s": -5.0}, {"event_id": None}, {"kind": "hover"}]))
        text = json.dumps({**event, "happened_at": _iso(event["happened_at"])})
        if dice.random() < 0.002:
            text = text[: dice.randrange(10, len(text) - 1)]
        files[_lands_at(event["happened_at"] + delay)].append(text)
        if dice.random() < 0.03:
            files[_lands_at(event["happened_at"] + delay + dt.timedelta(hours=dice.choice([0, 7])))].append(text)
    for landed, lines in files.items():
        random.Random(f"{seed}: order of {landed}").shuffle(lines)
    return dict(sorted(files.items()))


def _lands_at(at: dt.datetime) -> dt.datetime:
    return min(START + FILE * ((at - START) // FILE + 1), END)


def _within(dice: random.Random, first: dt.datetime, last: dt.datetime) -> dt.datetime:
    return first + dt.timedelta(seconds=dice.randrange(int((last - first).total_seconds())))


def _iso(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def land(to: Path, *, days: int = DAYS, seed: int = 1) -> int:
    """Land what has arrived after so many days; returns how many files were new."""
    now, place = START + dt.timedelta(days=days), shop(seed)
    planted = {
        "trends": [
            {"item_id": item.item_id, "starts_at": _iso(item.starts_at), "ends_at": _iso(item.ends_at)}
            for item in place.trends
        ],
        "pairs": sorted(place.pairs.items()),
        "bots": place.bots,
        "deleted": sorted(place.deleted),
    }
    new = _write(to / "planted.json", json.dumps(planted, indent=1) + "\n")
    for landed, lines in deliveries(seed).items():
        if landed <= now:
            new += _write(to / "events" / f"{landed:%Y-%m-%dT%H}.json", "".join(line + "\n" for line in lines))
    for day in (START + dt.timedelta(days=number) for number in range(days)):
        changes = [json.dumps(event) + "\n" for at, event in accounts(seed) if _day(at) == day]
        new += _write(to / "accounts" / f"{day:%Y-%m-%d}.json", "".join(changes))
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["item_id", "category", "title", "price", "changed_at"])
        lines.writerows(line for at, line in prices(seed) if _day(at) == day)
        new += _write(to / "prices" / f"{day:%Y-%m-%d}.csv", text.getvalue())
    return new


def _day(at: dt.datetime) -> dt.datetime:
    return min(at, END - FILE).replace(hour=0, minute=0, second=0, microsecond=0)


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
    parser = argparse.ArgumentParser(description="Land the clickstream of a shop.")
    parser.add_argument("--to", type=Path, required=True, help="the landing folder")
    parser.add_argument(
        "--days", type=int, default=DAYS, choices=range(1, DAYS + 1), help="land what has arrived by then"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed is another shop")
    wanted = parser.parse_args()
    count = land(wanted.to, days=wanted.days, seed=wanted.seed)
    print(f"landed {count} new files in {wanted.to}")


if __name__ == "__main__":
    main()
