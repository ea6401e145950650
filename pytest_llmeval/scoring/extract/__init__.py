"""Extractors: read the answer from the text that a model wrote.

An extractor is called with the text and the choices (label -> text; empty for open questions). It returns the
answer, for multiple choice a label, or None if the text has no answer.

``choice`` is the default for multiple choice. It finds every mention of a label; discards mentions that are
negated, hypothetical or part of a question; and turns the others into claims of five strengths, based on
``words.MARKERS`` (phrases before an answer), ``words.STATEMENTS`` (phrases after one), and lines that
consist of an answer. If the strongest claims disagree, the result is None, never a guess.

``number`` reads numbers, ``math`` formulas, ``text`` the whole text, ``json`` a JSON value, ``code`` a
program.

``first_capital`` and ``first_option`` are the rules of OpenCompass, for parity with its published results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pytest_llmeval.scoring.extract.choices import choice
from pytest_llmeval.scoring.extract.code import code
from pytest_llmeval.scoring.extract.formula import formula
from pytest_llmeval.scoring.extract.numbers import number
from pytest_llmeval.scoring.extract.opencompass import first_capital, first_option
from pytest_llmeval.scoring.extract.plain import json_value, text
from pytest_llmeval.scoring.extract.reasoning import split_reasoning

__all__ = [
    "EXTRACTORS",
    "Extractor",
    "choice",
    "code",
    "first_capital",
    "first_option",
    "formula",
    "number",
    "split_reasoning",
]

#: Reads an answer: ``extractor(text, choices)`` returns the answer, or None if there is none.
Extractor: TypeAlias = Callable[[str, Mapping[str, str]], "str | None"]

EXTRACTORS: Mapping[str, Extractor] = {
    "choice": choice,
    "first_capital": first_capital,
    "first_option": first_option,
    "number": number,
    "text": text,
    "code": code,
    "json": json_value,
    "math": formula,
}
