"""Numbers in English words."""

from __future__ import annotations

import pytest

from pytest_llmeval.scoring.extract.spelled import spelled


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("twelve.", 12),
        ("Forty-two apples", 42),
        ("about one hundred and five", 105),
        ("two thousand three hundred", 2300),
        ("Ten of the apples", None),
        ("zero", 0),
        ("one of them", None),
        ("one that nobody knows", None),
        ("two thirds", None),
        ("five or six", None),
        ("three hours and twenty minutes", None),
        ("three million", None),
        ("two, or 3", None),
        ("onerous", None),
        ("apples: twelve", None),
        ("", None),
    ],
)
def test_text_that_begins_with_one_number_in_words(text: str, number: int | None) -> None:
    assert spelled(text) == number
