"""Streamed replies: put together whole, or not at all."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.chat_payloads import read
from pytest_llmeval.models.openai.streaming import Assembly, Torn
from tests.support.api_server import completion, events, plain


def stream(data: list[str]) -> bytes:
    return "".join(f"data: {one}\n\n" for one in data).encode()


def assembled(raw: bytes, *cuts: int) -> bytes:
    assembly, before = Assembly(), 0
    for cut in (*sorted(cut for cut in cuts if cut < len(raw)), len(raw)):
        assembly.feed(raw[before:cut])
        before = cut
    return assembly.body()


@given(st.text(), st.text(), st.lists(st.integers(0, 400), max_size=30), st.booleans())
def test_the_whole_is_what_one_piece_would_be(text: str, thought: str, cuts: list[int], usage: bool) -> None:
    """Whatever letters, line separators of Unicode among them, and wherever packets end."""
    body = completion(text, "length", reasoning_content=thought)
    got = read(assembled(stream(events(body, usage=usage)), *cuts), {})
    assert (got.text, got.reasoning, got.finish_reason) == (text, thought, "length")
    assert (got.prompt_tokens, got.completion_tokens) == ((7, 3) if usage else (None, None))


@given(st.text(), st.integers(0, 10_000))
def test_half_a_stream_is_no_answer(text: str, cut: int) -> None:
    raw = stream(events(completion(text), usage=False)[:-2])
    with pytest.raises(Torn):
        body = assembled(raw[: cut % (len(raw) + 1)])
        assert not body.strip() or body == raw[: cut % (len(raw) + 1)]  # not yet known to be a stream
        raise Torn


def test_plain_text() -> None:
    body = json.loads(assembled(stream(events(plain("一二三"), usage=True))))
    assert body["choices"] == [{"text": "一二三", "finish_reason": "stop"}]


def test_an_end_without_its_mark() -> None:
    assert json.loads(assembled(stream(events(completion("x"), usage=False)[:-1])))["choices"]
    late = ['{"choices": [{"delta": {"content": "x"}}]}', "[DONE]"]
    assert json.loads(assembled(stream(late)))["choices"][0]["message"] == {"content": "x", **EMPTY}
    with pytest.raises(Torn):
        assembled(stream(["[DONE]"]))


EMPTY = {"reasoning_content": "", "reasoning": ""}


@pytest.mark.parametrize("event", ["{", "[]", "", '"x"'])
def test_an_event_that_is_none_spoils_all(event: str) -> None:
    data = events(completion("x"), usage=True)
    with pytest.raises(Torn):
        assembled(stream([*data[:1], event, *data[1:]]))


def test_an_error_in_the_middle_is_the_reply() -> None:
    data = events(completion("x"), usage=True)
    problem = '{"error": {"message": "out of memory"}}'
    assert assembled(stream([*data[:2], problem])) == problem.encode()


@pytest.mark.parametrize("raw", [b'{"choices": []}', b"<html>", b"", b'{\n "a": 1\n}\n', b"id: 3"])
def test_what_is_no_stream_is_left_alone(raw: bytes) -> None:
    assert assembled(raw, 1, 3) == raw


def test_the_first_of_the_answer() -> None:
    assembly = Assembly()
    first, *more = events(completion("答案", tool_calls=[{"function": {"name": "f"}}]), usage=True)
    assert not assembly.feed(stream([first]))
    assert assembly.feed(stream(more))
    assert json.loads(assembly.body())["choices"][0]["message"]["tool_calls"] == [{"function": {"name": "f"}}]


@given(st.lists(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["choices", "delta", "text", "content", "usage", "error", "finish_reason", "tool_calls",
                     "function", "name"]), x), max_leaves=12), max_size=5))  # fmt: skip
def test_no_event_is_too_odd(data: list[object]) -> None:
    with contextlib.suppress(Torn):
        assembled(stream([json.dumps(one) for one in data]))
