"""Wrong answers that contain the gold answer."""

from __future__ import annotations

from dataclasses import replace

from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.report.looser_metric import looser_metric_line
from pytest_llmeval.results.looser_metric import LooserMetric
from pytest_llmeval.results.record import Record

RIGHT = Record("b/s/0", "", "m", "b", "s", Outcome.CORRECT, "Rome", "Rome", Completion(text="Rome"))
WRONG = replace(RIGHT, id="b/s/1", outcome=Outcome.WRONG, answer="Oslo")
ACCEPTED = replace(WRONG, id="b/s/2", answer="It is Rome.", accepted_by="contains")


def test_counts() -> None:
    looser = LooserMetric.of([RIGHT, WRONG, ACCEPTED])
    assert looser == LooserMetric("contains", 1, 2, ("b/s/2",))
    assert looser.to_json() == {"metric": "contains", "accepted": 1, "wrong": 2, "questions": ["b/s/2"]}
    assert looser_metric_line(looser) == (
        "1 of 2 wrong answers contain the gold answer; metric contains would count them: "
        "--llm-metric=contains for a file of questions"
    )


def test_none() -> None:
    assert LooserMetric.of([RIGHT, WRONG]) is None


def test_lines_and_reports_carry_it() -> None:
    for record in (WRONG, ACCEPTED):
        assert Record.from_json(record.to_json()).accepted_by == record.accepted_by
        reported = Record.from_report(record.to_report(), "")
        assert reported is not None and reported.accepted_by == record.accepted_by
    repeated = Record.of_repeats([WRONG, ACCEPTED])
    reported = Record.from_report(repeated.to_report(), "")
    assert reported is not None
    assert [attempt.accepted_by for attempt in reported.attempts] == [None, "contains"]
