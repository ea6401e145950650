"""Reading an answer out of what a model wrote: ``(text, choices) -> a label of choices, or None``.

``choice`` is this project's own reader. It notes every place where a label is mentioned, drops what is
negated, supposed or asked, and lets ``words.MARKERS`` (what leads up to an answer), ``words.VERDICTS``
(what follows one) and lines that are an answer turn mentions into claims of five strengths. The strongest
claims must agree; what they do not say is None, never a guess.

``number`` reads numbers, ``text`` all of the text, ``json`` the JSON value in it, ``code`` the program.

``first_capital`` and ``first_option`` are OpenCompass' rules, for parity with its published numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pytest_llmeval.scoring.extract.choices import choice
from pytest_llmeval.scoring.extract.code import code
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
    "number",
    "split_reasoning",
]

Extractor: TypeAlias = Callable[[str, Mapping[str, str]], "str | None"]

EXTRACTORS: Mapping[str, Extractor] = {
    "choice": choice,
    "first_capital": first_capital,
    "first_option": first_option,
    "number": number,
    "text": text,
    "code": code,
    "json": json_value,
}
