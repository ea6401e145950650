"""What servers send back, also when it is no completion at all."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Request, TextPrompt
from pytest_llmeval.models.openai.chat_payloads import (
    Dialect,
    NoCompletion,
    NoScores,
    about_length,
    body,
    error_code,
    model_names,
    read,
    server_message,
)
from tests.support.api_server import completion, scored

CHOICES = {"A": " A", "B": " B", "C": " C"}


def parse(data: object, **choices: str) -> Completion:
    return read(json.dumps(data).encode(), choices)


def test_bodies() -> None:
    chat = ChatPrompt((Message("user", "q"),), ((Message("user", "s"), Message("assistant", "A")),))
    request = Request(chat, max_tokens=9, temperature=0.0, stop=("\n",))
    assert body(request, chat, "m", Dialect()) == {
        "model": "m",
        "messages": [
            {"role": "user", "content": "s"},
            {"role": "assistant", "content": "A"},
            {"role": "user", "content": "q"},
        ],
        "temperature": 0.0,
        "max_tokens": 9,
        "stop": ["\n"],
    }
    text = TextPrompt("q", ("s",), "d\n")
    assert body(Request(text), text, "m", Dialect())["messages"] == [{"role": "user", "content": "d\ns\n\nq"}]
    asked = body(Request(text, choices=CHOICES, temperature=1.0), text, "m", Dialect())
    assert {key: asked[key] for key in ("temperature", "max_tokens", "logprobs", "top_logprobs")} == {
        "temperature": 0.0,
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": 20,
    }


def test_a_completion() -> None:
    got = parse(completion("答案：C", "length", reasoning_content="想"))
    assert got == Completion("答案：C", "想", finish_reason="length", prompt_tokens=7, completion_tokens=3)
    assert parse(completion("x", reasoning="why")).reasoning == "why"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("", ""),
        ([{"type": "text", "text": "a"}, {"type": "image"}, 3, {"text": "b"}], "ab"),
        ({"text": "a"}, ""),
        (7, ""),
        ("a\ud800b", "a\ufffdb"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_contents(content: object, text: str) -> None:
    assert parse(completion(content)).text == text


def test_tool_calls_and_filters_are_empty_answers() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert parse(completion(None, "tool_calls", tool_calls=[call])).text == ""
    filtered = parse(completion(None, "content_filter"))
    assert (filtered.text, filtered.finish_reason) == ("", "content_filter")
    assert parse(completion(None, "content_filter"), **CHOICES).scores == {}


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"prompt_tokens": "7"}, {"prompt_tokens": True}, {"prompt_tokens": -1}]
)
def test_token_counts_may_be_absent(usage: object) -> None:
    got = parse({**completion("x"), "usage": usage})
    assert (got.prompt_tokens, got.completion_tokens) == (None, None)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"", "empty"),
        (b"<html><head><title>Bad\n gateway</title>", "an HTML page (Bad gateway)"),
        (b'{"choices": [{"mess', "choices"),
        (b"[]", "[]"),
        (b"null", "null"),
        (b'"hello"', "hello"),
        (b"\xff\xfe\x00", "no completion"),
        (b'{"choices": []}', "choices"),
        (b'{"choices": null}', "choices"),
        (b'{"choices": [1]}', "choices"),
        (b'{"choices": {"0": {}}}', "choices"),
        (b'{"choices": [{"message": null}]}', "message"),
        (b'{"choices": [{"message": "A"}]}', "A"),
        (b'{"error": {"message": "overloaded"}}', "overloaded"),
        (b"[" * 100_000, "no completion"),
    ],
)
def test_what_is_no_completion(reply: bytes, says: str) -> None:
    with pytest.raises(NoCompletion) as caught:
        read(reply, {})
    assert says in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "content",
                    "logprobs",
                    "top_logprobs",
                    "token",
                    "logprob",
                    "usage",
                    "error",
                    "data",
                    "id",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(anything | st.binary(), st.sampled_from([{}, CHOICES]))
def test_no_reply_is_too_odd(data: object, choices: dict[str, str]) -> None:
    reply = data if isinstance(data, bytes) else json.dumps(data).encode()
    try:
        got = read(reply, choices)
    except (NoCompletion, NoScores):
        pass
    else:
        got.text.encode()
        assert all(math.isfinite(score) for score in got.scores.values())
    assert "\n" not in server_message(reply)
    assert isinstance(error_code(reply), str)
    assert all(model_names(reply))


@given(st.lists(anything, max_size=4), anything)
def test_no_logprobs_are_too_odd(top: list[object], rest: object) -> None:
    data = completion("A")
    data["choices"][0]["logprobs"] = {"content": [{"token": "A", "logprob": rest, "top_logprobs": top}]}
    try:
        got = parse(data, **CHOICES)
    except NoScores:
        return
    assert all(math.isfinite(score) for score in got.scores.values())


def test_scores() -> None:
    got = parse(scored({"A": -1.0, " A": -1.0, " B": -3.0, "Because": -0.5, "b": -2.0}), **CHOICES)
    assert got.finish_reason == "scored" and not got.notes
    assert got.scores == {"A": pytest.approx(math.log(2 * math.exp(-1))), "B": -3.0}


def test_scores_are_of_continuations_not_labels() -> None:
    assert parse(scored({"A": -0.1, "yes": -1.0}), A=" yes", B=" no").scores == {"A": -1.0}
    assert parse(scored({" ": -0.1}), A=" ").scores == {}


def test_very_unlikely_tokens_do_not_overflow() -> None:
    assert parse(scored({"A": -9999.0, " A": -9999.0}), A=" A").scores["A"] == pytest.approx(
        -9999 + math.log(2)
    )


def test_the_chosen_token_counts_also_when_it_is_not_listed() -> None:
    data = scored({"B": -2.0})
    data["choices"][0]["logprobs"]["content"][0].update(token="A", logprob=-0.2)
    assert parse(data, **CHOICES).scores == {"A": -0.2, "B": -2.0}


@pytest.mark.parametrize("top", [{}, {"The": -0.1}])
def test_no_choice_among_the_likely_tokens(top: dict[str, float]) -> None:
    got = parse(scored(top), **CHOICES)
    assert got.scores == {} and "none of the choices" in got.notes[0]


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": [{"token": "A", "logprob": -0.1}]},
        {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": []}]},
        {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": {"A": -0.1}}]},
        {"tokens": ["A"], "token_logprobs": [-0.1]},
    ],
)
def test_no_log_probabilities(logprobs: object) -> None:
    data = completion("A")
    data["choices"][0]["logprobs"] = logprobs
    with pytest.raises(NoScores):
        parse(data, **CHOICES)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b'{"error": {"message": "no\\nway", "code": "x"}}', "no way"),
        (b'{"error": "no way"}', "no way"),
        (b'{"message": "no way"}', "no way"),
        (b'{"detail": "no way"}', "no way"),
        (b'{"error": {"error": {"message": "deep"}}}', "deep"),
        (b'{"error": {"code": 7}}', '{"error": {"code": 7}}'),
        (b'{"detail": [{"msg": "field required"}]}', "field required"),
        (
            b'{"detail": [{"loc": ["body", "foo"], "msg": "Extra inputs are not permitted"}, 3, '
            b'{"loc": ["body", "a", 0], "msg": "bad"}]}',
            "foo: Extra inputs are not permitted; a.0: bad",
        ),
        (b'{"detail": []}', '{"detail": []}'),
        (b'{"error": {"message": "no such thing", "param": "foo"}}', "foo: no such thing"),
        (b'{"error": {"message": "no foo", "param": "foo"}}', "no foo"),
        (b"plain \x1b[31mtext", "plain [31mtext"),
        (b"<!doctype html><p>x", "an HTML page"),
        (b"", ""),
    ],
)
def test_server_messages(reply: bytes, says: str) -> None:
    assert server_message(reply) == says


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "the request exceeds the available context size, try increasing it",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Input length exceeds the context window",
        "context_length_exceeded",
    ],
)
def test_complaints_about_length(text: str) -> None:
    assert about_length(text)


@pytest.mark.parametrize(
    "text", ["temperature must be below 2", "invalid role", "", "max_tokens must be positive"]
)
def test_other_complaints(text: str) -> None:
    assert not about_length(text)


def test_dialects() -> None:
    plain = Dialect()
    newer = plain.after("Unsupported parameter: use 'max_completion_tokens' instead.", scoring=False)
    assert newer == Dialect("max_completion_tokens")
    assert newer.after("max_completion_tokens is too large", scoring=False) is None
    fewer = plain.after("top_logprobs must be at most 5", scoring=True)
    assert fewer == Dialect(top_logprobs=5)
    assert fewer.after("top_logprobs must be 0", scoring=True) is None
    assert plain.after("top_logprobs must be at most 5", scoring=False) is None
    request = Request(TextPrompt("q"), choices=CHOICES)
    sent = body(request, request.prompt, "m", Dialect("max_completion_tokens", 5))
    assert sent["max_completion_tokens"] == 1 and sent["top_logprobs"] == 5 and "max_tokens" not in sent


def test_lists_of_models() -> None:
    assert model_names(b'{"data": [{"id": "a"}, {"id": 3}, "b", {"id": ""}, {"id": "c"}]}') == ("a", "c")
    assert model_names(b"[]") == model_names(b'{"data": {}}') == model_names(b"oops") == ()
