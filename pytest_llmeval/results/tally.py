"""Count a run's records as they arrive."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pytest_llmeval.analysis.stats import Counts
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.record import Record


@dataclass(slots=True)
class _Running:
    """Running counts of one model on one benchmark."""

    started: float
    ended: float
    numbers: Counter[tuple[Outcome, bool]]
    stored: int = 0


class Tally:
    """The records of a run without their texts (a few hundred bytes each), with running counts."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last = clock()
        self._records: dict[str, dict[str, Record]] = {}
        self._running: dict[tuple[str, str], _Running] = {}

    def add(self, record: Record) -> None:
        """Count a question; a record replaces an earlier one with the same id, model and repeat."""
        now = self._clock()
        running = self._running.get((record.model, record.benchmark))
        if running is None:
            running = _Running(self._last, now, Counter())
            self._running[record.model, record.benchmark] = running
        records = self._records.setdefault(record.model, {})
        earlier = records.get(record.id)
        if earlier is not None:
            running.numbers.subtract((outcome, earlier.gold) for outcome in earlier.outcomes)
            running.stored -= earlier.from_store
            record = earlier.merged(record)
        for outcome in record.outcomes:
            running.numbers[outcome, record.gold] += 1
        running.stored += record.from_store
        running.ended = self._last = now
        records[record.id] = record

    def __iter__(self) -> Iterator[Record]:
        for records in self._records.values():
            yield from records.values()

    def counts(self, *, model: str | None = None, benchmark: str | None = None) -> Counts:
        """The counts so far, optionally of a single model or benchmark; cheap enough for a live display."""
        total = Counts()
        for (key_model, key_benchmark), running in self._running.items():
            if model in (None, key_model) and benchmark in (None, key_benchmark):
                total += Counts.summed(running.numbers)
        return total

    def stored(self, model: str, benchmark: str) -> int:
        """The number of answers so far that came from the store."""
        return self._running[model, benchmark].stored

    def seconds(self, model: str, benchmark: str) -> float:
        """Seconds up to the last of these records, from the record before the first one (or the start)."""
        running = self._running[model, benchmark]
        return running.ended - running.started
