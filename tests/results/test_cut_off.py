"""Answers that the token limit cut off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.results.cut_off import CutOff
from pytest_llmeval.results.record import Record


def record(number: int, outcome: Outcome, cut_off: bool) -> Record:
    return Record(
        id=f"b/s/{number}",
        nodeid="",
        model="m",
        benchmark="b",
        subject="s",
        outcome=outcome,
        target="A",
        completion=Completion(text="x", finish_reason="length" if cut_off else "stop"),
    )


def test_numbers() -> None:
    rows = [
        *(record(number, Outcome.CORRECT, False) for number in range(3)),
        record(3, Outcome.WRONG, False),
        record(4, Outcome.CORRECT, True),
        record(5, Outcome.UNPARSED, True),
    ]
    cut_off = CutOff.of(rows)
    assert (cut_off.answers, cut_off.correct, cut_off.scored) == (2, 1, 2)
    assert cut_off.completed_accuracy == 3 / 4
    assert cut_off.bounds == (3 / 6, 5 / 6)
    assert cut_off.share == 2 / 6
    assert cut_off.to_json() == {"answers": 2, "completed_accuracy": 0.75, "bounds": [0.5, 5 / 6]}


def test_an_error_is_not_cut_off() -> None:
    assert CutOff.of([record(0, Outcome.ERROR, True)]).answers == 0


def test_without_records() -> None:
    nothing = CutOff.of([])
    assert (nothing.answers, nothing.completed_accuracy, nothing.bounds, nothing.share) == (
        0,
        None,
        None,
        0.0,
    )


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.booleans()), max_size=20))
def test_the_bounds_enclose_the_accuracy(answers: list[tuple[Outcome, bool]]) -> None:
    cut_off = CutOff.of(record(number, *answer) for number, answer in enumerate(answers))
    if cut_off.bounds is None:
        assert cut_off.counts.accuracy is None
    else:
        low, high = cut_off.bounds
        assert cut_off.counts.accuracy is not None
        assert 0 <= low <= cut_off.counts.accuracy <= high <= 1


@given(st.sampled_from(Outcome), st.booleans())
def test_reports_and_lines_carry_it(outcome: Outcome, cut: bool) -> None:
    single = record(0, outcome, cut)
    properties = single.to_report()
    reported = Record.from_report(properties, "")
    assert reported is not None
    assert reported.cut_off == single.cut_off == Record.from_json(single.to_json()).cut_off
    repeated = Record.of_repeats([single, record(0, Outcome.CORRECT, True)])
    reported = Record.from_report(repeated.to_report(), "")
    assert reported is not None
    assert CutOff.of([reported]) == CutOff.of([repeated])
