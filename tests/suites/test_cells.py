"""Cells as texts, missing cells, and lists that libraries print into cells."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.suites.cells import JsonCell, cell_value, plain_text, text_rows

NAN = math.nan


def column(*values: object) -> list[str]:
    rows = text_rows([(line, {"x": value}, None) for line, value in enumerate(values)])
    return [cells["x"] for _, cells, _ in rows]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((NAN, "Paris"), ["", "Paris"]),
        ((None, "Paris"), ["", "Paris"]),
        ((4.0, 6.0, NAN), ["4", "6", ""]),
        ((4.0, None), ["4", ""]),
        ((4.0, 6.0), ["4.0", "6.0"]),
        ((4.5, 6.0, NAN), ["4.5", "6.0", ""]),
        ((1e300, NAN), [str(int(1e300)), ""]),
        ((4, NAN), ["4", ""]),
        ((True, None), ["true", ""]),
        (("7", "nan", "8"), ["7", "", "8"]),
        (("7.5", " NaN ", "-8e3", ""), ["7.5", "", "-8e3", ""]),
        ((7, "NaN"), ["7", ""]),
        (("Naan", "NaN"), ["Naan", "NaN"]),
        (("bread", "nan"), ["bread", "nan"]),
        (("nan",), ["nan"]),
        ((math.inf, NAN), ["Infinity", ""]),
    ],
)
def test_missing_cells(values: tuple[object, ...], texts: list[str]) -> None:
    assert column(*values) == texts


def test_a_nan_in_a_list_is_null() -> None:
    (cell,) = column(["NaN is a text", NAN])
    assert json.loads(cell) == ["NaN is a text", None]
    assert isinstance(cell, JsonCell)


def test_rows_with_a_problem_say_nothing_about_a_column() -> None:
    rows = text_rows([(1, {"x": "7"}, None), (2, {"x": "nan"}, None), (3, {"x": "torn"}, "torn")])
    assert [cells["x"] for _, cells, _ in rows] == ["7", "", "torn"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["a", NaN]', ["a", None]),
        ("['a', \"b's\"]", ["a", "b's"]),
        ("['a' 'b'\n 'c']", ["a", "b", "c"]),
        ("[1 2 3]", [1, 2, 3]),
        ("[nan 1.]", [None, 1.0]),
        ("{'text': array(['a', 'b'], dtype=object), 'label': array(['A', 'B'], dtype='<U1')}",
         {"text": ["a", "b"], "label": ["A", "B"]}),
        ("[('a', True), None]", [["a", True], None]),
    ],
)  # fmt: skip
def test_printed_lists(text: str, value: object) -> None:
    assert cell_value(text) == value


@pytest.mark.parametrize("text", ["", "Paris", "[1, x]", "[" * 100_000, "['a'", "{'a'}", "f('a')", "[1]]"])
def test_other_texts_are_no_lists(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        cell_value(text)


@given(st.lists(st.text() | st.integers() | st.booleans() | st.none()))
def test_a_printed_list_is_read_as_it_was(items: list[object]) -> None:
    assert cell_value(json.dumps(items)) == items
    assert cell_value(repr(items)) == items


@given(st.text(alphabet="[]{}()'\",: ab1\\\n"))
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    try:
        cell_value(text)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["One.", "Two."], "One.\nTwo."),
        ([{"speaker": "Ann", "text": "Hi."}, {"speaker": "Bob", "text": ""}], "Ann: Hi.\nBob"),
        ({"title": ["T"], "sentences": [["One.", "Two."]]}, "T\nOne.\nTwo."),
        ([1, None, "x"], "1\nx"),
    ],
)
def test_plain_text(value: object, text: str) -> None:
    assert plain_text(JsonCell(json.dumps(value))) == text


def test_a_text_stays_as_it_is() -> None:
    assert plain_text('["One."]') == '["One."]'
