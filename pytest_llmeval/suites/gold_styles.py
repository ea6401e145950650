"""Gold answers that name a choice in another way than by its label: ``b``, ``(B)``, ``B. Paris``, ``paris``.

A way is taken if nearly all answers of a file are written so. A file that mixes them says of each row what is
wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from pytest_llmeval.suites.row_choices import named_choices

#: the label or labels that an answer names, or None
Style: TypeAlias = Callable[[str, Mapping[str, str]], str | None]

#: of a file's answers are written in one way, if it is that way
_SHARE = 0.95
_WORDS = r"(?:(?:the )?(?:correct )?(?:answer|option|choice)(?: is)?|选[项择]?|正确答案是?|答案是?)[\s_:：]*"
_DECORATED = re.compile(
    rf"(?:{_WORDS})?[\s(（\[【<*\"'`]*(?P<label>[A-Za-z0-9]{{1,3}})"
    r"(?:(?P<end>[\s)）\]】>*\"'`.。．,，、:：;；\-–—]+)(?P<text>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_AROUND = " \t\r\n.。．,，;；!！\"'“”‘’"


def find_style(golds: Sequence[tuple[str, Mapping[str, str]]], *, sets: bool) -> Style | None:
    """The way in which the gold answers of a file, each with the choices of its row, are written.

    None if they are labels or texts of choices, or written in several ways. With ``sets`` they may name
    several choices.
    """
    for style in (_other_case, _decorated, _similar_text):
        fitting = sum(
            named_choices(answer, choices, sets=sets) is None and style(answer, choices) is not None
            for answer, choices in golds
        )
        if golds and fitting >= _SHARE * len(golds):
            return style
    return None


def _other_case(answer: str, choices: Mapping[str, str]) -> str | None:
    """``b`` for B."""
    labels = {label.casefold(): label for label in choices}
    return labels.get(answer.casefold()) if len(labels) == len(choices) else None


def _decorated(answer: str, choices: Mapping[str, str]) -> str | None:
    """``(B)``, ``B.``, ``option B`` or ``B. Paris``, whose text must be that of the choice."""
    match = _DECORATED.fullmatch(answer.strip())
    if match is None:
        return None
    label = match["label"] if match["label"] in choices else _other_case(match["label"], choices)
    if label is None or label not in choices:
        return None
    text = match["text"] or ""
    return label if not text.strip(_AROUND) or _similar(text) == _similar(choices[label]) else None


def _similar_text(answer: str, choices: Mapping[str, str]) -> str | None:
    """``paris`` or ``Paris.`` for the choice with the text Paris."""
    same = [label for label, text in choices.items() if _similar(text) == _similar(answer)]
    return same[0] if len(same) == 1 and _similar(answer) else None


def _similar(text: str) -> str:
    return " ".join(text.casefold().split()).strip(_AROUND)
