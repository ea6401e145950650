"""The message of an error body, wherever servers and gateways put it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.server_messages import server_message

UPSTREAM = {"error": {"message": "Prompt is too long", "type": "invalid_request_error"}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([UPSTREAM], "Prompt is too long"),  # Gemini
        ([{"error": {"code": 400, "message": "API key not valid", "status": "X"}}], "API key not valid"),
        ({"error": {"message": json.dumps(UPSTREAM), "code": 400}}, "Prompt is too long"),
        ({"error": {"message": json.dumps([UPSTREAM])}}, "Prompt is too long"),
        ({"error": json.dumps(UPSTREAM)}, "Prompt is too long"),
        ({"detail": json.dumps(UPSTREAM)}, "Prompt is too long"),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps(UPSTREAM)}}},
            "Provider returned error: Prompt is too long",
        ),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": [UPSTREAM]}}},
            "Provider returned error: Prompt is too long",
        ),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": "upstream died"}}},
            "Provider returned error: upstream died",
        ),
        ({"error": {"message": "x", "metadata": {"raw": None, "provider_name": "P"}}}, "x"),
        ({"error": {"message": "x", "metadata": "y"}}, "x"),
        ({"error": {"code": 400, "errors": [{"message": "a"}, {"message": "b"}, {"message": "a"}]}}, "a; b"),
        ({"error_code": 17, "error_msg": "daily limit reached"}, "daily limit reached"),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, "insufficient balance"),
        ({"errors": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}, "seed: Extra inputs"),
        ({"error": {"message": "{not json}"}}, "{not json}"),
        ("just a text", "just a text"),
    ],
)
def test_wrapped_messages(body: object, expected: str) -> None:
    assert server_message(json.dumps(body).encode()) == expected


def test_a_message_that_is_nested_for_ever_ends() -> None:
    body: object = {"message": "deep"}
    for _ in range(50):
        body = {"error": body}
    assert isinstance(server_message(json.dumps(body).encode()), str)
    assert isinstance(server_message(b'{"error":' * 100_000), str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "metadata", "raw", "param", "loc", "errors"]),
            inner,
        )
    ),
)


@given(json_values)
def test_any_body_gives_one_line(body: object) -> None:
    message = server_message(json.dumps(body).encode())
    assert "\n" not in message and len(message) <= 1000
