"""Whether a text mentions a gold answer: as a whole word or number, and without denying it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

#: scripts that write words without blanks: no boundary is needed beside their characters
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot\sbe|rather\sthan|instead\sof|other\sthan|except|nicht|kein\w{0,2}|weder|ni|nunca"
    r"|jamais|n'est\spas|ne\ssont\spas|c'est\spas|no\ses|no\sson|non\sè|não\sé|nem|niet|geen|inte|ikke|nie\sjest|değil|bukan"
    r"|không\sphải(?:\slà)?|не|ни)\b|n't\b|不是|并非|並非|绝非|而非|不为|不可能是|不会是|别选|ليس|ليست|नहीं)"
    r"\s{0,2}(?:(?:the|an?|in|at|be|to|der|die|das|ein|eine|le|la|les|el|los|un|une|una|o|os|as|il|lo)\s){0,2}"
    r"[\s\"'“‘«(*_]*$",
    re.I,
)
_DENIED_AFTER = re.compile(
    r"[\s\"'”’»)*_]*(?:(?:is|are|was|were|would\sbe|can|could|does|do|did|ist|sind|war|est|sont|es|son|è|sono|é|são)?\s?"
    r"(?:not\b(?!\s(?:only|just|merely|far))|n't\b|cannot\b|nicht\b(?!\snur)|pas\b)"
    r"|(?:is|are|was|were|would\sbe)\s(?:wrong|incorrect|false|ruled\sout|excluded)\b"
    r"|(?:不是|并不是|不对|不正确|是错|错误|是错误)|(?:ではありません|ではない|じゃない)|[이가은는]?\s?아니)",
    re.I,
)


def mentions(gold: str, text: str, *, whole: bool = True, denied: bool = False) -> bool:
    """Whether ``text`` mentions ``gold``. Both are normalised.

    With ``whole`` the mention must not be part of a longer word or number: 5 is not in 3.5, -5, 5,000 or 5/8.
    Mentions that a negation beside them denies do not count, unless ``denied``.
    """
    return any(
        (not whole or _is_whole(gold, text, start))
        and (denied or not _is_denied(text, start, start + len(gold)))
        for start in _places(gold, text)
    )


def _places(gold: str, text: str) -> Iterator[int]:
    start = text.find(gold) if gold else -1
    while start >= 0:
        yield start
        start = text.find(gold, start + 1)


def _is_whole(gold: str, text: str, start: int) -> bool:
    end = start + len(gold)
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if gold[0].isdigit() and _NUMBER_BEFORE.search(before):
        return False
    if gold[-1].isdigit() and _NUMBER_AFTER.match(after):
        return False
    if gold[0] in "+-" and gold[1:2].isdigit() and before[-1:].isalnum():
        return False
    return not (_continues(before[-1:], gold[0]) or _continues(after[:1], gold[-1]))


#: 3.5, -5, 1/5, 3:05 before a 5; a hyphen or a dot behind a letter is none
_NUMBER_BEFORE = re.compile(r"\d[.,:/^]$|(?<![^\W_])[-.]$")
_NUMBER_AFTER = re.compile(r"[.,:/^]\d")


def _continues(neighbour: str, edge: str) -> bool:
    """Whether ``neighbour`` continues the word or number at whose edge it stands."""
    if not neighbour or not (edge.isalnum() or unicodedata.category(edge)[0] == "M"):
        return False
    if unicodedata.category(neighbour)[0] == "M":
        return True
    return neighbour.isalnum() and not _UNSPACED.match(neighbour) and not _UNSPACED.match(edge)


def _is_denied(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 40) : start]
    return _DENIED_BEFORE.search(before) is not None or _DENIED_AFTER.match(text, end, end + 40) is not None
