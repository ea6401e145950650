"""Results of asking each question in every rotation of its choices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_llmeval.analysis.stats import mean
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.record import Record


@dataclass(frozen=True, slots=True)
class Circular:
    """Results by rotation of the choices, in addition to how many questions are correct in all rotations.

    ``accuracies`` has the accuracy of each order and ``mean_accuracy`` their mean, over questions with a gold
    answer and without errors; they are empty and None if there are no such questions. ``places`` has the
    share of parsed answers at each position among the choices: a model without position bias has
    equal shares.
    """

    accuracies: tuple[float, ...] = ()
    mean_accuracy: float | None = None
    places: tuple[float, ...] = ()

    @property
    def plain_accuracy(self) -> float | None:
        """The accuracy of the first order, which is that of a run without rotations."""
        return self.accuracies[0] if self.accuracies else None


def circular(records: Sequence[Record]) -> Circular | None:
    """The results by rotation; None if each question was asked in a single order."""
    circles = [(record.gold, circle) for record in records for circle in record.circles]
    if not circles:
        return None
    per_question = [
        [rotation.outcome is Outcome.CORRECT for rotation in circle]
        for gold, circle in circles
        if gold and all(rotation.outcome is not Outcome.ERROR for rotation in circle)
    ]
    places = Counter(place for _, circle in circles for rotation in circle for place in rotation.places)
    orders = range(max(len(circle) for _, circle in circles))
    each = [mean(float(correct[at]) for correct in per_question if at < len(correct)) for at in orders]
    return Circular(
        accuracies=tuple(accuracy for accuracy in each if accuracy is not None),
        mean_accuracy=mean(sum(correct) / len(correct) for correct in per_question),
        places=tuple(places[place] / places.total() for place in orders) if places else (),
    )
