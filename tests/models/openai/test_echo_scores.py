"""Scores of a continuation from an echo, and echoes that are not the continuation's."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmeval.models.openai.choice_scores import NoScores
from pytest_llmeval.models.openai.echo_scores import Echo
from tests.support.api_server import echoed


def echo(*tokens: tuple[str, float | None], continuation: str = " A", text: str = "") -> Echo:
    body: dict[str, Any] = echoed(*tokens)
    return Echo(body["choices"][0]["logprobs"], continuation, text)


@pytest.mark.parametrize("token", [" A", "A", "▁A", "ĠA"])
def test_the_continuation_in_any_alphabet(token: str) -> None:
    assert echo(("q", None), (":", -9.0), (token, -0.5)).score(0) in (-0.5, -9.5)


@pytest.mark.parametrize(
    "tokens",
    [
        [(" A", -0.5), ("</s>", 0.0)],
        [(" A", -0.5), ("<|im_end|>", 0.0), ("\n", 0.0)],
        [(" B", 0.0)],
        [(":", 0.0)],
    ],
)
def test_an_echo_that_ends_otherwise_is_no_score(tokens: list[tuple[str, float]]) -> None:
    with pytest.raises(NoScores, match="instead of the choice ' A'"):
        echo(("q", None), (":", -9.0), *tokens).score(0)


def test_numbers_of_tokens_are_named() -> None:
    with pytest.raises(NoScores, match="token_id"):
        echo(("token_id:5", None), ("token_id:65", -0.5)).score(0)


def test_parts_of_characters_are_checked_by_the_text() -> None:
    tokens = [("q", None), ("\ufffd", -1.0), ("\ufffd", -2.0)]
    assert echo(*tokens, continuation="答案", text="q答案").score(0) == -3.0
    with pytest.raises(NoScores):
        echo(*tokens, continuation="答案", text="q选项").score(0)


def test_the_number_of_generated_tokens_is_tried() -> None:
    with_end = echo(("q", None), (" A", -0.5), ("\n", -4.0))
    assert not with_end.fits(0) or with_end.score(0) != -0.5
    assert with_end.fits(1) and with_end.score(1) == -0.5
    assert not with_end.fits(9)
