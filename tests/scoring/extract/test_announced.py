"""Announcements of an answer, in all languages of the table."""

from __future__ import annotations

import pytest

from pytest_llmeval.scoring.extract.announced import announcements
from pytest_llmeval.scoring.extract.answer_table import LANGUAGES
from pytest_llmeval.scoring.extract.answer_words import lowered, words
from pytest_llmeval.scoring.extract.numbers import number

NOUNS = [(code, noun) for code, language in LANGUAGES.items() for noun in words(language.answer)]


@pytest.mark.parametrize(
    ("code", "noun"), NOUNS, ids=[f"{code}-{place}" for place, (code, _) in enumerate(NOUNS)]
)
def test_every_noun_before_a_colon(code: str, noun: str) -> None:
    assert number(f"{noun.capitalize()}: 18 (20)") == "18"
    assert number(f"7 + 11\n**{noun}**: **18**\n\n20") == "18"


@pytest.mark.parametrize("code", [code for code, language in LANGUAGES.items() if language.unspaced])
def test_scripts_without_blanks(code: str) -> None:
    noun, copula = words(LANGUAGES[code].answer)[0], words(LANGUAGES[code].copula)[0]
    assert number(f"20。{noun}{copula}18") == "18"


@pytest.mark.parametrize(
    "text",
    [
        "I answered 20 questions.",
        "The answers differ. 20",
        "What is the answer? 20",
        "</answer> 20",
        "Please put your answer here",
    ],
)
def test_what_announces_nothing(text: str) -> None:
    assert [statement for statement in announcements(text) if statement.kind.value == "field"] == []


def test_lowered_text_keeps_its_length() -> None:
    text = "İSTANBUL Straße"
    assert len(lowered(text)) == len(text)


def test_boxes_side_by_side_are_one() -> None:
    (box,) = announcements(r"$\boxed{3}$ and $\boxed{4}$")
    assert box.content == "3 , 4"
    assert [box.content for box in announcements(r"\boxed{3}, so after that it is \boxed{4}")] == ["3", "4"]
