"""Counting a run's records as they arrive."""

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
    """The records of a run without texts, some hundred bytes each; counts are ready at any time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last = clock()
        self._records: dict[str, dict[str, Record]] = {}
        self._running: dict[tuple[str, str], _Running] = {}

    def add(self, record: Record) -> None:
        """Count one question; a record of the same id and model replaces the earlier one."""
        now = self._clock()
        running = self._running.get((record.model, record.benchmark))
        if running is None:
            running = _Running(self._last, now, Counter())
            self._running[record.model, record.benchmark] = running
        records = self._records.setdefault(record.model, {})
        before = records.get(record.id)
        if before is not None:
            last = self._running[before.model, before.benchmark]
            last.numbers.subtract((outcome, before.gold) for outcome in before.outcomes)
            last.stored -= before.from_store
        for outcome in record.outcomes:
            running.numbers[outcome, record.gold] += 1
        running.stored += record.from_store
        running.ended = self._last = now
        records[record.id] = record

    def __iter__(self) -> Iterator[Record]:
        for records in self._records.values():
            yield from records.values()

    def counts(self, *, model: str | None = None, benchmark: str | None = None) -> Counts:
        """The counts so far, of all or of one model or benchmark; cheap enough for a live display."""
        total = Counts()
        for (of_model, of_benchmark), running in self._running.items():
            if model in (None, of_model) and benchmark in (None, of_benchmark):
                total += Counts.summed(running.numbers)
        return total

    def stored(self, model: str, benchmark: str) -> int:
        """Answers so far that came from the store."""
        return self._running[model, benchmark].stored

    def seconds(self, model: str, benchmark: str) -> float:
        """Seconds from the record before the first of these (or the start) to the last of these."""
        running = self._running[model, benchmark]
        return running.ended - running.started
