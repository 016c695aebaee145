"""The records of runs under `history/`: each run, backfill and replay that came to an end or was ended, whether or not it committed anything.

No table depends on them; a run that was killed has none.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from etl.engine.storage.json_files import is_draft, read_json
from etl.engine.storage.places import place
from etl.planning.results import Counts, Failure, FlowResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run did, as it was recorded; `started_at` is ISO 8601 in UTC."""

    run_id: str
    pipeline: str
    mode: Literal["batch", "stream", "backfill", "replay"]
    status: str
    started_at: str
    duration_s: float
    flows: tuple[FlowResult, ...]


def runs(storage: str, pipeline: str, *, limit: int) -> tuple[RunRecord, ...]:
    """The newest records of a pipeline, newest first."""
    records: list[RunRecord] = []
    for run_id in _ids(storage, pipeline):
        if len(records) == limit:
            break
        record = run(storage, pipeline, run_id)
        records += [record] if record is not None else []
    return tuple(sorted(records, key=lambda record: record.started_at, reverse=True))


def run(storage: str, pipeline: str, run_id: str) -> RunRecord | None:
    """The record of one run; None where there is none, or it is damaged: then its commits alone tell of the run."""
    try:
        values = read_json(place(storage, "history", pipeline, f"{run_id}.json"))
        if values is None:
            return None
        flows = tuple(map(_flow, values.get("flows", [values])))
        return RunRecord(**_known(RunRecord, values, but=("flows",)), flows=flows)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def newest(storage: str, pipeline: str) -> RunRecord | None:
    """The record of the run that began last; None where there is none."""
    return next(iter(runs(storage, pipeline, limit=1)), None)


def _ids(storage: str, pipeline: str) -> Iterator[str]:
    """The runs that have a record, the newest first: their names are in the order of time."""
    folder = place(storage, "history", pipeline)
    if not folder.is_dir():
        return
    names = (file.name for file in folder.iterdir())
    yield from sorted(
        (name.removesuffix(".json") for name in names if name.endswith(".json") and not is_draft(name)), reverse=True
    )


def _flow(values: Mapping[str, Any]) -> FlowResult:
    """A flow's result; a backfill or a replay has one flow, and stands for it itself. What an older build did not know is as if it had not been."""
    told, error = values.get("failure"), values.get("error")
    failure = Failure.of(told) if told else Failure("run", error) if error else None
    return FlowResult(
        **_known(FlowResult, values, but=("counts", "warnings", "failure")),
        counts=Counts(**_known(Counts, values.get("counts") or {})),
        warnings=tuple(values.get("warnings") or ()),
        failure=failure,
    )


def _known(of: type, values: Mapping[str, Any], but: tuple[str, ...] = ()) -> dict[str, Any]:
    names = {each.name for each in fields(of)} - set(but)
    return {name: value for name, value in values.items() if name in names}
