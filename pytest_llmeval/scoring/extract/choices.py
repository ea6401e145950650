"""The extractor ``choice``: the one choice that a text settles on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

import pytest_llmeval.scoring.extract.words as words
from pytest_llmeval.scoring.extract.answer_words import lowered
from pytest_llmeval.scoring.extract.cleaning import clean, unwrapped, without_special_tokens
from pytest_llmeval.scoring.extract.languages import with_latin_labels
from pytest_llmeval.scoring.extract.markers import Strength
from pytest_llmeval.scoring.extract.mentions import labels
from pytest_llmeval.scoring.extract.reader import Claim, Reader
from pytest_llmeval.scoring.extract.reasoning import split_reasoning
from pytest_llmeval.scoring.extract.wording import choice_by_text, is_cut_off

_ROLE_MARK = re.compile(r"^\s*(?:(?:<\|[^|<>\n]{1,30}\|>|(?:assistant|助手)\s*:)\s*)+", re.I)
_NEXT_TURN = re.compile(
    r"<\|[a-z_]{2,20}\|>|</s>|<eos>|\n ?(?:题目|问题|问|Question|Q|Human|User|用户"
    r"|Problem)(?: ?\d{1,3})? ?[:.]|\n以下是(?:中国)?关于",
    re.I,
)


@lru_cache(maxsize=4)
def _last_retraction(text: str) -> int:
    """Where the last retraction ends, or 0."""
    return max((match.end() for match in words.RETRACTION.find(text, lowered(text))), default=0)


def not_retracted(text: str, claims: list[Claim]) -> list[Claim]:
    """The claims after the last place where a text takes everything back (``Wait``)."""
    retracted = _last_retraction(text)
    if claims and claims[0].end < retracted:
        return [c for c in claims if c.end > retracted]
    return claims


def _resolve(text: str, claims: list[Claim]) -> str | None:
    """The label that a text's claims settle on.

    The last explicit claim decides, unless the text takes it back: then what follows it. Without explicit
    claims the strongest must agree, or the last of them must correct the others.
    """
    claims = not_retracted(text, claims)
    if not claims:
        return None
    strongest = max(c.strength for c in claims)
    strong = [c for c in claims if c.strength == strongest]
    last = strong[-1]
    others = [c for c in strong if c.label != last.label]
    if strongest == Strength.EXPLICIT:
        if taken_back := words.TAKEN_BACK.match(text, last.end):
            return _resolve(text, [c for c in claims if c.start >= taken_back.start() and c is not last])
        joined = others and words.ALTERNATIVE.fullmatch(text, others[-1].end, last.start)
        return None if joined else last.label
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

    Takes linear time. Reasoning (``split_reasoning``) is ignored. Of a very long text, the first 2,000
    and the last 14,000 characters are read.
    """
    return _choice(text, choices, whole=True)


def explicit_choice(text: str, choices: Mapping[str, str]) -> str | None:
    """The label that an unfinished text states, explicitly or at its beginning, or None."""
    return _choice(text, choices, whole=False)


def final_statements(reply: str, reader: Reader, *, whole: bool) -> list[Claim]:
    """The explicit claims, if they decide; none if the text takes the last of them back."""
    claims = [claim for claim in reader.statements() if whole or claim.counts_in_unfinished]
    claims = not_retracted(reply, claims)
    return claims if claims and not words.TAKEN_BACK.match(reply, claims[-1].end) else []


def readable(text: str) -> str:
    """The cleaned text without reasoning; its beginning and end if it is very long."""
    reply = unicodedata.normalize("NFKC", _ends_of(split_reasoning(text)[0]))
    reply = _ROLE_MARK.sub("", split_reasoning(reply)[0])
    return with_latin_labels(_ends_of(clean(without_special_tokens(reply))))


def first_turn(reply: str) -> str:
    """What comes before another question, with which base models continue; empty if there is none."""
    turn = _NEXT_TURN.search(reply)
    return reply[: turn.start()].strip() if turn else ""


def _choice(text: str, choices: Mapping[str, str], *, whole: bool) -> str | None:
    if text and text in choices:
        return text
    choices = {label: words for label, words in choices.items() if label}
    if not choices:
        return None
    reply = readable(text)
    if (label := labels(tuple(choices))[1].get(unwrapped(reply))) is not None:
        return label
    if (turn := first_turn(reply)) and (answer := _settled(turn, choices, whole=True)) is not None:
        return answer
    return _settled(reply, choices, whole=whole)


def _settled(reply: str, choices: Mapping[str, str], *, whole: bool) -> str | None:
    """The label that a cleaned text settles on."""
    reader = Reader(reply, choices)
    whole = whole and not is_cut_off(reply)
    if statements := final_statements(reply, reader, whole=whole):
        return _resolve(reply, statements)
    claims = reader.claims()
    if not whole:
        return _resolve(reply, [claim for claim in claims if claim.counts_in_unfinished])
    answer = _resolve(reply, claims)
    if answer is None and not any(claim.strength >= Strength.STATED for claim in claims):
        return choice_by_text(reply, reader.texts)
    return answer
