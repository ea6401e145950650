"""Text completions: request bodies, and scores from echoed prompts."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Request, TextPrompt
from pytest_llmeval.models.openai.chat_payloads import NoCompletion, PromptTooLong
from pytest_llmeval.models.openai.choice_scores import NoScores
from pytest_llmeval.models.openai.echo_scores import Echo
from pytest_llmeval.models.openai.payload_options import PayloadOptions
from pytest_llmeval.models.openai.text_payloads import TextPayloads
from tests.support.api_server import echoed, plain

CHOICES = {"A": " A", "B": " B"}
TEXT = TextPrompt("q", ("s",), "d\n")
CHAT = ChatPrompt((Message("user", "q"),), ((Message("user", "s"), Message("assistant", "A")),))
OPTIONS = PayloadOptions(echo_tokens=0)


def logprobs(body: dict[str, Any]) -> object:
    return body["choices"][0]["logprobs"]


def parse(body: object, request: Request, part: str = "", options: PayloadOptions = OPTIONS) -> Completion:
    return TextPayloads().parse(json.dumps(body).encode(), request, request.prompt, part, options)


def test_bodies() -> None:
    payloads = TextPayloads()
    request = Request(CHAT, max_tokens=9, temperature=0.5, stop=("\n",))
    assert payloads.parts(request) == ("",) and payloads.options.echo_tokens == 0
    assert payloads.build(request, CHAT, "", "m", payloads.options) == {
        "model": "m",
        "prompt": "s\nA\nq",
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["\n"],
    }
    scoring = Request(TEXT, choices=CHOICES)
    assert payloads.parts(scoring) == ("A", "B")
    assert payloads.build(scoring, TEXT, "B", "m", PayloadOptions(echo_tokens=1)) == {
        "model": "m",
        "prompt": "d\ns\n\nq B",
        "temperature": 0.0,
        "max_tokens": 1,
        "echo": True,
        "logprobs": 1,
    }


def test_a_completion() -> None:
    result = parse(plain("x", "length"), Request(TEXT))
    assert result == Completion("x", finish_reason="length", prompt_tokens=7, completion_tokens=3)
    joined = parse(plain("x"), Request(CHAT))
    assert joined.prompt == "s\nA\nq" and "turns joined as text" in joined.notes[0]


@pytest.mark.parametrize("body", [{}, [], {"choices": [{"text": None}]}, {"choices": [{"message": {}}]}, "x"])
def test_responses_that_are_not_completions(body: object) -> None:
    with pytest.raises(NoCompletion):
        parse(body, Request(TEXT))


def test_no_token_at_all_means_a_prompt_that_is_too_long_unless_none_was_asked_for() -> None:
    body = plain("", "length")
    body["usage"]["completion_tokens"] = 0
    with pytest.raises(PromptTooLong):
        parse(body, Request(TEXT))
    with pytest.raises(NoScores):  # a server without echo
        parse(body, Request(TEXT, choices=CHOICES), "A")


def test_a_failed_generation_is_no_completion() -> None:
    with pytest.raises(NoCompletion, match="generation failed"):
        parse(plain("x", "abort"), Request(TEXT))


def test_only_the_continuation_is_scored() -> None:
    body = echoed(("q", None), (":", -9.0), (" A", -0.5), (" long", -0.25))
    assert Echo(logprobs(body), " A long").score(0) == -0.75


def test_tokens_added_by_the_server_do_not_count() -> None:
    body = echoed(("<s>", None), ("q", -3.0), (" A", -0.5), ("\n", -4.0), generated=1)
    assert Echo(logprobs(body), " A").score(1) == -0.5


def test_a_token_across_the_border_belongs_to_the_continuation() -> None:
    body = echoed(("q", None), (": A", -0.5))
    assert Echo(logprobs(body), " A").score(0) == -0.5


def test_minus_infinity_is_a_score() -> None:
    assert Echo(logprobs(echoed(("q", None), ("A", float("-inf")))), "A").score(0) == float("-inf")


def test_null_is_how_servers_write_nan() -> None:
    body = echoed(("q", None), (":", -9.0), (" A", None))
    assert math.isnan(Echo(logprobs(body), " A").score(0))
    with pytest.raises(NoScores):
        Echo(logprobs(echoed(("q", None), (":", None), (" A", None))), " A").score(0)


def test_the_completion_of_a_part() -> None:
    request = Request(TEXT, choices=CHOICES)
    result = parse(echoed(("d\ns\n\nq", None), (" B", -2.0)), request, "B")
    assert (result.scores, result.text, result.finish_reason, result.prompt_tokens) == (
        {"B": -2.0},
        "",
        "scored",
        2,
    )


@pytest.mark.parametrize(
    "body",
    [
        plain("d\ns\n\nq A"),
        plain("A"),
        echoed((" A", -1.0)),  # generated text without the echo
        echoed(("d\ns\n\nq A", None)),
        {"choices": [{"text": "d\ns\n\nq A", "logprobs": {"tokens": ["x"], "token_logprobs": [-1.0]}}]},
        {
            "choices": [
                {"text": "d\ns\n\nq A", "logprobs": {"tokens": [1], "token_logprobs": [], "text_offset": []}}
            ]
        },
    ],
)
def test_no_scores(body: object) -> None:
    with pytest.raises(NoScores):
        parse(body, Request(TEXT, choices=CHOICES), "A")


ODD = st.recursive(st.none() | st.integers(-3, 9) | st.text(max_size=3) | st.floats(), st.lists, max_leaves=6)


@given(ODD, ODD, ODD, st.text(max_size=4), st.integers(0, 3))
def test_any_echo_is_scored_or_rejected(
    tokens: object, values: object, offsets: object, text: str, generated: int
) -> None:
    logprobs_ = {"tokens": tokens, "token_logprobs": values, "text_offset": offsets}
    with contextlib.suppress(NoScores):
        assert isinstance(Echo(logprobs_, text).score(generated), float)


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=3), st.floats(-50, 0)), min_size=2, max_size=12),
    st.data(),
)
def test_the_border_may_be_between_any_tokens(tokens: list[tuple[str, float]], data: st.DataObject) -> None:
    border = data.draw(st.integers(1, len(tokens) - 1))
    generated = data.draw(st.integers(0, 1))
    body = echoed(("<s>", None), *tokens, *[("x", -1.0)] * generated, generated=generated)
    continuation = "".join(text for text, _ in tokens[border:])
    wanted = sum(value for _, value in tokens[border:])
    assert Echo(logprobs(body), continuation).score(generated) == pytest.approx(wanted)


def test_turns_of_lm_evaluation_harness_need_a_template() -> None:
    prompt = ChatPrompt((Message("user", "q"),))
    with pytest.raises(ModelUnusable, match="no chat template"):
        TextPayloads().build(Request(prompt, lm_eval=True), prompt, "", "m", OPTIONS)
