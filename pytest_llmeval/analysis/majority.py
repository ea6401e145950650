"""Which of several answers to one question stands for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_llmeval.core.types import Outcome


def elected(times: Sequence[tuple[Outcome, str | None]]) -> int:
    """The number of the first time with the most frequent answer, given each time's outcome and answer.

    Errors have no vote, and what could not be read has one only where nothing could be. A test that
    reads the text itself leaves no answer: its outcomes vote then.
    """
    read = (Outcome.CORRECT, Outcome.WRONG, Outcome.ANSWERED)
    for voting in (read, (*read, Outcome.UNPARSED), tuple(Outcome)):
        if voters := [place for place, (outcome, _) in enumerate(times) if outcome in voting]:
            break
    votes = Counter(_ballot(*times[place]) for place in voters)
    most = max(votes.values())
    return next(place for place in voters if votes[_ballot(*times[place])] == most)


def _ballot(outcome: Outcome, answer: str | None) -> str:
    return outcome.value if answer is None else f"answer {answer}"
