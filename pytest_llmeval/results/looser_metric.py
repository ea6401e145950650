"""Wrong answers that a looser metric would accept, because they contain the gold answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.record import Record


@dataclass(frozen=True, slots=True)
class LooserMetric:
    """The wrong answers that the metric called ``metric`` would accept: ``accepted`` of ``wrong``.

    ``ids`` are their questions.
    """

    metric: str
    accepted: int
    wrong: int
    ids: tuple[str, ...]

    @classmethod
    def of(cls, records: Iterable[Record]) -> LooserMetric | None:
        """Count them in the records of one model on one benchmark; None if there are none."""
        wrong = [
            attempt for record in records for attempt in record.attempts if attempt.outcome is Outcome.WRONG
        ]
        accepted = [attempt for attempt in wrong if attempt.accepted_by is not None]
        if not accepted:
            return None
        ids = tuple(dict.fromkeys(attempt.id for attempt in accepted))
        return cls(str(accepted[0].accepted_by), len(accepted), len(wrong), ids)

    def to_json(self) -> dict[str, Any]:
        """The ``looser_metric`` of a result in results.json."""
        return {
            "metric": self.metric,
            "accepted": self.accepted,
            "wrong": self.wrong,
            "questions": list(self.ids),
        }
