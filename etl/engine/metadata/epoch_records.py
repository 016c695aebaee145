"""What the epochs of a generation leave for its driver and its later epochs, under `etl/` in its folder.

It travels by file, since the function that commits an epoch may run in another process than the driver: the counts of each epoch, the
files and pins that inputs were read at, the last failure, a request to stop.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from etl.engine.storage.json_files import read_json, write_json
from etl.engine.storage.places import Place, place
from etl.planning.position import Pin
from etl.planning.results import Counts, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping


def record_counts(generation_path: str, epoch: int, counts: Counts, warnings: dict[str, int]) -> None:
    """Leave an epoch's counts where the driver finds them."""
    write_json(
        place(generation_path, "etl", "counts", f"{epoch}.json"), {"counts": asdict(counts), "warnings": warnings}
    )


def recorded_counts(generation_path: str, epoch: int) -> tuple[Counts, dict[str, int]] | None:
    """What `record_counts` left for an epoch, if it got so far."""
    found = read_json(place(generation_path, "etl", "counts", f"{epoch}.json"))
    return None if found is None else (Counts(**found["counts"]), dict(found["warnings"]))


def record_files(generation_path: str, name: str, files: Mapping[str, int]) -> None:
    """Remember which files an input was pinned at: its position tells only their number and digest."""
    write_json(place(generation_path, "etl", "read", f"{name}.json"), dict(files))


def recorded_files(generation_path: str, name: str) -> Mapping[str, int]:
    """What `record_files` left of an input; empty where it left nothing."""
    found = read_json(place(generation_path, "etl", "read", f"{name}.json"))
    return found if isinstance(found, dict) else {}


def record_drained(generation_path: str, epoch: int) -> None:
    """Remember that after this epoch nothing was due any more."""
    write_json(place(generation_path, "etl", "drained.json"), {"epoch": epoch})


def recorded_drained(generation_path: str) -> int | None:
    """What `record_drained` left; None where it left nothing."""
    found = read_json(place(generation_path, "etl", "drained.json"))
    return int(found["epoch"]) if isinstance(found, dict) and "epoch" in found else None


def record_left_out(generation_path: str) -> None:
    """Remember that an epoch after the first has left rows out, which came late: the first epoch of another generation would take them."""
    write_json(place(generation_path, "etl", "left_out.json"), {})


def has_left_out(generation_path: str) -> bool:
    """Whether `record_left_out` was called."""
    return place(generation_path, "etl", "left_out.json").exists()


def record_pins(generation_path: str, pins: Mapping[str, Pin]) -> None:
    """Remember what a query reads its snapshots at, before it starts."""
    told = {name: {"position": dict(pin.position), "files": dict(pin.files)} for name, pin in pins.items()}
    write_json(place(generation_path, "etl", "pins.json"), told)


def recorded_pins(generation_path: str) -> Mapping[str, Pin]:
    """What `record_pins` left."""
    found = read_json(place(generation_path, "etl", "pins.json")) or {}
    return {name: Pin(item["position"], item["files"]) for name, item in found.items()}


def record_failure(generation_path: str, run_id: str, failure: Failure) -> None:
    """Leave the cause of a failed epoch where the driver finds it: Spark would hand on only its text."""
    write_json(place(generation_path, "etl", f"failure-{run_id}.json"), asdict(failure))


def take_failure(generation_path: str, run_id: str) -> Failure | None:
    """What `record_failure` left, once."""
    path = place(generation_path, "etl", f"failure-{run_id}.json")
    found = read_json(path)
    path.unlink(missing_ok=True)
    return None if found is None else Failure(**found)


def _stop_file(generation_path: str, run_id: str) -> Place:
    return place(generation_path, "etl", f"stop-{run_id}")


def _stopped_file(generation_path: str, run_id: str) -> Place:
    return place(generation_path, "etl", f"stop-{run_id}.json")


def request_stop(generation_path: str, run_id: str) -> None:
    """Ask the epochs of this run to end after the one that is being committed."""
    path = _stop_file(generation_path, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def stop_requested(generation_path: str, run_id: str) -> bool:
    """Whether `request_stop` was called for this run."""
    return _stop_file(generation_path, run_id).exists()


def record_stopped(generation_path: str, run_id: str) -> None:
    """Leave word that an epoch of this run was not begun, on purpose: the query that offered it fails, and nothing is wrong."""
    write_json(_stopped_file(generation_path, run_id), {})


def has_stopped(generation_path: str, run_id: str) -> bool:
    """Whether `record_stopped` was called for this run."""
    return _stopped_file(generation_path, run_id).exists()


def forget_stop(generation_path: str, run_id: str) -> None:
    """Remove the request and what came of it, when the stream that it asks has ended."""
    _stop_file(generation_path, run_id).unlink(missing_ok=True)
    _stopped_file(generation_path, run_id).unlink(missing_ok=True)
