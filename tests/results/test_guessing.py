"""Chance level, and an answer that dominates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Outcome
from pytest_llmeval.report.guessing import guessing_line
from pytest_llmeval.results.guessing import DominantAnswer, Guessing
from pytest_llmeval.results.record import Record

LABELS = ("A", "B", "C", "D")


def asked(
    number: int, answer: str | None, target: str | None, choices: Sequence[str] = LABELS, **more: object
) -> Record:
    if answer is None:
        outcome = Outcome.UNPARSED
    elif target is None:
        outcome = Outcome.ANSWERED
    else:
        outcome = Outcome.CORRECT if answer == target else Outcome.WRONG
    texts = {label: f"choice {label}" for label in choices}
    record = Record(f"b/s/{number}", "", "m", "b", "s", outcome, answer, target, choices=texts)
    return replace(record, **more)  # type: ignore[arg-type]


def answers(given: str, gold: str) -> list[Record]:
    return [asked(number, *pair) for number, pair in enumerate(zip(given, gold, strict=True))]


def test_chance_is_the_mean_over_questions() -> None:
    records = [asked(0, "A", "A"), asked(1, None, "B", "AB"), asked(2, "A", None, "ABCDEFGH")]
    guessing = Guessing.of(records, "choice")
    assert guessing == Guessing((1 / 4 + 1 / 2) / 2)
    assert guessing.to_json() == {"chance": 0.375, "dominant": None}
    assert guessing_line(guessing, None) == "chance 37.5%"
    assert guessing_line(guessing, (0.4, 0.6)) == "chance 37.5%"
    assert guessing_line(guessing, (0.3, 0.6)) == "chance 37.5%, which is inside the 95% interval"


def test_only_questions_with_one_correct_choice_have_a_chance() -> None:
    records = answers("AB", "AB")
    assert Guessing.of(records, "choices") is None
    assert Guessing.of([asked(0, "A", None)], "choice") is None
    assert Guessing.of([*records, asked(2, "A", "A", "")], "choice") is None


def test_in_all_orders_chance_is_smaller() -> None:
    single = asked(0, "A", "A", order=LABELS)
    circled = Record.of_rotations([single, replace(single, order=tuple("BCDA"))])
    for record in (circled, Record.of_repeats([circled, circled])):
        guessing = Guessing.of([record], "choice")
        assert guessing is not None and guessing.chance == 1 / 16


def test_an_answer_that_dominates() -> None:
    guessing = Guessing.of(answers("C" * 92 + "ABDD", "ABCD" * 24), "choice")
    assert guessing is not None
    assert guessing.dominant == DominantAnswer("C", 92, 96, 0.25)
    assert guessing_line(guessing, (0.5, 0.6)) == (
        "chance 25.0%; answered C 92 of 96 times, where 25.0% of the gold answers are C"
    )
    assert guessing.to_json()["dominant"] == {"answer": "C", "count": 92, "answers": 96, "gold_share": 0.25}


@pytest.mark.parametrize(
    ("given", "gold"),
    [
        ("A" * 11, "ABCDABCDABC"),  # too few
        ("A" * 12 + "BCD" * 4, "ABCD" * 6),  # 50% of 24: below three standard errors
        ("A" * 90 + "BCD" * 10, "A" * 70 + "BCDABCDBCD" * 5),  # the gold answers are nearly as uneven
        ("", ""),
    ],
)
def test_an_answer_that_is_not_striking(given: str, gold: str) -> None:
    assert DominantAnswer.of(answers(given, gold)) is None


def test_unparsed_answers_do_not_count() -> None:
    records = [*answers("A" * 20, "ABCD" * 5), *(asked(number, None, "B") for number in range(20, 90))]
    assert DominantAnswer.of(records) == DominantAnswer("A", 20, 20, 0.25)


def test_in_other_orders_labels_are_those_that_the_model_saw() -> None:
    # the model always sees and answers the first label; in the file that is another one each time
    orders = [tuple("BCDA"), tuple("CDAB"), tuple("DABC"), LABELS]
    records = [
        asked(number, orders[number % 4][0], "A", order=orders[number % 4], choices=LABELS)
        for number in range(24)
    ]
    dominant = DominantAnswer.of(records)
    assert dominant is not None
    assert (dominant.answer, dominant.count, dominant.gold_share) == ("A", 24, 0.25)


def test_lines_carry_the_choices_and_reports_their_labels() -> None:
    record = asked(0, "A", "B", ("A", "B", "是 1"))
    assert Record.from_json(record.to_json()).choices == record.choices
    for sent in (record, Record.of_repeats([record, record])):
        reported = Record.from_report(sent.to_report(), "")
        assert reported is not None
        assert all(list(attempt.choices) == list(record.choices) for attempt in reported.attempts)
        assert not any(attempt.choices["A"] for attempt in (reported, *reported.attempts))
    assert "choices" not in replace(record, choices={}).to_json()


@given(st.text("ABCD", min_size=12, max_size=60))
def test_a_model_that_is_always_right_has_no_dominant_answer(gold: str) -> None:
    assert DominantAnswer.of(answers(gold, gold)) is None
