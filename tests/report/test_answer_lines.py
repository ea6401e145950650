"""Lines about unparsed answers and other models."""

from __future__ import annotations

from pytest_llmeval.report.answer_lines import served_line, unparsed_line
from pytest_llmeval.results.unparsed import Reason


def test_why_answers_are_unparsed() -> None:
    line = unparsed_line({Reason.CUT_OFF: 1200, Reason.FILTERED: 1, Reason.UNREADABLE: 2})
    assert line == (
        "unparsed answers: 1,200 cut off by the token limit (raise --llm-max-tokens), 1 held back by a "
        "content filter, 2 without a readable answer"
    )
    assert "extra_body" in (unparsed_line({Reason.ALL_REASONING: 3}) or "")
    assert "--llm-show-prompts" in (unparsed_line({Reason.EMPTY: 3}) or "")


def test_no_unparsed_answers_need_no_line() -> None:
    assert unparsed_line({}) is None
    assert unparsed_line({Reason.UNREADABLE: 7}) == "unparsed answers: 7 without a readable answer"


def test_other_models() -> None:
    assert served_line({}, 5) is None
    assert served_line({"gpt-4o-2024-08-06": 98}, 100) == (
        "the server names another model: gpt-4o-2024-08-06 in 98, of 100 answers"
    )
    line = served_line({"a\nb": 3, "c": 2, "d": 1, "e": 1}, 7)
    assert line is not None and "a b in 3, c in 2, d in 1 and 1 more, of 7" in line
