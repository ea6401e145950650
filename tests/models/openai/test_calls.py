"""Calls to a real server on the loopback: what is retried, and what ends a question or the run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

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
    FakeSleep,
    ask,
    chat,
    check_error,
    config,
    run_error,
)
from tests.support.api_server import DROP, Reply, Server, completion, echoed, error, models, plain, scored

# retries


@pytest.mark.parametrize(
    "reply",
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
def test_temporary_failures_are_retried(server: Server, reply: Reply) -> None:
    server.script(reply, reply)
    sleep = FakeSleep()
    [answer] = ask(server.url, [chat()], sleep)
    assert (answer.text, answer.attempts, answer.error) == ("答案：A", 3, None)
    assert len(server.bodies) == 3 and server.bodies[0] == server.bodies[2]
    assert 0 < sleep[0] <= 0.5 <= sleep[1] <= 1


def test_the_status_says_what_is_retried(server: Server) -> None:
    server.script(error(500, "oops"), error(429, "slow down", headers={"Retry-After": "7"}))
    seen: list[str | None] = []

    async def sleep(seconds: float) -> None:
        seen.append(model.status)

    model = OpenAIModel(config(server.url), sleep=sleep)
    engine = Engine(model, "m")
    assert model.status is None
    job = engine.ask([Request(chat())])[0]
    assert engine.wait(job, 30).attempts == 3
    engine.close()
    assert seen[0] == "retrying 1 request, attempt 2 of 6: status 500: oops"
    assert seen[1] == (
        "retrying 1 request, attempt 3 of 6: status 429: slow down; the server asks to wait 7 s"
    )
    assert model.status is None


def test_a_timeout_is_retried(server: Server) -> None:
    server.script(Reply(completion(), latency=30))
    [answer] = ask(server.url, [chat()], timeout=0.2)
    assert (answer.text, answer.attempts) == ("答案：A", 2)
    server.script(Reply(completion(), latency=30))
    [answer] = ask(server.url, [chat()], timeout=0.2, retries=0)
    assert answer.error is not None and "no response within 0.2 s; see --llm-timeout" in answer.error


def test_retry_after_is_respected(server: Server) -> None:
    server.script(error(429, "slow down", headers={"Retry-After": "7"}))
    server.script(error(429, "slow down", headers={"Retry-After-Ms": "2500"}))
    server.script(error(503, "back soon", headers={"Retry-After": "299"}))
    sleep = FakeSleep()
    assert ask(server.url, [chat()], sleep)[0].attempts == 4
    assert 6.9 <= sleep[0] <= 7.7 and 2.4 <= sleep[1] <= 2.75 and 298 <= sleep[2] <= 330


@pytest.mark.parametrize(("retries", "attempts"), [(None, 6), (0, 1), (2, 3)])
def test_the_number_of_retries(retries: int | None, attempts: int) -> None:
    with Server(usual=error(503, "busy\nnow")) as server:
        [answer] = ask(server.url, [chat()], retries=retries)
        assert answer.attempts == len(server.bodies) == attempts
    assert answer.error == (
        f"no answer from {server.url} after {attempts} attempt{'s' * (attempts > 1)}: status 503: busy now"
    )


def test_a_rejected_question_does_not_affect_others(server: Server) -> None:
    server.script(error(400, "this prompt is not allowed"))
    first, second = ask(server.url, [chat("一"), chat("二")], concurrency=1)
    assert first.error == f"{server.url} refused the request: status 400: this prompt is not allowed"
    assert (first.attempts, second.error, second.text) == (1, None, "答案：A")


def test_identical_rejections_of_all_requests_end_the_run() -> None:
    """``transformers serve FOLDER`` does this if the model name is not that of the folder."""
    with Server(usual=error(400, "Server is pinned to './m'; requested 'm'.")) as server:
        with pytest.raises(ModelUnusable, match=r"refuses every request: status 400: Server is pinned"):
            ask(server.url, [chat(str(n)) for n in range(40)], concurrency=1)
        assert len(server.bodies) == 8


def test_rejections_do_not_end_a_run_with_an_answer_or_different_messages(server: Server) -> None:
    server.script(Reply(completion()), *[error(400, "not this one")] * 20)
    answers = ask(server.url, [chat(str(n)) for n in range(21)], concurrency=1)
    assert [answer.error is None for answer in answers] == [True] + [False] * 20
    server.script(*[error(400, f"the prompt is {n} tokens too long") for n in range(20)])
    answers = ask(server.url, [chat(str(n)) for n in range(20)], concurrency=1)
    assert all(answer.error is not None for answer in answers)


@pytest.mark.parametrize("status", [400, 413, 418, 422])
def test_rejected_requests_are_not_retried(server: Server, status: int) -> None:
    server.script(Reply({"detail": "bad field"}, status))
    [answer] = ask(server.url, [chat()])
    assert answer.error is not None and f"status {status}: bad field" in answer.error
    assert len(server.bodies) == 1


def test_only_the_first_request_retries_against_a_stopped_server(server: Server) -> None:
    sleep = FakeSleep()
    model = OpenAIModel(config(server.url, concurrency=1, retries=3), sleep=sleep)
    engine = Engine(model, "m")
    try:
        assert engine.wait(engine.ask([Request(chat())])[0], 30).error is None
        port = server.port
        server.stop()
        first, *later = [
            engine.wait(job, 30) for job in engine.ask([Request(chat(str(n))) for n in range(5)])
        ]
        assert first.attempts == 4 and [answer.attempts for answer in later] == [1] * 4
        assert first.error is not None and "connection refused" in first.error
        assert len(sleep) == 3
        with Server(port=port) as restarted:
            restarted.script(error(503, "starting"))
            assert engine.wait(engine.ask([Request(chat())])[0], 30).attempts == 2
    finally:
        engine.close()


def test_empty_and_filtered_answers_are_no_errors(server: Server) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    server.script(
        Reply(completion(None, "content_filter")),
        Reply(completion(None, "tool_calls", tool_calls=[call])),
        Reply(completion("", "length")),
    )
    answers = ask(server.url, [chat(), chat(), chat()], concurrency=1)
    assert [(answer.text, answer.finish_reason, answer.error) for answer in answers] == [
        ("", "content_filter", None),
        ("", "tool_calls", None),
        ("", "length", None),
    ]


def test_the_new_name_of_max_tokens_is_learned_once(server: Server) -> None:
    server.script(error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."))
    answers = ask(server.url, [Request(chat(), max_tokens=5), Request(chat(), max_tokens=6)], concurrency=1)
    assert [answer.error for answer in answers] == [None, None]
    assert [body.get("max_completion_tokens") for body in server.bodies] == [None, 5, 6]
    assert ["max_tokens" in body for body in server.bodies] == [True, False, False]


# failures that end the run


def test_a_wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with Server(key="another") as server:
        assert "does not accept the key in MY_KEY" in check_error(server.url, api_key_env="MY_KEY")
        assert "requires an API key" in (message := check_error(server.url)) and "OPENAI_API_KEY" in message
        assert "does not accept the key in MY_KEY" in run_error(
            server.url, [chat()] * 5, api_key_env="MY_KEY"
        )
    with Server(key=KEY) as server:
        OpenAIModel(config(server.url, api_key_env="MY_KEY")).check()
        assert ask(server.url, [chat()], api_key_env="MY_KEY")[0].error is None


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(401, "key expired"), "requires an API key"),
        (error(403, "not from here"), "not from here"),
        (error(429, "You exceeded your current quota", "insufficient_quota"), "no quota left"),
        (error(402, "Insufficient Balance"), "no quota left"),
        (error(404, "no such model"), "no such model"),
        (Reply("<html>", 405), "base URL"),
    ],
)
def test_permanent_failures_end_the_run_at_once(reply: Reply, expected: str) -> None:
    with Server(usual=reply) as server:
        message = run_error(server.url, [chat(str(n)) for n in range(20)], concurrency=1)
    assert expected in message and server.url in message
    assert len(server.bodies) == 1


def test_an_unknown_model_lists_the_available_ones() -> None:
    names = [f"model-{n}" for n in range(9)]
    with Server(usual=error(404, "The model `m` does not exist"), models=models(*names)) as server:
        message = run_error(server.url, [chat()] * 9)
    assert "model 'm' is not at" in message
    assert "model-0" in message and "model-5" not in message and "9 in all" in message


def test_a_missing_v1_is_suggested(server: Server) -> None:
    assert "base URL (most end in /v1)" in run_error(server.url.removesuffix("/v1"), [chat()])


# who is to blame

FLAGGED = error(403, "Your input was flagged by moderation")
FIREWALL = Reply("<html><title>Attention Required! | Cloudflare</title>", 403)
MISSING = error(404, "The model `m` does not exist", "model_not_found")
FAILED = Reply(completion("首先", "error"))


def test_a_failed_generation_is_retried_and_then_an_error(server: Server) -> None:
    broken = completion("首先")
    broken["choices"][0] |= {"finish_reason": "error", "error": {"code": 502, "message": "upstream"}}
    server.script(Reply(completion("首先", "abort")), Reply(broken))
    [answer] = ask(server.url, [chat()])
    assert (answer.text, answer.attempts, answer.error) == ("答案：A", 3, None)
    server.usual = FAILED
    [answer] = ask(server.url, [chat()], retries=2)
    assert answer.attempts == 3 and not answer.text
    assert answer.error is not None and "generation failed: finish_reason 'error'" in answer.error
    [answer] = ask(server.url, [chat()], retries=0, stream=True)
    assert answer.error is not None and "generation failed" in answer.error
    server.usual = Reply(plain("首先", "abort"))
    [answer] = ask(server.url, [chat()], retries=0, api="completions")
    assert answer.error is not None and "generation failed" in answer.error


def test_an_answer_without_a_token_drops_shots(server: Server) -> None:
    empty = completion("", "length")
    empty["usage"]["completion_tokens"] = 0
    server.script(Reply(empty))
    [answer] = ask(server.url, [chat("问", "一", "二")], retries=0)
    assert (answer.text, answer.dropped_shots, answer.attempts) == ("答案：A", 1, 2)
    server.script(Reply(empty))
    [answer] = ask(server.url, [Request(chat(), choices=CHOICES)])
    assert answer.error is not None and "too long for the server" in answer.error


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(403, "Sorry, your account balance is insufficient"), "no quota left"),
        (Reply({"code": 30011, "message": "requires paid balance"}, 403), "no quota left"),
        (error(403, "The free tier of the model has been exhausted."), "no quota left"),
        (error(403, "You do not have access to model", "model_not_found"), "has no model 'm'"),
        (error(403, ""), "refuses access"),
        (error(403, "Country, region, or territory not supported"), "refuses access"),
        (error(403, "Invalid API key", "invalid_api_key"), "does not accept the key in MY_KEY"),
        (error(400, "API key not valid. Please pass a valid API key."), "does not accept the key in MY_KEY"),
        (error(400, "Model Not Exist"), "has no model 'm'"),
        (error(429, "余额不足或无可用资源包,请充值。", "1113", {"Retry-After": "60"}), "no quota left"),
        (error(429, "Rate limit exceeded: free-models-per-day"), "no quota left"),
        (
            Reply({"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
            "/v1 is probably missing",
        ),
    ],
)
def test_the_first_answer_tells_who_is_to_blame(
    reply: Reply, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with Server(usual=reply) as server:
        message = run_error(server.url, [chat()] * 5, concurrency=1, api_key_env="MY_KEY")
    assert expected in message and len(server.bodies) == 1


def test_a_403_about_log_probabilities_is_not_the_key(server: Server) -> None:
    server.usual = error(403, "You are not allowed to request logprobs from this model")
    assert "returns no log-probabilities" in run_error(server.url, [Request(chat(), choices=CHOICES)])


def test_moderated_questions_end_nothing() -> None:
    for reply in (FLAGGED, error(400, "Input may contain inappropriate content", "data_inspection_failed")):
        with Server(usual=reply) as server:
            answers = ask(server.url, [chat(str(n)) for n in range(20)], concurrency=1)
            assert all(answer.attempts == 1 for answer in answers) and len(server.bodies) == 20
            assert all("refused the request" in str(answer.error) for answer in answers)


@pytest.mark.parametrize("reply", [FLAGGED, FIREWALL, error(403, "Forbidden"), error(403, "")])
def test_a_403_after_an_answer_is_that_question_s_error(server: Server, reply: Reply) -> None:
    server.script(Reply(completion()), *[reply] * 12)
    answers = ask(server.url, [chat(str(n)) for n in range(14)], concurrency=1)
    assert [answer.error is None for answer in answers] == [True] + [False] * 12 + [True]
    assert {answer.attempts for answer in answers} == {1}


@pytest.mark.parametrize("reply", [error(401, "Invalid token"), MISSING, Reply({"detail": "Not Found"}, 404)])
def test_a_401_or_404_after_an_answer_is_retried(server: Server, reply: Reply) -> None:
    server.script(Reply(completion()), reply)
    answers = ask(server.url, [chat(), chat()], concurrency=1)
    assert [(answer.error, answer.attempts) for answer in answers] == [(None, 1), (None, 2)]


@pytest.mark.parametrize(
    ("reply", "expected"), [(error(401, "Key revoked"), "API key"), (MISSING, "has no model 'm'")]
)
def test_a_401_or_404_that_stays_ends_the_run(server: Server, reply: Reply, expected: str) -> None:
    server.script(Reply(completion()))
    server.usual = reply
    assert expected in run_error(server.url, [chat(str(n)) for n in range(40)], concurrency=1, retries=1)
    assert len(server.bodies) == 1 + 8 * 2


def test_an_account_that_runs_empty_ends_the_run(server: Server) -> None:
    server.script(Reply(completion()))
    server.usual = error(403, "用户额度不足, 剩余额度: 0", "insufficient_user_quota")
    assert "no quota left" in run_error(server.url, [chat()] * 3, concurrency=1)
    assert len(server.bodies) == 2


def test_refusals_are_alike_apart_from_their_ids() -> None:
    class Numbered(Server):
        def _reply(self, method, path, headers, sent):  # type: ignore[no-untyped-def]
            super()._reply(method, path, headers, sent)
            return error(400, f"no such field (request id: 20250101{len(self.bodies):08d}ab)")

    with Numbered() as server:
        assert "refuses every request" in run_error(server.url, [chat(str(n)) for n in range(40)])


# no wait without end


@pytest.mark.parametrize(
    "reply",
    [
        error(429, "slow down", headers={"Retry-After": "3600"}),
        error(503, "back tomorrow", headers={"Retry-After": "86400"}),
        error(429, "tokens per day (TPD): Limit 100000. Please try again in 15m4.9s."),
        error(429, "Please retry after 86400 seconds."),
    ],
)
def test_a_long_wait_ends_the_run_with_its_time(server: Server, reply: Reply) -> None:
    server.script(Reply(completion()), reply)
    message = run_error(server.url, [chat(), chat()], concurrency=1)
    assert "asks to wait" in message and "(until " in message and len(server.bodies) == 2


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (Reply({"error": "Model x is currently loading", "estimated_time": 20.0}, 503), 20),
        (Reply([{"error": {"code": 429, "details": [{"retryDelay": "45s"}]}}], 429), 45),
        (error(429, "Rate limit reached. Please try again in 7.66s."), 7.66),
        (Reply({"error": {"message": "busy", "code": 429, "retry_after": 9}}), 9),
    ],
)
def test_delays_in_the_body_are_obeyed(server: Server, reply: Reply, seconds: float) -> None:
    server.script(reply)
    sleep = FakeSleep()
    assert ask(server.url, [chat()], sleep)[0].attempts == 2
    assert seconds - 0.1 <= sum(sleep) <= seconds * 1.1


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(500, "oops"), "status 500: oops"),
        (HTML, "is the base URL right? Most end in /v1"),
        (Reply({"error": "cannot do that"}), "cannot do that"),
        (FAILED, "generation failed"),
        (error(429, "rate limit"), "status 429"),
        (Reply("", 504), "status 504"),
    ],
)
def test_a_server_that_answers_no_question_ends_the_run(reply: Reply, expected: str) -> None:
    with Server(usual=reply) as server:
        message = run_error(server.url, [chat(str(n)) for n in range(40)], concurrency=1, retries=1)
    assert "has answered none of 8 questions" in message and expected in message
    assert len(server.bodies) == 16


def test_bad_answers_of_different_kinds_end_the_run_too() -> None:
    with Server(usual=error(500, "oops")) as server:
        server.script(HTML, TORN, error(502, "a"), Reply(""), FAILED, error(503, "b"), Reply({"choices": []}))
        assert "none of 8 questions" in run_error(server.url, [chat()] * 20, concurrency=1, retries=0)


def test_one_good_answer_keeps_a_bad_server_for_a_while(server: Server) -> None:
    server.script(Reply(completion()), *[error(500, "oops")] * 30)
    sleep = FakeSleep()
    answers = ask(server.url, [chat(str(n)) for n in range(17)], sleep, concurrency=1, retries=1)
    assert [answer.error is None for answer in answers] == [True] + [False] * 15 + [True]
    server.script(Reply(completion()))
    server.usual = error(429, "rate limit", headers={"Retry-After": "60"})
    with pytest.raises(ModelUnusable, match=r"has answered no question for 1\d min"):
        ask(server.url, [chat(str(n)) for n in range(99)], FakeSleep(), concurrency=1, retries=1)


def test_a_slow_model_is_asked_twice(server: Server) -> None:
    server.usual = Reply(completion(), latency=30)
    [answer] = ask(server.url, [chat()], timeout=0.1)
    assert answer.attempts == len(server.bodies) == 2
    assert answer.error is not None and "no response within 0.1 s" in answer.error
    server.usual = Reply("<title>524: A timeout occurred</title>", 524)
    assert ask(server.url, [chat()])[0].attempts == 2


# prompts that are too long


def test_shots_are_dropped_to_fit_the_context(server: Server) -> None:
    prompt = chat("问" * 50, "一" * 100, "二" * 100, "三" * 100)
    [answer] = ask(server.url, [Request(prompt, max_tokens=100)], context=300)
    assert answer.dropped_shots == 2 and answer.notes == ("2 earliest shots dropped to fit 300 tokens",)
    assert [turn["content"][0] for turn in server.bodies[0]["messages"]] == ["三", "A", "问"]
    assert answer.prompt == f"[user]\n{'三' * 100}\n\n[assistant]\nA\n\n[user]\n{'问' * 50}"


def test_scoring_choices_reserves_one_token(server: Server) -> None:
    server.top = {"A": -0.1}
    [answer] = ask(
        server.url, [Request(TextPrompt("问" * 50), choices=CHOICES, max_tokens=1024)], context=100
    )
    assert answer.error is None and answer.dropped_shots == 0


def test_a_question_that_exceeds_the_context_is_not_sent(server: Server) -> None:
    long, short = ask(
        server.url, [Request(chat("问" * 500), max_tokens=9), Request(chat(), max_tokens=9)], context=300
    )
    assert long.error is not None and "do not fit a context of 300" in long.error
    assert short.error is None and len(server.bodies) == 1


def test_shots_are_dropped_when_the_server_rejects_the_length(server: Server) -> None:
    too_long = error(400, "This model's maximum context length is 4096 tokens", "context_length_exceeded")
    server.script(too_long, too_long)
    sleep = FakeSleep()
    [answer] = ask(server.url, [chat("问", "一", "二", "三")], sleep, retries=0)
    assert answer.error is None and answer.dropped_shots == 2 and not sleep
    assert answer.notes == ("2 earliest shots dropped: the server found the prompt too long",)
    assert answer.prompt == "[user]\n三\n\n[assistant]\nA\n\n[user]\n问"
    assert [len(body["messages"]) for body in server.bodies] == [7, 5, 3]
    server.usual = too_long
    [answer] = ask(server.url, [chat("问", "一")])
    assert answer.error is not None and "maximum context length" in answer.error and len(server.bodies) == 5


@pytest.mark.parametrize(
    "reply",
    [
        error(422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168"),
        error(400, "Bad Request", "context_length_exceeded"),
        Reply({"code": "InvalidParameter", "message": "Range of input length should be [1, 6000]"}, 400),
        Reply({"error": {"code": "1261", "message": "Prompt 超长"}}, 400),
        Reply([{"error": {"code": 400, "message": "The input token count (9) exceeds the maximum"}}], 400),
        Reply(
            {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": '{"error": '
             '{"message": "Please reduce the length of the messages or completion."}}'}}}, 400
        ),
        Reply({"error": {"message": "Provider returned error", "code": 400, "metadata": {
            "raw": {"message": "prompt is too long"}}}}),
        Reply({"error": {"code": 500, "message": "Context size has been exceeded."}}, 500),
        Reply("<html><title>413 Request Entity Too Large</title></html>", 413),
    ],
)  # fmt: skip
def test_everybody_s_words_for_too_long_drop_shots(server: Server, reply: Reply) -> None:
    server.script(reply, reply)
    sleep = FakeSleep()
    [answer] = ask(server.url, [chat("问", "一", "二", "三")], sleep, retries=0)
    assert answer.error is None and answer.dropped_shots == 2 and not sleep
    server.usual = reply
    answers = ask(server.url, [chat(str(n)) for n in range(10)], concurrency=1)
    assert {answer.attempts for answer in answers} == {1}
    assert all("the prompt is too long for http" in (answer.error or "") for answer in answers)


@pytest.mark.parametrize("stream", [False, True])
def test_a_200_may_report_a_length_without_a_status(server: Server, stream: bool) -> None:
    words = "Trying to keep the first 5000 tokens when context the overflows."
    server.script(Reply({"error": {"message": words}}))
    [answer] = ask(server.url, [chat("问", "一", "二")], retries=0, stream=stream)
    assert (answer.error, answer.dropped_shots) == (None, 1)
    server.script(Reply({"choices": [{"text": "the context length"}]}))  # not the server's words
    [answer] = ask(server.url, [chat("问", "一", "二")], stream=stream)
    assert answer.dropped_shots == 0


@pytest.mark.parametrize(
    "message",
    [
        "Invalid 'tools': array too long",
        "max_tokens is too long: must be at least 1",
        "Invalid 'user': string too long. Expected a string with maximum length 64",
    ],
)
def test_shots_stay_where_something_else_is_too_long(server: Server, message: str) -> None:
    server.usual = error(400, message)
    [answer] = ask(server.url, [chat("问", "一", "二")])
    assert answer.error is not None and "refused the request" in answer.error and len(server.bodies) == 1


def test_no_shots_are_dropped_for_an_answer_that_never_fits(server: Server) -> None:
    server.usual = error(
        400,
        "This model's maximum context length is 4096 tokens. However, you requested 8200 tokens (8 in the "
        "messages, 8192 in the completion).",
        "context_length_exceeded",
    )
    [answer] = ask(server.url, [Request(chat("问", "一", "二"), max_tokens=8192)])
    assert answer.error is not None and len(server.bodies) == 1
    assert answer.error.endswith("--llm-max-tokens leaves no room for it: lower it from 8192")


# parameters that a model refuses


def refusing(*names: str) -> Callable[[dict[str, Any]], Reply | None]:
    """A server's check of a body: refuses the first of ``names`` that it has, in OpenAI's words."""

    def check(body: dict[str, Any]) -> Reply | None:
        for name in names:
            if name in body:
                return error(400, f"Unsupported parameter: '{name}' is not supported with this model.")
        return None

    return check


def test_refused_parameters_are_learnt_once_and_told(server: Server) -> None:
    server.check = refusing("temperature", "seed", "stop")
    sleep = FakeSleep()
    model = OpenAIModel(config(server.url, concurrency=1, sampling_seed=3), sleep=sleep)
    engine = Engine(model, "m")
    try:
        requests = [Request(chat(str(n)), stop=("：",)) for n in range(3)]
        answers = [engine.wait(job, 30) for job in engine.ask(requests)]
    finally:
        engine.close()
    assert [answer.attempts for answer in answers] == [4, 1, 1] and not sleep
    assert {(answer.text, answer.finish_reason) for answer in answers} == {("答案", "stop")}
    assert not {"temperature", "seed", "stop"} & set(server.bodies[-1])
    for answer in answers:
        assert [note.split()[0] for note in answer.notes] == ["temperature", "seed", "stop"]
    assert [line.startswith("model m: the model refuses") for line in model.notes] == [True] * 3


def test_a_refusal_is_heard_behind_another_status(server: Server) -> None:
    server.script(error(500, "Unsupported parameter: 'temperature' is not supported with this model."))
    server.script(Reply({"error": {"message": "temperature is deprecated for this model", "code": 400}}))
    sleep = FakeSleep()
    first, second = ask(server.url, [chat("一"), chat("二")], sleep, concurrency=1)
    assert (first.attempts, second.attempts, sleep) == (2, 1, [])


def test_a_model_that_only_streams(server: Server) -> None:
    message = "This model only support stream mode, please enable the stream parameter to access the model."
    server.check = lambda body: None if body.get("stream") else error(400, message)
    first, second = ask(server.url, [chat("一"), chat("二")], concurrency=1)
    assert (first.text, first.attempts, second.attempts) == ("答案：A", 2, 1)
    assert first.first_token_s is not None and first.notes == ()
    server.check = lambda body: (
        error(400, "This model does not support streaming") if body.get("stream") else None
    )
    assert [answer.attempts for answer in ask(server.url, [chat(), chat()], stream=True, concurrency=1)] == [
        2,
        1,
    ]


def test_a_token_limit_above_the_model_s(server: Server) -> None:
    server.check = lambda body: (
        error(400, "Range of max_tokens should be [1, 512]") if body["max_tokens"] > 512 else None
    )
    first, second = ask(server.url, [Request(chat(n), max_tokens=1024) for n in "一二"], concurrency=1)
    assert (first.attempts, second.attempts, server.bodies[-1]["max_tokens"]) == (2, 1, 512)
    assert first.notes == second.notes == ("token limit lowered to 512: the model refuses more",)


def test_what_the_user_sets_by_name_is_not_dropped(server: Server) -> None:
    server.usual = error(400, "Unsupported parameter: 'temperature' is not supported with this model.")
    message = run_error(server.url, [chat()], extra_body={"temperature": 0.3})
    assert "remove extra_body.temperature" in message and len(server.bodies) == 1


# log-probabilities


def test_questions_without_a_choice_among_the_tokens_are_told(server: Server) -> None:
    server.top = {"The": -0.1, "<think>": -3.0}
    model = OpenAIModel(config(server.url, concurrency=1), sleep=FakeSleep())
    engine = Engine(model, "m")
    try:
        jobs = engine.ask([Request(chat(str(n)), choices=CHOICES) for n in range(8)])
        assert [engine.wait(job, 30).scores for job in jobs] == [{}] * 8
        assert model.notes == (
            "model m: in the first 8 questions none of the choices was among the most likely first tokens: "
            "the model begins its answers in another way; --llm-mode=generate reads them",
        )
        server.top = {"A": -0.1}
        assert engine.wait(engine.ask([Request(chat("一"), choices=CHOICES)])[0], 30).scores
        assert len(model.notes) == 1
    finally:
        engine.close()


def test_one_question_among_others_is_no_reason_for_a_line(server: Server) -> None:
    server.script(Reply(scored({"The": -0.1})))
    server.top = {"▁A": -0.1, "▁B": -1.0}
    model = OpenAIModel(config(server.url, concurrency=1), sleep=FakeSleep())
    engine = Engine(model, "m")
    try:
        jobs = engine.ask([Request(chat(str(n)), choices=CHOICES) for n in range(2)])
        assert [engine.wait(job, 30).scores for job in jobs] == [{}, {"A": -0.1, "B": -1.0}]
    finally:
        engine.close()
    assert model.notes == ()


def test_an_echo_of_something_else_is_an_error_and_not_a_score(server: Server) -> None:
    def with_end(prompt: str) -> dict[str, Any]:
        return echoed(("q", None), (prompt[1:], -0.5), ("</s>", 0.0))

    server.echo = with_end
    request = Request(TextPrompt("q"), choices=CHOICES)
    message = run_error(server.url, [request], api="completions")
    assert "ends with '</s>' instead of the choice ' A'" in message
    server.script(*[Reply(echoed(("q", None), (f" {label}", -0.5))) for label in "ABCD"])
    first, second = ask(server.url, [request] * 2, api="completions", concurrency=1)
    assert first.scores and second.error is not None and "instead of the choice" in second.error


def test_numbers_of_tokens_end_the_run_with_the_option_that_makes_them(server: Server) -> None:
    server.top = {"token_id:65": -0.1, "token_id:66": -1.0}
    message = run_error(server.url, [Request(chat(), choices=CHOICES)])
    assert message.startswith(f"model m at {server.url} returns numbers") and "token-ids" in message


# servers that stop responding


def test_a_server_that_restarts_in_time_loses_nothing(server: Server) -> None:
    port = server.port
    restarted: list[Server] = []
    server.latency = 0.02

    class RestartingSleep(FakeSleep):
        async def __call__(self, seconds: float) -> None:
            await asyncio.sleep(0.01)
            self.append(seconds)
            if len(self) == 20:
                restarted.append(await asyncio.to_thread(Server(port=port).__enter__))

    model = OpenAIModel(config(server.url), sleep=RestartingSleep())
    engine = Engine(model, "m")
    try:
        jobs = engine.ask([Request(chat(str(n))) for n in range(200)])
        engine.wait(jobs[20], 30)
        server.stop()
        answers = [engine.wait(job, 60) for job in jobs]
    finally:
        engine.close()
        for second in restarted:
            second.stop()
    assert [answer.error for answer in answers] == [None] * 200
    assert max(answer.attempts for answer in answers) > 1


@pytest.mark.parametrize("retries", [0, 2])
def test_requests_to_a_stopped_server_fail_quickly(server: Server, retries: int) -> None:
    sleep = FakeSleep()
    model = OpenAIModel(config(server.url, retries=retries), sleep=sleep, clock=sleep.clock)
    engine = Engine(model, "m")
    try:
        engine.wait(engine.ask([Request(chat())])[0], 30)
        server.stop()
        answers = [engine.wait(job, 30) for job in engine.ask([Request(chat(str(n))) for n in range(300)])]
    finally:
        engine.close()
    assert all(answer.error is not None and "connection refused" in answer.error for answer in answers)
    assert sum(answer.attempts for answer in answers) < 300 + 20 * 16


def test_requests_to_an_unresponsive_server_fail_without_waiting(server: Server) -> None:
    server.usual = Reply(completion(), latency=60)
    sleep = FakeSleep()
    model = OpenAIModel(config(server.url, retries=1, timeout=0.2), sleep=sleep, clock=sleep.clock)
    engine = Engine(model, "m")
    started = time.monotonic()
    try:
        answers = [engine.wait(job, 30) for job in engine.ask([Request(chat(str(n))) for n in range(600)])]
        assert time.monotonic() - started < 6  # waiting for each would take 600 * 2 * 0.2 / 16 = 15 s
        assert sum("no longer responds" in (answer.error or "") for answer in answers) > 500
        assert all(answer.error is not None for answer in answers)
        server.usual = None
        sleep.append(31)
        assert engine.wait(engine.ask([Request(chat())])[0], 30).error is None
        assert engine.wait(engine.ask([Request(chat())])[0], 30).error is None
    finally:
        engine.close()


def test_a_question_that_hangs_does_not_make_the_server_unresponsive() -> None:
    class Hanging(Server):
        def _reply(self, method, path, headers, sent):  # type: ignore[no-untyped-def]
            usual = super()._reply(method, path, headers, sent)
            return Reply(completion(), latency=60) if b"hang" in sent else usual

    with Hanging() as server:
        requests = [chat("hang"), *(chat(str(n)) for n in range(5)), chat("hang"), chat("x")]
        for concurrency in (1, 4):
            answers = ask(server.url, requests, timeout=0.1, concurrency=concurrency)
            assert [answer.error is None for answer in answers] == [False, *[True] * 5, False, True]
