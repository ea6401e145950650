"""Ways to write a gold answer that names a choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.suites.gold_styles import find_style

CITIES = {"A": "Rome", "B": "Paris", "C": "New York", "D": "B"}
NUMBERS = {"A": "4", "B": "5", "C": "6"}
ROMAN = {"i": "one", "ii": "two"}


def labels(answers: Sequence[str], choices: Mapping[str, str] = CITIES) -> list[str | None] | None:
    """The labels of a file's answers; None if they are not all written in one way."""
    style = find_style([(answer, choices) for answer in answers], sets=False)
    return None if style is None else [style(answer, choices) for answer in answers]


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        (["b", "a", "c"], ["B", "A", "C"]),
        (["(B)", "(a)"], ["B", "A"]),
        (["B.", "A)", "C、", "**D**"], ["B", "A", "C", "D"]),
        (["B. Paris", "A. Rome", "C: new  york."], ["B", "A", "C"]),
        (["b) paris"], ["B"]),
        (["Option B", "option_a", "Answer: C", "The correct answer is (B)"], ["B", "A", "C", "B"]),
        (["选项B", "答案：A", "正确答案是 C", "选C"], ["B", "A", "C", "C"]),
        (["paris", "ROME", "New York."], ["B", "A", "C"]),
    ],
)
def test_one_way_through_a_file(answers: list[str], named: list[str]) -> None:
    assert labels(answers) == named


@pytest.mark.parametrize(
    "answers",
    [
        [],
        ["A", "B"],
        ["Paris", "Rome"],  # texts of choices need no way
        ["b", "B"],
        ["b", "(B)", "B. Paris", "paris"],
        ["B. Rome", "A. Paris"],  # the text of another choice
        ["B Rome or Paris"],
        ["Be careful", "A dog"],
        ["E", "F"],
        ["1", "2"],  # positions or not: not for this module to say
        ["B. Paris, A. Rome"],
        ["Oslo", "Bern"],
    ],
)
def test_no_way_or_several(answers: list[str]) -> None:
    assert labels(answers) is None


def test_texts_that_occur_twice_name_nothing() -> None:
    assert labels(["same"], {"A": "Same", "B": "SAME"}) is None


def test_labels_of_any_kind() -> None:
    assert labels(["(ii)", "(I)"], ROMAN) == ["ii", "i"]
    assert labels(["b"], {"b ": "x", "B": "y", "a": "z"}) == ["B"]
    assert labels(["X"], {"x": "1", "y": "2"}) == ["x"]
    assert labels(["a)"], {"a": "1", "A": "2"}) == [
        "a"
    ]  # as it is written, although both differ in case only


def test_a_few_rows_may_be_written_otherwise() -> None:
    style = find_style([("b", CITIES)] * 95 + [("Oslo", CITIES)] * 5, sets=False)
    assert style is not None and style("Oslo", CITIES) is None
    assert find_style([("b", CITIES)] * 94 + [("Oslo", CITIES)] * 6, sets=False) is None


@given(
    st.lists(st.sampled_from(list(NUMBERS)), min_size=1), st.sampled_from(["({})", "{}.", "{}. {{}}", "[{}]"])
)
def test_what_is_decorated_is_read(golds: list[str], form: str) -> None:
    answers = [form.format(gold).format(NUMBERS[gold]) for gold in golds]
    assert labels(answers, NUMBERS) == golds


@given(st.lists(st.text(max_size=20)), st.dictionaries(st.text(max_size=3), st.text(max_size=8), max_size=4))
def test_any_text_names_a_label_or_nothing(answers: list[str], choices: dict[str, str]) -> None:
    assert {*(labels(answers, choices) or [])} <= {*choices, None}
