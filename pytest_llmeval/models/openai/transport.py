"""HTTP to an OpenAI-compatible server through the official SDK; failed attempts raise ``AttemptFailed``.

Only the transport of the SDK's async client is used. This package retries and parses itself, because every
attempt must be counted and a malformed response must never count as an answer.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.models.openai.attempt_failed import AttemptFailed
from pytest_llmeval.models.openai.connection_failures import (
    advice,
    may_follow,
    redirect_advice,
    redirected_base,
    status_advice,
)
from pytest_llmeval.models.openai.delays import requested_wait_s
from pytest_llmeval.models.openai.endpoint import Endpoint
from pytest_llmeval.models.openai.error_bodies import evidence
from pytest_llmeval.models.openai.failures import classify
from pytest_llmeval.models.openai.payloads import Response
from pytest_llmeval.models.openai.proxies import Proxy, environment_proxy
from pytest_llmeval.models.openai.server_messages import server_message
from pytest_llmeval.models.openai.streaming import StreamAssembler, StreamTruncated
from pytest_llmeval.models.openai.text_payloads import TextPayloads

if TYPE_CHECKING:
    import openai

T = TypeVar("T")

_CONNECT_TIMEOUT_S = 10.0
_MAX_REDIRECTS = 3
_NO_KEY = "no-key-needed"  # the SDK insists on a key
_LOGGERS = ("httpx", "httpx2", "aiohttp")
_NOT_CONNECTED = frozenset(["ConnectError", "ClientConnectorError", "ConnectionTimeoutError"])
_TIMEOUTS = frozenset(["ReadTimeout", "WriteTimeout", "PoolTimeout", "ServerTimeoutError"])


def require_sdk() -> None:
    """Raise ``ModelUnusable`` if the SDK is not installed."""
    try:
        import httpx2  # noqa: F401  # what the SDK uses since version 3
        import openai  # noqa: F401
    except ImportError:
        raise ModelUnusable(
            "openai:... needs the package openai 3 or newer: pip install 'pytest-llmeval-harness[api]'"
        ) from None


@asynccontextmanager
async def connect(endpoint: Endpoint, timeout: float) -> AsyncIterator[Transport]:
    """Open a transport; ``timeout`` (seconds) covers a whole attempt. Raises ``ModelUnusable``."""
    import openai

    _redact_logs(endpoint)
    proxy = environment_proxy(endpoint)
    # a request takes half as long with aiohttp as with httpx, but aiohttp knows no SOCKS
    socks = proxy is not None and proxy.is_socks
    aiohttp = _has_aiohttp() and not socks
    http = openai.DefaultAioHttpClient if aiohttp else openai.DefaultAsyncHttpxClient
    try:
        client = openai.AsyncOpenAI(
            api_key=endpoint.key or _NO_KEY,
            base_url=endpoint.url,
            default_query=dict(endpoint.query),
            default_headers=dict(endpoint.headers),
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT_S)),
            # local servers are reached without the environment's proxies; redirects could take the key and
            # the user's headers to another server
            http_client=http(
                trust_env=not endpoint.direct,
                proxy=proxy.url if socks and proxy else None,
                follow_redirects=False,
            ),
        )
    except Exception as error:  # bad proxies or certificates in the environment, bad addresses
        reason = one_line(endpoint.clean(f"{type(error).__name__}: {error}"), 200)
        raise ModelUnusable(
            f"no connection to {endpoint.shown} can be set up ({reason}); check the base URL "
            "and the environment's proxies (https_proxy, http_proxy) and certificates (SSL_CERT_FILE)"
        ) from None
    async with client:
        yield Transport(client, endpoint, timeout, proxy)


class Transport:
    """Requests to one server. Its methods raise ``AttemptFailed`` for an attempt without an answer."""

    def __init__(
        self, client: openai.AsyncOpenAI, endpoint: Endpoint, timeout: float, proxy: Proxy | None = None
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._timeout = timeout
        self._proxy = proxy

    async def post(self, path: str, body: dict[str, Any]) -> Response:
        """Send a body as JSON; a streamed response is assembled."""
        return await self._follow(path, lambda: self._post(path, body))

    async def get(self, path: str) -> bytes:
        """The body of the response to a GET request."""
        return await self._follow(path, lambda: self._get(path))

    async def _post(self, path: str, body: dict[str, Any]) -> Response:
        import httpx2

        async with self._attempt():
            if body.get("stream"):
                return await self._read_stream(path, body)
            # not through ``chat.completions``, which would validate every message
            response = await self._client.post(path, body=body, cast_to=httpx2.Response)
            return Response(response.content)

    async def _get(self, path: str) -> bytes:
        import httpx2

        async with self._attempt():
            response = await self._client.get(path, cast_to=httpx2.Response)
            return bytes(response.content)

    async def _follow(self, path: str, send: Callable[[], Awaitable[T]]) -> T:
        """Send; after a redirect within the same server, send to the base URL that it names, from then on."""
        for _ in range(_MAX_REDIRECTS):
            base = str(self._client.base_url).rstrip("/")
            try:
                return await send()
            except _Redirected as redirect:
                target = redirected_base(base, path, redirect.location)
                if target is None or target == base or not may_follow(base, target):
                    raise AttemptFailed(
                        "it redirects elsewhere",
                        status=redirect.status,
                        advice=redirect_advice(target, redirect.location),
                    ) from None
                self._client = self._client.with_options(base_url=target)
        raise AttemptFailed("it redirects again and again", advice="check the base URL")

    @asynccontextmanager
    async def _attempt(self) -> AsyncIterator[None]:
        """Enforce the timeout of an attempt, and turn the SDK's exceptions into ``AttemptFailed``."""
        import openai

        timeout = AttemptFailed(f"no response within {self._timeout:g} s; see --llm-timeout", timed_out=True)
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError:
            raise timeout from None
        except openai.APIStatusError as error:
            if 300 <= error.status_code < 400:
                raise _Redirected(error.status_code, error.response.headers.get("location", "")) from None
            raise self._failure(error) from None
        except openai.APIError as error:
            failure = self._failure(error)
            raise timeout if failure.timed_out else failure from None
        except (AttemptFailed, _Redirected):
            raise
        except (
            Exception
        ) as error:  # exceptions that the SDK does not wrap, such as for a response that is not HTTP
            raise AttemptFailed(_reason(error)) from None

    def _failure(self, error: openai.APIError) -> AttemptFailed:
        return _failure(error, self._endpoint, self._proxy)

    async def _read_stream(self, path: str, body: dict[str, Any]) -> Response:
        import openai

        arguments: dict[str, Any] = {"model": body["model"], "extra_body": body}
        resource: Any = self._client.chat.completions
        if path == TextPayloads.path:
            resource, arguments["prompt"] = self._client.completions, ""
        else:
            arguments["messages"] = []
        started = time.perf_counter()
        first_token_s, assembler = None, StreamAssembler()
        async with resource.with_streaming_response.create(**arguments) as response:
            try:
                async for chunk in response.http_response.aiter_bytes():
                    if assembler.feed(chunk) and first_token_s is None:
                        first_token_s = time.perf_counter() - started
                return Response(assembler.body(), first_token_s)
            except StreamTruncated as error:
                raise AttemptFailed(str(error), status=200) from None
            except (openai.APIError, asyncio.CancelledError):
                raise
            except Exception as error:  # the transport's; its type differs between versions
                raise AttemptFailed(f"the stream broke: {_reason(error)}") from None


class _Redirected(Exception):
    """The server answered with a redirect, which is not followed here."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(location)
        self.status = status
        self.location = location


class _RedactSecrets(logging.Filter):
    """Redacts an endpoint's secrets (above all those in its query) in the transport's log records."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self.endpoint = endpoint

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.endpoint.clean(record.getMessage()), ()
        return True


def _redact_logs(endpoint: Endpoint) -> None:
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(f, _RedactSecrets) and f.endpoint == endpoint for f in logger.filters):
            logger.addFilter(_RedactSecrets(endpoint))


def _has_aiohttp() -> bool:
    return importlib.util.find_spec("aiohttp") is not None


def _failure(
    error: openai.APIError, endpoint: Endpoint | None = None, proxy: Proxy | None = None
) -> AttemptFailed:
    import openai

    if isinstance(error, openai.APIStatusError):
        body = error.response.content
        found = evidence(error.status_code, body)
        wait_s = requested_wait_s(error.response.headers, body, time.time())
        message = server_message(body) or error.response.reason_phrase
        return AttemptFailed(
            message,
            status=error.status_code,
            kind=classify(found, wait_s),
            codes=found.codes,
            retry_after_s=wait_s,
            html=found.html,
            advice=status_advice(message, error.status_code, proxy),
        )
    # by name, because the SDK chooses the transport and so the package of these exceptions
    names = {kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__}
    unreachable = not names.isdisjoint(_NOT_CONNECTED) or (
        # the SDK reports aiohttp's ClientConnectionError, for any lost connection, as ConnectTimeout
        "ConnectTimeout" in names and "ClientConnectionError" not in names
    )
    timed_out = not unreachable and not names.isdisjoint(_TIMEOUTS)
    connect_timed_out = "ConnectTimeout" in names and unreachable and "OSError" not in names
    message = "timed out" if timed_out or connect_timed_out else _reason(error)
    hint = None
    if endpoint is not None and not timed_out:
        hint = advice(endpoint, message, names, proxy, unreachable=unreachable)
    return AttemptFailed(message, unreachable=unreachable, timed_out=timed_out, advice=hint)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: BaseException) -> str:
    """The message of the innermost exception that has one."""
    text = ""
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        text = getattr(cause, "strerror", None) or str(cause) or text
    return text or "the connection broke"
