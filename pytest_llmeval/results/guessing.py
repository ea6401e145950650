"""What guessing would score on questions with choices, and an answer that a model gives most of the time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_llmeval.results.record import Record

#: the metric of questions with one correct choice; chance means something else for all others
_METRIC = "choice"
#: answers before one of them can dominate
_MIN_ANSWERS = 12
#: how far the share of a dominant answer is above its share of the gold answers: this much, and this many
#: standard errors
_MIN_EXCESS = 0.2
_STANDARD_ERRORS = 3.0


@dataclass(frozen=True, slots=True)
class DominantAnswer:
    """A label that the model answered ``count`` times in ``answers``; ``gold_share`` of them have it as gold.

    With choices in another order than the file's, labels are those that the model saw.
    """

    answer: str
    count: int
    answers: int
    gold_share: float

    @classmethod
    def of(cls, records: Iterable[Record]) -> DominantAnswer | None:
        """The most frequent answer, if it is striking; None otherwise.

        It is striking if there are at least 12 answers, and its share is above its share of the gold answers
        by more than 20 points and by more than three standard errors.
        """
        pairs = [pair for record in records for pair in _labels(record)]
        if len(pairs) < _MIN_ANSWERS:
            return None
        ((answer, count),) = Counter(answer for answer, _ in pairs).most_common(1)
        gold = sum(target == answer for _, target in pairs) / len(pairs)
        least = max(_MIN_EXCESS, _STANDARD_ERRORS * math.sqrt(gold * (1 - gold) / len(pairs)))
        return cls(answer, count, len(pairs), gold) if count / len(pairs) - gold > least else None


@dataclass(frozen=True, slots=True)
class Guessing:
    """The accuracy of guessing (``chance``), and the answer that dominates, if there is one."""

    chance: float
    dominant: DominantAnswer | None = None

    @classmethod
    def of(cls, records: Iterable[Record], metric: str) -> Guessing | None:
        """From the records of one model on one benchmark; None unless each question has one correct choice.

        The chance of a question is 1 / the number of its choices; asked in several orders, it is correct only
        if it is correct in all of them.
        """
        scored = [record for record in records if record.gold]
        if metric != _METRIC or not scored or not all(record.choices for record in scored):
            return None
        chances = [1 / len(record.choices) ** len(record.attempts[0].singles) for record in scored]
        return cls(math.fsum(chances) / len(chances), DominantAnswer.of(scored))

    def to_json(self) -> dict[str, Any]:
        """The ``guessing`` of a result in results.json."""
        dominant = self.dominant
        return {
            "chance": self.chance,
            "dominant": None
            if dominant is None
            else {
                "answer": dominant.answer,
                "count": dominant.count,
                "answers": dominant.answers,
                "gold_share": dominant.gold_share,
            },
        }


def _labels(record: Record) -> Iterator[tuple[str, str]]:
    """(answer, gold) of each request whose answer could be read, as the model saw the labels."""
    for single in record.singles:
        if single.answer in record.choices and single.target is not None:
            shown = dict(zip(single.order or record.choices, record.choices, strict=False))
            answer = str(single.answer)
            yield shown.get(answer, answer), shown.get(single.target, single.target)
