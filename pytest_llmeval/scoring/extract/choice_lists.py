"""The extractor ``choice_list``: the answers to several questions about one passage, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from pytest_llmeval.scoring.extract.choice_sets import choices as read_choices
from pytest_llmeval.scoring.extract.choices import readable

#: the labels of questions without choices of their own
_LETTERS = "ABCDEFGH"
_LONGEST_LINE = 400
#: stands for an answer that names no label
_NONE = "-"
#: the number of a question, or the first and the last of several
_NUMBER = r"[(]?\d{1,3}(?:\s?[-~]\s?\d{1,3})?(?:[).、:]{1,2}|(?=[^\S\n]))\s{0,4}"
_MARK = re.compile(r"【答案】\s{0,4}:?\s{0,4}")
_ANNOUNCEMENT = re.compile(r"(?:答案\s{0,4}[:是为]|\b[Aa]nswers?\s{0,4}(?::|is\b|are\b))\s{0,4}")
_NUMBERED = re.compile(r"(\d{1,3}(?:\s?[-~]\s?\d{1,3})?)?(\D*)")
_JOINT = r"(?:[,、;/和与及]|and\b)"


def choice_list(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The answers that a text states, in its order and separated by commas (``B, AC``), or None.

    Each ``【答案】`` has an answer of one or more labels, or several answers with numbers (``1. B 2. AC``,
    ``1-5 BDACA``); an answer without a label is ``-``. Without such marks, several announcements
    (``Answer: B``) count; then lines of numbers and labels; then a text of labels alone (``B D A``); and then
    what the extractor ``choices`` reads.
    """
    labels = "".join(label for label in choices or _LETTERS if len(label) == 1) or _LETTERS
    reply = readable(text)
    run = _run(labels)
    if marked := list(_after(_MARK, reply, run, labels)):
        return ", ".join(marked) if set(marked) - {_NONE} else None
    for answers in (list(_after(_ANNOUNCEMENT, reply, run, labels)), _listed(reply, run, labels)):
        if len(answers) > 1 and _NONE not in answers:
            return ", ".join(answers)
    if whole := run.fullmatch(reply.strip()):
        return ", ".join(_parts(whole[0], labels))
    return read_choices(text, dict.fromkeys(labels, ""))


@lru_cache(maxsize=16)
def _run(labels: str) -> re.Pattern[str]:
    """Labels that follow each other, each with its question's number or on the line of the one before it."""
    labels = re.escape(labels)
    item = rf"(?>[(*]{{0,3}}[{labels}]{{1,8}}(?![A-Za-z])[)*.]{{0,3}})"
    numbered = rf"\s{{0,4}}(?:{_JOINT}\s{{0,4}})?{_NUMBER}{item}"
    beside = rf"[^\S\n]{{0,4}}(?:{_JOINT}[^\S\n]{{0,4}})?{item}"
    return re.compile(rf"(?:{_NUMBER})?{item}(?:{numbered}|{beside}){{0,60}}+")


def _after(mark: re.Pattern[str], reply: str, run: re.Pattern[str], labels: str) -> Iterator[str]:
    """The answers after each mark."""
    for match in mark.finditer(reply):
        found = run.match(reply, match.end())
        yield from _parts(found[0], labels) if found else (_NONE,)


def _listed(reply: str, run: re.Pattern[str], labels: str) -> list[str]:
    """The answers of lines that have numbers and labels alone."""
    answers = []
    for line in map(str.strip, reply.splitlines()):
        if len(line) < _LONGEST_LINE and line.lstrip("( ")[:1].isdigit() and run.fullmatch(line):
            answers += _parts(line, labels)
    return answers


def _parts(run: str, labels: str) -> list[str]:
    """An answer for each number, one for each label after a range of numbers, or one if there are none."""
    answers: list[str] = []
    for number, text in _NUMBERED.findall(run):
        named = [letter for letter in text if letter in labels]
        several = not number.isdigit() and number != ""
        answers += named if several else ["".join(named)]
    return [answer for answer in answers if answer]
