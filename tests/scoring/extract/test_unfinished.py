"""Texts that the token limit cut off."""

from __future__ import annotations

import pytest

from pytest_llmeval.scoring.extract import EXTRACTORS

CHOICES = {"A": "the Nile", "B": "the Po", "C": "the Rhine", "D": "the Volga"}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The answer is B. It is the", "B"),
        ("Answer: B\n\nThe Po is", "B"),
        ("B. the Po\nC. the Rh", None),  # a list of the choices, cut off
        ("C. a river\nD", "C"),
        ("B", "B"),
        ("\\boxed{B}. To see this, note", "B"),
        ("First we rule A out. So B must", None),
        ("Let us look at the rivers.\nA is long.\nB", None),
        ("The Nile is in Africa. Therefore, C", None),
        ("", None),
    ],
)
def test_explicit_choice(text: str, label: str | None) -> None:
    assert EXTRACTORS["explicit_choice"](text, CHOICES) == label
