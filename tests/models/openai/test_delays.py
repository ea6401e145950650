"""The waits that servers ask for: headers, fields and words."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.delays import (
    body_wait_s,
    duration_s,
    requested_wait_s,
    retry_after_s,
    wait_text,
)

NOW = 1_000_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-4"}, None),
        ({"retry-after": "86400"}, 86400),
        ({"retry-after": "1e300"}, 400 * 86400),
        ({"retry-after": "7m12s"}, 432),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "?", "retry-after": "3"}, 3),
        ({"retry-after": formatdate(1_000_020, usegmt=True)}, 20),
        ({"retry-after": formatdate(999_000, usegmt=True)}, None),
        ({"retry-after": "Fri, 99 Xxx 99999 99:99:99 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now=1_000_000) == (None if seconds is None else pytest.approx(seconds))


@given(st.text(max_size=40))
def test_any_text_gives_a_bounded_wait_or_none(text: str) -> None:
    seconds = retry_after_s({"retry-after": text}, now=1e9)
    assert seconds is None or 0 < seconds <= 400 * 86400


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "45.5s"}
RESET = {"X-RateLimit-Reset": str(int((NOW + 90) * 1000))}


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ([{"error": {"code": 429, "message": "Quota exceeded.", "details": [RETRY_INFO]}}], 45.5),
        ({"error": "Model x is currently loading", "estimated_time": 20.0}, 20),
        ({"error": {"message": "slow", "retry_after": 3}}, 3),
        ({"error": {"message": "slow", "metadata": {"retry_after_seconds": 7.5}}}, 7.5),
        ({"error": {"message": "slow", "retry_after_ms": 250}}, 0.25),
        ({"error": {"message": "Rate limit exceeded", "metadata": {"headers": RESET}}}, 90),
        ({"error": {"message": "Rate limit reached. Please try again in 7m12s. Need more?"}}, 432),
        ({"error": {"message": "Limit 3, Used 3. Please try again in 6ms."}}, 0.006),
        ({"error": {"message": "Please try again in 15m4.9s."}}, 904.9),
        ({"error": {"message": "* limit: 20\nPlease retry in 2h47m56.584147483s."}}, 10076.584147483),
        ({"error": {"message": "max RPM: 3, please try again after 1 seconds"}}, 1),
        (
            {"error": {"code": "429", "message": "exceeded call rate limit. Please retry after 27 seconds."}},
            27,
        ),
        ({"message": "请在 30 秒后重试"}, 30),
        ({"message": "请求过多，5分钟后再试"}, 300),
        ({"error": {"message": json.dumps({"error": {"details": [RETRY_INFO]}})}}, 45.5),
        ({"error": {"message": "Loading model", "type": "unavailable_error"}}, 15),
        ({"error": {"message": "Rate limit of 50 per 86400s exceeded. Please wait 38413 seconds."}}, 38413),
        ({"error": {"message": "too many requests"}}, None),
        ({"error": {"message": "wait for 12 monkeys"}}, None),
        ({"estimated_time": -3}, None),
        ({"estimated_time": True}, None),
        ({"choices": [{"message": {"content": "try again in 3 days"}}]}, None),
        ({"detail": [{"msg": "bad", "input": {"messages": "try again in 3 days"}}]}, None),
    ],
)
def test_waits_in_bodies(body: object, seconds: float | None) -> None:
    found = body_wait_s(json.dumps(body).encode(), NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_plain_text_may_ask_for_a_wait_but_not_a_page_or_a_torn_answer() -> None:
    assert body_wait_s(b"Too many requests, retry after 5 s", NOW) == 5
    assert body_wait_s(b"<html>retry after 5 s</html>", NOW) is None
    assert body_wait_s(b'{"choices": [{"text": "retry after 5 s', NOW) is None


def test_headers_come_before_the_body() -> None:
    body = b'{"estimated_time": 20}'
    assert requested_wait_s({"retry-after": "3"}, body, NOW) == 3
    assert requested_wait_s({}, body, NOW) == 20
    assert requested_wait_s({}, b"", NOW) is None


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
def test_any_value_is_a_duration_or_none(value: object) -> None:
    seconds = duration_s(value)
    assert seconds is None or isinstance(seconds, float)


@given(st.binary() | st.recursive(st.none() | st.floats() | st.integers() | st.text(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["error", "message", "retryDelay", "estimated_time", "X-RateLimit-Reset", "headers",
                         "metadata", "details"]), inner, max_size=4)), max_leaves=20))  # fmt: skip
def test_any_body_gives_a_bounded_wait_or_none(body: object) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    seconds = body_wait_s(raw, NOW)
    assert seconds is None or 0 < seconds <= 400 * 86400


def test_waits_are_shown_with_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        assert wait_text(7500, NOW) == "2 h 5 min (until 03:51)"
        assert wait_text(301, NOW) == "6 min (until 01:51)"
        assert wait_text(86_400 + 60, NOW) == "1 d 1 min (until 2001-09-10 01:47)"
    finally:
        monkeypatch.undo()
        time.tzset()
