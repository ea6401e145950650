"""Models behind an OpenAI-compatible API, through the official SDK's async client.

Of the SDK only the transport is used: retries, pace and the reading of replies are our own, because
every attempt must be counted and no odd reply may pass for an answer.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_llmeval.errors import ModelUnusable, one_line
from pytest_llmeval.models import wire
from pytest_llmeval.models.base import Jobs, model_key, run_concurrently
from pytest_llmeval.models.calling import Calls, Refused, bad_key, said, some_names
from pytest_llmeval.models.endpoint import Endpoint, find
from pytest_llmeval.models.pacing import Pace, Sleep, retry_after_s
from pytest_llmeval.types import ModelConfig

if TYPE_CHECKING:
    import openai

T = TypeVar("T")

CONCURRENCY = 16
RETRIES = 5
TIMEOUT_S = 120.0
_LOOK_TIMEOUT_S = 10.0
_CONNECT_TIMEOUT_S = 10.0
_NO_KEY = "no-key-needed"  # the SDK wants one

#: parameters that do not change an answer, and those that each request has of its own
_NO_MATTER = frozenset(
    [
        *("name", "api_key_env", "concurrency", "rate", "retries", "timeout"),
        *("max_tokens", "temperature", "stop"),
        *("device", "dtype", "batch_tokens", "trust_remote_code"),
    ]
)
#: which models each server said it has: every backend object of a session may want to know
_listed: dict[str, tuple[str, ...]] = {}


class OpenAIModel:
    """``--llm-model=openai:NAME``; an empty name is asked from the server."""

    def __init__(self, config: ModelConfig, *, sleep: Sleep = asyncio.sleep) -> None:
        self.config = config
        self.concurrency = config.concurrency or CONCURRENCY
        self.window = max(4 * self.concurrency, 64)
        self._sleep = sleep

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
        context = f", context {self.config.context}" if self.config.context else ""
        return f"openai:{target}{place}{context}"

    def store_key(self, digest: Callable[[Path], str]) -> str:
        """Server, model name and parameters. Raises ``ModelUnusable``."""
        where = find(self.config, os.environ)
        ours = replace(self.config, name="", target=self._name(where), base_url=where.shown)
        kept = {field.name: getattr(ours, field.name) for field in fields(ours)}
        return model_key({name: value for name, value in kept.items() if name not in _NO_MATTER})

    def run(self, jobs: Jobs) -> None:
        """Answer jobs, ``concurrency`` at a time. Raises ``ModelUnusable``."""
        where = find(self.config, os.environ)
        _need_sdk()
        asyncio.run(self._serve(jobs, where, self._name(where)))

    async def _serve(self, jobs: Jobs, where: Endpoint, name: str) -> None:
        import openai

        timeout = self.config.timeout or TIMEOUT_S
        async with _client(openai.AsyncOpenAI, openai.DefaultAsyncHttpxClient, where, timeout) as client:

            async def post(body: dict[str, Any]) -> bytes:
                return await _post(client, body, timeout)

            calls = Calls(
                post=post,
                list_models=lambda: asyncio.to_thread(_models_if_told, where),
                where=where,
                model=name,
                pace=Pace(self.config.rate),
                sleep=self._sleep,
                retries=RETRIES if self.config.retries is None else self.config.retries,
                context=self.config.context,
            )
            await run_concurrently(jobs, calls.complete, self.concurrency)

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


def _need_sdk() -> None:
    try:
        import openai  # noqa: F401
    except ImportError:
        raise ModelUnusable(
            "openai:... needs the package openai: pip install pytest-llmeval-harness[api]"
        ) from None


def _client(make: Callable[..., T], transport: Callable[..., object], where: Endpoint, timeout: float) -> T:
    """A client of the SDK, without retries of its own. Raises ``ModelUnusable``."""
    import openai

    try:
        return make(
            api_key=where.key or _NO_KEY,
            base_url=where.url,
            default_query=dict(where.query),
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT_S)),
            # a proxy of the environment is for the world outside
            http_client=transport(trust_env=False) if where.direct else None,
        )
    except Exception as error:  # what proxies, certificates and addresses in the environment lead to
        reason = one_line(where.clean(f"{type(error).__name__}: {error}"), 200)
        raise ModelUnusable(f"no connection to {where.shown} can be set up: {reason}") from None


async def _post(client: openai.AsyncOpenAI, body: dict[str, Any], timeout: float) -> bytes:
    """Send one chat completion; ``timeout`` is for all of it. Raises ``Refused``."""
    import openai

    try:
        async with asyncio.timeout(timeout):
            # as extra_body it is sent as it is; as arguments the SDK would walk through every message
            reply = await client.chat.completions.with_raw_response.create(
                model=body["model"], messages=[], extra_body=body
            )
    except TimeoutError:
        raise _late(timeout) from None
    except openai.APIError as error:
        refused = _refused(error)
        raise _late(timeout) if refused.late else refused from None
    return reply.http_response.content


def _late(timeout: float) -> Refused:
    return Refused(f"no reply within {timeout:g} s; see --llm-timeout", late=True)


def _models(where: Endpoint) -> tuple[str, ...]:
    """The models a server says it has; remembered. Raises ``Refused`` and ``ModelUnusable``."""
    if where.url not in _listed:
        _need_sdk()
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
    cause = error.__cause__
    if isinstance(error, openai.APITimeoutError):
        connecting = type(cause).__name__ == "ConnectTimeout"
        return Refused("timed out", unreachable=connecting, late=not connecting)
    return Refused(_connection_reason(cause), unreachable=type(cause).__name__ == "ConnectError")


def _connection_reason(error: BaseException | None) -> str:
    """The innermost reason why there was no connection, in words."""
    reason, text = error, ""
    while reason is not None:
        text = getattr(reason, "strerror", None) or str(reason) or text
        if isinstance(reason, ConnectionRefusedError):
            return "connection refused"
        reason = reason.__cause__ or reason.__context__
    return text or "the connection broke"
