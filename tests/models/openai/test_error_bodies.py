"""Where in their bodies servers put errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.error_bodies import Evidence, evidence, first_choice_of, reported_error

ANSWER = {"index": 0, "message": {"role": "assistant", "content": "首先"}, "finish_reason": "stop"}
#: bodies of answers, or events of streams, that report an error
ERRORS = [
    {"error": {"message": "overloaded", "code": 502}},
    {"error": "Unexpected endpoint or method. (POST /chat/completions)"},
    {"choices": [{**ANSWER, "finish_reason": "error", "error": {"code": 502, "message": "upstream"}}]},
    {"choices": [ANSWER], "error": {"message": "Internal server error"}},
    {"choices": [{"message": {"content": "", "error": "boom"}}]},
    {"choices": [], "error": {"code": "server_error", "message": "provider disconnected"}},
    {"object": "error", "message": "out of memory", "type": "InternalServerError", "code": 500},
    {"text": "**NETWORK ERROR DUE TO HIGH TRAFFIC.**", "error_code": 50001},
    {"error_code": 336501, "error_msg": "Rate limit reached for RPM"},
    {"error_message": "engine died"},
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
    {"code": "InvalidParameter", "message": "Range of input length should be [1, 6000]", "request_id": "1"},
    {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None},
    {"error": True, "message": "failed"},
]
#: answers of servers that always send such fields
NO_ERRORS = [
    {"choices": [ANSWER]},
    {"choices": [ANSWER], "error": None},
    {"choices": [ANSWER], "error": ""},
    {"choices": [ANSWER], "error": {}},
    {"choices": [ANSWER], "error": {"code": 0, "message": ""}},
    {"choices": [ANSWER], "error": {"code": 0, "message": "Success"}},
    {"choices": [ANSWER], "error": {"code": None, "message": None}},
    {"choices": [ANSWER], "error_code": 0, "error_msg": ""},
    {"choices": [ANSWER], "base_resp": {"status_code": 0, "status_msg": "success"}},
    {"choices": [ANSWER], "code": 0, "message": "Success", "sid": "cha000"},
    {"choices": [ANSWER], "code": 200, "msg": "ok"},
    {"choices": [ANSWER], "object": "chat.completion", "type": "chat"},
    {"choices": [], "usage": {"prompt_tokens": 1}},
    {"choices": [], "prompt_filter_results": [{"content_filter_results": {"hate": {"filtered": False}}}]},
    {"type": "ping"},
]


@pytest.mark.parametrize("body", ERRORS, ids=str)
def test_reported_errors(body: dict[str, object]) -> None:
    assert reported_error(body) is not None


@pytest.mark.parametrize("body", NO_ERRORS, ids=str)
def test_bodies_without_an_error(body: dict[str, object]) -> None:
    assert reported_error(body) is None


def test_choice_0_counts_wherever_it_is_listed() -> None:
    other = {"index": 1, "message": {"content": "B"}}
    assert first_choice_of({"choices": [other, ANSWER]}) == ANSWER
    assert first_choice_of({"choices": [None, other]}) == other
    assert first_choice_of({"choices": [{"text": "A"}]}) == {"text": "A"}
    assert first_choice_of({"choices": "A"}) == first_choice_of({}) == {}


def found(body: object, status: int = 400) -> Evidence:
    return evidence(status, json.dumps(body).encode())


def test_codes_and_words() -> None:
    assert found({"error": {"message": "No", "code": 1113, "type": "Bad"}}) == Evidence(
        400, frozenset(["1113", "bad"]), "No"
    )
    nested = found({"error": {"message": json.dumps({"error": {"message": "deep", "code": "x"}})}})
    assert nested.words == "deep" and "x" in nested.codes
    raw = found({"error": {"message": "Provider returned error", "metadata": {"raw": '{"detail": "why"}'}}})
    assert "why" in raw.words
    assert found([{"error": {"status": "RESOURCE_EXHAUSTED"}}]).codes == {"resource_exhausted"}
    assert found({"errors": ["first", "second"]}).words == "first\nsecond"
    assert found({"detail": ["first", "second"]}).words == "first\nsecond"


def test_what_the_request_said_is_no_evidence() -> None:
    echoed = {"detail": [{"type": "missing", "msg": "Field required", "input": {"messages": "余额不足"}}]}
    assert "余额" not in found(echoed).words and "Field required" in found(echoed).words
    answer = {"choices": [{**ANSWER, "message": {"content": "insufficient balance"}, "error": "boom"}]}
    assert found(answer, 200).words == "boom"
    assert evidence(200, b'{"choices": [{"text": "insufficient balance').words == ""
    assert evidence(200, b'data: {"text": "insufficient balance').words == ""


def test_an_error_inside_a_200_has_the_status_it_names() -> None:
    assert found({"error": {"message": "slow down", "code": 429}}, 200).status == 429
    assert found({"choices": [{**ANSWER, "error": {"code": "502"}}]}, 200).status == 502
    assert found({"error": {"message": "x", "http_status_code": 422}}, 200).status == 422
    assert found({"error": {"message": "x", "code": 1113}}, 200).status == 200
    assert found({"error": {"message": "x", "code": 502}}, 400).status == 400


def test_pages_have_a_title() -> None:
    page = evidence(403, b"<!DOCTYPE html><head><title>Attention Required!</title><p>insufficient balance")
    assert page.html and page.words == "Attention Required!"
    assert not evidence(403, b"Forbidden").html and evidence(403, b"Forbidden").words == "Forbidden"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "error", "message", "code", "status", "base_resp", "index", "type"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(anything | st.binary(), st.sampled_from([200, 400, 500]))
def test_any_body_is_evidence(body: object, status: int) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    result = evidence(status, raw)
    assert result.status == status or (status == 200 and 400 <= result.status <= 599)
    if isinstance(body, dict):
        reported_error(body)
        assert isinstance(first_choice_of(body), dict)


def test_deep_bodies_are_cut_off() -> None:
    deep: object = "end"
    for _ in range(200):
        deep = {"error": deep}
    assert found(deep).words == ""
    assert evidence(400, b"[" * 100_000).words == ""
