"""What every commit of ours says about itself.

A commit carries in `commitInfo.userMetadata` the JSON `{"etl": {pipeline, flow, run, generation, epoch, from, to,
fingerprint, kind}}` (with `maintenance` where it is no epoch: it changes no row, and repeats the stamp before it) and, in the same commit, Delta's `txn` action whose id names the generation and whose version is the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from etl.planning.kinds import KIND_TRAITS, Kind, stored_kind
from etl.planning.position import Position


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a commit came from: the stamp on every table that a flow writes.

    Attributes:
        start: The position after which the epoch read its inputs; None for one that read them from the beginning.
        to: The position up to which it read them.
        rolled_back_upto: The newest generation that was ever rolled back; its number, and those below it, are never used again.
        run_ts: What run_ts() was, where the flow's SQL says it.
        backfill: Which window of which backfill, or which replay of the quarantine, the commit is; None for an epoch.
        maintenance: What maintenance did in the commit, which is no epoch and repeats the stamp of the one before it; None for others.
    """

    pipeline: str
    flow: str
    run: str
    generation: int
    epoch: int
    start: Position | None
    to: Position
    fingerprint: str
    kind: Kind = "rows"
    rolled_back_upto: int = -1
    run_ts: str | None = None
    backfill: Mapping[str, Any] | None = None
    maintenance: str | None = None

    @property
    def opens(self) -> bool:
        """Whether this is a generation's first epoch; of state that was rebuilt, its first epochs are one commit, with the last one's number."""
        return self.start is None and (self.epoch == 0 or KIND_TRAITS[self.kind].keeps_state)

    @property
    def app_id(self) -> str:
        """Delta's txn id: it names the generation, since epochs start again at 0 with each, and a backfill, which is no epoch."""
        generation = f"etl:{self.pipeline}/{self.flow}/g{self.generation}"
        if self.backfill is None:
            return generation
        attempt = f"/{self.backfill['attempt']}" if "attempt" in self.backfill else ""
        return f"{generation}/backfill/{self.backfill['id']}{attempt}"

    @property
    def txn_version(self) -> int:
        """Delta's txn version: the epoch, or the number of a backfill's window."""
        return self.epoch if self.backfill is None else int(self.backfill["number"])

    @property
    def for_side_tables(self) -> Provenance:
        """The stamp for state and quarantine. A backfill writes those again in each attempt, so its txn names the run."""
        return self if self.backfill is None else replace(self, backfill={**self.backfill, "attempt": self.run})

    def dumps(self) -> str:
        """The text of `userMetadata`."""
        stamp = {
            "pipeline": self.pipeline,
            "flow": self.flow,
            "run": self.run,
            "generation": self.generation,
            "epoch": self.epoch,
            "from": self.start,
            "to": self.to,
            "fingerprint": self.fingerprint,
            "kind": self.kind,
            **({"retired": self.rolled_back_upto} if self.rolled_back_upto >= 0 else {}),
            **({"run_ts": self.run_ts} if self.run_ts is not None else {}),
        }
        if self.backfill is not None:
            stamp["backfill"] = dict(self.backfill)
        if self.maintenance is not None:
            stamp["maintenance"] = self.maintenance
        return json.dumps({"etl": stamp}, separators=(",", ":"), sort_keys=True)

    @classmethod
    def loads(cls, text: str | None) -> Provenance | None:
        """The stamp in `userMetadata`, or None where there is none, or a foreign one."""
        if not text:
            return None
        try:
            stamp = json.loads(text)["etl"]
            return cls(
                pipeline=str(stamp["pipeline"]),
                flow=str(stamp["flow"]),
                run=str(stamp["run"]),
                generation=int(stamp["generation"]),
                epoch=int(stamp["epoch"]),
                start=stamp["from"],
                to=stamp["to"],
                fingerprint=str(stamp["fingerprint"]),
                kind=stored_kind(stamp.get("kind")),
                rolled_back_upto=int(stamp.get("retired", -1)),
                run_ts=str(stamp["run_ts"]) if "run_ts" in stamp else None,
                backfill=_backfill(stamp.get("backfill")),
                maintenance=str(stamp["maintenance"]) if "maintenance" in stamp else None,
            )
        except (ValueError, KeyError, TypeError):
            return None


def _backfill(entry: Any) -> Mapping[str, Any] | None:
    if entry is None:
        return None
    return {**entry, "id": str(entry["id"]), "number": int(entry["number"]), "of": int(entry["of"])}
