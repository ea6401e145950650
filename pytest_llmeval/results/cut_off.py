"""Answers that the token limit cut off: how many there are, and how much they matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pytest_llmeval.analysis.stats import Counts
from pytest_llmeval.results.record import Record

#: the share of answers above which a run's accuracy depends too much on the limit
WARNING_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class CutOff:
    """The ``answers`` that were cut off, of ``requested``; ``correct`` and ``scored`` count those among them.

    ``counts`` are those of all answers.
    """

    answers: int = 0
    correct: int = 0
    scored: int = 0
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def of(cls, records: Iterable[Record]) -> CutOff:
        """Count the cut off answers of records, each repeat by itself."""
        attempts = [attempt for record in records for attempt in record.attempts]
        cut_off = [attempt for attempt in attempts if attempt.cut_off]
        numbers = Counts.of((attempt.outcome, attempt.gold) for attempt in cut_off)
        counts = Counts.of((attempt.outcome, attempt.gold) for attempt in attempts)
        return cls(len(cut_off), numbers.correct, numbers.scored, counts)

    @property
    def share(self) -> float:
        """The share of the answers that were cut off."""
        answers = self.counts.requested - self.counts.error
        return self.answers / answers if answers else 0.0

    @property
    def completed_accuracy(self) -> float | None:
        """The accuracy over the other answers; None if none of them was scored."""
        scored = self.counts.scored - self.scored
        return (self.counts.correct - self.correct) / scored if scored else None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The accuracy if all cut off answers were wrong, and if all were right; None without any scored."""
        if not self.counts.scored:
            return None
        low = self.counts.correct - self.correct
        return low / self.counts.scored, (low + self.scored) / self.counts.scored

    def to_json(self) -> dict[str, Any]:
        """The ``cut_off`` of a result in results.json."""
        return {
            "answers": self.answers,
            "completed_accuracy": self.completed_accuracy,
            "bounds": None if self.bounds is None else list(self.bounds),
        }
