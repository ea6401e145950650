"""Why answers are unparsed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.unparsed import Reason, count_reasons, reason_of


def record(completion: Completion, outcome: Outcome = Outcome.UNPARSED) -> Record:
    return Record("b/s/0", "n", "m", "b", "s", outcome, target="A", completion=completion)


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (Completion("so", finish_reason="length"), Reason.CUT_OFF),
        (Completion("", "I think", finish_reason="length"), Reason.CUT_OFF),
        (Completion("", finish_reason="content_filter"), Reason.FILTERED),
        (Completion(" \n", "I think", finish_reason="stop"), Reason.ALL_REASONING),
        (Completion("\n", finish_reason="stop"), Reason.EMPTY),
        (Completion("who knows", finish_reason="stop"), Reason.UNREADABLE),
        (Completion(finish_reason="scored"), Reason.UNREADABLE),
    ],
)
def test_reasons(completion: Completion, reason: Reason) -> None:
    assert reason_of(completion) is reason
    assert record(completion).unparsed_reason is reason
    assert record(completion, Outcome.CORRECT).unparsed_reason is None


def test_counts_are_in_the_order_of_reasons() -> None:
    counts = count_reasons([Reason.EMPTY, None, Reason.CUT_OFF, Reason.EMPTY])
    assert list(counts.items()) == [(Reason.CUT_OFF, 1), (Reason.EMPTY, 2)]


@given(
    st.sampled_from(Outcome), st.sampled_from(["", "x"]), st.sampled_from(["", "y"]),
    st.sampled_from(["stop", "length", "content_filter"]), st.sampled_from(["", "other"]),
)  # fmt: skip
def test_reports_and_lines_carry_them(
    outcome: Outcome, text: str, reasoning: str, finish_reason: str, served: str
) -> None:
    single = record(Completion(text, reasoning, finish_reason=finish_reason, served_model=served), outcome)
    for read in (
        Record.from_json(single.to_json()),
        Record.from_report(single.to_report(), ""),
    ):
        assert read is not None
        assert read.unparsed_reason is single.unparsed_reason
        assert read.completion.served_model == served
    repeated = Record.of_repeats([single, record(Completion("z"), Outcome.WRONG)])
    read = Record.from_report(repeated.to_report(), "")
    assert read is not None
    assert [one.unparsed_reason for one in read.attempts] == [single.unparsed_reason, None]
    assert [one.completion.served_model for one in read.singles] == [served, ""]
