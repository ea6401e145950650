"""The extractor ``number``: labelled outputs and properties."""

from __future__ import annotations

import tomllib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract.numbers import number, plain, value
from tests.support.paths import DATA

OUTPUTS = tomllib.loads((DATA / "number_outputs.toml").read_text("utf-8"))["output"]


@pytest.mark.parametrize("row", OUTPUTS, ids=[f"output-{place}" for place in range(len(OUTPUTS))])
def test_table(row: dict[str, str]) -> None:
    assert (number(row["text"]) or "") == row["answer"]


@given(st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**4))
def test_the_plain_form_is_the_number(given: Fraction) -> None:
    assert Fraction(plain(given)) == given
    assert value(plain(given)) == given


@given(
    st.integers(-(10**12), 10**12), st.sampled_from(["#### {}", "\\boxed{{{}}}", "The answer is {}.", "{} m"])
)
def test_separators_and_markers_change_nothing(given: int, form: str) -> None:
    assert number(f"First 3, then 4.\n{form.format(f'{given:,}')}") == str(given)


@given(st.text(max_size=300))
def test_any_text_gives_a_number_or_none(text: str) -> None:
    found = number(text)
    assert found is None or plain(Fraction(found)) == found


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "1,",
            "1",
            "1,111",
            "1 111 ",
            "1/",
            "{",
            "answer ",
            "answer to ",
            "\\frac{",
            "\\boxed{",
            "<<",
            "####",
        ),
        *(
            "1万",
            "1.",
            "1.000",
            "1-",
            "1^",
            "x^2",
            "twelve ",
            "twenty-",
            "¹",
            "2024-02-",
            "1 or ",
            "1, ",
            "- ",
        ),
        *("answer is 1 or ", "\\sqrt{", "=1 or x"),
    ],
)
def test_long_hostile_texts(piece: str) -> None:
    assert number(piece * 30_000 + "\nThe answer is 18.") == "18"
