"""Models behind an OpenAI-compatible API, through the official SDK's async client.

Of the SDK only the transport is used: retries, pace and the reading of replies are our own, because
every attempt must be counted and no odd reply may pass for an answer.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_llmeval.errors import ModelUnusable, one_line
from pytest_llmeval.models import wire
from pytest_llmeval.models.base import Jobs, model_key, run_concurrently
from pytest_llmeval.models.calling import Calls, Interface, Refused, Reply, bad_key, said, some_names
from pytest_llmeval.models.completions import Completions
from pytest_llmeval.models.congestion import MOST, START, Level
from pytest_llmeval.models.endpoint import SIGNING, Endpoint, find
from pytest_llmeval.models.extras import Extras
from pytest_llmeval.models.pacing import Pace, Sleep, retry_after_s
from pytest_llmeval.models.streaming import Assembly, Torn
from pytest_llmeval.models.traffic import Traffic
from pytest_llmeval.types import ModelConfig

if TYPE_CHECKING:
    import openai

T = TypeVar("T")

RETRIES = 5
TIMEOUT_S = 120.0
_LEAST_WINDOW = 64
_AUTO_WINDOW = 256
_TRANSPORTS = ("httpx", "httpx2", "aiohttp")
_NOT_CONNECTED = frozenset(["ConnectError", "ClientConnectorError", "ConnectionTimeoutError"])
_TIMEOUTS = frozenset(["ReadTimeout", "WriteTimeout", "PoolTimeout", "ServerTimeoutError"])
_LOOK_TIMEOUT_S = 10.0
_CONNECT_TIMEOUT_S = 10.0
_NO_KEY = "no-key-needed"  # the SDK wants one

#: parameters that do not change an answer, and those that each request has of its own
_NO_MATTER = frozenset(
    [
        *("name", "api_key_env", "concurrency", "rate", "tokens_per_minute", "share", "retries", "timeout"),
        *("stream", "max_completion_tokens"),
        *("max_tokens", "temperature", "stop"),
        *("device", "dtype", "batch_tokens", "trust_remote_code"),
        *("preset", "command", "served_name", "start_timeout"),
    ]
)
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
        import openai

        timeout = self.config.timeout or TIMEOUT_S
        # aiohttp takes half of the time that httpx takes for a request
        transport = openai.DefaultAioHttpClient if _has_aiohttp() else openai.DefaultAsyncHttpxClient
        async with _client(openai.AsyncOpenAI, transport, where, timeout) as client:
            interface: Interface = Completions() if self.config.api == "completions" else _chat(self.config)

            async def post(body: dict[str, Any]) -> Reply:
                return await _post(client, interface.path, body, timeout)

            calls = Calls(
                post=post,
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
    processes = config.share[1]
    if config.concurrency is None:
        return Level(max(START / processes, 1.0), most=max(MOST // processes, 1))
    fixed = max(config.concurrency // processes, 1)
    return Level(fixed, least=fixed, most=fixed)


def _chat(config: ModelConfig) -> wire.Chat:
    return wire.Chat("max_completion_tokens") if config.max_completion_tokens else wire.Chat()


def answering(config: ModelConfig) -> dict[str, object]:
    """Of a model's parameters, those that may change its answers and are in no request; for a store's key."""
    unsigned = {name: value for name, value in config.headers.items() if name.lower() not in SIGNING}
    ours = replace(config, headers=unsigned)
    kept = {field.name: getattr(ours, field.name) for field in fields(ours)}
    return {name: value for name, value in kept.items() if name not in _NO_MATTER}


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


class _Hush(logging.Filter):
    """Takes an endpoint's secrets (those in its query, above all) out of what the transport logs."""

    def __init__(self, where: Endpoint) -> None:
        super().__init__()
        self.where = where

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.where.clean(record.getMessage()), ()
        return True


def _hush(where: Endpoint) -> None:
    for name in _TRANSPORTS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Hush) and one.where == where for one in logger.filters):
            logger.addFilter(_Hush(where))


def need_sdk() -> None:
    """Raises ``ModelUnusable`` where the SDK is not installed."""
    try:
        import httpx2  # noqa: F401  # the SDK's own since its version 3
        import openai  # noqa: F401
    except ImportError:
        raise ModelUnusable(
            "openai:... needs the package openai, 3 or newer: pip install 'pytest-llmeval-harness[api]'"
        ) from None


def _client(make: Callable[..., T], transport: Callable[..., object], where: Endpoint, timeout: float) -> T:
    """A client of the SDK, without retries of its own. Raises ``ModelUnusable``."""
    import openai

    _hush(where)
    try:
        return make(
            api_key=where.key or _NO_KEY,
            base_url=where.url,
            default_query=dict(where.query),
            default_headers=dict(where.headers),
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT_S)),
            # a proxy of the environment is for the world outside
            http_client=transport(trust_env=not where.direct),
        )
    except Exception as error:  # what proxies, certificates and addresses in the environment lead to
        reason = one_line(where.clean(f"{type(error).__name__}: {error}"), 200)
        raise ModelUnusable(f"no connection to {where.shown} can be set up: {reason}") from None


async def _post(client: openai.AsyncOpenAI, path: str, body: dict[str, Any], timeout: float) -> Reply:
    """Send one body; ``timeout`` (seconds) is for all of it. Raises ``Refused``."""
    import httpx2
    import openai

    try:
        async with asyncio.timeout(timeout):
            if body.get("stream"):
                return await _read_stream(client, path, body)
            # not through ``chat.completions``, which would walk through every message
            reply = await client.post(path, body=body, cast_to=httpx2.Response)
            return Reply(reply.content)
    except TimeoutError:
        raise _late(timeout) from None
    except openai.APIError as error:
        refused = _refused(error)
        raise _late(timeout) if refused.late else refused from None


async def _read_stream(client: openai.AsyncOpenAI, path: str, body: dict[str, Any]) -> Reply:
    import openai

    asked: dict[str, Any] = {"model": body["model"], "extra_body": body}
    ask: Any = client.chat.completions
    if path == Completions.path:
        ask, asked["prompt"] = client.completions, ""
    else:
        asked["messages"] = []
    started = time.perf_counter()
    first_token_s, assembly = None, Assembly()
    async with ask.with_streaming_response.create(**asked) as reply:
        try:
            async for piece in reply.http_response.aiter_bytes():
                if assembly.feed(piece) and first_token_s is None:
                    first_token_s = time.perf_counter() - started
            return Reply(assembly.body(), first_token_s)
        except Torn as torn:
            raise Refused(str(torn)) from None
        except (openai.APIError, asyncio.CancelledError):
            raise
        except Exception as error:  # of the transport, which has a name of its own in every version
            raise Refused(f"the stream broke: {_connection_reason(error)}") from None


def _has_aiohttp() -> bool:
    return importlib.util.find_spec("aiohttp") is not None


def _late(timeout: float) -> Refused:
    return Refused(f"no reply within {timeout:g} s; see --llm-timeout", late=True)


def _models(where: Endpoint) -> tuple[str, ...]:
    """The models a server says it has; remembered. Raises ``Refused`` and ``ModelUnusable``."""
    if where.url not in _listed:
        need_sdk()
        import openai

        with _client(openai.OpenAI, openai.DefaultHttpxClient, where, _LOOK_TIMEOUT_S) as client:
            try:
                reply = client.models.with_raw_response.list()
            except openai.APIError as error:
                raise _refused(error) from None
        _listed[where.url] = wire.model_names(reply.http_response.content)
    return _listed[where.url]


def _models_if_told(where: Endpoint) -> tuple[str, ...]:
    try:
        return _models(where)
    except (Refused, ModelUnusable):
        return ()


def _refused(error: openai.APIError) -> Refused:
    import openai

    if isinstance(error, openai.APIStatusError):
        reply = error.response.content
        return Refused(
            wire.server_message(reply) or error.response.reason_phrase,
            status=error.status_code,
            code=wire.error_code(reply),
            hint=retry_after_s(error.response.headers, time.time()),
        )
    # by name: which transport it is, and its package, is the SDK's affair
    kinds = {kind.__name__ for one in _causes(error) for kind in type(one).__mro__}
    unreachable = not kinds.isdisjoint(_NOT_CONNECTED) or (
        "ConnectTimeout" in kinds and "ClientConnectionError" not in kinds  # which is aiohttp's for all
    )
    late = not unreachable and not kinds.isdisjoint(_TIMEOUTS)
    timed_out = late or ("ConnectTimeout" in kinds and unreachable and "OSError" not in kinds)
    return Refused(
        "timed out" if timed_out else _connection_reason(error), unreachable=unreachable, late=late
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def _connection_reason(error: BaseException) -> str:
    """The innermost reason why there was no connection, in words."""
    text = ""
    for reason in _causes(error):
        text = getattr(reason, "strerror", None) or str(reason) or text
        if isinstance(reason, ConnectionRefusedError):
            return "connection refused"
    return text or "the connection broke"
