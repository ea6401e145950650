"""Streamed responses are assembled completely or not at all."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.chat_payloads import parse_response
from pytest_llmeval.models.openai.streaming import StreamAssembler, StreamTruncated
from tests.support.api_server import completion, events, plain


def stream(data: list[str]) -> bytes:
    return "".join(f"data: {event}\n\n" for event in data).encode()


def assembled(raw: bytes, *cuts: int) -> bytes:
    assembler, before = StreamAssembler(), 0
    for cut in (*sorted(cut for cut in cuts if cut < len(raw)), len(raw)):
        assembler.feed(raw[before:cut])
        before = cut
    return assembler.body()


@given(st.text(), st.text(), st.lists(st.integers(0, 400), max_size=30), st.booleans())
def test_a_stream_gives_the_same_completion_as_an_unstreamed_response(
    text: str, thought: str, cuts: list[int], usage: bool
) -> None:
    """For any text, including Unicode line separators, and any packet boundaries."""
    body = completion(text, "length", reasoning_content=thought)
    result = parse_response(assembled(stream(events(body, usage=usage)), *cuts), {})
    assert (result.text, result.reasoning, result.finish_reason) == (text, thought, "length")
    assert (result.prompt_tokens, result.completion_tokens) == ((7, 3) if usage else (None, None))


@given(st.text(), st.integers(0, 10_000))
def test_a_truncated_stream_is_no_answer(text: str, cut: int) -> None:
    raw = stream(events(completion(text), usage=False)[:-2])
    with pytest.raises(StreamTruncated):
        body = assembled(raw[: cut % (len(raw) + 1)])
        assert not body.strip() or body == raw[: cut % (len(raw) + 1)]  # not yet known to be a stream
        raise StreamTruncated


def test_plain_text() -> None:
    body = json.loads(assembled(stream(events(plain("一二三"), usage=True))))
    assert body["choices"] == [{"text": "一二三", "finish_reason": "stop"}]


def test_a_stream_may_lack_its_done_event_or_its_finish_reason() -> None:
    assert json.loads(assembled(stream(events(completion("x"), usage=False)[:-1])))["choices"]
    late = ['{"choices": [{"delta": {"content": "x"}}]}', "[DONE]"]
    assert json.loads(assembled(stream(late)))["choices"][0]["message"] == {"content": "x", **EMPTY}
    with pytest.raises(StreamTruncated):
        assembled(stream(["[DONE]"]))


EMPTY = {"reasoning_content": "", "reasoning": ""}


@pytest.mark.parametrize("event", ["{", "[]", "", '"x"'])
def test_a_malformed_event_invalidates_the_stream(event: str) -> None:
    data = events(completion("x"), usage=True)
    with pytest.raises(StreamTruncated):
        assembled(stream([*data[:1], event, *data[1:]]))


def test_an_error_event_becomes_the_response() -> None:
    data = events(completion("x"), usage=True)
    problem = '{"error": {"message": "out of memory"}}'
    assert assembled(stream([*data[:2], problem])) == problem.encode()


@pytest.mark.parametrize("raw", [b'{"choices": []}', b"<html>", b"", b'{\n "a": 1\n}\n', b"id: 3"])
def test_unstreamed_responses_are_not_changed(raw: bytes) -> None:
    assert assembled(raw, 1, 3) == raw


def test_the_first_event_with_text_is_reported() -> None:
    assembler = StreamAssembler()
    first, *more = events(completion("答案", tool_calls=[{"function": {"name": "f"}}]), usage=True)
    assert not assembler.feed(stream([first]))
    assert assembler.feed(stream(more))
    assert json.loads(assembler.body())["choices"][0]["message"]["tool_calls"] == [
        {"function": {"name": "f"}}
    ]


@given(st.lists(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["choices", "delta", "text", "content", "usage", "error", "finish_reason", "tool_calls",
                     "function", "name"]), x), max_leaves=12), max_size=5))  # fmt: skip
def test_any_events_are_assembled_or_rejected(data: list[object]) -> None:
    with contextlib.suppress(StreamTruncated):
        assembled(stream([json.dumps(event) for event in data]))
