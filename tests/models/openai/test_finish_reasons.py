"""Reasons that servers give for the end of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.finish_reasons import finish_reason, is_failure, is_limit


@pytest.mark.parametrize(
    "reason",
    [
        *("error", "ERROR", "abort", "aborted", "cancelled", "canceled", "failed", "network_error"),
        *("insufficient_system_resource", "timeout", "timed_out", "deadline_exceeded", "server_error"),
        *("internal error", "resource-exhausted", "rate_limit_exceeded", "engine_overloaded", "load"),
        *("interrupted", "out_of_memory", "USER_CANCEL", "service_unavailable", "upstream_error"),
    ],
)
def test_failed_generations(reason: str) -> None:
    assert is_failure(reason)


@pytest.mark.parametrize(
    "reason",
    [
        *("", "stop", "length", "tool_calls", "function_call", "content_filter", "content_filter: OTHER"),
        *("eos", "eos_token", "stop_sequence", "end_turn", "max_tokens", "model_length", "COMPLETE"),
        *("sensitive", "safety", "refusal", "ERROR_TOXIC", "normal", "scored", "repetition_truncation"),
        *("model_context_window_exceeded", "unknown", "recitation", "cutoff"),
    ],
)
def test_other_ends_are_answers(reason: str) -> None:
    assert not is_failure(reason)


@pytest.mark.parametrize("reason", ["", "null", "NULL", "None", " ", None, 3, [], "undefined"])
def test_not_finished(reason: object) -> None:
    assert finish_reason({"finish_reason": reason}) == ""
    assert finish_reason({}) == ""


def test_a_reason_as_an_object() -> None:
    assert finish_reason({"finish_reason": {"type": "abort", "message": "out of memory"}}) == "abort"


def test_limits() -> None:
    assert is_limit("length") and is_limit("MAX_TOKENS") and is_limit("model_length") and not is_limit("stop")


@given(st.text())
def test_any_reason(reason: str) -> None:
    assert isinstance(is_failure(finish_reason({"finish_reason": reason})), bool)
