"""Asking the API backend, in tests: requests, what comes of them, and a clock that need not be waited for."""

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
