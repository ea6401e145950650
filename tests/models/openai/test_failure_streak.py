"""Counting failures in a row."""

from __future__ import annotations

from pytest_llmeval.models.openai.failure_streak import FailureStreak


def test_only_failures_in_a_row_that_are_alike_count() -> None:
    streak = FailureStreak()
    assert [streak.extend(what) for what in ("a", "a", "b", "a", "a")] == [1, 2, 1, 1, 2]
    streak.end()
    assert streak.count == 0 and streak.extend("a") == 1
    assert FailureStreak().extend(None) == 1
