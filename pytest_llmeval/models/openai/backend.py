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
from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.models.base import Jobs, model_key, run_concurrently
from pytest_llmeval.models.openai.attempt_failed import AttemptFailed
from pytest_llmeval.models.openai.calls import Calls
from pytest_llmeval.models.openai.chat_payloads import ChatPayloads, model_names
from pytest_llmeval.models.openai.concurrency import INITIAL, MAXIMUM, ConcurrencyControl
from pytest_llmeval.models.openai.endpoint import AUTH_HEADERS, Endpoint, find
from pytest_llmeval.models.openai.error_bodies import evidence
from pytest_llmeval.models.openai.extra_fields import ExtraFields
from pytest_llmeval.models.openai.failures import classify
from pytest_llmeval.models.openai.known_failures import FailureKind
from pytest_llmeval.models.openai.payloads import Payloads
from pytest_llmeval.models.openai.rate_limit import RateLimit, Sleep
from pytest_llmeval.models.openai.run_errors import connection_error, failure_reason, format_names, key_error
from pytest_llmeval.models.openai.text_payloads import TextPayloads
from pytest_llmeval.models.openai.traffic_limits import TrafficLimits
from pytest_llmeval.models.openai.transport import connect, require_sdk
from pytest_llmeval.models.worker_resources import share_of

RETRIES = 5
TIMEOUT_S = 120.0
_MIN_WINDOW = 64
_AUTO_WINDOW = 256
_LIST_TIMEOUT_S = 10.0

#: model names by server URL, cached for all backend objects of a session
_models_by_url: dict[str, tuple[str, ...]] = {}


class OpenAIModel:
    """``--llm-model=openai:NAME``; an empty name stands for the server's only model."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        server_exit: Callable[[], ModelUnusable | None] = lambda: None,
    ) -> None:
        self.config = config
        self.concurrency = _concurrency(config)
        self._sleep = sleep
        self._clock = clock
        self._server_exit = server_exit
        self._calls: Calls | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the server's refusals taught, for the end of the run."""
        if self._calls is None:
            return ()
        return tuple(f"model {self.config.name}: {line}" for line in self._calls.lessons())

    @property
    def status(self) -> str | None:
        """Which requests are sent again, and why; None if there are none."""
        return None if self._calls is None else self._calls.status

    @property
    def window(self) -> int:
        """The number of requests to queue ahead: grows with the concurrency, so that it never limits it."""
        minimum = _MIN_WINDOW if self.config.concurrency else _AUTO_WINDOW
        return max(4 * self.concurrency.limit, minimum)

    def check(self) -> None:
        """Check the address and the key, and list the server's models. Raises ``ModelUnusable``."""
        endpoint = find(self.config, os.environ)
        _models_by_url.pop(endpoint.url, None)
        self._name(endpoint, check=True)

    def served_name(self) -> str:
        """The name set for the model, or else that of the server's only model. Raises ``ModelUnusable``."""
        return self._name(find(self.config, os.environ))

    def identity(self) -> str:
        """Model name, server and parameters; no secrets."""
        target, address = self.config.target, ""
        try:
            endpoint = find(self.config, os.environ)
            address = f" at {endpoint.shown}"
            target = self._name(endpoint)
        except ModelUnusable:
            pass
        return f"openai:{target}{address}{self.parameters()}"

    def store_key(self, digest: Callable[[Path], str]) -> str:
        """Server, model name and parameters. Raises ``ModelUnusable``."""
        where = find(self.config, os.environ)
        return model_key(
            answer_settings(replace(self.config, target=self._name(where), base_url=where.shown))
        )

    def parameters(self) -> str:
        """The settings that answers depend on besides the request, for ``identity``."""
        config = self.config
        extra = json.dumps(config.extra_body, sort_keys=True, default=str) if config.extra_body else None
        settings: list[tuple[str, object]] = [
            ("api", config.api if config.api != "chat" else None),
            ("context", config.context),
            ("temperature", "none" if config.temperature == "none" else None),
            ("top_p", config.top_p),
            ("seed", config.sampling_seed),
            ("extra_body", extra),
        ]
        return "".join(f", {name} {value}" for name, value in settings if value is not None)

    def run(self, jobs: Jobs) -> None:
        """Answer jobs, up to ``concurrency`` at a time. Raises ``ModelUnusable``."""
        endpoint = find(self.config, os.environ)
        require_sdk()
        asyncio.run(self._answer_jobs(jobs, endpoint, self._name(endpoint)))

    async def _answer_jobs(self, jobs: Jobs, endpoint: Endpoint, name: str) -> None:
        payloads: Payloads = TextPayloads() if self.config.api == "completions" else _chat(self.config)
        async with connect(endpoint, self.config.timeout or TIMEOUT_S) as server:
            calls = self._calls = Calls(
                post=partial(server.post, payloads.path),
                list_models=lambda: asyncio.to_thread(_list_models_or_empty, endpoint),
                endpoint=endpoint,
                model=name,
                limits=self._limits(),
                sleep=self._sleep,
                retries=RETRIES if self.config.retries is None else self.config.retries,
                payloads=payloads,
                extra_fields=ExtraFields.from_config(self.config),
                stream=self.config.stream,
                context=self.config.context,
                clock=self._clock,
                server_exit=self._server_exit,
            )
            await run_concurrently(jobs, calls.complete, lambda: self.concurrency.limit)

    def _limits(self) -> TrafficLimits:
        """This process's share of the session's limits."""
        number, processes = self.config.share
        rate, tokens = self.config.rate, self.config.tokens_per_minute
        return TrafficLimits(
            self.concurrency,
            RateLimit(
                rate and rate / processes,
                delay=number / rate if rate else 0.0,
                clock=self._clock,
                sleep=self._sleep,
            ),
            RateLimit(tokens and tokens / 60 / processes, clock=self._clock, sleep=self._sleep),
            clock=self._clock,
            sleep=self._sleep,
        )

    def _name(self, endpoint: Endpoint, *, check: bool = False) -> str:
        """The model's name; queries the server if none is set, or to ``check`` the connection."""
        name = self.config.target
        if name and not check:
            return name
        try:
            names = _list_models(endpoint)
        except AttemptFailed as failure:
            error = _list_error(endpoint, failure, named=bool(name))
            if error is not None:
                raise error from None
            return name
        if name:
            return name
        if not names:
            raise ModelUnusable(f"{endpoint.shown} lists no models; name one: --llm-model=openai:NAME")
        if len(names) > 1:
            raise ModelUnusable(
                f"{endpoint.shown} has several models, name one: {format_names(endpoint, names, 'openai:')}"
            )
        return names[0]


def _concurrency(config: ModelConfig) -> ConcurrencyControl:
    number, processes = config.share
    if config.concurrency is None:
        return ConcurrencyControl(max(INITIAL / processes, 1.0), maximum=max(MAXIMUM // processes, 1))
    fixed = max(share_of(config.concurrency, number, processes), 1)
    return ConcurrencyControl(fixed, minimum=fixed, maximum=fixed)


def _chat(config: ModelConfig) -> ChatPayloads:
    return ChatPayloads("max_completion_tokens") if config.max_completion_tokens else ChatPayloads()


def answer_settings(config: ModelConfig) -> dict[str, object]:
    """The settings, apart from the request, that may change a model's answers; for the store's key."""
    unsigned = {name: value for name, value in config.headers.items() if name.lower() not in AUTH_HEADERS}
    # Ray's options do not change answers, but omitting them here would change the keys of all stored answers
    ray = {"ray": config.ray, "ray_cpus": config.ray_cpus, "ray_gpus": config.ray_gpus}
    return {**answer_parameters(config, ModelOptions, OpenAIOptions), "headers": unsigned, **ray}


def _list_error(endpoint: Endpoint, failure: AttemptFailed, *, named: bool) -> ModelUnusable | None:
    """The error for a failure to list models; None if the model is ``named`` and may still answer."""
    reason = failure_reason(endpoint, failure)
    if failure.advice is not None:
        return connection_error(endpoint, failure)
    if failure.status == 0 and not failure.timed_out and not failure.unreachable:
        https = "" if endpoint.url.startswith("https:") else ", does it expect https://"
        return ModelUnusable(
            f"{endpoint.shown} takes the connection but answers no HTTP ({reason}); is the port right{https}?"
        )
    if failure.status == 0 and not failure.timed_out:
        return ModelUnusable(
            f"nothing answers at {endpoint.shown} ({reason}); is the server running, is the port right?"
        )
    # a key may permit completions, but not listing models: the first question tells
    if named and (failure.status != 401 or "missing scope" in failure.message.lower()):
        return None
    if failure.kind is FailureKind.KEY or (failure.status in (401, 403) and endpoint.key is None):
        return key_error(endpoint, failure)
    return ModelUnusable(
        f"{endpoint.shown} does not list its models ({reason}); check the base URL (most end in /v1), "
        "or name one: --llm-model=openai:NAME"
    )


def _list_models(endpoint: Endpoint) -> tuple[str, ...]:
    """The server's model names, cached. Raises ``AttemptFailed`` and ``ModelUnusable``."""
    if endpoint.url not in _models_by_url:
        require_sdk()
        body = asyncio.run(_get_models(endpoint))
        found = evidence(200, body)
        if (kind := classify(found)) is FailureKind.ADDRESS:
            raise AttemptFailed(one_line(found.words, 200), status=200, kind=kind)
        _models_by_url[endpoint.url] = model_names(body)
    return _models_by_url[endpoint.url]


async def _get_models(endpoint: Endpoint) -> bytes:
    async with connect(endpoint, _LIST_TIMEOUT_S) as server:
        return await server.get("/models")


def _list_models_or_empty(endpoint: Endpoint) -> tuple[str, ...]:
    try:
        return _list_models(endpoint)
    except (AttemptFailed, ModelUnusable):
        return ()
