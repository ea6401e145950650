"""Where a reply ends: a model that misses its end sign goes on with another question."""

from __future__ import annotations

import re

from pytest_llmeval.scoring.extract.cleaning import SPECIAL_TOKEN

_ROLE = re.compile(
    r"^(?:\s*(?:<\|[^|<>\n]{1,40}\|>|<s>|<bos>)\s*(?:(?:assistant|model)\b(?=\s*(?:\n|<\|)))?)+\s*"
)
_END = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>|<(?:end_of_turn|endoftext|eo[ast])>|(?:</s>\s*)+$"
)
_SPEAKER = (
    r"question|problem|exercise|example|human|user|student|instruction|input|prompt|q|题目|題目|问题|問題|问|問|用户|例题?"
    r"|練習|문제|질문|frage|aufgabe|pregunta|problema|pergunta|domanda|vraag|вопрос|задача|سؤال|السؤال|प्रश्न|প্রশ্ন|ప్రశ్న"
    r"|คำถาม|คําถาม|câu hỏi|pertanyaan|soru|swali|pytanie"
)
_TURN = re.compile(
    rf"(?:\n|(?<=[.!?。！？])[^\S\n])[^\S\n]*(?:[#>*_]{{1,4}}[^\S\n]*)?(?:(?:next|new|another)[^\S\n])?(?:{_SPEAKER})"
    r"[^\S\n]{0,2}(?:[#№]?[^\S\n]?\d{1,3}|[一二三四五六七八九十])?[*_]{0,3}[^\S\n]{0,2}(?:[:：]|\.(?!\d))",
    re.I,
)
_DIGIT = re.compile(r"\d|[一二三四五六七八九十百千]")


def first_turn(text: str) -> str:
    """The text up to the next question, without special tokens.

    A question that comes before any number is the repeated task, not the next turn.
    """
    parts = SPECIAL_TOKEN.split(text)
    text = next((part for part in parts if _DIGIT.search(part)), None) or " ".join(parts)
    for turn in _TURN.finditer(text):
        if _DIGIT.search(text, 0, turn.start()):
            return text[: turn.start()]
    return text


def reply(text: str) -> str:
    """The text up to the first sign that it ends, without the signs of a chat template around it."""
    text = _ROLE.sub("", text)
    end = _END.search(text)
    return (text[: end.start()] if end else text).strip()
