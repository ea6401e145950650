"""The API backend against a real server on the loopback."""

from __future__ import annotations

import asyncio
import math
import socket
import subprocess
import sys
import time

import pytest

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import Request, TextPrompt
from pytest_llmeval.models.base import Model
from pytest_llmeval.models.openai import backend
from pytest_llmeval.models.openai.backend import OpenAIModel
from pytest_llmeval.models.openai.rate_limit import RateLimit
from pytest_llmeval.runtime.engine import Engine
from tests.support.api import (
    CHOICES,
    FakeSleep,
    ask,
    chat,
    check_error,
    closed_port,
    config,
    run_error,
)
from tests.support.api_server import DROP, Json, Reply, Server, completion, echoed, error, models, plain
from tests.support.paths import ROOT

# requests


def test_the_model_protocol_is_implemented_without_importing_the_sdk() -> None:
    code = (
        "import sys; from pytest_llmeval.models.openai.backend import OpenAIModel\n"
        "from pytest_llmeval.config.models import ModelConfig\n"
        "model = OpenAIModel(ModelConfig('m', 'openai', 'm', base_url='http://localhost'))\n"
        "print(model.identity(), model.window, 'openai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openai:m", "at", "http://localhost", "256", "False"]
    assert isinstance(OpenAIModel(config("http://localhost")), Model)
    assert OpenAIModel(config("http://localhost", concurrency=32)).window >= 128


def test_a_chat_completion(server: Server) -> None:
    server.script(Reply(completion("答案：C", reasoning_content="想一想")))
    request = Request(chat("问", "例"), max_tokens=9, temperature=0.5, stop=("###",))
    [answer] = ask(server.url, [request])
    assert (answer.text, answer.reasoning, answer.finish_reason) == ("答案：C", "想一想", "stop")
    assert (answer.prompt_tokens, answer.completion_tokens, answer.attempts, answer.error) == (7, 3, 1, None)
    assert answer.latency_s > 0 and answer.prompt is None and answer.dropped_shots == 0
    [sent] = server.bodies
    assert sent == {
        "model": "m",
        "messages": [
            {"role": "user", "content": "例"},
            {"role": "assistant", "content": "A"},
            {"role": "user", "content": "问"},
        ],
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["###"],
    }
    assert server.paths == ["POST /v1/chat/completions"]


def test_temperature_is_always_sent_and_plain_text_is_a_user_turn(server: Server) -> None:
    ask(server.url, [TextPrompt("问", ("例",), "说明\n")])
    assert server.bodies[0]["temperature"] == 0.0
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "说明\n例\n\n问"}]


@pytest.mark.parametrize("value", [math.nan, None])
def test_a_score_that_is_no_number_is_an_error(server: Server, value: float | None) -> None:
    """A server whose model overflows says NaN, or null in strict JSON."""
    body = completion("A")
    top = [{"token": "A", "logprob": value}, {"token": "B", "logprob": -1.0}]
    body["choices"][0]["logprobs"] = {"content": [{"token": "A", "logprob": value, "top_logprobs": top}]}
    server.script(Reply(body))
    [answer] = ask(server.url, [Request(TextPrompt("q"), choices=CHOICES)])
    assert answer.error is not None and "choice 'A' is nan, not a finite number" in answer.error
    assert answer.scores == {}


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions", "/chat/completions/?api-version=7"])
def test_base_url_forms(server: Server, ending: str) -> None:
    assert ask(server.url + ending, [chat()])[0].text == "答案：A"
    assert server.paths[0].startswith("POST /v1/chat/completions")
    assert server.paths[0].endswith("?api-version=7") == ending.endswith("7")


def test_concurrency_is_reached_and_never_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(latency=0.05) as server:
        answers = ask(server.url, [chat(str(n)) for n in range(100)], concurrency=24)
        assert len(answers) == len(server.bodies) == 100
        assert server.most_in_flight == 24


def test_answers_are_matched_to_their_questions() -> None:
    class Echoing(Server):
        def _reply(self, method, path, headers, sent):  # type: ignore[no-untyped-def]
            super()._reply(method, path, headers, sent)
            text = self.bodies[-1]["messages"][-1]["content"]
            return Reply(completion(text), latency=0.05 / (1 + int(text)))

    with Echoing() as server:
        assert [answer.text for answer in ask(server.url, [chat(str(n)) for n in range(40)])] == [
            str(n) for n in range(40)
        ]


def test_closing_cancels_calls_in_flight() -> None:
    with Server(latency=60) as server:
        engine = Engine(OpenAIModel(config(server.url)), "m")
        [job] = engine.ask([Request(chat())])
        while not server.in_flight:
            assert not job.future.done()
            time.sleep(0.01)
        engine.close()
        with pytest.raises(ModelUnusable, match="stopped"):
            engine.wait(job, 10)
        assert engine._thread is not None and not engine._thread.is_alive()


def test_every_attempt_counts_towards_the_rate(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    intervals = []

    class Counting(RateLimit):
        async def acquire(self, cost: float = 1) -> None:
            intervals.append(self._interval_s)

    monkeypatch.setattr(backend, "RateLimit", Counting)
    server.script(error(503, "busy"), DROP)
    assert [answer.error for answer in ask(server.url, [chat(), chat()], rate=0.16)] == [None, None]
    assert sorted(intervals) == [0] * 4 + [1 / 0.16] * 4


# check and identity


def test_connection_refused() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    for name in ("m", ""):
        message = check_error(url, name=name)
        assert (
            message
            == f"nothing answers at {url} (connection refused); is the server running, is the port right?"
        )
    assert "nothing answers" in run_error(url, [chat()], name="")


def test_unknown_host() -> None:
    assert "nothing answers at http://no-such-host.internal/v1" in check_error(
        "http://no-such-host.internal/v1"
    )


def test_a_port_that_does_not_speak_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        async def check() -> str:
            checking = asyncio.to_thread(check_error, f"http://127.0.0.1:{port}/v1")
            task = asyncio.create_task(checking)
            connection, _ = await asyncio.to_thread(other.accept)
            connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
            connection.close()
            return await task

        assert "takes the connection but answers no HTTP" in asyncio.run(check())


@pytest.mark.parametrize(
    "reply",
    [
        Reply("oops", 500),
        Reply("", 404),
        Reply("<html>"),
        Reply("[]"),
        error(403, "Missing scopes: model.read"),
    ],
)
def test_a_named_model_needs_no_list_of_models(reply: Reply) -> None:
    with Server(models=reply) as server:
        OpenAIModel(config(server.url)).check()
        assert OpenAIModel(config(server.url)).identity() == f"openai:m at {server.url}"
        message = check_error(server.url, name="")
    assert "name one" in message or "requires an API key" in message


@pytest.mark.parametrize("status", [403, 404])
def test_a_named_model_whose_list_is_refused_is_asked(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123456789")
    with Server(models=error(status, "not for you")) as server:
        OpenAIModel(config(server.url)).check()
        assert ask(server.url, [chat()])[0].error is None
        assert "name one" in check_error(server.url, name="")


def test_a_list_at_an_address_without_v1() -> None:
    missing = Reply({"error": "Unexpected endpoint or method. (GET /models)"})
    with Server(models=missing) as server:
        OpenAIModel(config(server.url)).check()
        message = check_error(server.url, name="")
        assert "Unexpected endpoint" in message and "most end in /v1" in message


def test_an_unlisted_name_may_be_an_alias(server: Server) -> None:
    OpenAIModel(config(server.url, "gpt-alias")).check()


def test_the_only_model_needs_no_name() -> None:
    with Server(models=models("qwen-9")) as server:
        model = OpenAIModel(config(server.url, ""))
        assert model.identity() == f"openai:qwen-9 at {server.url}"
        model.check()
        assert ask(server.url, [chat()], name="")[0].error is None
        assert server.bodies[0]["model"] == "qwen-9"
        # listed by identity and check; the run uses the cached list
        assert server.paths.count("GET /v1/models") == 2
    assert model.identity() == f"openai:qwen-9 at {server.url}"


def test_several_models_require_a_name() -> None:
    with Server(models=models(*"abcdefg")) as server:
        message = check_error(server.url, name="")
        assert "has several models, name one: openai:a, openai:b" in message
        assert "openai:e" in message and "openai:f" not in message
        assert OpenAIModel(config(server.url, "")).identity() == f"openai: at {server.url}"


def test_identity_is_short_and_never_fails() -> None:
    assert OpenAIModel(config("nonsense")).identity() == "openai:m"
    assert OpenAIModel(config("http://me:pw@localhost/v1?k=v", context=4096)).identity() == (
        "openai:m at http://***@localhost/v1, context 4096"
    )


# choices


def test_scores(server: Server) -> None:
    server.top = {"B": -0.3, "A": -1.5, " A": -3.0, "the": -4.0}
    [answer] = ask(
        server.url, [Request(TextPrompt("问\n答案："), choices=CHOICES, temperature=0.7, stop=("x",))]
    )
    assert list(answer.scores) == ["A", "B"] and max(answer.scores, key=answer.scores.__getitem__) == "B"
    assert answer.finish_reason == "scored" and answer.error is None
    assert server.bodies == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "问\n答案："}],
            "temperature": 0.0,
            "max_tokens": 1,
            "logprobs": True,
            "top_logprobs": 20,
        }
    ]


def test_no_choice_among_the_top_logprobs(server: Server) -> None:
    server.top = {"<think>": -0.1}
    [answer] = ask(server.url, [Request(TextPrompt("问"), choices=CHOICES)])
    assert answer.scores == {} and answer.error is None and "none of the choices" in answer.notes[0]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(completion("A")),
        error(400, "logprobs is not supported with this model"),
        error(422, "logprobs?"),
    ],
)
def test_a_server_without_log_probabilities(reply: Reply) -> None:
    with Server(usual=reply) as server:
        message = run_error(server.url, [Request(TextPrompt("问"), choices=CHOICES)] * 9)
    assert message == (
        f"model m at {server.url} returns no log-probabilities; "
        "use --llm-mode=generate, or a server that supports top_logprobs"
    )


def test_a_lower_top_logprobs_limit_is_learned_once(server: Server) -> None:
    server.top = {"A": -0.1}
    server.script(error(400, "top_logprobs must be between 0 and 5"))
    request = Request(TextPrompt("问"), choices=CHOICES)
    answers = ask(server.url, [request, request], concurrency=1)
    assert [answer.scores for answer in answers] == [{"A": -0.1}] * 2
    assert [body["top_logprobs"] for body in server.bodies] == [20, 5, 5]


# adaptive concurrency


def test_concurrency_grows_while_the_server_keeps_up() -> None:
    with Server(latency=0.05) as server:
        answers = ask(server.url, [chat(str(n)) for n in range(400)])
        assert all(answer.error is None for answer in answers)
        assert 32 <= server.most_in_flight <= 256


class LimitedServer(Server):
    """Refuses requests beyond ``capacity`` in flight."""

    capacity = 6

    def _reply(self, method, path, headers, sent):  # type: ignore[no-untyped-def]
        usual = super()._reply(method, path, headers, sent)
        refusal = error(429, "too many", headers={"Retry-After": "0.05"})
        return usual if self.in_flight <= self.capacity else refusal


def test_an_overloaded_server_loses_no_answers_and_is_not_flooded() -> None:
    with LimitedServer(latency=0.01) as server:
        model = OpenAIModel(config(server.url, retries=20))
        engine = Engine(model, "m")
        try:
            answers = [
                engine.wait(job, 60) for job in engine.ask([Request(chat(str(n))) for n in range(150)])
            ]
        finally:
            engine.close()
        assert [answer.error for answer in answers] == [None] * 150
        assert model.concurrency.limit <= 16 and model.concurrency.in_flight == 0
        assert len(server.bodies) < 450


def test_a_fixed_concurrency_does_not_change() -> None:
    with LimitedServer(latency=0.01) as server:
        model = OpenAIModel(config(server.url, retries=0, concurrency=9))
        engine = Engine(model, "m")
        try:
            for job in engine.ask([Request(chat(str(n))) for n in range(30)]):
                engine.wait(job, 60)
        finally:
            engine.close()
        assert model.concurrency.limit == 9


def test_the_window_exceeds_the_concurrency() -> None:
    model = OpenAIModel(config("http://localhost"))
    model.concurrency.target = model.concurrency.maximum
    assert model.window >= 2 * model.concurrency.limit == 512


def test_an_xdist_worker_gets_its_share_of_the_concurrency() -> None:
    def shared(**more: object) -> OpenAIModel:
        return OpenAIModel(config("http://localhost", **more))

    assert shared(concurrency=32, share=(1, 4)).concurrency.limit == 8
    assert shared(concurrency=2, share=(1, 4)).concurrency.limit == 1
    assert shared(share=(3, 4)).concurrency.limit == 4 and shared(share=(3, 4)).concurrency.maximum == 64


def test_workers_start_at_different_times(server: Server) -> None:
    sleep = FakeSleep()
    assert ask(server.url, [chat(), chat()], sleep, rate=0.5, share=(1, 2), concurrency=2)[1].error is None
    assert sleep == pytest.approx([2, 4], abs=0.2)


def test_tokens_per_minute(server: Server) -> None:
    sleep = FakeSleep()
    requests = [Request(chat("问" * 92), max_tokens=100)] * 3  # about 200 tokens; 10 are used
    ask(server.url, requests, sleep, tokens_per_minute=1000, concurrency=2)
    # the first is sent at once, the second before the first one's token count is known
    assert sleep[0] == pytest.approx(12, abs=0.5)
    assert len(sleep) == 1 or sleep[1] < 12


# settings


def test_settings_are_sent_in_bodies_and_headers(server: Server) -> None:
    more = {
        "top_p": 0.9,
        "sampling_seed": 7,
        "extra_body": {"chat_template_kwargs": {"enable_thinking": False}, "temperature": 1},
        "headers": {"X-Team": "red-team", "Authorization": "Token abc-def"},
        "max_completion_tokens": True,
    }
    [answer] = ask(server.url, [Request(chat(), max_tokens=5)], **more)
    assert answer.error is None
    assert server.bodies[0] == {
        "model": "m",
        "messages": [{"role": "user", "content": "问题"}],
        "temperature": 1,
        "max_completion_tokens": 5,
        "top_p": 0.9,
        "seed": 7,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert server.headers[0]["x-team"] == "red-team"
    assert server.headers[0]["authorization"] == "Token abc-def"
    server.top = {"A": -0.1}
    ask(server.url, [Request(chat(), choices=CHOICES)], **more)
    assert "top_p" not in server.bodies[1] and "seed" not in server.bodies[1]
    assert server.bodies[1]["chat_template_kwargs"] and server.bodies[1]["max_completion_tokens"] == 1
    assert OpenAIModel(config(server.url, **more)).identity() == (
        f"openai:m at {server.url}, top_p 0.9, seed 7, extra_body "
        '{"chat_template_kwargs": {"enable_thinking": false}, "temperature": 1}'
    )


@pytest.mark.parametrize(
    ("reply", "setting"),
    [
        (error(400, "Unrecognized request argument supplied: top_p"), "top_p (--llm-top-p)"),
        (
            Reply({"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}]}, 422),
            "extra_body.top_k",
        ),
        (
            Reply({"error": {"message": "Unsupported value", "param": "top_p", "code": None}}, 400),
            "top_p (--llm-top-p)",
        ),
    ],
)
def test_a_rejected_field_names_its_setting(reply: Reply, setting: str) -> None:
    more = {"top_p": 0.9, "sampling_seed": 7, "extra_body": {"top_k": 3}}
    with Server(usual=reply) as server:
        message = run_error(server.url, [chat(str(n)) for n in range(5)], concurrency=1, **more)
        assert len(server.bodies) == 1
        assert (
            f"remove {setting} from the settings of model m" in message
            and f"status {reply.status}" in message
        )


def test_a_rejected_question_blames_no_setting(server: Server) -> None:
    server.script(Reply(completion()), error(400, "invalid: the seed of doubt"))
    answers = ask(server.url, [chat(), chat()], sampling_seed=1, concurrency=1)
    assert answers[1].error is not None and "seed of doubt" in answers[1].error
    server.script(error(400, "the answer is seedless"))
    assert "seedless" in (ask(server.url, [chat()], sampling_seed=1)[0].error or "")


def test_tool_calls_are_noted(server: Server) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    server.script(
        Reply(completion(None, "tool_calls", tool_calls=[call, call])),
        Reply(completion(None, "function_call", function_call={"name": "f"})),
        Reply(completion("x", tool_calls=None)),
    )
    answers = ask(server.url, [chat()] * 3, concurrency=1)
    assert [(answer.text, answer.notes) for answer in answers] == [
        ("", ("the model called the function look_up, look_up",)),
        ("", ("the model called the function f",)),
        ("x", ()),
    ]


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_a_temperature_of_none_is_part_of_the_identity(server: Server, api: str) -> None:
    plain_model = OpenAIModel(config(server.url, api=api))
    model = OpenAIModel(config(server.url, api=api, temperature="none"))
    assert model.identity() == plain_model.identity() + ", temperature none"
    ask(server.url, [Request(chat(), temperature=None), Request(chat())], api=api, temperature="none")
    assert all("temperature" not in body for body in server.bodies)


# plain completions


def letter_echo(prompt: str) -> Json:
    """An echo with one token per letter; the log-probability depends on the letter alone."""
    return echoed(("<s>", None), *((letter, -ord(letter) / 64) for letter in prompt))


def test_a_base_model_generates(server: Server) -> None:
    [answer] = ask(server.url, [Request(chat("问", "例"), max_tokens=9)], api="completions", top_p=0.5)
    assert (answer.text, answer.finish_reason, answer.prompt) == ("答案：A", "stop", "例\nA\n问")
    assert "turns joined as text" in answer.notes[0] and answer.dropped_shots == 0
    assert server.paths == ["POST /v1/completions"]
    assert server.bodies == [
        {"model": "m", "prompt": "例\nA\n问", "temperature": 0.0, "max_tokens": 9, "top_p": 0.5}
    ]


def test_a_base_model_scores_with_an_echo(server: Server) -> None:
    server.echo = letter_echo
    [answer] = ask(
        server.url, [Request(TextPrompt("问"), choices={"A": " A", "B": " BB"})], api="completions"
    )
    assert answer.scores == pytest.approx({"A": -(32 + 65) / 64, "B": -(32 + 66 + 66) / 64})
    assert (answer.text, answer.finish_reason, answer.attempts, answer.error) == ("", "scored", 2, None)
    assert [body["prompt"] for body in server.bodies] == ["问 A", "问 BB"]
    assert [body["max_tokens"] for body in server.bodies] == [0, 0]


def test_max_tokens_of_zero_is_replaced_if_rejected(server: Server) -> None:
    server.script(error(400, "max_tokens must be at least 1, got 0"))
    server.echo = lambda prompt: echoed(("问", None), (prompt[1:], -2.0), ("!", -1.0), generated=1)
    request = Request(TextPrompt("问"), choices={"A": " A"})
    answers = ask(server.url, [request, request], api="completions", concurrency=1)
    assert [answer.scores for answer in answers] == [{"A": -2.0}] * 2
    assert [body["max_tokens"] for body in server.bodies] == [0, 1, 1]


@pytest.mark.parametrize("reply", [Reply(plain("问 A")), error(400, "echo and logprobs are not supported")])
def test_a_base_model_without_an_echo_of_log_probabilities(reply: Reply) -> None:
    with Server(usual=reply) as server:
        message = run_error(server.url, [Request(TextPrompt("问"), choices=CHOICES)], api="completions")
    assert "returns no log-probabilities of the prompt" in message


def test_the_same_shots_are_dropped_for_all_choices(server: Server) -> None:
    too_long = error(400, "This model's maximum context length is 4096 tokens")
    server.echo = letter_echo
    server.script(Reply(letter_echo("d一\n\n问 A")), too_long)
    request = Request(TextPrompt("问", ("一",), "d"), choices={"A": " A", "B": " B"})
    [answer] = ask(server.url, [request], api="completions", concurrency=1)
    assert (answer.dropped_shots, answer.prompt, answer.attempts) == (1, "d问", 4)
    assert [body["prompt"] for body in server.bodies][2:] == ["d问 A", "d问 B"]


def test_a_missing_completions_interface_ends_the_run(server: Server) -> None:
    server.script(Reply({"detail": "Not Found"}, 404))
    assert f"{server.url}/completions has no model" in run_error(server.url, [chat()], api="completions")
