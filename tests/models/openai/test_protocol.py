"""The official SDK as reference for the bodies sent, and for the responses of the test server."""

from __future__ import annotations

from typing import Any, get_type_hints

import openai
import pytest
from openai.types import completion_create_params as plain_params
from openai.types.chat import completion_create_params as chat_params
from pydantic import TypeAdapter

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.types import ChatPrompt, Message, Request
from pytest_llmeval.models.base import Job, Jobs
from pytest_llmeval.models.openai.backend import OpenAIModel
from tests.support.api_server import Reply, Server, completion, models, plain, scored

PROMPT = ChatPrompt(
    (Message("user", "问"),), ((Message("user", "例"), Message("assistant", "A")),), (Message("system", "s"),)
)
GENERATE = Request(PROMPT, max_tokens=9, temperature=0.5, stop=("###",))
SCORE = Request(PROMPT, choices={"A": " A", "B": " B"})


def sent(server: Server, request: Request, **more: Any) -> dict[str, Any]:
    """The body sent for a request."""
    config = ModelConfig("m", "openai", "m", base_url=server.url, retries=0, **more)
    jobs = Jobs()
    job = Job(request)
    job.future.add_done_callback(lambda _: jobs.close())
    jobs.put([job])
    OpenAIModel(config).run(jobs)
    return server.bodies[0]


@pytest.mark.parametrize("more", [{}, {"max_completion_tokens": True}, {"stream": True}])
@pytest.mark.parametrize("request_", [GENERATE, SCORE], ids=["generate", "score"])
def test_chat_bodies_match_the_sdk_types(request_: Request, more: dict[str, Any]) -> None:
    with Server(usual=Reply(scored({"A": -0.5})) if request_.choices else None) as server:
        body = sent(server, request_, **more)
    kind = (
        chat_params.CompletionCreateParamsStreaming
        if body.get("stream")
        else chat_params.CompletionCreateParamsNonStreaming
    )
    assert set(body) <= set(get_type_hints(kind))
    TypeAdapter(kind).validate_python(body)


def test_text_bodies_match_the_sdk_types() -> None:
    with Server(usual=Reply(plain("A"))) as server:
        body = sent(server, GENERATE, api="completions")
    kind = plain_params.CompletionCreateParamsNonStreaming
    assert set(body) <= set(get_type_hints(kind))
    TypeAdapter(kind).validate_python(body)


def test_the_sdk_parses_the_test_server_s_responses() -> None:
    with (
        Server(models=models("m")) as server,
        openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client,
    ):
        assert [model.id for model in client.models.list()] == ["m"]
        server.script(Reply(completion("答案：C")), Reply(completion("B"), events=9), Reply(plain("A")))
        turns: Any = [{"role": "user", "content": "问"}]
        assert (
            client.chat.completions.create(model="m", messages=turns).choices[0].message.content == "答案：C"
        )
        pieces = client.chat.completions.create(model="m", messages=turns, stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == "B"
        assert client.completions.create(model="m", prompt="问").choices[0].text == "A"
