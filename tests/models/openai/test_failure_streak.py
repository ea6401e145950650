"""Counting failures in a row."""

from __future__ import annotations

from pytest_llmeval.models.openai.failure_streak import FailureStreak


def test_only_failures_in_a_row_that_are_alike_count() -> None:
    streak = FailureStreak()
    assert [streak.extend(what) for what in ("a", "a", "b", "a", "a")] == [1, 2, 1, 1, 2]
    streak.end()
    assert streak.count == 0 and streak.extend("a") == 1
    assert FailureStreak().extend(None) == 1


def test_a_streak_knows_since_when() -> None:
    streak = FailureStreak()
    streak.extend("a", 5.0)
    streak.extend("a", 9.0)
    assert streak.since == 5.0
    streak.extend("b", 11.0)
    assert streak.since == 11.0
    streak.end()
    streak.extend("b", 20.0)
    assert (streak.since, streak.count) == (20.0, 1)
