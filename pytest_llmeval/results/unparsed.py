"""Why nothing could be read in unparsed answers: often an option, not the model, is the cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from pytest_llmeval.core.types import Completion

#: the ``finish_reason`` of an answer that the token limit ended, and of one that a filter held back
CUT_OFF, FILTERED = "length", "content_filter"


class Reason(StrEnum):
    """Why an answer is unparsed."""

    CUT_OFF = "cut_off"
    FILTERED = "filtered"
    #: the model wrote nothing but its reasoning
    ALL_REASONING = "all_reasoning"
    EMPTY = "empty"
    #: there is a text, or there are scores, but no answer was found
    UNREADABLE = "unreadable"


def reason_of(completion: Completion) -> Reason:
    """Why nothing could be read in a completion."""
    if completion.finish_reason == CUT_OFF:
        return Reason.CUT_OFF
    if completion.finish_reason == FILTERED:
        return Reason.FILTERED
    if completion.text.strip() or completion.finish_reason == "scored":
        return Reason.UNREADABLE
    return Reason.ALL_REASONING if completion.reasoning.strip() else Reason.EMPTY


def count_reasons(reasons: Iterable[Reason | None]) -> Mapping[Reason, int]:
    """The number of answers by reason; None stands for an answer that could be read."""
    counts = Counter(reasons)
    return {reason: counts[reason] for reason in Reason if counts[reason]}
