"""The API backend against a real server on the loopback."""

from __future__ import annotations

import asyncio
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
from pytest_llmeval.models.openai.rate_limit import Pace
from pytest_llmeval.runtime.engine import Engine
from tests.support.api import (
    CHOICES,
    Waits,
    ask,
    chat,
    closed_port,
    config,
    ended,
    unusable,
)
from tests.support.api_server import DROP, Json, Reply, Server, completion, echoed, error, models, plain
from tests.support.paths import ROOT

# asking


def test_the_protocol_is_met_without_importing_the_sdk() -> None:
    code = (
        "import sys; from pytest_llmeval.models.openai.backend import OpenAIModel\n"
        "from pytest_llmeval.core.types import ModelConfig\n"
        "model = OpenAIModel(ModelConfig('m', 'openai', 'm', base_url='http://localhost'))\n"
        "print(model.identity(), model.window, 'openai' in sys.modules)"
    )
    root = ROOT
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

    monkeypatch.setattr(backend, "Pace", Counting)
    server.script(error(503, "busy"), DROP)
    assert [one.error for one in ask(server.url, [chat(), chat()], rate=0.16)] == [None, None]
    assert sorted(turns) == [0] * 4 + [1 / 0.16] * 4


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
