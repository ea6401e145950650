"""Markup and special tokens around an answer."""

from __future__ import annotations

import pytest

from pytest_llmeval.scoring.extract.cleaning import clean, without_special_tokens


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Paris, France (2)", "Paris, France (2)"),
        ("- Paris", "Paris"),
        (" + Paris", "Paris"),
        ("two  blanks", "two blanks"),
        ("**Paris**", "Paris"),
        ("~~Rome~~ Paris", "Paris"),
        ("<p>Paris</p>", "Paris"),
        ("Paris &amp; Rome", "Paris & Rome"),
        ("\\text{Paris}", "{Paris}"),
        ("答案選Ｂ", "答案选B"),
        ("Ответ: С", "Ответ: C"),
        ("−4", "-4"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    "token", ["<|im_end|>", "</s>", "<eoa>", "<｜end▁of▁sentence｜>", "[/INST]", "<end_of_turn>"]
)
def test_special_tokens(token: str) -> None:
    assert without_special_tokens(f"B{token}C") == "B\nC"
