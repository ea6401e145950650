"""Models behind an OpenAI-compatible API."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from pytest_llmeval.config.declare import answer_parameters
from pytest_llmeval.config.models import ModelConfig, ModelOptions, OpenAIOptions
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.base import Jobs, model_key, run_concurrently
from pytest_llmeval.models.openai import chat_payloads
from pytest_llmeval.models.openai.calls import Calls, Interface, Refused, bad_key, said, some_names
from pytest_llmeval.models.openai.concurrency import MOST, START, Level
from pytest_llmeval.models.openai.endpoint import SIGNING, Endpoint, find
from pytest_llmeval.models.openai.extra_fields import Extras
from pytest_llmeval.models.openai.rate_limit import Pace, Sleep
from pytest_llmeval.models.openai.text_payloads import Completions
from pytest_llmeval.models.openai.traffic_limits import Traffic
from pytest_llmeval.models.openai.transport import connect, need_sdk
from pytest_llmeval.models.sharing import part

RETRIES = 5
TIMEOUT_S = 120.0
_LEAST_WINDOW = 64
_AUTO_WINDOW = 256
_LOOK_TIMEOUT_S = 10.0

#: which models each server said it has: every backend object of a session may want to know
_listed: dict[str, tuple[str, ...]] = {}


class OpenAIModel:
    """``--llm-model=openai:NAME``; an empty name is asked from the server."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        lost: Callable[[], ModelUnusable | None] = lambda: None,
    ) -> None:
        self.config = config
        self.level = _level(config)
        self._sleep = sleep
        self._clock = clock
        self._lost = lost

    @property
    def window(self) -> int:
        """Grows with the level, so that pytest's own order of asking never holds it down."""
        least = _LEAST_WINDOW if self.config.concurrency else _AUTO_WINDOW
        return max(4 * self.level.limit, least)

    def check(self) -> None:
        """Look at address and key, and ask the server for its models. Raises ``ModelUnusable``."""
        where = find(self.config, os.environ)
        _listed.pop(where.url, None)
        self._name(where, look=True)

    def identity(self) -> str:
        """Model name and server, and the context that prompts are cut to; no secrets."""
        target, place = self.config.target, ""
        try:
            where = find(self.config, os.environ)
            place = f" at {where.shown}"
            target = self._name(where)
        except ModelUnusable:
            pass
        return f"openai:{target}{place}{self.parameters()}"

    def store_key(self, digest: Callable[[Path], str]) -> str:
        """Server, model name and parameters. Raises ``ModelUnusable``."""
        where = find(self.config, os.environ)
        return model_key(answering(replace(self.config, target=self._name(where), base_url=where.shown)))

    def parameters(self) -> str:
        """What else the answers depend on and no request says by itself, for ``identity``."""
        config = self.config
        extra = json.dumps(config.extra_body, sort_keys=True, default=str) if config.extra_body else None
        told: list[tuple[str, object]] = [
            ("api", config.api if config.api != "chat" else None),
            ("context", config.context),
            ("top_p", config.top_p),
            ("seed", config.sampling_seed),
            ("extra_body", extra),
        ]
        return "".join(f", {name} {value}" for name, value in told if value is not None)

    def run(self, jobs: Jobs) -> None:
        """Answer jobs, as many at a time as ``level`` says. Raises ``ModelUnusable``."""
        where = find(self.config, os.environ)
        need_sdk()
        asyncio.run(self._serve(jobs, where, self._name(where)))

    async def _serve(self, jobs: Jobs, where: Endpoint, name: str) -> None:
        interface: Interface = Completions() if self.config.api == "completions" else _chat(self.config)
        async with connect(where, self.config.timeout or TIMEOUT_S) as server:
            calls = Calls(
                post=partial(server.post, interface.path),
                list_models=lambda: asyncio.to_thread(_models_if_told, where),
                where=where,
                model=name,
                traffic=self._traffic(),
                sleep=self._sleep,
                retries=RETRIES if self.config.retries is None else self.config.retries,
                interface=interface,
                extras=Extras.of(self.config),
                stream=self.config.stream,
                context=self.config.context,
                clock=self._clock,
                lost=self._lost,
            )
            await run_concurrently(jobs, calls.complete, lambda: self.level.limit)

    def _traffic(self) -> Traffic:
        """This process's share of the session's limits."""
        number, processes = self.config.share
        rate, tokens = self.config.rate, self.config.tokens_per_minute
        return Traffic(
            self.level,
            Pace(
                rate and rate / processes,
                delay=number / rate if rate else 0.0,
                clock=self._clock,
                sleep=self._sleep,
            ),
            Pace(tokens and tokens / 60 / processes, clock=self._clock, sleep=self._sleep),
            clock=self._clock,
            sleep=self._sleep,
        )

    def _name(self, where: Endpoint, *, look: bool = False) -> str:
        """The model's name; asks the server when there is none, or to ``look`` whether all is well."""
        name = self.config.target
        if name and not look:
            return name
        try:
            names = _models(where)
        except Refused as refused:
            error = _why_no_list(where, refused, named=bool(name))
            if error is not None:
                raise error from None
            return name
        if name:
            return name
        if not names:
            raise ModelUnusable(f"{where.shown} lists no models; name one: --llm-model=openai:NAME")
        if len(names) > 1:
            raise ModelUnusable(
                f"{where.shown} has several models, name one: {some_names(where, names, 'openai:')}"
            )
        return names[0]


def _level(config: ModelConfig) -> Level:
    number, processes = config.share
    if config.concurrency is None:
        return Level(max(START / processes, 1.0), most=max(MOST // processes, 1))
    fixed = max(part(config.concurrency, number, processes), 1)
    return Level(fixed, least=fixed, most=fixed)


def _chat(config: ModelConfig) -> chat_payloads.Chat:
    return (
        chat_payloads.Chat("max_completion_tokens") if config.max_completion_tokens else chat_payloads.Chat()
    )


def answering(config: ModelConfig) -> dict[str, object]:
    """The parameters that may change a model's answers and are not part of a request; for the store's key."""
    unsigned = {name: value for name, value in config.headers.items() if name.lower() not in SIGNING}
    # Ray's options change no answer, but without them the keys of all stored answers would change
    ray = {"ray": config.ray, "ray_cpus": config.ray_cpus, "ray_gpus": config.ray_gpus}
    return {**answer_parameters(config, ModelOptions, OpenAIOptions), "headers": unsigned, **ray}


def _why_no_list(where: Endpoint, refused: Refused, *, named: bool) -> ModelUnusable | None:
    """What it means that a server does not list its models; None: nothing, many do not."""
    reason = said(where, refused)
    if refused.status == 0 and not refused.late:
        return ModelUnusable(
            f"nothing answers at {where.shown} ({reason}); is the server running, is the port right?"
        )
    # a key may be allowed to ask models, but not to list them
    if refused.status in (401, 403) and not (named and "missing scope" in refused.message.lower()):
        return bad_key(where, refused)
    if named:
        return None
    return ModelUnusable(
        f"{where.shown} does not tell which models it has ({reason}); name one: --llm-model=openai:NAME"
    )


def _models(where: Endpoint) -> tuple[str, ...]:
    """The models a server says it has; remembered. Raises ``Refused`` and ``ModelUnusable``."""
    if where.url not in _listed:
        need_sdk()
        _listed[where.url] = chat_payloads.model_names(asyncio.run(_list(where)))
    return _listed[where.url]


async def _list(where: Endpoint) -> bytes:
    async with connect(where, _LOOK_TIMEOUT_S) as server:
        return await server.get("/models")


def _models_if_told(where: Endpoint) -> tuple[str, ...]:
    try:
        return _models(where)
    except (Refused, ModelUnusable):
        return ()
