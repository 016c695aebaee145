"""The books of automatic maintenance: a small file in a flow's checkpoints, which the driver and the epochs of a query share."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from etl.engine.storage.json_files import read_json, write_json
from etl.engine.storage.locks import holder_since
from etl.engine.storage.places import place
from etl.planning.maintenance import Credit

if TYPE_CHECKING:
    from etl.engine.storage.layout import FlowPaths


@dataclass(frozen=True, slots=True)
class Ledger:
    """What automatic maintenance of a flow may still take, and what it has looked at.

    Attributes:
        credit_s: Seconds that it may take; less than none where it has taken more than was earned.
        upto: The instant, in seconds since 1970, up to which runs have earned.
        vacuumed: When it last looked for files that nothing needs.
        looked: Table → how many files it held when it was last looked at.
        failure: What it failed of in a run that is under way; empty where it did not.
    """

    credit_s: float = 0.0
    upto: float = 0.0
    vacuumed: float = 0.0
    looked: dict[str, int] | None = None
    failure: str = ""

    @property
    def allows(self) -> bool:
        """Whether there is time for maintenance."""
        return Credit(self.credit_s).allows

    def earned(self, paths: FlowPaths, budget: float) -> Ledger:
        """The books as they stand now, with what the run that holds the flow's lock has earned since they were last written."""
        now, began = time.time(), holder_since(paths.lock)
        since = max(self.upto, now if began is None else began)
        return replace(self, credit_s=Credit(self.credit_s).after(now - since, budget).seconds, upto=now)

    def spent(self, seconds: float) -> Ledger:
        """The books after maintenance has taken `seconds`, which earn nothing."""
        return replace(self, credit_s=Credit(self.credit_s).less(seconds).seconds, upto=time.time())

    def has_looked(self, role: str, files: int) -> Ledger:
        """The books after a table was looked at that holds `files`."""
        return replace(self, looked={**(self.looked or {}), role: files})


def read_ledger(paths: FlowPaths) -> Ledger:
    """The books of a flow; new ones where there are none, or nobody can read them: they decide nothing but when."""
    try:
        record: Any = read_json(place(paths.checkpoints, _FILE)) or {}
        return Ledger(**record)
    except (ValueError, TypeError):
        return Ledger()


def write_ledger(paths: FlowPaths, ledger: Ledger) -> None:
    """Keep the books."""
    write_json(place(paths.checkpoints, _FILE), asdict(ledger))


_FILE = "maintenance.json"
