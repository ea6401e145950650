"""Whether a text mentions a gold answer: as a whole word or number, and without denying it."""

from __future__ import annotations

import re
import unicodedata

#: scripts that write words without blanks: no boundary is needed beside their characters
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u9fff\uac00-\ud7af\uf900-\ufaff"
    r"\U00020000-\U0003ffff"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_LETTER = rf"[^\W_{_UNSPACED}]"
#: 3.5, -5, 1/5, 3:05 before a 5; a hyphen or a dot behind a letter is none
_NOT_WITHIN_NUMBER = r"(?<!\d[.,:/^])(?<![\W_][-.])(?<!^[-.])", r"(?![.,:/^]\d)"
_MAX_MENTIONS = 2_000
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
    Mentions that a negation beside them denies do not count, unless ``denied``. At most 2,000 are examined.
    """
    if not gold:
        return False
    before, after = _boundaries(gold) if whole else ("", "")
    places = re.finditer(before + re.escape(gold) + after, text)
    for match, _ in zip(places, range(_MAX_MENTIONS), strict=False):
        if whole and unicodedata.category(text[match.end() : match.end() + 1] or " ")[0] == "M":
            continue  # an accent or a vowel sign goes on
        if denied or not _is_denied(text, match.start(), match.end()):
            return True
    return False


def _boundaries(gold: str) -> tuple[str, str]:
    """What must not stand before and after a whole ``gold``, as lookarounds."""
    before, after = _NOT_WITHIN_NUMBER
    first, last = gold[0], gold[-1]
    starts = before if first.isdigit() else ""
    ends = after if last.isdigit() else ""
    if (first.isalnum() and not _IS_UNSPACED.match(first)) or (first in "+-" and gold[1:2].isdigit()):
        starts += f"(?<!{_LETTER})"
    if last.isalnum() and not _IS_UNSPACED.match(last):
        ends += f"(?!{_LETTER})"
    return starts, ends


def _is_denied(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 40) : start]
    return _DENIED_BEFORE.search(before) is not None or _DENIED_AFTER.match(text, end, end + 40) is not None
