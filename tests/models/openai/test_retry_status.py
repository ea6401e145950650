"""What is said of requests that are sent again."""

from __future__ import annotations

from pytest_llmeval.models.openai.retry_status import RetryStatus


def test_requests_that_are_sent_again() -> None:
    status = RetryStatus(retries=5)
    assert status.text() is None
    status.failed("a", 1, "status 500: boom")
    assert status.text() == "retrying 1 request, attempt 2 of 6: status 500: boom"
    status.failed("b", 3, "connection refused")
    status.failed("a", 2, "connection refused")
    assert status.text(12.4) == (
        "retrying 2 requests, attempt 4 of 6: connection refused; the server asks to wait 12 s"
    )
    status.ended("b")
    status.ended("c")
    assert status.text() == "retrying 1 request, attempt 3 of 6: connection refused"
    status.ended("a")
    assert status.text() is None
