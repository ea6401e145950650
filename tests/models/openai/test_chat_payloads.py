"""Bodies of chat requests, and the parsing of responses, however malformed."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Request, TextPrompt
from pytest_llmeval.models.openai.chat_payloads import (
    NoCompletion,
    PromptTooLong,
    build_body,
    model_names,
    parse_response,
    token_usage,
)
from pytest_llmeval.models.openai.choice_scores import NoScores
from pytest_llmeval.models.openai.payload_options import PayloadOptions
from pytest_llmeval.models.openai.server_messages import server_message
from tests.support.api_server import completion, scored

CHOICES = {"A": " A", "B": " B", "C": " C"}


def parse(data: object, **choices: str) -> Completion:
    return parse_response(json.dumps(data).encode(), choices)


def test_bodies() -> None:
    chat = ChatPrompt((Message("user", "q"),), ((Message("user", "s"), Message("assistant", "A")),))
    request = Request(chat, max_tokens=9, temperature=0.0, stop=("\n",))
    assert build_body(request, chat, "m", PayloadOptions()) == {
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
    assert build_body(Request(text), text, "m", PayloadOptions())["messages"] == [
        {"role": "user", "content": "d\ns\n\nq"}
    ]
    scoring_body = build_body(Request(text, choices=CHOICES, temperature=1.0), text, "m", PayloadOptions())
    assert {key: scoring_body[key] for key in ("temperature", "max_tokens", "logprobs", "top_logprobs")} == {
        "temperature": 0.0,
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": 20,
    }


def test_a_completion() -> None:
    result = parse(completion("答案：C", "length", reasoning_content="想"))
    assert result == Completion(
        "答案：C", "想", finish_reason="length", prompt_tokens=7, completion_tokens=3, served_model="m"
    )
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


def test_tool_calls_and_filtered_answers_have_empty_text() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert parse(completion(None, "tool_calls", tool_calls=[call])).text == ""
    filtered = parse(completion(None, "content_filter"))
    assert (filtered.text, filtered.finish_reason) == ("", "content_filter")
    assert parse(completion(None, "content_filter"), **CHOICES).scores == {}


@pytest.mark.parametrize(
    "reason", ["error", "abort", "network_error", "insufficient_system_resource", "ERROR", "cancelled"]
)
@pytest.mark.parametrize("choices", [{}, CHOICES])
def test_a_failed_generation_is_no_completion(reason: str, choices: dict[str, str]) -> None:
    for text in ("答案：A", ""):
        with pytest.raises(NoCompletion, match=f"generation failed: finish_reason '{reason}'"):
            parse(completion(text, reason), **choices)


def test_an_error_beside_the_choice_is_no_completion() -> None:
    body = completion("首先", "stop")
    assert parse({**body, "error": None}).text == "首先"
    with pytest.raises(NoCompletion, match="error instead of the whole answer: upstream died"):
        parse({**body, "error": {"code": 502, "message": "upstream died"}})
    body["choices"][0]["error"] = {"code": 502, "message": "upstream died"}
    with pytest.raises(NoCompletion, match="upstream died"):
        parse(body)


def test_choice_0_is_the_answer_wherever_it_is_listed() -> None:
    body = completion("A")
    body["choices"].insert(0, {"index": 1, "message": {"content": "B"}, "finish_reason": "error"})
    assert parse(body).text == "A"


@pytest.mark.parametrize("reason", ["length", "model_length", "max_tokens"])
@pytest.mark.parametrize("choices", [{}, CHOICES])
def test_no_token_at_all_means_a_prompt_that_is_too_long(reason: str, choices: dict[str, str]) -> None:
    body = completion("", reason)
    body["usage"]["completion_tokens"] = 0
    with pytest.raises(PromptTooLong, match="too long"):
        parse(body, **choices)
    body["usage"]["completion_tokens"] = 3  # all of it reasoning
    assert parse(body).finish_reason == "length"
    del body["usage"]
    assert parse(body).finish_reason == "length"
    failed = completion("internal error happened, status code ResponseType.INPUT_LENGTH_ERROR", "error")
    with pytest.raises(PromptTooLong):
        parse(failed)


def test_a_finish_reason_of_null_in_quotes_is_none() -> None:
    assert parse(completion("x", "null")).finish_reason == ""


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"prompt_tokens": "7"}, {"prompt_tokens": True}, {"prompt_tokens": -1}]
)
def test_token_counts_may_be_absent(usage: object) -> None:
    result = parse({**completion("x"), "usage": usage})
    assert (result.prompt_tokens, result.completion_tokens) == (None, None)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"", "empty"),
        (b"<html><head><title>Bad\n gateway</title>", "an HTML page (Bad gateway)"),
        (b'{"choices": [{"mess', "choices"),
        (b"[]", "[]"),
        (b"null", "null"),
        (b'"hello"', "hello"),
        (b"\xff\xfe\x00", "not a completion"),
        (b'{"choices": []}', "choices"),
        (b'{"choices": null}', "choices"),
        (b'{"choices": [1]}', "choices"),
        (b'{"choices": {"0": {}}}', "choices"),
        (b'{"choices": [{"message": null}]}', "message"),
        (b'{"choices": [{"message": "A"}]}', "A"),
        (b'{"error": {"message": "overloaded"}}', "overloaded"),
        (b"[" * 100_000, "not a completion"),
    ],
)
def test_responses_that_are_not_completions(reply: bytes, expected: str) -> None:
    with pytest.raises(NoCompletion) as caught:
        parse_response(reply, {})
    assert expected in str(caught.value)


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
def test_any_response_is_parsed_or_rejected(data: object, choices: dict[str, str]) -> None:
    reply = data if isinstance(data, bytes) else json.dumps(data).encode()
    try:
        result = parse_response(reply, choices)
    except (NoCompletion, NoScores, PromptTooLong):
        pass
    else:
        result.text.encode()
        assert all(math.isfinite(score) for score in result.scores.values())
    assert "\n" not in server_message(reply)
    assert all(model_names(reply))


@given(st.lists(anything, max_size=4), anything)
def test_any_logprobs_are_parsed_or_rejected(top: list[object], rest: object) -> None:
    data = completion("A")
    data["choices"][0]["logprobs"] = {"content": [{"token": "A", "logprob": rest, "top_logprobs": top}]}
    try:
        result = parse(data, **CHOICES)
    except NoScores:
        return
    assert all(isinstance(score, float) for score in result.scores.values())


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, None, 10**400])
def test_a_log_probability_that_is_not_finite_is_not_left_out(score: float | None) -> None:
    """Without it, the other choice would win: ``Job.finish`` makes it an error."""
    assert not math.isfinite(parse(scored({"A": score, "B": -3.0}), **CHOICES).scores["A"])


def test_scores() -> None:
    result = parse(scored({"A": -1.0, " A": -1.0, " B": -3.0, "Because": -0.5, "b": -2.0}), **CHOICES)
    assert result.finish_reason == "scored" and not result.notes
    assert result.scores == {"A": pytest.approx(math.log(2 * math.exp(-1))), "B": -3.0}


def test_scores_belong_to_continuations_not_labels() -> None:
    assert parse(scored({"A": -0.1, "yes": -1.0}), A=" yes", B=" no").scores == {"A": -1.0}
    assert parse(scored({" ": -0.1}), A=" ").scores == {}


def test_very_unlikely_tokens_do_not_overflow() -> None:
    assert parse(scored({"A": -9999.0, " A": -9999.0}), A=" A").scores["A"] == pytest.approx(
        -9999 + math.log(2)
    )


def test_the_sampled_token_counts_even_if_not_listed() -> None:
    data = scored({"B": -2.0})
    data["choices"][0]["logprobs"]["content"][0].update(token="A", logprob=-0.2)
    assert parse(data, **CHOICES).scores == {"A": -0.2, "B": -2.0}


@pytest.mark.parametrize("top", [{}, {"The": -0.1}])
def test_no_choice_among_the_top_logprobs(top: dict[str, float]) -> None:
    result = parse(scored(top), **CHOICES)
    assert result.scores == {} and "none of the choices" in result.notes[0]


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": [{"token": "A", "logprob": -0.1}]},
        {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": []}]},
        {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": "A"}]},
        {"tokens": ["A"], "token_logprobs": [-0.1]},
    ],
)
def test_no_log_probabilities(logprobs: object) -> None:
    data = completion("A")
    data["choices"][0]["logprobs"] = logprobs
    with pytest.raises(NoScores):
        parse(data, **CHOICES)


@pytest.mark.parametrize(
    ("reply", "expected"),
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
def test_server_messages(reply: bytes, expected: str) -> None:
    assert server_message(reply) == expected


def test_lists_of_models() -> None:
    assert model_names(b'{"data": [{"id": "a"}, {"id": 3}, "b", {"id": ""}, {"id": "c"}]}') == ("a", "c")
    assert model_names(b"[]") == model_names(b'{"data": {}}') == model_names(b"oops") == ()


@pytest.mark.parametrize("count", [-1, True, "12", 1e300, 10**300, 1.5, None, [3], {}])
def test_token_counts_that_are_none(count: object) -> None:
    assert token_usage({"usage": {"prompt_tokens": count, "completion_tokens": 3}}) == (None, 3)


def test_a_task_that_begins_the_answer_is_refused() -> None:
    turns = (Message("user", "q"), Message("assistant", "The answer is"))
    prompt = ChatPrompt(turns)
    with pytest.raises(ModelUnusable, match=r"begins the answer itself \('The answer is'"):
        build_body(Request(prompt, lm_eval=True), prompt, "m", PayloadOptions())
    body = build_body(Request(prompt), prompt, "m", PayloadOptions())
    assert [turn["content"] for turn in body["messages"]] == ["q", "The answer is"]
