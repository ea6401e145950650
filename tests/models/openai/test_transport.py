"""HTTP to a real server on the loopback: failures, streams, and secrets that must not appear."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import Request
from pytest_llmeval.models.openai import transport
from pytest_llmeval.models.openai.backend import OpenAIModel
from tests.support.api import (
    CHOICES,
    HTML,
    KEY,
    TORN,
    FakeSleep,
    ask,
    chat,
    check_error,
    closed_port,
    config,
    run_error,
)
from tests.support.api_server import DROP, Reply, Server, completion, error, models, scored


@contextlib.contextmanager
def plain_server(reply: bytes) -> Iterator[int]:
    """A server that answers anything with ``reply`` and hangs up; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        yield int(listening.getsockname()[1])


def test_proxies_are_not_used_for_the_loopback(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    OpenAIModel(config(server.url)).check()
    assert ask(server.url, [chat()])[0].error is None


def test_a_missing_package(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    assert "pip install 'pytest-llmeval-harness[api]'" in check_error(server.url)
    assert "pip install" in run_error(server.url, [chat()])
    assert OpenAIModel(config(server.url, "")).identity() == f"openai: at {server.url}"


def test_an_invalid_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("https_proxy", "nonsense://proxy")
    message = check_error("https://models.example.com/v1", api_key_env="MY_KEY")
    assert (
        "the proxy nonsense://proxy (https_proxy) cannot be used for https://models.example.com/v1" in message
    )


@pytest.fixture(params=["aiohttp", "httpx"])
def http(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(transport, "_has_aiohttp", lambda: request.param == "aiohttp")
    return str(request.param)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_server_is_named_and_gets_nothing(
    server: Server, http: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with Server() as other:
        moved = {"api_key_env": "MY_KEY", "headers": {"X-Api-Key": KEY, "X-Team": "eval-team"}}
        server.models = Reply("", status, {"location": f"{other.url}/models"})
        message = check_error(server.url, **moved)
        assert f"set the base URL to {other.url} if you trust" in message and f"status {status}" in message
        server.usual = Reply("", status, {"location": f"{other.url}/chat/completions?key={KEY}"})
        message = run_error(server.url, [chat()], **moved)
        assert f"set the base URL to {other.url} if you trust" in message and KEY not in message
        assert other.headers == [] and len(server.bodies) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_redirect_within_the_server_is_followed_once(server: Server, http: str, stream: bool) -> None:
    server.moved = "/v2"
    answers = ask(server.url.replace("/v1", "/v2"), [chat(), chat()], concurrency=1, stream=stream)
    assert [(answer.text, answer.attempts) for answer in answers] == [("答案：A", 1)] * 2
    assert [path.split()[1] for path in server.paths[-3:]] == [
        "/v2/chat/completions", "/v1/chat/completions", "/v1/chat/completions"
    ]  # fmt: skip


def test_redirects_in_a_circle_are_named(server: Server, http: str) -> None:
    server.usual = Reply("", 302, {"location": f"{server.url}/chat/completions"})
    assert "it redirects" in run_error(server.url, [chat()]) and len(server.bodies) == 1


def test_a_plain_server_behind_https(http: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with plain_server(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") as port:
        message = check_error(f"https://127.0.0.1:{port}/v1", api_key_env="MY_KEY")
    assert "is the base URL http:// instead of https://?" in message


def test_a_server_that_hangs_up(http: str) -> None:
    with plain_server(b"") as port:
        message = check_error(f"http://127.0.0.1:{port}/v1")
    assert "answers no HTTP" in message and "does it expect https://?" in message


def test_a_server_that_says_it_wants_https(server: Server, http: str) -> None:
    server.models = Reply("Client sent an HTTP request to an HTTPS server.\n", 400)
    assert "the server expects https:// in the base URL" in check_error(server.url)


def test_a_dead_and_a_refusing_proxy(http: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with plain_server(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n") as port:
        for proxy in (closed_port(), port):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy}")
            message = check_error("https://models.example.com/v1", api_key_env="MY_KEY")
            assert f"goes through the proxy http://127.0.0.1:{proxy} (HTTPS_PROXY)" in message


# secrets


def test_the_key_is_in_no_message(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level("DEBUG")
    seen: list[object] = []
    echo = f"who is {KEY}? http://u:{KEY}@h"
    for status in (400, 401, 402, 403, 404, 422, 429, 500):
        for reply in (error(status, echo), Reply(echo, status), Reply("<title>" + echo + "</title>", status)):
            with Server(usual=reply, models=models("n", f"x-{KEY}")) as server:
                try:
                    seen += ask(server.url, [chat()], retries=1)
                except ModelUnusable as caught:
                    seen.append(caught)
                assert server.headers[0]["authorization"] == f"Bearer {KEY}"
            with Server(models=Reply(reply.body, status)) as server:
                for name in ("m", "") if status in (401, 500) else ():
                    try:
                        OpenAIModel(config(server.url, name)).check()
                    except ModelUnusable as caught:
                        seen.append(caught)
    with Server(models=models(KEY, "other"), usual=Reply(f"not json {KEY}")) as server:
        seen += [check_error(server.url, name=""), *ask(server.url, [chat()], retries=0)]
        model = OpenAIModel(config(server.url))
        model.check()
        seen += [repr(model), model.identity(), model.__dict__]
    assert len(seen) > 30
    assert KEY not in "\n".join(map(str, seen))
    assert KEY not in caplog.text


def test_a_key_cut_off_by_truncation_is_redacted(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for before in range(150, 330, 3):
        server.script(error(400, "x" * before + KEY))
    answers = ask(server.url, [chat()] * 60, concurrency=1)
    assert all(answer.error is not None and "sk-ver" not in answer.error for answer in answers)


def test_without_a_key_a_placeholder_is_sent(server: Server) -> None:
    ask(server.url, [chat()])
    assert server.headers[0]["authorization"] == "Bearer no-key-needed"


def test_scripted_scores(server: Server) -> None:
    server.script(Reply(scored({"D": -0.5})))
    assert ask(server.url, [Request(chat(), choices=CHOICES)])[0].scores == {"D": -0.5}


def test_header_values_are_in_no_message(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = "hush-hush-4711"
    more = {"headers": {"X-Pass": secret, "Authorization": f"Bearer {secret}"}}
    url = server.url.replace("http://", "http://me:pass-word-9@") + "?sig=query-secret"
    seen: list[object] = []
    for status in (400, 401, 404, 500):
        server.usual = error(status, f"you sent {secret} and {url} and bWU6cGFzcy13b3JkLTk=")
        try:
            seen += ask(url, [chat()], retries=1, **more)
        except ModelUnusable as caught:
            seen.append(caught)
        assert server.headers[-1]["x-pass"] == secret
    model = OpenAIModel(config(url, **more))
    seen += [repr(model), model.identity(), model.__dict__]
    text = "\n".join(map(str, seen)) + caplog.text
    assert len(seen) == 7
    for hidden in (secret, "pass-word-9", "bWU6cGFzcy13b3JkLTk=", "query-secret"):
        assert hidden not in text


def test_credentials_in_the_url_are_sent(server: Server) -> None:
    url = server.url.replace("http://", "http://me:p%40ss@")
    assert ask(url, [chat()])[0].error is None
    assert server.headers[0]["authorization"] == "Basic bWU6cEBzcw=="


@pytest.mark.parametrize("http", ["aiohttp", "httpx"])
def test_both_transports_report_the_same_failures(
    server: Server, monkeypatch: pytest.MonkeyPatch, http: str
) -> None:
    monkeypatch.setattr(transport, "_has_aiohttp", lambda: http == "aiohttp")
    server.script(DROP, TORN, HTML, error(503, "busy"), Reply(completion("B")))
    [answer] = ask(server.url, [chat()], FakeSleep())
    assert answer.text == "B" and answer.attempts == 5
    server.script(Reply(completion("C"), events=2), Reply(completion("C")))
    [answer] = ask(server.url, [chat()], FakeSleep(), stream=True)
    assert answer.text == "C" and answer.attempts == 2 and answer.first_token_s is not None
    elsewhere = Reply("", 307, {"location": "ftp://nowhere"})
    server.script(Reply(completion("D")), elsewhere, Reply(completion("D")))
    answers = ask(server.url, [chat(), chat()], FakeSleep(), concurrency=1)
    assert [(answer.text, answer.attempts) for answer in answers] == [("D", 1), ("D", 2)]
    server.script(*[DROP] * 2)
    [answer] = ask(server.url, [chat()], FakeSleep(), retries=1)
    assert answer.error is not None and "timed out" not in answer.error and "after 2 attempts" in answer.error
    server.script(*[Reply(completion(), latency=5)] * 2)
    [answer] = ask(server.url, [chat()], FakeSleep(), retries=1, timeout=0.2)
    assert answer.error is not None and answer.error.endswith("no response within 0.2 s; see --llm-timeout")
    [answer] = ask(f"http://127.0.0.1:{closed_port()}/v1", [chat()], FakeSleep(), retries=1)
    assert answer.error is not None and answer.error.endswith("after 2 attempts: connection refused")


@pytest.mark.parametrize(
    ("raised", "unreachable", "timed_out"),
    [
        (["ConnectTimeout", "ConnectionTimeoutError"], True, False),
        (["ConnectTimeout", "ClientConnectorDNSError"], True, False),
        (["ConnectTimeout", "ServerDisconnectedError"], False, False),
        (["ConnectTimeout", "ClientOSError"], False, False),
        (["ReadTimeout", "SocketTimeoutError"], False, True),
        (["ReadError", "ClientPayloadError"], False, False),
    ],
)
def test_aiohttp_errors_that_the_sdk_misreports(
    raised: list[str], unreachable: bool, timed_out: bool
) -> None:
    """The SDK's aiohttp transport reports every lost connection as a time-out while connecting."""
    import aiohttp
    import httpx2
    import openai

    outer, inner = raised
    cause = getattr(httpx2, outer)("as the SDK has it")
    kind = getattr(aiohttp, inner)
    key = aiohttp.client_reqrep.ConnectionKey("h", 80, False, True, None, None, None)
    cause.__cause__ = kind(key, OSError(5, "why")) if "Connector" in inner else kind("why")
    sdk = openai.APITimeoutError if issubclass(type(cause), httpx2.TimeoutException) else None
    request = httpx2.Request("POST", "http://h/v1")
    error = sdk(request=request) if sdk else openai.APIConnectionError(request=request)
    error.__cause__ = cause
    failure = transport._failure(error)
    assert (failure.unreachable, failure.timed_out) == (unreachable, timed_out)


# streams


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_a_streamed_answer(server: Server, api: str) -> None:
    server.event_s = 0.01
    [answer] = ask(server.url, [chat()], api=api, stream=True)
    assert (answer.text, answer.finish_reason, answer.error) == ("答案：A", "stop", None)
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 3)
    assert answer.first_token_s is not None and 0 < answer.first_token_s < answer.latency_s
    assert server.bodies[0]["stream"] is True


def test_streamed_reasoning_and_tool_calls(server: Server) -> None:
    call = {"index": 0, "function": {"name": "look_up", "arguments": "{}"}}
    server.script(
        Reply(completion("答案\u2028C", reasoning_content="想一想")),
        Reply(completion(None, "tool_calls", tool_calls=[call])),
    )
    first, second = ask(server.url, [chat(), chat()], stream=True, concurrency=1)
    assert (first.text, first.reasoning) == ("答案\u2028C", "想一想")
    assert (second.text, second.notes) == ("", ("the model called the function look_up",))


@pytest.mark.parametrize("events", range(5))
def test_a_truncated_stream_is_retried(server: Server, events: int) -> None:
    server.script(Reply(completion("答案：完整的C"), events=events))
    [answer] = ask(server.url, [chat()], stream=True)
    assert (answer.text, answer.attempts, answer.error) == ("答案：A", 2, None)


def test_a_stalled_stream_times_out(server: Server) -> None:
    server.event_s = 30
    [answer] = ask(server.url, [chat()], stream=True, timeout=0.3, retries=0)
    assert answer.error is not None and "no response within 0.3 s" in answer.error


@pytest.mark.parametrize("reply", [error(503, "busy"), DROP, HTML, TORN, Reply("")])
def test_failures_of_streamed_requests_are_retried(server: Server, reply: Reply) -> None:
    server.script(reply)
    [answer] = ask(server.url, [chat()], stream=True)
    assert (answer.text, answer.attempts, answer.error) == ("答案：A", 2, None)


def test_a_server_that_does_not_stream(server: Server) -> None:
    server.script(error(400, "Unknown parameter: stream_options"), Reply(json.dumps(completion("答案：B"))))
    [answer] = ask(server.url, [chat()], stream=True)
    assert (answer.text, answer.first_token_s, answer.attempts) == ("答案：B", None, 2)
    assert ["stream_options" in body for body in server.bodies] == [True, False]
