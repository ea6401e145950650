"""Tokens as servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.token_texts import are_unreadable, end_with, is_token_id, readings


@pytest.mark.parametrize(
    ("token", "raw", "text"),
    [
        ("A", None, "A"),
        (" A", [32, 65], " A"),
        ("▁A", None, " A"),
        ("ĠA", None, " A"),
        ("ĊA", None, "\nA"),
        ("æĸĩ", None, "文"),
        ("bytes:\\xe6\\x96\\x87", [230, 150, 135], "文"),
        ("<0x41>", None, "A"),
        ("ł", None, "ł"),
        ("x", ["?"], "x"),
        ("x", [999], "x"),
        ("x", [0xFF], "x"),
    ],
)
def test_readings(token: str, raw: object, text: str) -> None:
    assert text in readings(token, raw)


def test_numbers_of_tokens() -> None:
    assert is_token_id("token_id:65") and not is_token_id("token_id:") and not is_token_id("65")
    assert readings("token_id:65", list(b"token_id:65")) == {"token_id:65"}


@pytest.mark.parametrize(
    ("tokens", "text", "expected"),
    [
        (["Answer", ":", "▁A"], " A", True),
        (["Answer:", "A"], " A", True),
        (["ĠA", "Ġlong"], " A long", True),
        (["çŃĶ", "æ", "¡", "Ī"], "答案", True),
        (["A", "</s>"], " A", False),
        (["B"], " A", False),
        ([], "", True),
    ],
)
def test_ends(tokens: list[str], text: str, expected: bool) -> None:
    assert end_with(tokens, text) is expected


def test_parts_of_characters() -> None:
    for token in ("\ufffd", "<0xE6>", "bytes:\\xe6", "", "æ"):
        assert are_unreadable(["A", token])
    assert not are_unreadable([" A", "\n"])


@given(st.text(), st.text())
def test_any_text_ends_with_its_end(start: str, end: str) -> None:
    assert end_with([start, end], end)
