"""Readings of a benchmark's official rule that differ from ours."""

from __future__ import annotations

from dataclasses import replace

from pytest_llmeval.core.types import Completion, OfficialReading, Outcome
from pytest_llmeval.report.official import official_line
from pytest_llmeval.results.official import OfficialRule
from pytest_llmeval.results.record import Record

SAME = Record("b/s/0", "", "m", "b", "s", Outcome.CORRECT, "A", "A", Completion(text="A"))
RIGHT = replace(
    SAME, id="b/s/1", outcome=Outcome.UNPARSED, answer=None, official=OfficialReading("mmlu_pro", "A", True)
)
WRONG = replace(SAME, id="b/s/2", official=OfficialReading("mmlu_pro", None, False))


def test_counts() -> None:
    rule = OfficialRule.of([SAME, SAME, RIGHT, WRONG])
    assert rule is not None
    assert (rule.rule, rule.ids, rule.texts) == ("mmlu_pro", ("b/s/1", "b/s/2"), 4)
    assert rule.accuracy == 3 / 4  # two that agree, and the one that only the rule has right
    assert rule.to_json() == {"rule": "mmlu_pro", "accuracy": 0.75, "differences": ["b/s/1", "b/s/2"]}
    assert official_line(rule) == (
        "official rule mmlu_pro: another answer to 2 of the questions (4 texts); its accuracy is 75.0%"
    )


def test_none_differ() -> None:
    assert OfficialRule.of([SAME]) is None
    assert OfficialRule.of([]) is None


def test_lines_and_reports_carry_it() -> None:
    for record in (SAME, RIGHT, WRONG):
        assert Record.from_json(record.to_json()).official == record.official
        properties = record.to_report()
        reported = Record.from_report(properties, "")
        assert reported is not None and reported.official == record.official
    repeated = Record.of_repeats([SAME, RIGHT])
    reported = Record.from_report(repeated.to_report(), "")
    assert reported is not None
    assert [attempt.official for attempt in reported.attempts] == [None, RIGHT.official]
