"""What the epochs of a generation leave for its driver and its later epochs, under `etl/` in its folder.

It travels by file, since the function that commits an epoch may run in another process than the driver: the counts of each epoch, the
files and pins that inputs were read at, the last failure, a request to stop.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from etl.engine.storage.json_files import read_json, write_json
from etl.engine.storage.places import Place, place
from etl.planning.position import Pin
from etl.planning.results import Counts, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PACKED = "counts.json"
_APART = 100


@dataclass(frozen=True, slots=True)
class EpochRecords:
    """The records of one generation, whose folder is `generation_path`. Each record is one small file."""

    generation_path: str

    def _file(self, *names: str) -> Place:
        return place(self.generation_path, "etl", *names)

    def record_counts(self, epoch: int, counts: Counts, warnings: Mapping[str, int]) -> None:
        """Leave an epoch's counts where the driver finds them, with the rows that violated each `warn` expectation."""
        self._write({"counts": asdict(counts), "warnings": dict(warnings)}, "counts", f"{epoch}.json")

    def counts(self, epoch: int) -> tuple[Counts, dict[str, int]] | None:
        """What `record_counts` left of an epoch; None where the epoch did not get so far."""
        record = self._read("counts", f"{epoch}.json")
        return self.packed_counts().get(epoch) if record is None else _counts(record)

    def packed_counts(self) -> dict[int, tuple[Counts, dict[str, int]]]:
        """What `pack_counts` has put together: epoch → what `record_counts` left of it."""
        packed = self._read(_PACKED) or {}
        return {int(epoch): _counts(record) for epoch, record in packed.items()}

    def packable(self) -> tuple[int, ...]:
        """The epochs whose counts stand in files of their own, less the newest hundred."""
        folder = self._file("counts")
        names = [item.stem for item in folder.iterdir() if item.suffix == ".json"] if folder.is_dir() else []
        return tuple(sorted(int(name) for name in names if name.isdigit())[:-_APART])

    def pack_counts(self, epochs: Iterable[int]) -> None:
        """Put the counts of `epochs`, which are over, into one file; nothing is lost of them, whenever this process dies."""
        alone = {epoch: record for epoch in epochs if (record := self._read("counts", f"{epoch}.json")) is not None}
        self._write({**(self._read(_PACKED) or {}), **{str(epoch): record for epoch, record in alone.items()}}, _PACKED)
        for epoch in alone:
            self._file("counts", f"{epoch}.json").unlink(missing_ok=True)

    def record_files(self, input_name: str, files: Mapping[str, int]) -> None:
        """Remember which files an input was pinned at (path → modification time in ms): its position tells only their number and digest."""
        self._write(dict(files), "read", f"{input_name}.json")

    def files(self, input_name: str) -> Mapping[str, int]:
        """What `record_files` left of an input; empty where it left nothing."""
        record = self._read("read", f"{input_name}.json")
        return record if isinstance(record, dict) else {}

    def record_drained(self, epoch: int) -> None:
        """Remember that after this epoch nothing was due any more."""
        self._write({"epoch": epoch}, "drained.json")

    def drained(self) -> int | None:
        """The epoch that `record_drained` left; None where it left nothing."""
        record = self._read("drained.json")
        return int(record["epoch"]) if isinstance(record, dict) and "epoch" in record else None

    def record_left_out(self) -> None:
        """Remember that an epoch after the first left rows out, which came late: the first epoch of another generation would take them."""
        self._write({}, "left_out.json")

    def has_left_out(self) -> bool:
        """Whether `record_left_out` was called."""
        return self._file("left_out.json").exists()

    def record_pins(self, pins: Mapping[str, Pin]) -> None:
        """Remember what a query reads its snapshots at, before it starts."""
        record = {name: {"position": dict(pin.position), "files": dict(pin.files)} for name, pin in pins.items()}
        self._write(record, "pins.json")

    def pins(self) -> Mapping[str, Pin]:
        """What `record_pins` left; empty where it left nothing."""
        record = self._read("pins.json") or {}
        return {name: Pin(pin["position"], pin["files"]) for name, pin in record.items()}

    def record_failure(self, run_id: str, failure: Failure) -> None:
        """Leave the cause of a failed epoch where the driver finds it: Spark would hand on only its text."""
        self._write(asdict(failure), f"failure-{run_id}.json")

    def take_failure(self, run_id: str) -> Failure | None:
        """What `record_failure` left, once; None where it left nothing."""
        name = f"failure-{run_id}.json"
        record = self._read(name)
        self._file(name).unlink(missing_ok=True)
        return None if record is None else Failure.of(record)

    def request_stop(self, run_id: str) -> None:
        """Ask the epochs of a run to end after the one that is being committed."""
        request = self._file(f"stop-{run_id}")
        request.parent.mkdir(parents=True, exist_ok=True)
        request.touch()

    def is_stop_requested(self, run_id: str) -> bool:
        """Whether `request_stop` was called for the run."""
        return self._file(f"stop-{run_id}").exists()

    def record_stopped(self, run_id: str) -> None:
        """Leave word that an epoch of the run was not begun, on purpose: the query that offered it fails, and nothing is wrong."""
        self._write({}, f"stop-{run_id}.json")

    def has_stopped(self, run_id: str) -> bool:
        """Whether `record_stopped` was called for the run."""
        return self._file(f"stop-{run_id}.json").exists()

    def forget_stop(self, run_id: str) -> None:
        """Remove the request and what came of it, when the stream that it asks has ended."""
        self._file(f"stop-{run_id}").unlink(missing_ok=True)
        self._file(f"stop-{run_id}.json").unlink(missing_ok=True)

    def _read(self, *names: str) -> Any:
        return read_json(self._file(*names))

    def _write(self, record: Mapping[str, Any], *names: str) -> None:
        write_json(self._file(*names), record)


def _counts(record: Mapping[str, Any]) -> tuple[Counts, dict[str, int]]:
    return Counts(**record["counts"]), dict(record["warnings"])
