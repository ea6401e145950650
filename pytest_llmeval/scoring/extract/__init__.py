"""Extractors: read the answer from the text that a model wrote.

An extractor is called with the text and the choices (label -> text; empty for open questions). It returns the
answer, for multiple choice a label, or None if the text has no answer.

``choice`` is the default for multiple choice. It finds every mention of a label; discards mentions that are
negated, hypothetical or part of a question; and turns the others into claims of five strengths, based on
``markers.MARKERS`` (phrases before an answer), ``words.STATEMENTS`` (phrases after one), and lines that
consist of an answer. The last explicit statement decides (``The answer is B``); without one the strongest
claims must agree, else the result is None, never a guess. ``explicit_choice`` reads explicit statements only.
``choices`` reads all choices that a text calls right, by the same rules.

``number`` reads numbers, ``math`` formulas, ``text`` the whole text, ``verbatim`` the same with all of its
blanks, ``json`` a JSON value, ``code`` a program.

For parity with published results: ``mmlu_pro``, ``simple_evals``, ``gsm8k_strict`` and ``gsm8k_flexible``
(lm-evaluation-harness), ``gsm8k_opencompass``, ``first_capital`` and ``first_option`` (OpenCompass),
``livecodebench``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pytest_llmeval.scoring.extract.choice_sets import choices, explicit_choices
from pytest_llmeval.scoring.extract.choices import choice, explicit_choice
from pytest_llmeval.scoring.extract.code import code
from pytest_llmeval.scoring.extract.formula import formula
from pytest_llmeval.scoring.extract.numbers import number
from pytest_llmeval.scoring.extract.official import (
    gsm8k_flexible,
    gsm8k_opencompass,
    gsm8k_strict,
    livecodebench,
    mmlu_pro,
    simple_evals,
)
from pytest_llmeval.scoring.extract.opencompass import first_capital, first_option
from pytest_llmeval.scoring.extract.plain import json_value, text, verbatim
from pytest_llmeval.scoring.extract.reasoning import split_reasoning

__all__ = [
    "EXTRACTORS",
    "FOR_CUT_OFF",
    "Extractor",
    "choice",
    "choices",
    "code",
    "first_capital",
    "first_option",
    "formula",
    "number",
    "split_reasoning",
]

#: Reads an answer: ``extractor(text, choices)`` returns the answer, or None if there is none, as in
#: ``lambda text, choices: text.strip()[:1] or None``.
Extractor: TypeAlias = Callable[[str, Mapping[str, str]], "str | None"]

EXTRACTORS: Mapping[str, Extractor] = {
    "choice": choice,
    "explicit_choice": explicit_choice,
    "choices": choices,
    "explicit_choices": explicit_choices,
    "mmlu_pro": mmlu_pro,
    "simple_evals": simple_evals,
    "first_capital": first_capital,
    "first_option": first_option,
    "number": number,
    "gsm8k_strict": gsm8k_strict,
    "gsm8k_flexible": gsm8k_flexible,
    "gsm8k_opencompass": gsm8k_opencompass,
    "text": text,
    "verbatim": verbatim,
    "code": code,
    "livecodebench": livecodebench,
    "json": json_value,
    "math": formula,
}

#: what reads a text that the token limit cut off, where that is another extractor
FOR_CUT_OFF: Mapping[str, str] = {"choice": "explicit_choice", "choices": "explicit_choices"}
