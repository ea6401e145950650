"""Streamed replies (server-sent events) put together to what the same server sends in one piece."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_llmeval.models.openai.chat_payloads import parsed, text_of

_TEXTS = ("content", "reasoning_content", "reasoning")


class Torn(Exception):
    """A stream that ended before its answer did."""


class Assembly:
    """One reply on its way. A server that does not stream, and answers in one piece, is understood."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._line = bytearray()
        self._streamed = self._done = self._broken = False
        self._problem: bytes | None = None
        self._texts: dict[str, list[str]] = {}
        self._called: list[str] = []
        self._plain = False
        self._finish: object = None
        self._usage: object = None

    def feed(self, data: bytes) -> bool:
        """Take what came; whether something of the answer was in it."""
        if not self._streamed:
            self._raw += data
        self._line += data
        said = False
        *lines, rest = self._line.split(b"\n")
        self._line = bytearray(rest)
        for line in lines:
            said = self._take(bytes(line)) or said
        return said

    def body(self) -> bytes:
        """The whole reply's body. Raises ``Torn``."""
        self._take(bytes(self._line))
        self._line.clear()
        if not self._streamed:
            return bytes(self._raw)
        if self._problem is not None:
            return self._problem
        ended = self._finish is not None or (self._done and any(map(any, self._texts.values())))
        if self._broken or not ended:
            raise Torn("the stream ended in the middle of the answer")
        texts: dict[str, Any] = {name: "".join(pieces) for name, pieces in self._texts.items()}
        if self._called:
            texts["tool_calls"] = [{"function": {"name": name}} for name in self._called]
        choice: dict[str, Any] = {"finish_reason": self._finish}
        choice |= {"text": texts.get("text", "")} if self._plain else {"message": texts}
        return json.dumps({"choices": [choice], "usage": self._usage}).encode()

    def _take(self, line: bytes) -> bool:
        """One line of the stream; whether something of the answer was in it."""
        name, _, value = line.rstrip(b"\r").partition(b":")
        if name != b"data":
            return False
        self._streamed = True
        value = value.strip()
        if value == b"[DONE]":
            self._done = True
            return False
        event = parsed(value)
        if not isinstance(event, dict):
            self._broken = True
            return False
        if event.get("error"):
            self._problem = value
            return False
        self._usage = event.get("usage") or self._usage
        choices = event.get("choices")
        said = False
        for choice in choices if isinstance(choices, list) else ():
            said = (isinstance(choice, dict) and self._add(choice)) or said
        return said

    def _add(self, choice: Mapping[str, Any]) -> bool:
        if choice.get("finish_reason") is not None:
            self._finish = choice["finish_reason"]
        said = False
        if isinstance(choice.get("text"), str):
            self._plain = True
            said = self._append("text", choice["text"])
        delta = choice.get("delta")
        if isinstance(delta, dict):
            for name in _TEXTS:
                said = self._append(name, text_of(delta.get(name))) or said
            calls = delta.get("tool_calls")
            for call in calls if isinstance(calls, list) else ():
                function = call.get("function") if isinstance(call, dict) else None
                if isinstance(function, dict) and function.get("name"):
                    self._called.append(text_of(function["name"]))
        return said

    def _append(self, name: str, text: str) -> bool:
        self._texts.setdefault(name, []).append(text)
        return bool(text)
