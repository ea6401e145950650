"""HTTP to an OpenAI-compatible server through aiohttp: one request an attempt, its failure as ``Refused``.

The official SDK is not used here: importing it takes longer than the first request may, and of a
request half of all CPU time. Retries and the reading of replies would be our own in any case,
because every attempt must be counted and no odd reply may pass for an answer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pytest_llmeval.errors import ModelUnusable, one_line
from pytest_llmeval.models import wire
from pytest_llmeval.models.calling import Refused, Reply
from pytest_llmeval.models.endpoint import Endpoint
from pytest_llmeval.models.pacing import retry_after_s
from pytest_llmeval.models.streaming import Assembly, Torn

if TYPE_CHECKING:
    import aiohttp

_CONNECT_TIMEOUT_S = 10.0
_AGENT = "pytest-llmeval-harness"


def need_http() -> None:
    """Raises ``ModelUnusable`` where aiohttp is not installed."""
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        raise ModelUnusable(
            "openai:... needs the package aiohttp: pip install 'pytest-llmeval-harness[api]'"
        ) from None


@asynccontextmanager
async def connect(where: Endpoint, timeout: float) -> AsyncIterator[Transport]:
    """A pool of connections to a server; ``timeout`` (seconds) is that of a whole attempt."""
    import aiohttp

    headers = {"User-Agent": _AGENT, "Accept": "application/json"}
    if where.key is not None:
        headers["Authorization"] = f"Bearer {where.key}"
    given = {name.lower() for name in where.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in given}
    async with aiohttp.ClientSession(
        headers={**headers, **where.headers},
        connector=aiohttp.TCPConnector(limit=0),  # how many at once is not for the pool to say
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(sock_connect=min(timeout, _CONNECT_TIMEOUT_S)),
        trust_env=not where.direct,  # a proxy of the environment is for the world outside
    ) as session:
        yield Transport(session, where, timeout)


class Transport:
    """What can be asked of a server. All methods raise ``Refused`` for an attempt without an answer,
    and ``ModelUnusable`` where no request can be made at all."""

    def __init__(self, session: aiohttp.ClientSession, where: Endpoint, timeout: float) -> None:
        self._session = session
        self._where = where
        self._timeout = timeout
        self._query = dict(where.query) or None

    async def post(self, path: str, body: dict[str, Any]) -> Reply:
        """Send one body, as JSON; a reply that was asked for as a stream is put together."""
        # a lone surrogate becomes its escape, which in JSON means the same
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
        return await self._ask("POST", path, content, stream=bool(body.get("stream")))

    async def get(self, path: str) -> bytes:
        """The body of what is there."""
        return (await self._ask("GET", path, None)).body

    async def _ask(self, method: str, path: str, content: bytes | None, *, stream: bool = False) -> Reply:
        import aiohttp

        url, kind = self._where.url + path, {"Content-Type": "application/json"} if content else None
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.request(method, url, data=content, headers=kind, params=self._query) as reply,
            ):
                if reply.status < 400:
                    return await _streamed(reply) if stream else Reply(await reply.read())
                raise await _why(reply)
        except aiohttp.ConnectionTimeoutError:
            raise Refused("timed out", unreachable=True) from None
        except TimeoutError:
            raise Refused(f"no reply within {self._timeout:g} s; see --llm-timeout", late=True) from None
        except aiohttp.ClientConnectorError as error:
            raise Refused(_reason(error), unreachable=True) from None
        except aiohttp.RedirectClientError as error:
            raise Refused(f"sent elsewhere, to no address: {_reason(error)}") from None
        except (aiohttp.InvalidURL, ValueError, AssertionError) as error:  # no address, no proxy
            reason = one_line(self._where.clean(f"{type(error).__name__}: {error}"), 200)
            raise ModelUnusable(
                f"no connection to {self._where.shown} can be set up ({reason}); check the base URL "
                "and the proxies of the environment (https_proxy, http_proxy)"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Refused(_reason(error)) from None


async def _why(reply: aiohttp.ClientResponse) -> Refused:
    body = await reply.read()
    return Refused(
        wire.server_message(body) or reply.reason or "no reason given",
        status=reply.status,
        code=wire.error_code(body),
        hint=retry_after_s(reply.headers, time.time()),
    )


async def _streamed(reply: aiohttp.ClientResponse) -> Reply:
    import aiohttp

    started = time.perf_counter()
    first_token_s, assembly = None, Assembly()
    try:
        async for piece in reply.content.iter_any():
            if assembly.feed(piece) and first_token_s is None:
                first_token_s = time.perf_counter() - started
        return Reply(assembly.body(), first_token_s)
    except Torn as torn:
        raise Refused(str(torn)) from None
    except aiohttp.ClientError as error:
        raise Refused(f"the stream broke: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    """The innermost reason why there was no reply, in words."""
    text = ""
    one: BaseException | None = error
    while one is not None:
        if isinstance(one, ConnectionRefusedError):
            return "connection refused"
        text = getattr(one, "strerror", None) or str(one) or text
        one = one.__cause__ or one.__context__
    return text or "the connection broke"
