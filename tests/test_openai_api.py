"""The API backend against a real server on the loopback."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from server import DROP, Reply, Server, completion, error, models, scored

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


def test_the_protocol_is_met_without_importing_the_sdk() -> None:
    code = (
        "import sys; from pytest_llmeval.models.openai_api import OpenAIModel\n"
        "from pytest_llmeval.types import ModelConfig\n"
        "model = OpenAIModel(ModelConfig('m', 'openai', 'm', base_url='http://localhost'))\n"
        "print(model.identity(), model.window, 'openai' in sys.modules)"
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
    monkeypatch.setitem(sys.modules, "openai", None)
    assert "pip install pytest-llmeval-harness[api]" in unusable(server.url)
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
    assert server.headers[0]["authorization"] == "Bearer no-key-needed"


def test_scripted_scores_are_what_the_server_sends(server: Server) -> None:
    server.script(Reply(scored({"D": -0.5})))
    assert ask(server.url, [Request(chat(), choices=CHOICES)])[0].scores == {"D": -0.5}
