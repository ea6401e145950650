"""The line about answers that were cut off."""

from __future__ import annotations

from pytest_llmeval.analysis.stats import Counts
from pytest_llmeval.report.cut_off import cut_off_line
from pytest_llmeval.results.cut_off import CutOff


def test_many() -> None:
    line = cut_off_line(CutOff(10, 2, 10, Counts(correct=50, wrong=50)))
    assert line == (
        "cut off by the token limit: 10 of 100 answers (10.0%); accuracy without them 53.3%, "
        "48.0% if all were wrong, 58.0% if all were right; raise the limit with --llm-max-tokens"
    )


def test_few_need_no_advice() -> None:
    assert "--llm-max-tokens" not in cut_off_line(CutOff(2, 0, 2, Counts(correct=50, wrong=50)))


def test_without_gold_answers() -> None:
    line = cut_off_line(CutOff(1, 0, 0, Counts(answered=4)))
    assert line.startswith("cut off by the token limit: 1 of 4 answers (25.0%); raise")
