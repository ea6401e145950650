"""Which model answered."""

from __future__ import annotations

import pytest

from pytest_llmeval.models.openai.served_models import other_model
from tests.support.api import ask, chat
from tests.support.api_server import Reply, Server, completion


@pytest.mark.parametrize(
    ("named", "served"),
    [
        ("m", ""),
        ("m", "m"),
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("gpt-4o", "openai/gpt-4o"),
        ("/models/mine/", "mine"),
        ("m", "m@main"),
    ],
)
def test_the_same_model(named: str, served: str) -> None:
    assert other_model(named, served) == ""


@pytest.mark.parametrize(
    ("named", "served"), [("gpt-4o", "gpt-4o-2024-08-06"), ("m", "n"), ("m:free", "m"), ("m", "m@v2")]
)
def test_another_model(named: str, served: str) -> None:
    assert other_model(named, served) == served


@pytest.mark.parametrize("stream", [False, True])
def test_answers_name_another_model(server: Server, stream: bool) -> None:
    server.script(
        Reply({**completion(), "model": "n\n2"}), Reply(completion()), Reply({**completion(), "model": 7})
    )
    answers = ask(server.url, [chat(str(n)) for n in range(3)], concurrency=1, stream=stream)
    assert [answer.served_model for answer in answers] == ["n 2", "", ""]
