"""Token estimates, and which shots are dropped from a prompt that is too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import ChatPrompt, Message, Prompt, TextPrompt
from pytest_llmeval.models.openai.context_fit import dropped_note, estimate_tokens, fit_context


def chat(question: str, *shots: str) -> ChatPrompt:
    return ChatPrompt((Message("user", question),), tuple((Message("user", shot),) for shot in shots))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("土地制度", 4), ("2024", 4), ("abc", 1), ("abcd", 2), ("Ａ。", 2), ("слово!", 3), ("😀", 2)],
)
def test_estimates(text: str, tokens: int) -> None:
    assert estimate_tokens(TextPrompt(text)) == tokens + 8
    assert estimate_tokens(chat(text, "")) == tokens + 12


@given(st.text(), st.text())
def test_longer_text_never_has_fewer_tokens(first: str, second: str) -> None:
    both = estimate_tokens(TextPrompt(first + second))
    assert both >= max(estimate_tokens(TextPrompt(first)), estimate_tokens(TextPrompt(second)))


@pytest.mark.parametrize(
    "prompt",
    [
        chat("问" * 10, "一" * 20, "二" * 20, "三" * 20),
        TextPrompt("问" * 10, ("一" * 20, "二" * 20, "三" * 20)),
    ],
)
def test_the_earliest_shots_are_dropped_first(prompt: Prompt) -> None:
    assert fit_context(prompt, 10, None) == (prompt, 0)
    assert fit_context(prompt, 10, 1000) == (prompt, 0)
    shortened, dropped = fit_context(prompt, 10, 60)
    assert dropped == 2
    assert shortened == prompt.without_shots(2)
    assert "三" in shortened.text and "二" not in shortened.text
    assert fit_context(prompt, 10, 30)[1] == 3


def test_a_question_that_exceeds_the_context_is_an_error() -> None:
    with pytest.raises(
        RequestFailed, match=r"prompt of about 108 tokens and 50 of answer do not fit .* 120"
    ) as caught:
        fit_context(chat("问" * 100, "一"), 50, 120)
    assert caught.value.attempts == 0


@given(st.integers(0, 40), st.lists(st.integers(0, 40), max_size=6), st.integers(1, 50), st.integers(1, 200))
def test_no_more_shots_are_dropped_than_necessary(
    question: int, shots: list[int], answer: int, context: int
) -> None:
    prompt = chat("问" * question, *("例" * length for length in shots))
    try:
        shortened, dropped = fit_context(prompt, answer, context)
    except RequestFailed:
        assert estimate_tokens(prompt.without_shots(len(shots))) + answer > context
        return
    assert shortened.shots == prompt.shots[dropped:] and shortened.question == prompt.question
    assert estimate_tokens(shortened) + answer <= context
    assert not dropped or estimate_tokens(prompt.without_shots(dropped - 1)) + answer > context


def test_notes() -> None:
    assert dropped_note(1, 4096) == "1 earliest shot dropped to fit 4096 tokens"
    assert dropped_note(2, 4096) == "2 earliest shots dropped to fit 4096 tokens"
    assert "server" in dropped_note(3, None)
