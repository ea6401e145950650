"""Scores of choices in the shapes in which servers send log-probabilities."""

from __future__ import annotations

import math

import pytest

from pytest_llmeval.models.openai.choice_scores import NoScores, choice_scores

CHOICES = {"A": " A", "B": " B"}


def chat(*tokens: tuple[str, float]) -> dict[str, object]:
    entries = [{"token": token, "logprob": value, "bytes": None} for token, value in tokens]
    return {"content": [{**entries[0], "top_logprobs": entries}]}


@pytest.mark.parametrize("form", ["{}", " {}", "▁{}", "Ġ{}", "{}\n"])
def test_tokens_in_any_alphabet(form: str) -> None:
    scores, number = choice_scores(chat((form.format("A"), -0.1), (form.format("B"), -2.0)), CHOICES)
    assert (scores, number) == ({"A": -0.1, "B": -2.0}, 2)


def test_a_letter_and_the_letter_after_a_space_count_together() -> None:
    scores, _ = choice_scores(
        chat(("A", math.log(0.2)), ("▁A", math.log(0.3)), ("ĠA", math.log(0.1))), CHOICES
    )
    assert scores == {"A": pytest.approx(math.log(0.6))}


@pytest.mark.parametrize(
    "logprobs",
    [
        {"tokens": ["A"], "token_logprobs": [-0.1], "top_logprobs": [{"A": -0.1, " B": -2.0}]},
        {"tokens": ["A"], "token_logprobs": [-0.1], "top_logprobs": [{" B": -2.0}], "content": None},
        {"top_logprobs": [[{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -2.0}]]},
        [{"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "B", "logprob": -2.0}]}],
        {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": {"B": -2.0}}]},
    ],
)
def test_shapes_of_text_completions_in_chats(logprobs: object) -> None:
    assert choice_scores(logprobs, CHOICES)[0] == {"A": -0.1, "B": -2.0}


def test_numbers_of_tokens_are_named() -> None:
    with pytest.raises(NoScores, match="--return-tokens-as-token-ids"):
        choice_scores(chat(("token_id:65", -0.1), ("token_id:66", -2.0)), CHOICES)


@pytest.mark.parametrize("logprobs", [None, {}, "A", {"tokens": ["A"], "token_logprobs": [-0.1]}])
def test_no_alternatives(logprobs: object) -> None:
    with pytest.raises(NoScores):
        choice_scores(logprobs, CHOICES)


def test_an_answer_without_a_token_has_no_scores() -> None:
    assert choice_scores({"content": []}, CHOICES) == ({}, 0)
    assert choice_scores(chat(("The", -0.1)), CHOICES) == ({}, 1)
