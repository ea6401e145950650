"""Attempts against a real server on the loopback: what is sent again, what ends a question or the run."""

from __future__ import annotations

import asyncio
import time

import pytest

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import Request, TextPrompt
from pytest_llmeval.models.openai.backend import OpenAIModel
from pytest_llmeval.runtime.engine import Engine
from tests.support.api import (
    CHOICES,
    HTML,
    KEY,
    TORN,
    Waits,
    ask,
    chat,
    config,
    ended,
    unusable,
)
from tests.support.api_server import DROP, Reply, Server, completion, error, models

# what is sent again


@pytest.mark.parametrize(
    "trouble",
    [
        error(408, "slow"),
        error(409, "conflict"),
        error(429, "rate limit", "rate_limit_exceeded"),
        error(500, "oops"),
        Reply("<html>bad gateway</html>", 502, {"content-type": "text/html"}),
        error(529, "overloaded"),
        DROP,
        HTML,
        TORN,
        Reply({"choices": []}),
        Reply(""),
        Reply({"error": {"message": "overloaded", "code": 502}}),
        Reply(completion(), headers={"content-encoding": "gzip"}),
    ],
    ids=lambda reply: f"{reply.status}-{str(reply.body)[:20]}",
)
def test_passing_trouble_is_sent_again(server: Server, trouble: Reply) -> None:
    server.script(trouble, trouble)
    waits = Waits()
    [got] = ask(server.url, [chat()], waits)
    assert (got.text, got.attempts, got.error) == ("答案：A", 3, None)
    assert len(server.bodies) == 3 and server.bodies[0] == server.bodies[2]
    assert 0 < waits[0] <= 0.5 <= waits[1] <= 1


def test_a_reply_that_does_not_come_is_sent_again(server: Server) -> None:
    server.script(Reply(completion(), latency=30))
    [got] = ask(server.url, [chat()], timeout=0.2)
    assert (got.text, got.attempts) == ("答案：A", 2)
    server.script(Reply(completion(), latency=30))
    [got] = ask(server.url, [chat()], timeout=0.2, retries=0)
    assert got.error is not None and "no reply within 0.2 s; see --llm-timeout" in got.error


def test_the_server_s_wish_to_wait_is_kept(server: Server) -> None:
    server.script(error(429, "slow down", headers={"Retry-After": "7"}))
    server.script(error(429, "slow down", headers={"Retry-After-Ms": "2500"}))
    server.script(error(503, "back tomorrow", headers={"Retry-After": "86400"}))
    waits = Waits()
    assert ask(server.url, [chat()], waits)[0].attempts == 4
    assert 6.9 <= waits[0] <= 7.7 and 2.4 <= waits[1] <= 2.75 and 59 <= waits[2] <= 66


@pytest.mark.parametrize(("retries", "attempts"), [(None, 6), (0, 1), (2, 3)])
def test_attempts_end(retries: int | None, attempts: int) -> None:
    with Server(usual=error(503, "busy\nnow")) as server:
        [got] = ask(server.url, [chat()], retries=retries)
        assert got.attempts == len(server.bodies) == attempts
    assert got.error == (
        f"no answer from {server.url} after {attempts} attempt{'s' * (attempts > 1)}: status 503: busy now"
    )


def test_one_question_s_trouble_is_not_another_s(server: Server) -> None:
    server.script(error(400, "this prompt is not allowed"))
    first, second = ask(server.url, [chat("一"), chat("二")], concurrency=1)
    assert first.error == f"{server.url} refused the request: status 400: this prompt is not allowed"
    assert (first.attempts, second.error, second.text) == (1, None, "答案：A")


def test_a_server_that_refuses_every_request_alike_ends_the_run() -> None:
    """As ``transformers serve FOLDER`` does when asked for another name than that folder's."""
    with Server(usual=error(400, "Server is pinned to './m'; requested 'm'.")) as server:
        with pytest.raises(ModelUnusable, match=r"refuses every request: status 400: Server is pinned"):
            ask(server.url, [chat(str(n)) for n in range(40)], concurrency=1)
        assert len(server.bodies) == 8


def test_refusals_end_no_run_that_has_an_answer_or_other_refusals(server: Server) -> None:
    server.script(Reply(completion()), *[error(400, "not this one")] * 20)
    got = ask(server.url, [chat(str(n)) for n in range(21)], concurrency=1)
    assert [one.error is None for one in got] == [True] + [False] * 20
    server.script(*[error(400, f"the prompt is {n} tokens too long") for n in range(20)])
    got = ask(server.url, [chat(str(n)) for n in range(20)], concurrency=1)
    assert all(one.error is not None for one in got)


@pytest.mark.parametrize("status", [400, 413, 418, 422])
def test_what_is_refused_is_not_sent_again(server: Server, status: int) -> None:
    server.script(Reply({"detail": "bad field"}, status))
    [got] = ask(server.url, [chat()])
    assert got.error is not None and f"status {status}: bad field" in got.error
    assert len(server.bodies) == 1


def test_a_server_that_dies_is_not_waited_for_again_and_again(server: Server) -> None:
    waits = Waits()
    model = OpenAIModel(config(server.url, concurrency=1, retries=3), sleep=waits)
    engine = Engine(model, "m")
    try:
        assert engine.wait(engine.ask([Request(chat())])[0], 30).error is None
        port = server.port
        server.stop()
        first, *later = [
            engine.wait(job, 30) for job in engine.ask([Request(chat(str(n))) for n in range(5)])
        ]
        assert first.attempts == 4 and [one.attempts for one in later] == [1] * 4
        assert first.error is not None and "connection refused" in first.error
        assert len(waits) == 3
        with Server(port=port) as again:
            again.script(error(503, "starting"))
            assert engine.wait(engine.ask([Request(chat())])[0], 30).attempts == 2
    finally:
        engine.close()


def test_empty_and_filtered_answers_are_answers(server: Server) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    server.script(
        Reply(completion(None, "content_filter")),
        Reply(completion(None, "tool_calls", tool_calls=[call])),
        Reply(completion("", "length")),
    )
    got = ask(server.url, [chat(), chat(), chat()], concurrency=1)
    assert [(one.text, one.finish_reason, one.error) for one in got] == [
        ("", "content_filter", None),
        ("", "tool_calls", None),
        ("", "length", None),
    ]


def test_a_parameter_s_newer_name_is_learnt_once(server: Server) -> None:
    server.script(error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."))
    got = ask(server.url, [Request(chat(), max_tokens=5), Request(chat(), max_tokens=6)], concurrency=1)
    assert [one.error for one in got] == [None, None]
    assert [body.get("max_completion_tokens") for body in server.bodies] == [None, 5, 6]
    assert ["max_tokens" in body for body in server.bodies] == [True, False, False]


# what ends the run


def test_a_wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with Server(key="another") as server:
        assert "does not accept the key in MY_KEY" in unusable(server.url, api_key_env="MY_KEY")
        assert "wants a key" in (wanted := unusable(server.url)) and "OPENAI_API_KEY" in wanted
        assert "does not accept the key in MY_KEY" in ended(server.url, [chat()] * 5, api_key_env="MY_KEY")
    with Server(key=KEY) as server:
        OpenAIModel(config(server.url, api_key_env="MY_KEY")).check()
        assert ask(server.url, [chat()], api_key_env="MY_KEY")[0].error is None


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (error(401, "key expired"), "wants a key"),
        (error(403, "not from here"), "not from here"),
        (error(429, "You exceeded your current quota", "insufficient_quota"), "no quota left"),
        (error(402, "Insufficient Balance"), "no quota left"),
        (error(404, "no such model"), "no such model"),
        (Reply("<html>", 405), "base URL"),
    ],
)
def test_what_ends_the_run_at_once(reply: Reply, says: str) -> None:
    with Server(usual=reply) as server:
        said = ended(server.url, [chat(str(n)) for n in range(20)], concurrency=1)
    assert says in said and server.url in said
    assert len(server.bodies) == 1


def test_an_unknown_model_is_told_those_there_are() -> None:
    names = [f"model-{n}" for n in range(9)]
    with Server(usual=error(404, "The model `m` does not exist"), models=models(*names)) as server:
        said = ended(server.url, [chat()] * 9)
    assert "model 'm' is not at" in said
    assert "model-0" in said and "model-5" not in said and "9 in all" in said


def test_a_missing_v1_is_suggested(server: Server) -> None:
    assert "base URL (most end in /v1)" in ended(server.url.removesuffix("/v1"), [chat()])


# prompts that are too long


def test_shots_are_dropped_to_fit_the_context(server: Server) -> None:
    prompt = chat("问" * 50, "一" * 100, "二" * 100, "三" * 100)
    [got] = ask(server.url, [Request(prompt, max_tokens=100)], context=300)
    assert got.dropped_shots == 2 and got.notes == ("2 earliest shots dropped to fit 300 tokens",)
    assert [turn["content"][0] for turn in server.bodies[0]["messages"]] == ["三", "A", "问"]
    assert got.prompt == f"[user]\n{'三' * 100}\n\n[assistant]\nA\n\n[user]\n{'问' * 50}"


def test_choices_need_room_for_one_token_only(server: Server) -> None:
    server.top = {"A": -0.1}
    [got] = ask(server.url, [Request(TextPrompt("问" * 50), choices=CHOICES, max_tokens=1024)], context=100)
    assert got.error is None and got.dropped_shots == 0


def test_a_question_that_cannot_fit_is_not_sent(server: Server) -> None:
    long, short = ask(
        server.url, [Request(chat("问" * 500), max_tokens=9), Request(chat(), max_tokens=9)], context=300
    )
    assert long.error is not None and "do not fit a context of 300" in long.error
    assert short.error is None and len(server.bodies) == 1


def test_a_server_that_finds_the_prompt_too_long(server: Server) -> None:
    too_long = error(400, "This model's maximum context length is 4096 tokens", "context_length_exceeded")
    server.script(too_long, too_long)
    waits = Waits()
    [got] = ask(server.url, [chat("问", "一", "二", "三")], waits, retries=0)
    assert got.error is None and got.dropped_shots == 2 and not waits
    assert got.notes == ("2 earliest shots dropped: the server found the prompt too long",)
    assert got.prompt == "[user]\n三\n\n[assistant]\nA\n\n[user]\n问"
    assert [len(body["messages"]) for body in server.bodies] == [7, 5, 3]
    server.usual = too_long
    [got] = ask(server.url, [chat("问", "一")])
    assert got.error is not None and "maximum context length" in got.error and len(server.bodies) == 5


# a server that dies


def test_a_server_back_within_the_patience_loses_nothing(server: Server) -> None:
    port = server.port
    again: list[Server] = []
    server.latency = 0.02

    class Meanwhile(Waits):
        async def __call__(self, seconds: float) -> None:
            await asyncio.sleep(0.01)
            self.append(seconds)
            if len(self) == 20:
                again.append(await asyncio.to_thread(Server(port=port).__enter__))

    model = OpenAIModel(config(server.url), sleep=Meanwhile())
    engine = Engine(model, "m")
    try:
        jobs = engine.ask([Request(chat(str(n))) for n in range(200)])
        engine.wait(jobs[20], 30)
        server.stop()
        got = [engine.wait(job, 60) for job in jobs]
    finally:
        engine.close()
        for one in again:
            one.stop()
    assert [one.error for one in got] == [None] * 200
    assert max(one.attempts for one in got) > 1


@pytest.mark.parametrize("retries", [0, 2])
def test_a_server_that_is_gone_makes_errors_quickly(server: Server, retries: int) -> None:
    waits = Waits()
    model = OpenAIModel(config(server.url, retries=retries), sleep=waits, clock=waits.clock)
    engine = Engine(model, "m")
    try:
        engine.wait(engine.ask([Request(chat())])[0], 30)
        server.stop()
        got = [engine.wait(job, 30) for job in engine.ask([Request(chat(str(n))) for n in range(300)])]
    finally:
        engine.close()
    assert all(one.error is not None and "connection refused" in one.error for one in got)
    assert sum(one.attempts for one in got) < 300 + 20 * 16


def test_a_server_that_falls_silent_is_not_waited_for_by_each(server: Server) -> None:
    server.usual = Reply(completion(), latency=60)
    waits = Waits()
    model = OpenAIModel(config(server.url, retries=1, timeout=0.2), sleep=waits, clock=waits.clock)
    engine = Engine(model, "m")
    started = time.monotonic()
    try:
        got = [engine.wait(job, 30) for job in engine.ask([Request(chat(str(n))) for n in range(600)])]
        assert time.monotonic() - started < 6  # one after another 600 * 2 * 0.2 / 16 = 15 s
        assert sum("answers no more" in (one.error or "") for one in got) > 500
        assert all(one.error is not None for one in got)
        server.usual = None
        waits.append(31)
        assert engine.wait(engine.ask([Request(chat())])[0], 30).error is None
        assert engine.wait(engine.ask([Request(chat())])[0], 30).error is None
    finally:
        engine.close()


def test_one_question_that_hangs_is_no_dead_server() -> None:
    class Hanging(Server):
        def _reply(self, method, path, headers, sent):  # type: ignore[no-untyped-def]
            usual = super()._reply(method, path, headers, sent)
            return Reply(completion(), latency=60) if b"hang" in sent else usual

    with Hanging() as server:
        requests = [chat("hang"), *(chat(str(n)) for n in range(5)), chat("hang"), chat("x")]
        for concurrency in (1, 4):
            got = ask(server.url, requests, timeout=0.1, concurrency=concurrency)
            assert [one.error is None for one in got] == [False, *[True] * 5, False, True]
