"""Streamed responses are assembled completely or not at all."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.chat_payloads import NoCompletion, parse_response
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


@pytest.mark.parametrize(
    "problem",
    [
        {"error_code": 50001, "text": "**NETWORK ERROR**"},
        {"error_message": "engine died"},
        {"error_code": 336501, "error_msg": "Rate limit reached for RPM"},
        {"object": "error", "message": "out of memory", "code": 500},
        {"code": "InvalidParameter", "message": "bad", "request_id": "1"},
        {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        {"choices": [], "error": {"code": 502, "message": "provider disconnected"}},
        {
            "choices": [
                {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502}}
            ]
        },
    ],
    ids=str,
)
def test_other_events_that_are_errors(problem: dict[str, object]) -> None:
    before, *_, last = events(completion("答案：A"), usage=False)
    for tail in ([], [last], [events(completion("x"), usage=False)[-2], last]):
        body = assembled(stream([before, json.dumps(problem), *tail]))
        with pytest.raises(NoCompletion):
            parse_response(body, {})


@pytest.mark.parametrize("data", ['{"message": "boom"}', "boom", '{"error": "boom"}', '{"choices": []}'])
def test_an_event_named_error_is_an_error(data: str) -> None:
    first, second, *_, last = events(completion("答案：A"), usage=False)
    raw = stream([first, second]) + f"event: error\ndata: {data}\n\n".encode() + stream([last])
    with pytest.raises(NoCompletion):
        parse_response(assembled(raw), {})


def test_the_first_error_is_the_one_reported() -> None:
    body = assembled(stream(['{"error": "cause"}', '{"error": "consequence"}']))
    assert b"cause" in body


@pytest.mark.parametrize("reason", ["", "null", None])
def test_finish_reasons_that_mean_not_yet(reason: str | None) -> None:
    pieces = [json.dumps({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]})
              for text in ("答案", "：A")]  # fmt: skip
    with pytest.raises(StreamTruncated):
        assembled(stream(pieces))
    end = '{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}'
    result = parse_response(assembled(stream([*pieces, end, "[DONE]"])), {})
    assert (result.text, result.finish_reason) == ("答案：A", "stop")
    # gateways send [DONE] also when the stream above them broke
    if reason is not None:
        with pytest.raises(StreamTruncated):
            assembled(stream([*pieces, "[DONE]"]))


def test_a_reason_is_not_taken_back() -> None:
    data = events(completion("x"), usage=False)[:-1]
    late = '{"choices": [{"index": 0, "delta": {}, "finish_reason": ""}]}'
    assert parse_response(assembled(stream([*data, late])), {}).finish_reason == "stop"


def test_only_choice_0_counts() -> None:
    def piece(index: int, text: str, reason: str | None = None) -> str:
        return json.dumps(
            {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": reason}]}
        )

    data = [piece(0, "A"), piece(1, "B"), piece(1, "", "stop"), piece(0, "!", "length"), "[DONE]"]
    result = parse_response(assembled(stream(data)), {})
    assert (result.text, result.finish_reason) == ("A!", "length")
    with pytest.raises(StreamTruncated):
        assembled(stream(data[:3]))


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 600), max_size=20), st.booleans())
def test_all_legal_line_ends_and_events_of_several_lines(end: str, cuts: list[int], bom: bool) -> None:
    lines = ["\ufeff: comment" if bom else ": comment", ""]
    for event in events(completion("一二\n三", "length"), usage=True):
        lines += ["id: 7", "event: message", "retry: 3"]
        pretty = event if event == "[DONE]" else json.dumps(json.loads(event), indent=1, ensure_ascii=False)
        lines += [f"data: {line}" for line in pretty.split("\n")] + [""]
    result = parse_response(assembled((end.join(lines) + end).encode(), *cuts), {})
    assert (result.text, result.finish_reason, result.prompt_tokens) == ("一二\n三", "length", 7)


def test_events_without_an_empty_line_between_them() -> None:
    raw = "\n".join(f"data: {event}" for event in events(completion("一二三"), usage=True)).encode()
    assert parse_response(assembled(raw), {}).text == "一二三"


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
