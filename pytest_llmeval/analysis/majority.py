"""Majority vote: choose the answer that represents several answers to one question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_llmeval.core.types import Outcome


def majority_index(repeats: Sequence[tuple[Outcome, str | None]]) -> int:
    """The index of the first repeat with the most frequent answer, given the outcome and answer of each.

    Errors do not vote, and unparsed answers vote only if no answer could be parsed. A test that reads the
    text itself leaves no answer; then the outcomes vote.
    """
    parsed = (Outcome.CORRECT, Outcome.WRONG, Outcome.ANSWERED)
    for voting in (parsed, (*parsed, Outcome.UNPARSED), tuple(Outcome)):
        if voters := [index for index, (outcome, _) in enumerate(repeats) if outcome in voting]:
            break
    votes = Counter(_vote(*repeats[index]) for index in voters)
    most = max(votes.values())
    return next(index for index in voters if votes[_vote(*repeats[index])] == most)


def _vote(outcome: Outcome, answer: str | None) -> str:
    return outcome.value if answer is None else f"answer {answer}"
