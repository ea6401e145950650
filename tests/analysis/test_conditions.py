"""The conditions of a run, and the differences between those of two runs."""

from __future__ import annotations

import dataclasses

import pytest

from tests.support.made_comparisons import CONDITIONS


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ()),
        ({"mode": "logprob", "prompt_sha256": "x"}, ("mode generate then, logprob now",)),
        ({"shots": 0, "prompt_sha256": "x"}, ("5 shots then, 0 now",)),
        ({"prompt_sha256": "x"}, ("different prompts (prompt_sha256)",)),
        ({"data_sha256": "x"}, ("different data (data_sha256)",)),
        ({"split": "test", "data_sha256": "x"}, ("split val then, test now",)),
        ({"shots": 0, "data_sha256": "x"}, ("5 shots then, 0 now", "different data (data_sha256)")),
    ],
)
def test_each_difference_is_named_once(changes: dict[str, object], words: tuple[str, ...]) -> None:
    assert CONDITIONS.differences(dataclasses.replace(CONDITIONS, **changes)) == words  # type: ignore[arg-type]


SCORING = {"metric": "exact", "metric.pattern": "x", "metric.threshold": 1.0, "extractor": "text"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ()),
        ({"metric.pattern": "y"}, ("metric.pattern x then, y now",)),
        ({"metric.ignore_case": False}, ("metric.ignore_case unset then, false now",)),
        ({"extractor": "number"}, ("extractor text then, number now",)),
        ({"metric": "rouge_l", "metric.threshold": 0.5}, ("metric exact then, rouge_l now",)),
    ],
)
def test_differences_of_scoring_are_named(changes: dict[str, object], words: tuple[str, ...]) -> None:
    before = dataclasses.replace(CONDITIONS, scoring=SCORING)
    after = dataclasses.replace(CONDITIONS, scoring={**SCORING, **changes})
    assert before.differences(after) == before.scoring_differences(after) == words
    # a run that did not record its scoring is comparable with any
    assert CONDITIONS.differences(after) == after.differences(CONDITIONS) == ()


def test_logprob_has_no_extractor() -> None:
    before = dataclasses.replace(CONDITIONS, scoring=SCORING)
    scored = {key: value for key, value in SCORING.items() if key != "extractor"}
    after = dataclasses.replace(CONDITIONS, mode="logprob", scoring=scored)
    assert before.differences(after) == ("mode generate then, logprob now",)
