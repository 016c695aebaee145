"""What one flow's run has to tell: the epochs that were committed, each reported once, and its warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.metadata.delta_log import last_committed
from etl.planning.events import EpochCommitted, FlowWarned
from etl.planning.results import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.engine.job import Job
    from etl.engine.state.progress import Observed
    from etl.planning.events import Event


class FlowReport:
    """Adds up what the epochs of a flow have left, over all attempts of a run.

    Attributes:
        counts: The rows of the epochs that were reported.
        epochs: How many were reported.
        warnings: What was warned of, in order, each once.
    """

    def __init__(self, flow: str, emit: Callable[[Event], None]) -> None:
        self.counts = Counts()
        self.epochs = 0
        self._flow, self._emit = flow, emit
        self._warnings: dict[str, None] = {}
        self._violations: dict[str, int] = {}
        self._next_epochs: dict[int, int] = {}  # generation → the first of its epochs that is to be reported next
        self._observed: dict[int, Counts] = {}  # epoch → what the query of a state flow has read; not reported yet
        self._without_reads: set[int] = (
            set()
        )  # epochs reported without what was read in them: their query died too soon

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    def warn(self, message: str) -> None:
        """Tell a warning, once; an empty message is none."""
        if message and message not in self._warnings:
            self._warnings[message] = None
            self._emit(FlowWarned(self._flow, message))

    def warn_of_rows(self) -> None:
        """Tell, at the run's end, of rows that violated an expectation and were written, and of those that came late."""
        for expectation, rows in self._violations.items():
            self.warn(f"expectation '{expectation}' is violated by {rows} rows, which were written all the same")
        if self.counts.late:
            self.warn(f"{self.counts.late} rows came later than the watermark, or without a time, and were left out")

    def next_epoch(self, job: Job) -> int:
        """The first epoch of the job's generation that is not reported yet: one that an attempt committed before it died is reported by the next."""
        return self._next_epochs.setdefault(job.generation.number, epoch_after(job))

    def expect(self, job: Job, epoch: int) -> None:
        """Report `epoch` next, whatever was committed by now."""
        self._next_epochs[job.generation.number] = epoch

    def collect(self, job: Job, observed: Observed | None = None) -> None:
        """Report the epochs committed since the last look. `observed`: of a state flow what its query has told, which alone knows the reads."""
        if observed is not None:
            self._take(job, observed)
        epoch = self.next_epoch(job)
        while (recorded := job.generation.records.counts(epoch)) is not None:
            if observed is not None and epoch not in self._observed:
                if not observed.is_final:
                    return  # the query is about to tell
                self._without_reads.add(epoch)
            counts, violations = recorded
            for earlier in sorted(number for number in self._observed if number <= epoch):
                counts += self._observed.pop(earlier)
            self.counts += counts
            self.epochs += 1
            for expectation, rows in violations.items():
                self._violations[expectation] = self._violations.get(expectation, 0) + rows
            self._emit(EpochCommitted(self._flow, job.generation.number, epoch, counts))
            epoch += 1
            self.expect(job, epoch)

    def _take(self, job: Job, observed: Observed) -> None:
        """Keep what was read in epochs that are not reported yet; add it where its epoch was reported without."""
        unreported = self.next_epoch(job)
        self._observed |= {epoch: counts for epoch, counts in observed.counts.items() if epoch >= unreported}
        for epoch in (
            self._without_reads & observed.counts.keys()
        ):  # the attempt after one that died computes it once more
            self._without_reads.remove(epoch)
            self.counts += observed.counts[epoch]


def epoch_after(job: Job) -> int:
    """The epoch that follows the newest one in the target; 0 where that holds none of the job's generation."""
    committed = last_committed(job.paths.target)
    return committed.epoch + 1 if committed is not None and committed.generation == job.generation.number else 0
