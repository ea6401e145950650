"""Numbers in English words."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract.spelled import chinese, spelled


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
        ("two thirds", Fraction(2, 3)),
        ("five or six", None),
        ("three hours and twenty minutes", None),
        ("three million", 3_000_000),
        ("two, or 3", None),
        ("onerous", None),
        ("one half", Fraction(1, 2)),
        ("three quarters of it", Fraction(3, 4)),
        ("two and a half hours", Fraction(5, 2)),
        ("one and three quarters", Fraction(7, 4)),
        ("minus seven", -7),
        ("three point one four", Fraction(157, 50)),
        ("a dozen eggs", 12),
        ("apples: twelve", None),
        ("", None),
    ],
)
def test_text_that_begins_with_one_number_in_words(text: str, number: int | Fraction | None) -> None:
    assert spelled(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("一百二十", 120),
        ("共需四十五元", 45),
        ("一千零八", 1008),
        ("两万五千", 25_000),
        ("三亿二千万", 320_000_000),
        ("七百五", 750),
        ("五分之三", Fraction(3, 5)),
        ("二又四分之一", Fraction(9, 4)),
        ("百分之三十", 30),
        ("三点五", Fraction(7, 2)),
        ("负八", -8),
        ("三个半", Fraction(7, 2)),
        ("六个苹果", 6),
        ("一共", None),
        ("第一", None),
        ("一些", None),
        ("三角形", None),
        ("十分重要", None),
        ("万一", None),
        ("三到五个", None),
        ("三或四", None),
        ("没有", None),
    ],
)
def test_chinese_numerals(text: str, number: int | Fraction | None) -> None:
    assert chinese(text) == number


DIGITS = "零一二三四五六七八九"


def numeral(number: int) -> str:
    """A number below 100,000 in Chinese."""
    if number >= 10_000:
        rest = number % 10_000
        zero = "零" if 0 < rest < 1000 else ""
        return numeral(number // 10_000) + "万" + (zero + numeral(rest) if rest else "")
    shown, gap = "", False
    for place, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        if digit:
            shown += ("零" if gap and shown else "") + DIGITS[digit] + unit
        gap = not digit
    return shown


@given(st.integers(1, 99_999))
def test_every_chinese_number_is_read(number: int) -> None:
    assert chinese(f"答案是{numeral(number)}元") == number
