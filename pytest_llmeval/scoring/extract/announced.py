r"""Where a text announces its answer: ``#### 18``, ``\boxed{18}``, ``<answer>``, ``Antwort: 18``.

``announcements`` lists them in order. Only the last of many are examined, and each for a bounded length, so
that the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from pytest_llmeval.scoring.extract.answer_words import (
    ANSWER,
    COPULA,
    DECIMAL_COMMA,
    DIRECT,
    FILLER,
    RESULT,
    TOTAL,
    lowered,
)

_MAX_NOUNS, _MAX_BOXES, _MAX_BOX = 30, 20, 500
_HASHES = re.compile(r"####[ \t]*([^\n]{1,200})")
_HEADING = re.compile(r"(?:(?:step|part|step-by-step)\b|\d{1,2}[.)]\s+\S|[^\W\d_])", re.I)
_BOX = re.compile(r"(?:box(?:ed)?|(?<=\x08)oxed)\s{0,2}(?P<open>\{|(?=[-\d]))")
#: before "box"; the backspace is a "\b" that JSON took for an escape
_BOX_COMMAND = re.compile(r"(?:\\|\x08|(?<![A-Za-z]))(?:f|frame)?$")
_UNBRACED = re.compile(r"-?\d[\d.,]*")
_BOX_END = re.compile(r"\$|\\\)|\\\]|\n")
_BRACES = re.compile(r"\\[\\{}]|[{}]")
_BETWEEN_BOXES = re.compile(
    r"[\s$,;，、.&]*(?:\\[()\[\],;! ]|\\q?quad|\\text\{|\}|[$\s,])*(?:and|or|und|oder|et|ou|y|和|或|、|&)?"
    r"[\s$}\\(\[]*"
)
#: the A of question and answer, not of a list of choices
_INITIAL = re.compile(r"\s{0,9}A\s?[:：]\s?(?=\S)")
_NEXT_LETTER = re.compile(r"\bB\s?[:：]")
#: most positions are within ASCII words, where this fails at once
_WORD_START = r"(?:(?<![^\W_])(?=[a-z])|(?=[^\x00-\x7f]))"
_NOUN = re.compile(f"{_WORD_START}(?:(?P<answer>{ANSWER})|(?P<result>{RESULT})|(?P<total>{TOTAL}))")
_CLOSERS = r"[)\]】』」}\"'”’»*_`.$]{0,6}"
_STRONG = r"[:：=>|】』」﹕→⇒]|\]\s|-{1,2}>?(?=\s)|—"
_SKIPPED = rf"(?:[\s:：=*_`>|\"'“”»】|—→]|{COPULA}|{FILLER}|\\(?:text|mathbf|textbf)\{{)*+"
_LINE_END = re.compile(rf"{_CLOSERS}[^\S\n]*\n")
_MARKED = re.compile(rf"{_CLOSERS}\s{{0,3}}(?:{_STRONG})")
_STATED = re.compile(rf"{_CLOSERS}\s{{0,3}}(?:{COPULA})(?:\s|(?=[-+\d$€£¥₹\\（(:：*]|[^\x00-\x7f]))")
_AFTER = re.compile(_SKIPPED)
_GAP = re.compile(
    rf"(?P<gap>[^.:：=\n。;?!]{{1,60}}?)(?P<copula>{COPULA})(?=\s|[-+\d$€£¥₹\\（(:：*]|[^\x00-\x7f])"
)
_NUMERIC = re.compile(r"[\s\-+$€£¥₹\\(（{*_≈~:：]{0,8}(?:\d|\\d?frac)")
_DIRECT = re.compile(rf"(?:{DIRECT})[\s:：]{{0,3}}(?=[-+$€£¥₹\\]{{0,2}}[\d零一二三四五六七八九十百两])")
_NEGATION = re.compile(
    r"\b(?:not|never|cannot|nicht|kein\w*|nie|niet|inte|ikke)\b|n't\b|[不没沒非未]|\b(?:no|non|não|не)\b"
)
_LINE_LEAD = re.compile(rf"(?:[\s#*_>`\-•\d.)\"'\[【（(]|{FILLER})*+")
_HYPOTHETICAL = re.compile(
    r"\b(?:if|suppose|supposing|assum\w+|otherwise|unless|wenn|falls|si|se|jika|als|если)\b|如果|假如|假设|若|もし|만약|\bwould\shave\b"
)
_TAG_END = re.compile(r"</[\w -]*$")
_TOTAL_GAP = re.compile(r"[^\x00-\x7f，。；：、！？]{1,6}\s?(?=\d)")
_SENTENCE_START = re.compile(r"[.!?。！？\n](?=\s|$|[^\x00-\x7f])")


class Kind(Enum):
    """How an answer is announced."""

    EXACT = "exact"
    """The announced text is the answer and nothing else: a box."""
    FIELD = "field"
    """A mark before the answer: ``####``, ``Answer:``, a tag, a field of JSON."""
    SENTENCE = "sentence"
    """The answer is part of a sentence: the answer is."""
    OUTCOME = "outcome"
    """A sentence about a result or a total, which may be an interim one."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An announcement: where it starts, where the announced text begins, and the text of a box."""

    kind: Kind
    start: int
    end: int
    content: str | None = None
    hypothetical: bool = False
    is_total: bool = False
    decimal_comma: bool = False


def announcements(text: str) -> list[Announcement]:
    """The announcements of ``text`` in the order in which they end."""
    found = [*_hashes(text), *_boxes(text), *_phrases(text)]
    if (initial := _INITIAL.match(text)) and not _NEXT_LETTER.search(text):
        found.append(Announcement(Kind.FIELD, initial.start(), initial.end()))
    return sorted(found, key=lambda announcement: (announcement.end, announcement.start))


def _hashes(text: str) -> list[Announcement]:
    return [
        Announcement(Kind.FIELD, match.start(), match.start(1))
        for match in _HASHES.finditer(text)
        if not _HEADING.match(match[1]) and re.search(r"\d|\\", match[1])
    ][-_MAX_NOUNS:]


def _boxes(text: str) -> list[Announcement]:
    """The boxes with something in them; boxes side by side are one, with the texts joined by commas."""
    boxes: list[Announcement] = []
    for match in list(_BOX.finditer(text))[-_MAX_BOXES:]:
        command = _BOX_COMMAND.search(text, max(0, match.start() - 6), match.start())
        if command is None:
            continue
        start = command.start()
        if match["open"] == "":
            number = _UNBRACED.match(text, match.end())
            end, content = (number.end(), number[0].rstrip(".,")) if number else (match.end(), "")
        else:
            end = _closing(text, match.end())
            content = text[match.end() : end].strip() if end >= 0 else _unclosed(text, match.end())
            end = end + 1 if end >= 0 else match.end() + len(content)
        if not content:
            continue
        last = boxes[-1] if boxes else None
        if last is not None and start < last.end:
            boxes.pop()  # a box within a box
        elif (
            last is not None
            and last.content != content
            and start - last.end <= 30
            and "\n\n" not in text[last.end : start]
            and _BETWEEN_BOXES.fullmatch(text, last.end, start)
        ):
            boxes[-1] = Announcement(Kind.EXACT, last.start, end, f"{last.content} , {content}")
            continue
        boxes.append(Announcement(Kind.EXACT, start, end, content))
    return boxes


def _closing(text: str, start: int) -> int:
    """Where the brace that was opened before ``start`` is closed, or -1."""
    depth = 1
    for match in _BRACES.finditer(text, start, start + _MAX_BOX):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return -1


def _unclosed(text: str, start: int) -> str:
    """What stands in a box whose brace was forgotten, or "?" if the text was cut off there."""
    end = _BOX_END.search(text, start, start + _MAX_BOX)
    return text[start : end.start()].strip() if end else "?"


def _phrases(text: str) -> list[Announcement]:
    low = lowered(text)
    found: list[Announcement] = []
    for noun in list(_NOUN.finditer(low))[-_MAX_NOUNS:]:
        if _TAG_END.search(low, max(0, noun.start() - 20), noun.start()):
            continue
        kind = Kind.SENTENCE if noun.lastgroup == "answer" else Kind.OUTCOME
        begins_line = _begins_line(low, noun.start())
        end = -1
        if marked := _MARKED.match(low, noun.end()):
            end = marked.end()
            if kind is Kind.SENTENCE or (
                noun.lastgroup == "result" and (begins_line or low[noun.start() - 1] in "\"'<_")
            ):
                kind = Kind.FIELD
        elif stated := _STATED.match(low, noun.end()):
            end = stated.end()
        elif begins_line and (line := _LINE_END.match(low, noun.end())):
            end, kind = line.end(), Kind.FIELD
        elif direct := _DIRECT.match(low, noun.start()):
            end = direct.end()
        elif noun.lastgroup == "total" and (gap := _TOTAL_GAP.match(low, noun.end())):
            end = gap.end()
        else:
            end = _after_gap(low, noun.end())
            if end < 0:
                continue
        skipped = _AFTER.match(low, end)
        end = skipped.end() if skipped else end
        before = low[max(0, noun.start() - 120) : noun.start()]
        before = before[max((m.end() for m in _SENTENCE_START.finditer(before)), default=0) :]
        found.append(
            Announcement(
                kind,
                noun.start(),
                end,
                hypothetical=_HYPOTHETICAL.search(before) is not None,
                is_total=noun.lastgroup == "total",
                decimal_comma=noun[0] in DECIMAL_COMMA,
            )
        )
    return found


def _begins_line(low: str, start: int) -> bool:
    begin = max(low.rfind("\n", 0, start) + 1, start - 80)
    return _LINE_LEAD.fullmatch(low, begin, start) is not None


def _after_gap(low: str, start: int) -> int:
    """The end of the copula in "the answer to your question is 18", or -1."""
    position = start
    for _ in range(3):
        match = _GAP.match(low, position)
        if match is None or match.end() - start > 90:
            return -1
        skipped = _AFTER.match(low, match.end())
        end = skipped.end() if skipped else match.end()
        if _NUMERIC.match(low, end) and not _NEGATION.search(low, start, match.start("copula")):
            return match.end()
        position = match.end()
    return -1
