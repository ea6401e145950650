"""A job is finished with a completion that can be used, or with an error."""

from __future__ import annotations

import math

import pytest

from pytest_llmeval.core.types import Completion, Request, TextPrompt
from pytest_llmeval.models.base import Job

REQUEST = Request(TextPrompt("q"), choices={"A": " A", "B": " B"})


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_an_error_and_not_stored(score: float) -> None:
    job = Job(REQUEST, on_success=lambda completion: pytest.fail("it would be stored"))
    job.finish(Completion(scores={"A": -1.0, "B": score}, greedy={"A": True}, prompt_tokens=3, attempts=2))
    completion = job.future.result(0)
    assert completion.error == (
        f"the log-probability of choice 'B' is {score}, not a finite number: "
        "the model's computation overflows, as in float16"
    )
    assert (completion.scores, completion.greedy, completion.attempts) == ({}, {}, 2)


def test_finite_scores_are_kept() -> None:
    stored: list[Completion] = []
    job = Job(REQUEST, on_success=stored.append)
    job.finish(Completion(scores={"A": -1.0, "B": -9999.0}))
    assert job.future.result(0).error is None and len(stored) == 1
