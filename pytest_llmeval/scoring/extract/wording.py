"""Short texts that name a choice by its words, and texts that end in the middle of a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest_llmeval.scoring.extract.words as words
from pytest_llmeval.scoring.extract.answer_words import lowered
from pytest_llmeval.scoring.extract.mentions import past

_LONGEST = 300
_MIDDLE = re.compile(r"[\w,(\[{=+*/<&\\\u4e00-\u9fff-]")
_LONG_TEXT = 60
#: items of a list often have no full stop
_SHORT_LINE = 24


def is_cut_off(text: str) -> bool:
    """Whether a text ends in the middle of a long line."""
    line = text[text.rfind("\n") + 1 :]
    return len(text) > _LONG_TEXT and len(line) > _SHORT_LINE and _MIDDLE.match(line[-1]) is not None


def choice_by_text(text: str, choices: Mapping[str, str]) -> str | None:
    """The label of the only choice whose text a short reply affirms, or None.

    The choice's text must end a clause or be followed by a word such as ``correct``; other choices may
    only occur where they are rejected.
    """
    if len(text) > _LONGEST or "?" in text or words.REFUSAL.search(text):
        return None
    if any(label.isdigit() and label in text for label in choices):
        return None  # "3 apples": a number that may be the label of another choice
    places = [place for place in _occurrences(text, choices) if not _is_denied(text, place[1], place[2])]
    named = {label for label, _, _ in places}
    affirmed = any(words.TEXT_AFFIRMED.match(text, end) for _, _, end in places)
    return named.pop() if len(named) == 1 and affirmed else None


def _occurrences(text: str, choices: Mapping[str, str]) -> Iterator[tuple[str, int, int]]:
    """``(label, start, end)`` of each choice's text, the longest of those that begin at one place."""
    wordings = {label: wording for label, wording in choices.items() if wording.strip()}
    folded = {label: wording.casefold() for label, wording in wordings.items()}
    exact = len(set(folded.values())) < len(folded)  # choices that differ in capitals only
    haystack, needles = (text, wordings) if exact else (text.casefold(), folded)
    if len(haystack) != len(text):
        return
    found = []
    for label, needle in needles.items():
        start = haystack.find(needle)
        while start >= 0:
            if _is_whole(haystack, start, start + len(needle)):
                found.append((start, -(start + len(needle)), label))
            start = haystack.find(needle, start + 1)
    read_to = place = 0
    for start, negative_end, label in sorted(found):
        if start >= read_to or (start == place and -negative_end == read_to):
            place, read_to = start, -negative_end
            yield label, start, read_to


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether a part of a text does not begin or end within a word or number."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if text[start].isascii() and text[start].isalnum() and before[-1:].isascii() and before[-1:].isalnum():
        return False
    if text[end - 1].isascii() and text[end - 1].isalnum() and after[:1].isascii() and after[:1].isalnum():
        return False
    number_before = text[start].isdigit() and re.search(r"[\d.,/-]$", before) is not None
    number_after = text[end - 1].isdigit() and re.match(r"[.,/]\d|\d| ?[-+*/×=^]", after) is not None
    return not (number_before or number_after)


def _is_denied(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 24) : start]
    last = max((match.end() for match in words.NOT_BEFORE.find(before, lowered(before))), default=-1)
    if last >= 0 and past(words.ARTICLE, before, last) == len(before):
        return True
    return words.DENIED_TEXT.match(text, end) is not None
