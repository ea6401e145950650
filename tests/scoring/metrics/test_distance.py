"""chrF, edit similarity and word error rate."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics import METRICS
from pytest_llmeval.scoring.metrics.distance import edit_distance


def score(metric: str, answer: str, gold: str, **options: object) -> float:
    question = Question("b", "s", "0", {}, {}, gold)
    return METRICS[metric].make(options, "here")(answer, question)


def table(one: str, other: str) -> int:
    """The edit distance by the usual table."""
    row = list(range(len(other) + 1))
    for at, char in enumerate(one, start=1):
        before, row[0] = row[0], at
        for place, item in enumerate(other, start=1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (char != item))
    return row[-1]


@given(st.text("abc", max_size=12), st.text("abcd", max_size=12))
def test_edit_distance(one: str, other: str) -> None:
    assert edit_distance(one, other) == table(one, other)


def test_edit_similarity() -> None:
    assert score("edit_similarity", "kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert score("edit_similarity", "Same", "same") == 1
    assert score("edit_similarity", "Same", "same", ignore_case=False) == 0.75
    assert score("edit_similarity", "x", '["abc", "xy"]') == 0.5
    assert score("edit_similarity", "a" * 100_000, "b" * 100_000) == 0


def test_word_error_rate() -> None:
    assert score("wer", "The cat sat", "the cat sat.") == 1
    assert score("wer", "the dog sat down", "the cat sat") == pytest.approx(1 / 3)
    assert score("wer", "one two three four", "five") == 0
    assert score("wer", "今天下雨", "今天下雪") == pytest.approx(3 / 4)


def test_chrf() -> None:
    pytest.importorskip("sacrebleu")
    assert score("chrf", "a small test", "a small test") == pytest.approx(1)
    assert 0 < score("chrf", "a small text", "a small test") < 1
    assert score("chrf", "a small text", "a small test", word_order=2) < score(
        "chrf", "a small text", "a small test"
    )
    with pytest.raises(UserError, match="word_order"):
        METRICS["chrf"].make({"word_order": 9}, "here")


def test_a_missing_library_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.chrf", None)
    with pytest.raises(UserError, match=r'chrf needs .* pip install "pytest-llmeval-harness\[metrics\]"'):
        METRICS["chrf"].make({}, "here")
