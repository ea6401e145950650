"""Numbers as a whole."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract.arithmetic import evaluated


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18", 18),
        (r"\frac34", Fraction(3, 4)),
        (r"7\frac{1}{2}", Fraction(15, 2)),
        (r"7 \frac 12", Fraction(15, 2)),
        (r"\frac{\frac{1}{2}}{3}", Fraction(1, 6)),
        ("3 1/4", Fraction(13, 4)),
        ("2/(-5)", Fraction(-2, 5)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        (r"2^{10}", 1024),
        ("2^{-3}", Fraction(1, 8)),
        ("4^{1/2}", 2),
        ("-3^2", -9),
        (r"(-3)^2", 9),
        (r"\sqrt{\frac{9}{16}}", Fraction(3, 4)),
        (r"\sqrt[3]{27}", 3),
        (r"\binom{6}{2}", 15),
        ("5!", 120),
        (r"3 \times 10^{4}", 30_000),
        ("1.5e-3", Fraction(3, 2000)),
        (r"12\text{ cm}^2", 12),
        (r"60\text{ km/h}", 60),
        (r"30^\circ", 30),
        (r"\$1,250.50", Fraction(2501, 2)),
        ("$1.5M", 1_500_000),
        ("2.5 million", 2_500_000),
        ("3万元", 30_000),
        (r"1{,}000", 1000),
        (r"12\,345", 12_345),
        ("x = 5", 5),
        ("4 + 5 = 9", 9),
        (r"x \approx 2.5", Fraction(5, 2)),
        ("1/3 ≈ 0.33", Fraction(1, 3)),
        ("about 20 dollars", 20),
        ("(7)", 7),
    ],
)
def test_a_number_as_a_whole(text: str, number: int | Fraction) -> None:
    assert evaluated(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        r"\sqrt{51}",
        r"5\sqrt{2}",
        r"2\pi",
        "(3,4]",
        "(3, 4)",
        "(3,456)",
        r"\{7\}",
        "2,3",
        "1,2,3",
        "4t",
        "4a - 2",
        "2 + 3i",
        r"1 - \frac{1}{e}",
        r"\pm 3",
        r"x \ge 5",
        "x = 3, y = 4",
        r"x = 3 \text{ or } x = 4",
        "x - 3z = 0",
        "x^2 + y^2 = 25",
        "3:2",
        "5-7",
        "12/25/2023",
        "2024-02-29",
        "120_3",
        r"\log_2 3",
        r"\infty",
        r"\text{Evelyn}",
        r"3 \text{ hours } 20 \text{ minutes}",
        "1/0",
        "9^{9^{9}}",
        "2^{9999999}",
        "99!",
        "(" * 500,
        "-" * 300 + "1",
        r"\sqrt" * 60 + "4",
        "1" * 390,
        r"\sqrt{51} \approx 7.14",
    ],
)
def test_no_number_as_a_whole(text: str) -> None:
    assert evaluated(text) is None


expressions = st.recursive(
    st.integers(0, 50).map(lambda number: (str(number), Fraction(number))),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
        lambda parts: (
            f"({parts[0][0]} {parts[1]} {parts[2][0]})",
            {
                "+": parts[0][1] + parts[2][1],
                "-": parts[0][1] - parts[2][1],
                "*": parts[0][1] * parts[2][1],
            }[parts[1]],
        )
    ),
    max_leaves=6,
)


@given(expressions)
def test_arithmetic_is_exact(expression: tuple[str, Fraction]) -> None:
    assert evaluated(expression[0]) == expression[1]


@given(st.text(r"0123456789+-*/^(){}[]\frac sqrt,.=x$%!", max_size=60))
def test_any_text_gives_a_number_or_none(text: str) -> None:
    value = evaluated(text)
    assert value is None or isinstance(value, Fraction)
