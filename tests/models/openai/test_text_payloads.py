"""Plain completions: bodies, and scores by echoed prompts."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Request, TextPrompt
from pytest_llmeval.models.openai.chat_payloads import Dialect, NoCompletion, NoScores
from pytest_llmeval.models.openai.text_payloads import Completions, echoed_score
from tests.support.api_server import echoed, plain

CHOICES = {"A": " A", "B": " B"}
TEXT = TextPrompt("q", ("s",), "d\n")
CHAT = ChatPrompt((Message("user", "q"),), ((Message("user", "s"), Message("assistant", "A")),))
PLAIN = Dialect(echo_tokens=0)


def logprobs(body: dict[str, Any]) -> object:
    return body["choices"][0]["logprobs"]


def parse(body: object, request: Request, part: str = "", dialect: Dialect = PLAIN) -> Completion:
    return Completions().read(json.dumps(body).encode(), request, request.prompt, part, dialect)


def test_bodies() -> None:
    api = Completions()
    request = Request(CHAT, max_tokens=9, temperature=0.5, stop=("\n",))
    assert api.parts(request) == ("",) and api.dialect.echo_tokens == 0
    assert api.body(request, CHAT, "", "m", api.dialect) == {
        "model": "m",
        "prompt": "s\nA\nq",
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["\n"],
    }
    scoring = Request(TEXT, choices=CHOICES)
    assert api.parts(scoring) == ("A", "B")
    assert api.body(scoring, TEXT, "B", "m", Dialect(echo_tokens=1)) == {
        "model": "m",
        "prompt": "d\ns\n\nq B",
        "temperature": 0.0,
        "max_tokens": 1,
        "echo": True,
        "logprobs": 1,
    }


def test_a_completion() -> None:
    got = parse(plain("x", "length"), Request(TEXT))
    assert got == Completion("x", finish_reason="length", prompt_tokens=7, completion_tokens=3)
    joined = parse(plain("x"), Request(CHAT))
    assert joined.prompt == "s\nA\nq" and "turns joined as text" in joined.notes[0]


@pytest.mark.parametrize("body", [{}, [], {"choices": [{"text": None}]}, {"choices": [{"message": {}}]}, "x"])
def test_what_is_no_completion(body: object) -> None:
    with pytest.raises(NoCompletion):
        parse(body, Request(TEXT))


def test_a_score_is_of_the_continuation_alone() -> None:
    body = echoed(("q", None), (":", -9.0), (" A", -0.5), (" long", -0.25))
    assert echoed_score(logprobs(body), " A long", 0) == -0.75


def test_what_the_server_adds_before_and_after_does_not_count() -> None:
    body = echoed(("<s>", None), ("q", -3.0), (" A", -0.5), ("\n", -4.0), made=1)
    assert echoed_score(logprobs(body), " A", 1) == -0.5


def test_a_token_over_the_border_belongs_to_the_continuation() -> None:
    body = echoed(("q", None), (": A", -0.5))
    assert echoed_score(logprobs(body), " A", 0) == -0.5


def test_minus_infinity_is_a_score() -> None:
    assert echoed_score(logprobs(echoed(("q", None), ("A", float("-inf")))), "A", 0) == float("-inf")


def test_a_part_s_completion() -> None:
    request = Request(TEXT, choices=CHOICES)
    got = parse(echoed(("d\ns\n\nq", None), (" B", -2.0)), request, "B")
    assert (got.scores, got.text, got.finish_reason, got.prompt_tokens) == ({"B": -2.0}, "", "scored", 2)


@pytest.mark.parametrize(
    "body",
    [
        plain("d\ns\n\nq A"),
        plain("A"),
        echoed((" A", -1.0)),  # only what it made, no echo
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
def test_no_echo_is_too_odd(tokens: object, values: object, offsets: object, text: str, made: int) -> None:
    told = {"tokens": tokens, "token_logprobs": values, "text_offset": offsets}
    with contextlib.suppress(NoScores):
        assert isinstance(echoed_score(told, text, made), float)


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=3), st.floats(-50, 0)), min_size=2, max_size=12),
    st.data(),
)
def test_any_cut_between_tokens(tokens: list[tuple[str, float]], data: st.DataObject) -> None:
    border = data.draw(st.integers(1, len(tokens) - 1))
    made = data.draw(st.integers(0, 1))
    body = echoed(("<s>", None), *tokens, *[("x", -1.0)] * made, made=made)
    continuation = "".join(text for text, _ in tokens[border:])
    wanted = sum(value for _, value in tokens[border:])
    assert echoed_score(logprobs(body), continuation, made) == pytest.approx(wanted)
