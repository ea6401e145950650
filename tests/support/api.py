"""Helpers for tests of the API backend: requests, their completions, and a fake clock."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Prompt, Request
from pytest_llmeval.models.base import Job, Jobs
from pytest_llmeval.models.openai.backend import OpenAIModel
from pytest_llmeval.runtime.engine import Engine
from tests.support.api_server import Reply

KEY = "sk-very-secret-0123456789"
CHOICES = {"A": " A", "B": " B", "C": " C", "D": " D"}
HTML = Reply("<html><title>gateway</title></html>", 200, {"content-type": "text/html"})
TORN = Reply('{"choices": [{"message": {"content": "答')


class FakeSleep(list[float]):
    """Replaces ``asyncio.sleep``: records the seconds, and is a clock on which they have passed."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
        await asyncio.sleep(0)

    def clock(self) -> float:
        return time.monotonic() + sum(self)


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def config(url: str, name: str = "m", **more: object) -> ModelConfig:
    return ModelConfig("m", "openai", name, base_url=url, **more)  # type: ignore[arg-type]


def _as_request(request: Request | Prompt) -> Request:
    return request if isinstance(request, Request) else Request(request)


def chat(text: str = "问题", *shots: str) -> ChatPrompt:
    return ChatPrompt(
        (Message("user", text),), tuple((Message("user", s), Message("assistant", "A")) for s in shots)
    )


def ask(
    url: str,
    requests: Sequence[Request | Prompt],
    sleep: FakeSleep | None = None,
    name: str = "m",
    **more: object,
) -> list[Completion]:
    """The completions of requests, in order; raises the error that ends the run."""
    sleep = FakeSleep() if sleep is None else sleep
    model = OpenAIModel(config(url, name, **more), sleep=sleep, clock=sleep.clock)
    engine = Engine(model, "m")
    try:
        jobs = engine.ask([_as_request(request) for request in requests])
        return [engine.wait(job, 30) for job in jobs]
    finally:
        engine.close()


def run_error(url: str, requests: Sequence[Request | Prompt], name: str = "m", **more: object) -> str:
    """The message of the error that ends the run; it is one line."""
    jobs = Jobs()
    waiting = [Job(_as_request(request)) for request in requests]
    jobs.put(waiting)
    waiting[-1].future.add_done_callback(lambda _: jobs.close())
    with pytest.raises(ModelUnusable) as caught:
        OpenAIModel(config(url, name, **more), sleep=FakeSleep()).run(jobs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check_error(url: str, *, name: str = "m", **more: object) -> str:
    """The message of the error that ``check`` raises; it is one line."""
    with pytest.raises(ModelUnusable) as caught:
        OpenAIModel(config(url, name, **more)).check()
    assert "\n" not in str(caught.value)
    return str(caught.value)
