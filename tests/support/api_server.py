"""A fake OpenAI-compatible server on the loopback, for tests and manual experiments.

    with Server(latency=0.2) as server:
        server.script(Reply(status=503), Reply(html), DROP)   # the next replies, before the default ones
        ...
        server.bodies, server.most_in_flight

``python -m tests.support.api_server --port 8000 --latency 0.2`` answers every question with A until Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_DRIPS = 20
Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """A scripted reply: ``body`` is sent as JSON unless it is text.

    If the request is for a stream, a body with choices is streamed; with ``events``, the connection is
    closed after so many events. Other bodies are sent in pieces over ``drip_s`` seconds.
    """

    body: object = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float | None = None
    drop: bool = False
    events: int | None = None
    drip_s: float = 0.0


DROP = Reply(drop=True)
"""The connection is closed without a reply."""


def error(
    status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """An error in OpenAI's format."""
    return Reply({"error": {"message": message, "code": code}}, status, headers or {})


def completion(content: object = "答案：A", finish_reason: str = "stop", **message: object) -> Json:
    """The body of a chat completion; ``message`` adds fields to its message."""
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": finish_reason,
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def plain(text: str = "答案：A", finish_reason: str = "stop") -> Json:
    """The body of a text completion."""
    return {
        "id": "c-1",
        "object": "text_completion",
        "choices": [{"index": 0, "text": text, "finish_reason": finish_reason, "logprobs": None}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def echoed(*tokens: tuple[str, float | None], generated: int = 0) -> Json:
    """The body of a text completion that echoes its prompt; the last ``generated`` tokens are new."""
    texts = [text for text, _ in tokens]
    body = plain("".join(texts), "length")
    body["choices"][0]["logprobs"] = {
        "tokens": texts,
        "token_logprobs": [value for _, value in tokens],
        "top_logprobs": None,
        "text_offset": [len("".join(texts[:index])) for index in range(len(texts))],
    }
    body["usage"] = {"prompt_tokens": len(tokens) - generated, "completion_tokens": generated}
    return body


def events(body: Json, *, usage: bool) -> list[str]:
    """A completion as the data of server-sent events, two characters each, and ``[DONE]``."""
    [choice] = body["choices"]
    chunks: list[Json] = []
    if "text" in choice:
        chunks = [{"text": piece} for piece in _pieces(choice["text"])]
    else:
        chunks.append({"delta": {"role": "assistant", "content": ""}})
        for name, value in choice["message"].items():
            if name != "role":
                pieces = _pieces(value) if isinstance(value, str) else [value]
                chunks += [{"delta": {name: piece}} for piece in pieces]
    chunks.append({"delta": {}, "text": "", "finish_reason": choice["finish_reason"]})
    if "text" not in choice:
        del chunks[-1]["text"]
    model = {"model": body["model"]} if "model" in body else {}
    sent: list[Json] = [
        {**model, "choices": [{"index": 0, "finish_reason": None, **chunk}]} for chunk in chunks
    ]
    if usage:
        sent.append({"choices": [], "usage": body["usage"]})
    return [*(json.dumps(event, ensure_ascii=False) for event in sent), "[DONE]"]


def _pieces(text: str) -> list[str]:
    return [text[start : start + 2] for start in range(0, len(text), 2)]


def scored(top: Mapping[str, float]) -> Json:
    """The body of a chat completion of one token with ``top_logprobs``."""
    body = completion(next(iter(top), ""), "length")
    entries = [{"token": token, "logprob": value, "bytes": None} for token, value in top.items()]
    body["choices"][0]["logprobs"] = {"content": [{**entries[0], "top_logprobs": entries}] if entries else []}
    return body


def models(*names: str) -> Reply:
    """The reply to ``GET /v1/models``."""
    return Reply({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


class Server:
    """Serves from a thread of its own inside a ``with`` block; port 0 picks a free port."""

    def __init__(
        self,
        *,
        port: int = 0,
        latency: float = 0.0,
        key: str | None = None,
        models: Reply = models("m"),  # noqa: B008
        usual: Reply | None = None,
        top: Mapping[str, float] | None = None,
        echo: Callable[[str], Json] | None = None,
        event_s: float = 0.0,
        check: Callable[[Json], Reply | None] | None = None,
    ) -> None:
        """``echo`` makes the body for a prompt to be echoed; ``event_s`` is the time between events.

        ``check`` gives the reply to a body that the server refuses, and None for others.
        """
        self.port = port
        self.latency = latency
        self.key = key
        self.models = models
        self.usual = usual
        self.top = top
        self.echo = echo
        self.event_s = event_s
        self.check = check
        #: requests below this path are redirected to /v1
        self.moved = ""
        self.bodies: list[Json] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.in_flight = self.most_in_flight = 0
        self._script: deque[Reply] = deque()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="server", daemon=True)
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}/v1"

    def script(self, *replies: Reply) -> None:
        """Set the replies to the next completion requests."""
        self._script.extend(replies)

    def __enter__(self) -> Server:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port and every connection; may be called twice."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    async def _start(self) -> None:
        self._listening = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=512)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._listening is not None
        self._listening.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._serve_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; returns whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        sent = await reader.readexactly(int(headers.get("content-length", "0")))
        self.paths.append(f"{method} {path}")
        self.headers.append(headers)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            reply = self._reply(method, path.partition("?")[0], headers, sent)
            latency = self.latency if reply.latency is None else reply.latency
            if latency and method == "POST":
                await asyncio.sleep(latency)
        finally:
            self.in_flight -= 1
        if reply.drop:
            return False
        if isinstance(reply.body, dict) and "choices" in reply.body and reply.status == 200:
            body = json.loads(sent)
            if body.get("stream"):
                usage = bool((body.get("stream_options") or {}).get("include_usage"))
                return await self._stream(writer, reply, events(reply.body, usage=usage))
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        data = text.encode()
        fields = {
            "content-type": "application/json",
            "content-length": str(len(data)),
            **{name.lower(): value for name, value in reply.headers.items()},
        }
        lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        pieces = _DRIPS if reply.drip_s else 1
        for number in range(pieces):
            writer.write(data[len(data) * number // pieces : len(data) * (number + 1) // pieces])
            await writer.drain()
            await asyncio.sleep(reply.drip_s / pieces)
        return True

    async def _stream(self, writer: asyncio.StreamWriter, reply: Reply, data: list[str]) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for event in data[: reply.events]:
            line = f": a comment\n\ndata: {event}\r\n\r\n".encode()
            for half in (line[: len(line) // 2], line[len(line) // 2 :]):
                writer.write(b"%x\r\n%s\r\n" % (len(half), half))
                await writer.drain()
            await asyncio.sleep(self.event_s)
        if reply.events is not None:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _reply(self, method: str, path: str, headers: Mapping[str, str], sent: bytes) -> Reply:
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return error(
                401, f"Incorrect API key provided: {headers.get('authorization')}", "invalid_api_key"
            )
        if self.moved and path.startswith(self.moved):
            return Reply("", 308, {"location": "/v1" + path.removeprefix(self.moved)})
        if (method, path) == ("GET", "/v1/models"):
            return self.models
        if method != "POST" or path not in ("/v1/chat/completions", "/v1/completions"):
            return Reply({"detail": "Not Found"}, 404)
        body = json.loads(sent)
        self.bodies.append(body)
        self.times.append(time.monotonic())
        if self._script:
            return self._script.popleft()
        if self.check is not None and (refusal := self.check(body)) is not None:
            return refusal
        if self.usual is not None:
            return self.usual
        if body.get("logprobs") and self.top is not None:
            return Reply(scored(self.top))
        if path == "/v1/completions":
            return Reply(self.echo(body["prompt"]) if self.echo and body.get("echo") else plain())
        return Reply(completion())


def main() -> None:
    """Serve until Ctrl-C, then print the number of requests."""
    parser = argparse.ArgumentParser(description="a chat-completions server that answers A")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--key", help="refuse requests without this key")
    parser.add_argument("--no-logprobs", action="store_true")
    args = parser.parse_args()
    top = None if args.no_logprobs else {"A": -0.1, "B": -2.5, "C": -4.0, "D": -5.0}
    with Server(port=args.port, latency=args.latency, key=args.key, top=top) as server:
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"\n{len(server.bodies)} questions, at most {server.most_in_flight} at once")


if __name__ == "__main__":
    main()
