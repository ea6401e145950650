"""HTTP to an OpenAI-compatible server through the official SDK: an attempt, and its failure as ``Refused``.

Of the SDK's async client only the transport is used: retries and the reading of replies are our own,
because every attempt must be counted and no odd reply may pass for an answer.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.models.openai import chat_payloads
from pytest_llmeval.models.openai.calls import Refused, Reply
from pytest_llmeval.models.openai.endpoint import Endpoint
from pytest_llmeval.models.openai.rate_limit import retry_after_s
from pytest_llmeval.models.openai.streaming import Assembly, Torn
from pytest_llmeval.models.openai.text_payloads import Completions

if TYPE_CHECKING:
    import openai

_CONNECT_TIMEOUT_S = 10.0
_NO_KEY = "no-key-needed"  # the SDK wants one
_LOGGERS = ("httpx", "httpx2", "aiohttp")
_NOT_CONNECTED = frozenset(["ConnectError", "ClientConnectorError", "ConnectionTimeoutError"])
_TIMEOUTS = frozenset(["ReadTimeout", "WriteTimeout", "PoolTimeout", "ServerTimeoutError"])


def need_sdk() -> None:
    """Raises ``ModelUnusable`` where the SDK is not installed."""
    try:
        import httpx2  # noqa: F401  # the SDK's own since its version 3
        import openai  # noqa: F401
    except ImportError:
        raise ModelUnusable(
            "openai:... needs the package openai, 3 or newer: pip install 'pytest-llmeval-harness[api]'"
        ) from None


@asynccontextmanager
async def connect(where: Endpoint, timeout: float) -> AsyncIterator[Transport]:
    """Connections to a server; ``timeout`` (seconds) is that of a whole attempt. Raises ``ModelUnusable``."""
    import openai

    _hush(where)
    # aiohttp takes half of the time that httpx takes for a request
    http = openai.DefaultAioHttpClient if _has_aiohttp() else openai.DefaultAsyncHttpxClient
    try:
        client = openai.AsyncOpenAI(
            api_key=where.key or _NO_KEY,
            base_url=where.url,
            default_query=dict(where.query),
            default_headers=dict(where.headers),
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT_S)),
            # a proxy of the environment is for the world outside
            http_client=http(trust_env=not where.direct),
        )
    except Exception as error:  # what proxies, certificates and addresses in the environment lead to
        reason = one_line(where.clean(f"{type(error).__name__}: {error}"), 200)
        raise ModelUnusable(
            f"no connection to {where.shown} can be set up ({reason}); check the base URL "
            "and the proxies of the environment (https_proxy, http_proxy)"
        ) from None
    async with client:
        yield Transport(client, timeout)


class Transport:
    """What can be asked of a server. Its methods raise ``Refused`` for an attempt without an answer."""

    def __init__(self, client: openai.AsyncOpenAI, timeout: float) -> None:
        self._client = client
        self._timeout = timeout

    async def post(self, path: str, body: dict[str, Any]) -> Reply:
        """Send one body, as JSON; a reply that was asked for as a stream is put together."""
        import httpx2

        async with self._attempt():
            if body.get("stream"):
                return await self._read_stream(path, body)
            # not through ``chat.completions``, which would walk through every message
            reply = await self._client.post(path, body=body, cast_to=httpx2.Response)
            return Reply(reply.content)

    async def get(self, path: str) -> bytes:
        """The body of what is there."""
        import httpx2

        async with self._attempt():
            reply = await self._client.get(path, cast_to=httpx2.Response)
            return bytes(reply.content)

    @asynccontextmanager
    async def _attempt(self) -> AsyncIterator[None]:
        """All of one attempt, in its time; what the SDK raises becomes ``Refused``."""
        import openai

        late = Refused(f"no reply within {self._timeout:g} s; see --llm-timeout", late=True)
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError:
            raise late from None
        except openai.APIError as error:
            refused = _refused(error)
            raise late if refused.late else refused from None
        except Refused:
            raise
        except Exception as error:  # what comes through the SDK as it was raised, such as no HTTP at all
            raise Refused(_reason(error)) from None

    async def _read_stream(self, path: str, body: dict[str, Any]) -> Reply:
        import openai

        asked: dict[str, Any] = {"model": body["model"], "extra_body": body}
        ask: Any = self._client.chat.completions
        if path == Completions.path:
            ask, asked["prompt"] = self._client.completions, ""
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
                raise Refused(f"the stream broke: {_reason(error)}") from None


class _Hush(logging.Filter):
    """Takes an endpoint's secrets (those in its query, above all) out of what the transport logs."""

    def __init__(self, where: Endpoint) -> None:
        super().__init__()
        self.where = where

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.where.clean(record.getMessage()), ()
        return True


def _hush(where: Endpoint) -> None:
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Hush) and one.where == where for one in logger.filters):
            logger.addFilter(_Hush(where))


def _has_aiohttp() -> bool:
    return importlib.util.find_spec("aiohttp") is not None


def _refused(error: openai.APIError) -> Refused:
    import openai

    if isinstance(error, openai.APIStatusError):
        reply = error.response.content
        return Refused(
            chat_payloads.server_message(reply) or error.response.reason_phrase,
            status=error.status_code,
            code=chat_payloads.error_code(reply),
            hint=retry_after_s(error.response.headers, time.time()),
        )
    # by name: which transport it is, and its package, is the SDK's affair
    kinds = {kind.__name__ for one in _causes(error) for kind in type(one).__mro__}
    unreachable = not kinds.isdisjoint(_NOT_CONNECTED) or (
        "ConnectTimeout" in kinds and "ClientConnectionError" not in kinds  # which is aiohttp's for all
    )
    late = not unreachable and not kinds.isdisjoint(_TIMEOUTS)
    timed_out = late or ("ConnectTimeout" in kinds and unreachable and "OSError" not in kinds)
    return Refused("timed out" if timed_out else _reason(error), unreachable=unreachable, late=late)


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def _reason(error: BaseException) -> str:
    """The innermost reason why there was no reply, in words."""
    text = ""
    for reason in _causes(error):
        if isinstance(reason, ConnectionRefusedError):
            return "connection refused"
        text = getattr(reason, "strerror", None) or str(reason) or text
    return text or "the connection broke"
