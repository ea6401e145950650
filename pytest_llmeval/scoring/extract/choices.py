"""``choice``: the one choice that a text settles on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import pytest_llmeval.scoring.extract.words as words
from pytest_llmeval.scoring.extract.cleaning import clean, unwrapped
from pytest_llmeval.scoring.extract.reader import Claim, Reader, labels
from pytest_llmeval.scoring.extract.reasoning import split_reasoning

_ROLE_MARK = re.compile(r"^\s*(?:(?:<\|[^|<>\n]{1,30}\|>|(?:assistant|助手)\s*:)\s*)+", re.I)
_NEXT_TURN = re.compile(
    r"<\|[a-z_]{2,20}\|>|</s>|<eos>|\n ?(?:题目|问题|问|Question|Q|Human|User|用户"
    r"|Problem)(?: ?\d{1,3})? ?[:.]|\n以下是(?:中国)?关于",
    re.I,
)


def _resolve(text: str, claims: list[Claim]) -> str | None:
    """What the strongest claims agree on, or what the last of them corrects the others to."""
    retracted = max((m.end() for m in words.RETRACTION.finditer(text)), default=0)
    if claims and claims[0].end < retracted:
        claims = [c for c in claims if c.end > retracted]
    if not claims:
        return None
    top = max(c.strength for c in claims)
    claims = [c for c in claims if c.strength == top]
    last = claims[-1]
    others = [c for c in claims if c.label != last.label]
    if not others:
        return last.label
    gap = text[others[-1].end : last.end]
    return last.label if words.CORRECTION.search(gap) and not last.also else None


_HEAD, _TAIL = 2_000, 14_000


def _ends_of(text: str) -> str:
    """A text, or the first and last characters of a very long one."""
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"


def choice(text: str, choices: Mapping[str, str]) -> str | None:
    """The label of the choice that a model's text settles on, as a careful person reads it, or None.

    Reads Chinese and English, in linear time. Reasoning in ``<think>`` blocks is left out; of what is left
    the first 2,000 and the last 14,000 characters are read.
    """
    if text and text in choices:
        return text
    choices = {label: words for label, words in choices.items() if label}
    if not choices:
        return None
    said = unicodedata.normalize("NFKC", _ends_of(split_reasoning(text)[0]))
    said = _ends_of(clean(_ROLE_MARK.sub("", split_reasoning(said)[0])))
    if (label := labels(tuple(choices))[1].get(unwrapped(said))) is not None:
        return label
    # A base model goes on to write the next question: what stands before it is the answer.
    if turn := _NEXT_TURN.search(said):
        before = said[: turn.start()].strip()
        answer = _resolve(before, Reader(before, choices).claims())
        if answer is not None:
            return answer
    return _resolve(said, Reader(said, choices).claims())
