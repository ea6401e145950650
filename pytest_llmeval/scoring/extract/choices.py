"""The extractor ``choice``: the one choice that a text settles on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import pytest_llmeval.scoring.extract.words as words
from pytest_llmeval.scoring.extract.cleaning import clean, unwrapped
from pytest_llmeval.scoring.extract.mentions import labels
from pytest_llmeval.scoring.extract.reader import Claim, Reader
from pytest_llmeval.scoring.extract.reasoning import split_reasoning

_ROLE_MARK = re.compile(r"^\s*(?:(?:<\|[^|<>\n]{1,30}\|>|(?:assistant|助手)\s*:)\s*)+", re.I)
_NEXT_TURN = re.compile(
    r"<\|[a-z_]{2,20}\|>|</s>|<eos>|\n ?(?:题目|问题|问|Question|Q|Human|User|用户"
    r"|Problem)(?: ?\d{1,3})? ?[:.]|\n以下是(?:中国)?关于",
    re.I,
)


def _resolve(text: str, claims: list[Claim]) -> str | None:
    """The label that the strongest claims agree on, or to which the last of them corrects the others."""
    retracted = max((m.end() for m in words.RETRACTION.finditer(text)), default=0)
    if claims and claims[0].end < retracted:
        claims = [c for c in claims if c.end > retracted]
    if not claims:
        return None
    strongest = max(c.strength for c in claims)
    claims = [c for c in claims if c.strength == strongest]
    last = claims[-1]
    others = [c for c in claims if c.label != last.label]
    if not others:
        return last.label
    gap = text[others[-1].end : last.end]
    return last.label if words.CORRECTION.search(gap) and not last.also else None


_HEAD, _TAIL = 2_000, 14_000


def _ends_of(text: str) -> str:
    """The text, or the beginning and end of a very long one."""
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"


def choice(text: str, choices: Mapping[str, str]) -> str | None:
    """The label of the choice that a text settles on, as a careful person would read it, or None.

    Reads Chinese and English in linear time. It ignores reasoning in ``<think>`` blocks and reads the first
    2,000 and the last 14,000 characters of the rest.
    """
    if text and text in choices:
        return text
    choices = {label: words for label, words in choices.items() if label}
    if not choices:
        return None
    reply = unicodedata.normalize("NFKC", _ends_of(split_reasoning(text)[0]))
    reply = _ends_of(clean(_ROLE_MARK.sub("", split_reasoning(reply)[0])))
    if (label := labels(tuple(choices))[1].get(unwrapped(reply))) is not None:
        return label
    # base models continue with another question; the answer comes before it
    if turn := _NEXT_TURN.search(reply):
        before = reply[: turn.start()].strip()
        answer = _resolve(before, Reader(before, choices).claims())
        if answer is not None:
            return answer
    return _resolve(reply, Reader(reply, choices).claims())
