"""How often a benchmark's official rule reads another answer than its extractor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_llmeval.analysis.stats import Counts
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.record import Record


@dataclass(frozen=True, slots=True)
class OfficialRule:
    """The texts in which the rule called ``rule`` reads another answer.

    ``ids`` are their questions; ``accuracy`` is that of the rule's answers over all texts.
    """

    rule: str
    ids: tuple[str, ...]
    texts: int
    accuracy: float | None

    @classmethod
    def of(cls, records: Sequence[Record]) -> OfficialRule | None:
        """Count the differences in the records of one model on one benchmark; None if there are none."""
        every = [attempt for record in records for attempt in record.attempts]
        attempts = [attempt for attempt in every if attempt.outcome is not Outcome.ERROR]
        differences = [(attempt, attempt.official) for attempt in attempts if attempt.official is not None]
        if not differences:
            return None
        counts = Counts.of((attempt.outcome, attempt.gold) for attempt in attempts)
        correct = counts.correct + sum(
            official.correct - (attempt.outcome is Outcome.CORRECT) for attempt, official in differences
        )
        return cls(
            differences[0][1].rule,
            tuple(dict.fromkeys(attempt.id for attempt, _ in differences)),
            len(attempts),
            correct / counts.scored if counts.scored else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The ``official`` of a result in results.json."""
        return {"rule": self.rule, "accuracy": self.accuracy, "differences": list(self.ids)}
