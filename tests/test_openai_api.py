"""The API backend against a real server on the loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from server import DROP, Json, Reply, Server, completion, echoed, error, models, plain, scored

from pytest_llmeval.engine import Engine
from pytest_llmeval.errors import ModelUnusable
from pytest_llmeval.models import openai_api
from pytest_llmeval.models.base import Job, Jobs, Model
from pytest_llmeval.models.openai_api import OpenAIModel
from pytest_llmeval.models.pacing import Pace
from pytest_llmeval.types import ChatPrompt, Completion, Message, ModelConfig, Prompt, Request, TextPrompt

KEY = "sk-very-secret-0123456789"
CHOICES = {"A": " A", "B": " B", "C": " C", "D": " D"}
HTML = Reply("<html><title>gateway</title></html>", 200, {"content-type": "text/html"})
TORN = Reply('{"choices": [{"message": {"content": "答')


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    openai_api._listed.clear()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        yield one


class Waits(list[float]):
    """Stands in for sleeping: notes how long, and is a clock on which that time has passed."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
        await asyncio.sleep(0)

    def clock(self) -> float:
        return time.monotonic() + sum(self)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def config(url: str, name: str = "m", **more: object) -> ModelConfig:
    return ModelConfig("m", "openai", name, base_url=url, **more)  # type: ignore[arg-type]


def chat(text: str = "问题", *shots: str) -> ChatPrompt:
    return ChatPrompt(
        (Message("user", text),), tuple((Message("user", s), Message("assistant", "A")) for s in shots)
    )


def ask(
    url: str,
    requests: Sequence[Request | Prompt],
    waits: Waits | None = None,
    name: str = "m",
    **more: object,
) -> list[Completion]:
    """Completions in order; raises what ends the run."""
    waits = Waits() if waits is None else waits
    model = OpenAIModel(config(url, name, **more), sleep=waits, clock=waits.clock)
    engine = Engine(model, "m")
    try:
        jobs = engine.ask([one if isinstance(one, Request) else Request(one) for one in requests])
        return [engine.wait(job, 30) for job in jobs]
    finally:
        engine.close()


def ended(url: str, requests: Sequence[Request | Prompt], name: str = "m", **more: object) -> str:
    """Why the run ends before its questions do."""
    jobs = Jobs()
    waiting = [Job(one if isinstance(one, Request) else Request(one)) for one in requests]
    jobs.put(waiting)
    waiting[-1].future.add_done_callback(lambda _: jobs.close())
    with pytest.raises(ModelUnusable) as caught:
        OpenAIModel(config(url, name, **more), sleep=Waits()).run(jobs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def unusable(url: str, *, name: str = "m", **more: object) -> str:
    """What ``check`` says is wrong; it is one line."""
    with pytest.raises(ModelUnusable) as caught:
        OpenAIModel(config(url, name, **more)).check()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# asking


def test_the_protocol_is_met_without_importing_aiohttp() -> None:
    code = (
        "import sys; from pytest_llmeval.models.openai_api import OpenAIModel\n"
        "from pytest_llmeval.types import ModelConfig\n"
        "model = OpenAIModel(ModelConfig('m', 'openai', 'm', base_url='http://localhost'))\n"
        "print(model.identity(), model.window, 'aiohttp' in sys.modules)"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openai:m", "at", "http://localhost", "256", "False"]
    assert isinstance(OpenAIModel(config("http://localhost")), Model)
    assert OpenAIModel(config("http://localhost", concurrency=32)).window >= 128


def test_a_chat_completion(server: Server) -> None:
    server.script(Reply(completion("答案：C", reasoning_content="想一想")))
    request = Request(chat("问", "例"), max_tokens=9, temperature=0.5, stop=("###",))
    [got] = ask(server.url, [request])
    assert (got.text, got.reasoning, got.finish_reason) == ("答案：C", "想一想", "stop")
    assert (got.prompt_tokens, got.completion_tokens, got.attempts, got.error) == (7, 3, 1, None)
    assert got.latency_s > 0 and got.prompt is None and got.dropped_shots == 0
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


def test_greedy_is_said_and_plain_text_is_a_user_turn(server: Server) -> None:
    ask(server.url, [TextPrompt("问", ("例",), "说明\n")])
    assert server.bodies[0]["temperature"] == 0.0
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "说明\n例\n\n问"}]


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions", "/chat/completions/?api-version=7"])
def test_any_form_of_the_address(server: Server, ending: str) -> None:
    assert ask(server.url + ending, [chat()])[0].text == "答案：A"
    assert server.paths[0].startswith("POST /v1/chat/completions")
    assert server.paths[0].endswith("?api-version=7") == ending.endswith("7")


def test_many_in_flight_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(latency=0.05) as server:
        got = ask(server.url, [chat(str(n)) for n in range(100)], concurrency=24)
        assert len(got) == len(server.bodies) == 100
        assert server.most_in_flight == 24


def test_answers_go_to_their_own_questions() -> None:
    class Echoing(Server):
        def _reply(self, method, path, headers, sent):  # type: ignore[no-untyped-def]
            super()._reply(method, path, headers, sent)
            text = self.bodies[-1]["messages"][-1]["content"]
            return Reply(completion(text), latency=0.05 / (1 + int(text)))

    with Echoing() as server:
        assert [one.text for one in ask(server.url, [chat(str(n)) for n in range(40)])] == [
            str(n) for n in range(40)
        ]


def test_a_proxy_does_not_stand_before_the_loopback(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    OpenAIModel(config(server.url)).check()
    assert ask(server.url, [chat()])[0].error is None


def test_closing_ends_calls_under_way() -> None:
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


def test_every_attempt_waits_its_turn(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = []

    class Counting(Pace):
        async def turn(self, cost: float = 1) -> None:
            turns.append(self._gap)

    monkeypatch.setattr(openai_api, "Pace", Counting)
    server.script(error(503, "busy"), DROP)
    assert [one.error for one in ask(server.url, [chat(), chat()], rate=0.16)] == [None, None]
    assert sorted(turns) == [0] * 4 + [1 / 0.16] * 4


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


# check and identity


def test_nothing_listens() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    for name in ("m", ""):
        said = unusable(url, name=name)
        assert (
            said
            == f"nothing answers at {url} (connection refused); is the server running, is the port right?"
        )
    assert "nothing answers" in ended(url, [chat()], name="")


def test_no_such_host() -> None:
    assert "nothing answers at http://no-such-host.internal/v1" in unusable("http://no-such-host.internal/v1")


def test_a_port_of_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        async def look() -> str:
            looking = asyncio.to_thread(unusable, f"http://127.0.0.1:{port}/v1")
            task = asyncio.create_task(looking)
            connection, _ = await asyncio.to_thread(other.accept)
            connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
            connection.close()
            return await task

        assert "nothing answers at" in asyncio.run(look())


def test_a_missing_package(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert "pip install 'pytest-llmeval-harness[api]'" in unusable(server.url)
    assert "pip install" in ended(server.url, [chat()])
    assert OpenAIModel(config(server.url, "")).identity() == f"openai: at {server.url}"


def test_a_client_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("https_proxy", "nonsense://proxy")
    said = unusable("https://models.example.com/v1", api_key_env="MY_KEY")
    assert "no connection to https://models.example.com/v1 can be set up" in said


@pytest.mark.parametrize(
    "answer",
    [
        Reply("oops", 500),
        Reply("", 404),
        Reply("<html>"),
        Reply("[]"),
        error(403, "Missing scopes: model.read"),
    ],
)
def test_a_named_model_needs_no_list(answer: Reply) -> None:
    with Server(models=answer) as server:
        OpenAIModel(config(server.url)).check()
        assert OpenAIModel(config(server.url)).identity() == f"openai:m at {server.url}"
        said = unusable(server.url, name="")
    assert "name one" in said or "wants a key" in said


def test_a_name_that_is_not_listed_may_be_an_alias(server: Server) -> None:
    OpenAIModel(config(server.url, "gpt-alias")).check()


def test_the_only_model_needs_no_name() -> None:
    with Server(models=models("qwen-9")) as server:
        model = OpenAIModel(config(server.url, ""))
        assert model.identity() == f"openai:qwen-9 at {server.url}"
        model.check()
        assert ask(server.url, [chat()], name="")[0].error is None
        assert server.bodies[0]["model"] == "qwen-9"
        assert server.paths.count("GET /v1/models") == 2  # identity and check; the run knows
    assert model.identity() == f"openai:qwen-9 at {server.url}"


def test_several_models_want_a_name() -> None:
    with Server(models=models(*"abcdefg")) as server:
        said = unusable(server.url, name="")
        assert "has several models, name one: openai:a, openai:b" in said
        assert "openai:e" in said and "openai:f" not in said
        assert OpenAIModel(config(server.url, "")).identity() == f"openai: at {server.url}"


def test_identity_is_short_and_never_fails() -> None:
    assert OpenAIModel(config("nonsense")).identity() == "openai:m"
    assert OpenAIModel(config("http://me:pw@localhost/v1?k=v", context=4096)).identity() == (
        "openai:m at http://***@localhost/v1, context 4096"
    )


# choices


def test_scores(server: Server) -> None:
    server.top = {"B": -0.3, "A": -1.5, " A": -3.0, "the": -4.0}
    [got] = ask(
        server.url, [Request(TextPrompt("问\n答案："), choices=CHOICES, temperature=0.7, stop=("x",))]
    )
    assert list(got.scores) == ["A", "B"] and max(got.scores, key=got.scores.__getitem__) == "B"
    assert got.finish_reason == "scored" and got.error is None
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


def test_none_of_the_choices_is_likely(server: Server) -> None:
    server.top = {"<think>": -0.1}
    [got] = ask(server.url, [Request(TextPrompt("问"), choices=CHOICES)])
    assert got.scores == {} and got.error is None and "none of the choices" in got.notes[0]


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
        said = ended(server.url, [Request(TextPrompt("问"), choices=CHOICES)] * 9)
    assert said == (
        f"model m at {server.url} gives no log-probabilities; "
        "use --llm-mode=generate, or a server that supports top_logprobs"
    )


def test_fewer_alternatives_are_learnt_once(server: Server) -> None:
    server.top = {"A": -0.1}
    server.script(error(400, "top_logprobs must be between 0 and 5"))
    request = Request(TextPrompt("问"), choices=CHOICES)
    got = ask(server.url, [request, request], concurrency=1)
    assert [one.scores for one in got] == [{"A": -0.1}] * 2
    assert [body["top_logprobs"] for body in server.bodies] == [20, 5, 5]


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


# the key


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
        seen += [unusable(server.url, name=""), *ask(server.url, [chat()], retries=0)]
        model = OpenAIModel(config(server.url))
        model.check()
        seen += [repr(model), model.identity(), model.__dict__]
    assert len(seen) > 30
    assert KEY not in "\n".join(map(str, seen))
    assert KEY not in caplog.text


def test_a_truncated_key_is_no_key_either(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for before in range(150, 330, 3):
        server.script(error(400, "x" * before + KEY))
    got = ask(server.url, [chat()] * 60, concurrency=1)
    assert all(one.error is not None and "sk-ver" not in one.error for one in got)


def test_no_key_is_sent_where_there_is_none(server: Server) -> None:
    ask(server.url, [chat()])
    assert "authorization" not in server.headers[0]


def test_scripted_scores_are_what_the_server_sends(server: Server) -> None:
    server.script(Reply(scored({"D": -0.5})))
    assert ask(server.url, [Request(chat(), choices=CHOICES)])[0].scores == {"D": -0.5}


# concurrency that finds its level


def test_the_level_grows_with_a_server_that_has_room() -> None:
    with Server(latency=0.05) as server:
        got = ask(server.url, [chat(str(n)) for n in range(400)])
        assert all(one.error is None for one in got)
        assert 32 <= server.most_in_flight <= 256


class Full(Server):
    """Refuses what is more than it can take at once."""

    room = 6

    def _reply(self, method, path, headers, sent):  # type: ignore[no-untyped-def]
        usual = super()._reply(method, path, headers, sent)
        full = error(429, "too many", headers={"Retry-After": "0.05"})
        return usual if self.in_flight <= self.room else full


def test_a_full_server_loses_nothing_and_is_left_alone() -> None:
    with Full(latency=0.01) as server:
        model = OpenAIModel(config(server.url, retries=20))
        engine = Engine(model, "m")
        try:
            got = [engine.wait(job, 60) for job in engine.ask([Request(chat(str(n))) for n in range(150)])]
        finally:
            engine.close()
        assert [one.error for one in got] == [None] * 150
        assert model.level.limit <= 16 and model.level.in_flight == 0
        assert len(server.bodies) < 450


def test_a_fixed_concurrency_does_not_move() -> None:
    with Full(latency=0.01) as server:
        model = OpenAIModel(config(server.url, retries=0, concurrency=9))
        engine = Engine(model, "m")
        try:
            for job in engine.ask([Request(chat(str(n))) for n in range(30)]):
                engine.wait(job, 60)
        finally:
            engine.close()
        assert model.level.limit == 9


def test_the_window_reaches_beyond_the_level() -> None:
    model = OpenAIModel(config("http://localhost"))
    model.level.level = model.level.most
    assert model.window >= 2 * model.level.limit == 512


def test_a_worker_of_xdist_takes_its_share() -> None:
    def shared(**more: object) -> OpenAIModel:
        return OpenAIModel(config("http://localhost", **more))

    assert shared(concurrency=32, share=(1, 4)).level.limit == 8
    assert shared(concurrency=2, share=(1, 4)).level.limit == 1
    assert shared(share=(3, 4)).level.limit == 4 and shared(share=(3, 4)).level.most == 64


def test_the_rate_of_a_share_begins_in_its_own_turn(server: Server) -> None:
    waits = Waits()
    assert ask(server.url, [chat(), chat()], waits, rate=0.5, share=(1, 2), concurrency=2)[1].error is None
    assert waits == pytest.approx([2, 4], abs=0.2)


def test_tokens_a_minute(server: Server) -> None:
    waits = Waits()
    requests = [Request(chat("问" * 92), max_tokens=100)] * 3  # about 200 tokens; 10 are used
    ask(server.url, requests, waits, tokens_per_minute=1000, concurrency=2)
    # the first goes at once, the second before it is known what that took
    assert waits[0] == pytest.approx(12, abs=0.5)
    assert len(waits) == 1 or waits[1] < 12


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


# parameters


def test_parameters_of_a_model(server: Server) -> None:
    more = {
        "top_p": 0.9,
        "sampling_seed": 7,
        "extra_body": {"chat_template_kwargs": {"enable_thinking": False}, "temperature": 1},
        "headers": {"X-Team": "red-team", "Authorization": "Token abc-def"},
        "max_completion_tokens": True,
    }
    [got] = ask(server.url, [Request(chat(), max_tokens=5)], **more)
    assert got.error is None
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
        (error(422, "unknown field `seed`"), "sampling_seed (--llm-sampling-seed)"),
        (
            Reply({"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}]}, 422),
            "'top_k' of extra_body",
        ),
        (
            Reply({"error": {"message": "Unsupported value", "param": "top_p", "code": None}}, 400),
            "top_p (--llm-top-p)",
        ),
    ],
)
def test_a_refused_field_names_its_setting(reply: Reply, setting: str) -> None:
    more = {"top_p": 0.9, "sampling_seed": 7, "extra_body": {"top_k": 3}}
    with Server(usual=reply) as server:
        said = ended(server.url, [chat(str(n)) for n in range(5)], concurrency=1, **more)
        assert len(server.bodies) == 1
        assert f"take out {setting} of model m" in said and f"status {reply.status}" in said


def test_a_refused_question_blames_no_setting(server: Server) -> None:
    server.script(Reply(completion()), error(400, "invalid: the seed of doubt"))
    got = ask(server.url, [chat(), chat()], sampling_seed=1, concurrency=1)
    assert got[1].error is not None and "seed of doubt" in got[1].error
    server.script(error(400, "the answer is seedless"))
    assert "seedless" in (ask(server.url, [chat()], sampling_seed=1)[0].error or "")


def test_tool_calls_are_noted(server: Server) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    server.script(
        Reply(completion(None, "tool_calls", tool_calls=[call, call])),
        Reply(completion(None, "function_call", function_call={"name": "f"})),
        Reply(completion("x", tool_calls=None)),
    )
    got = ask(server.url, [chat()] * 3, concurrency=1)
    assert [(one.text, one.notes) for one in got] == [
        ("", ("the model called the function look_up, look_up",)),
        ("", ("the model called the function f",)),
        ("x", ()),
    ]


# plain completions


def spelled(prompt: str) -> Json:
    """An echo of one token a letter, with made-up log-probabilities: the later the letter, the less."""
    return echoed(("<s>", None), *((letter, -ord(letter) / 64) for letter in prompt))


def test_a_base_model_writes(server: Server) -> None:
    [got] = ask(server.url, [Request(chat("问", "例"), max_tokens=9)], api="completions", top_p=0.5)
    assert (got.text, got.finish_reason, got.prompt) == ("答案：A", "stop", "例\nA\n问")
    assert "turns joined as text" in got.notes[0] and got.dropped_shots == 0
    assert server.paths == ["POST /v1/completions"]
    assert server.bodies == [
        {"model": "m", "prompt": "例\nA\n问", "temperature": 0.0, "max_tokens": 9, "top_p": 0.5}
    ]


def test_a_base_model_scores_by_the_echo(server: Server) -> None:
    server.echo = spelled
    [got] = ask(server.url, [Request(TextPrompt("问"), choices={"A": " A", "B": " BB"})], api="completions")
    assert got.scores == pytest.approx({"A": -(32 + 65) / 64, "B": -(32 + 66 + 66) / 64})
    assert (got.text, got.finish_reason, got.attempts, got.error) == ("", "scored", 2, None)
    assert [body["prompt"] for body in server.bodies] == ["问 A", "问 BB"]
    assert [body["max_tokens"] for body in server.bodies] == [0, 0]


def test_one_token_where_none_is_refused(server: Server) -> None:
    server.script(error(400, "max_tokens must be at least 1, got 0"))
    server.echo = lambda prompt: echoed(("问", None), (prompt[1:], -2.0), ("!", -1.0), made=1)
    request = Request(TextPrompt("问"), choices={"A": " A"})
    got = ask(server.url, [request, request], api="completions", concurrency=1)
    assert [one.scores for one in got] == [{"A": -2.0}] * 2
    assert [body["max_tokens"] for body in server.bodies] == [0, 1, 1]


@pytest.mark.parametrize("reply", [Reply(plain("问 A")), error(400, "echo and logprobs are not supported")])
def test_a_base_model_without_an_echo_of_log_probabilities(reply: Reply) -> None:
    with Server(usual=reply) as server:
        said = ended(server.url, [Request(TextPrompt("问"), choices=CHOICES)], api="completions")
    assert "gives no log-probabilities of the prompt" in said


def test_shots_are_dropped_for_all_choices_alike(server: Server) -> None:
    too_long = error(400, "This model's maximum context length is 4096 tokens")
    server.echo = spelled
    server.script(Reply(spelled("d一\n\n问 A")), too_long)
    request = Request(TextPrompt("问", ("一",), "d"), choices={"A": " A", "B": " B"})
    [got] = ask(server.url, [request], api="completions", concurrency=1)
    assert (got.dropped_shots, got.prompt, got.attempts) == (1, "d问", 4)
    assert [body["prompt"] for body in server.bodies][2:] == ["d问 A", "d问 B"]


def test_no_completions_interface_is_said(server: Server) -> None:
    server.script(Reply({"detail": "Not Found"}, 404))
    assert f"{server.url}/completions has no model" in ended(server.url, [chat()], api="completions")


# streams


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_a_streamed_answer(server: Server, api: str) -> None:
    server.event_s = 0.01
    [got] = ask(server.url, [chat()], api=api, stream=True)
    assert (got.text, got.finish_reason, got.error) == ("答案：A", "stop", None)
    assert (got.prompt_tokens, got.completion_tokens) == (7, 3)
    assert got.first_token_s is not None and 0 < got.first_token_s < got.latency_s
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
def test_a_stream_that_breaks_is_sent_again(server: Server, events: int) -> None:
    server.script(Reply(completion("答案：完整的C"), events=events))
    [got] = ask(server.url, [chat()], stream=True)
    assert (got.text, got.attempts, got.error) == ("答案：A", 2, None)


def test_a_stream_that_stalls_is_late(server: Server) -> None:
    server.event_s = 30
    [got] = ask(server.url, [chat()], stream=True, timeout=0.3, retries=0)
    assert got.error is not None and "no reply within 0.3 s" in got.error


@pytest.mark.parametrize("trouble", [error(503, "busy"), DROP, HTML, TORN, Reply("")])
def test_streams_meet_the_same_trouble(server: Server, trouble: Reply) -> None:
    server.script(trouble)
    [got] = ask(server.url, [chat()], stream=True)
    assert (got.text, got.attempts, got.error) == ("答案：A", 2, None)


def test_a_server_that_does_not_stream(server: Server) -> None:
    server.script(error(400, "Unknown parameter: stream_options"), Reply(json.dumps(completion("答案：B"))))
    [got] = ask(server.url, [chat()], stream=True)
    assert (got.text, got.first_token_s, got.attempts) == ("答案：B", None, 2)
    assert ["stream_options" in body for body in server.bodies] == [True, False]


# headers are secret too


def test_the_values_of_headers_are_in_no_message(server: Server, caplog: pytest.LogCaptureFixture) -> None:
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


def test_credentials_of_the_address_are_sent(server: Server) -> None:
    url = server.url.replace("http://", "http://me:p%40ss@")
    assert ask(url, [chat()])[0].error is None
    assert server.headers[0]["authorization"] == "Basic bWU6cEBzcw=="


def test_failures_are_told_apart(server: Server) -> None:
    server.script(DROP, TORN, HTML, error(503, "busy"), Reply(completion("B")))
    [got] = ask(server.url, [chat()], Waits())
    assert got.text == "B" and got.attempts == 5
    server.script(Reply(completion("C"), events=2), Reply(completion("C")))
    [got] = ask(server.url, [chat()], Waits(), stream=True)
    assert got.text == "C" and got.attempts == 2 and got.first_token_s is not None
    elsewhere = Reply("", 307, {"location": "ftp://nowhere"})
    server.script(elsewhere, Reply(completion("D")))
    [got] = ask(server.url, [chat()], Waits())
    assert got.text == "D" and got.attempts == 2
    server.script(*[DROP] * 2)
    [got] = ask(server.url, [chat()], Waits(), retries=1)
    assert got.error is not None and "timed out" not in got.error and "after 2 attempts" in got.error
    server.script(*[Reply(completion(), latency=5)] * 2)
    [got] = ask(server.url, [chat()], Waits(), retries=1, timeout=0.2)
    assert got.error is not None and got.error.endswith("no reply within 0.2 s; see --llm-timeout")
    [got] = ask(f"http://127.0.0.1:{closed_port()}/v1", [chat()], Waits(), retries=1)
    assert got.error is not None and got.error.endswith("after 2 attempts: connection refused")
