"""Answers of several choices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.answer_sets import join_labels, relabel, split_labels
from pytest_llmeval.scoring.metrics.choice_sets import make_choices

ORDER = tuple("ABCD")


@pytest.mark.parametrize(
    "text", ["ACD", "DCA", "a, c, d", "A、C、D", "A C D", "A/C/D", "A; C; D", '["A", "C", "D"]', "A, C and D"]
)
def test_spellings(text: str) -> None:
    assert split_labels(text, ORDER) == frozenset("ACD")


@pytest.mark.parametrize("text", ["", "E", "ABE", "AA", "A?", "[1]", '["A"', "none", "[]", "A, B, B"])
def test_no_sets(text: str) -> None:
    assert split_labels(text, ORDER) is None


def test_long_labels() -> None:
    order = ("yes", "no", "C1")
    assert join_labels({"C1", "yes"}, order) == "yes,C1"
    assert split_labels("yes,C1", order) == {"C1", "yes"}


@given(st.sets(st.sampled_from(ORDER), min_size=1), st.permutations(ORDER))
def test_relabelling_moves_each_label(labels: set[str], shown: list[str]) -> None:
    mapping = dict(zip(ORDER, shown, strict=True))
    there = relabel(join_labels(labels, ORDER), mapping, ORDER)
    assert split_labels(there, ORDER) == {mapping[label] for label in labels}
    back = {new: old for old, new in mapping.items()}
    assert relabel(there, back, ORDER) == join_labels(labels, ORDER)


@given(st.text(max_size=20))
def test_no_text_is_too_strange(text: str) -> None:
    labels = split_labels(text, ORDER)
    assert labels is None or (labels and labels <= set(ORDER))
    assert isinstance(relabel(text, dict(zip(ORDER, ORDER, strict=True)), ORDER), str)


@pytest.mark.parametrize(
    ("credit", "answer", "score"),
    [
        ("half", "ACD", 1.0),
        ("half", "AC", 0.5),
        ("half", "AB", 0.0),
        ("none", "AC", 0.0),
        ("jaccard", "AC", 2 / 3),
        ("jaccard", "AB", 1 / 4),
        ("half", "what", 0.0),
        ("each", "AC", 3 / 4),
        ("each", "B", 0.0),
    ],
)
def test_credit(credit: str, answer: str, score: float) -> None:
    question = Question("b", "s", "0", {}, dict.fromkeys(ORDER, "x"), "ACD")
    assert make_choices({"credit": credit}, "t [metric]")(answer, question) == pytest.approx(score)


def test_unknown_credit_is_one_line() -> None:
    with pytest.raises(UserError, match="unknown credit 'full' in t"):
        make_choices({"credit": "full"}, "t")
