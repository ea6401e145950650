"""The extractor ``choices``: all choices that a text calls right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract import EXTRACTORS, choices

CHOICES = {"A": "copper", "B": "glass", "C": "silver", "D": "wood"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("AC", "AC"),
        ("C, A", "AC"),
        ("A and C", "AC"),
        ('["A", "C"]', "AC"),
        ("A\nC", "AC"),
        ("The answer is A.", "A"),
        ("The answers are (A) and (C).", "AC"),
        ("Copper conducts, so A fits. Glass does not. The correct answers are A, C.", "AC"),
        ("\\boxed{A, C}", "AC"),
        ("\\boxed{A} and \\boxed{C}", "AC"),
        ("答案：A、C", "AC"),
        ("【解析】B不导电，排除。【答案】 AC", "AC"),
        ("所以正确的选项是A和C。", "AC"),
        ("A) copper: correct\nB) glass: wrong\nC) silver: correct\nD) wood: wrong", "AC"),
        ("First I thought the answer is ABC. No, wait, glass does not conduct: the answer is AC.", "AC"),
        ("<think>The answer is D.</think>AC", "AC"),
        ("I do not know.", None),
        ("None of them conducts.", None),
        ("", None),
    ],
)
def test_texts(text: str, answer: str | None) -> None:
    assert choices(text, CHOICES) == answer


def test_a_text_cut_off_needs_a_statement() -> None:
    cut_off = EXTRACTORS["explicit_choices"]
    assert cut_off("A conducts, so A and C seem to be", CHOICES) is None
    assert cut_off("The answers are A and C. This is because", CHOICES) == "AC"


@given(st.text(max_size=300))
def test_the_answer_is_a_set_of_labels(text: str) -> None:
    answer = choices(text, CHOICES)
    assert answer is None or (answer and set(answer) <= set(CHOICES) and list(answer) == sorted(answer))
