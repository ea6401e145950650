"""Refusals, and where a reply ends."""

from __future__ import annotations

import pytest

from pytest_llmeval.scoring.extract.refusals import refuses
from pytest_llmeval.scoring.extract.turns import first_turn


@pytest.mark.parametrize(
    "text",
    [
        "I cannot determine this from the 2 facts.",
        "There isn't enough information; 3 values are missing.",
        "Sorry, I do not know. Ask again in 5 minutes.",
        "Please provide the 2 missing prices.",
        "无法计算，缺少2个条件。",
        "Das kann ich mit 2 Angaben nicht berechnen.",
        "Je ne peux pas répondre, il manque 2 données.",
        "No puedo calcularlo con 2 datos.",
        "2つの値が足りないので、わかりません。",
        "값이 2개 없어서 알 수 없습니다.",
    ],
)
def test_refusals(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "She has 5 apples.",
        "We cannot determine x directly, but x + y = 7, so it is 3 + 4 = 7",
        "I can solve this: 7",
        "7 are left. Let me know if you need more details!",
        "7 are left. If that is wrong, please provide more context.",
    ],
)
def test_no_refusals(text: str) -> None:
    assert not refuses(text)


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("It is 7.\n\nQuestion: and 8?\nAnswer: 8", "It is 7.\n"),
        ("7\nHuman: and 8?", "7"),
        ("7<|im_end|>8", "7"),
        ("Question: 3 + 4?\nAnswer: 7", "Question: 3 + 4?\nAnswer: 7"),
        ("答案：7\n\n问题：8", "答案：7\n"),
        ("Part 1: 7\nQuestion 2.5 is next", "Part 1: 7\nQuestion 2.5 is next"),
    ],
)
def test_first_turn(text: str, turn: str) -> None:
    assert first_turn(text) == turn
