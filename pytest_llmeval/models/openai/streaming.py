"""Assembles streamed responses (server-sent events) into the body that the server would send unstreamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_llmeval.models.openai.chat_payloads import parse_json, text_of

_TEXT_FIELDS = ("content", "reasoning_content", "reasoning")


class StreamTruncated(Exception):
    """A stream that ended before its answer did."""


class StreamAssembler:
    """Assembles one response. Also accepts a server that ignores ``stream`` and responds in one piece."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._line = bytearray()
        self._streamed = self._done = self._malformed = False
        self._error: bytes | None = None
        self._texts: dict[str, list[str]] = {}
        self._function_names: list[str] = []
        self._plain_text = False
        self._finish_reason: object = None
        self._usage: object = None

    def feed(self, data: bytes) -> bool:
        """Process a chunk of the response; returns whether it contained any of the answer's text."""
        if not self._streamed:
            self._raw += data
        self._line += data
        has_text = False
        *lines, rest = self._line.split(b"\n")
        self._line = bytearray(rest)
        for line in lines:
            has_text = self._process_line(bytes(line)) or has_text
        return has_text

    def body(self) -> bytes:
        """The complete response body. Raises ``StreamTruncated``."""
        self._process_line(bytes(self._line))
        self._line.clear()
        if not self._streamed:
            return bytes(self._raw)
        if self._error is not None:
            return self._error
        complete = self._finish_reason is not None or (self._done and any(map(any, self._texts.values())))
        if self._malformed or not complete:
            raise StreamTruncated("the stream ended in the middle of the answer")
        texts: dict[str, Any] = {name: "".join(pieces) for name, pieces in self._texts.items()}
        if self._function_names:
            texts["tool_calls"] = [{"function": {"name": name}} for name in self._function_names]
        choice: dict[str, Any] = {"finish_reason": self._finish_reason}
        choice |= {"text": texts.get("text", "")} if self._plain_text else {"message": texts}
        return json.dumps({"choices": [choice], "usage": self._usage}).encode()

    def _process_line(self, line: bytes) -> bool:
        name, _, value = line.rstrip(b"\r").partition(b":")
        if name != b"data":
            return False
        self._streamed = True
        value = value.strip()
        if value == b"[DONE]":
            self._done = True
            return False
        event = parse_json(value)
        if not isinstance(event, dict):
            self._malformed = True
            return False
        if event.get("error"):
            self._error = value
            return False
        self._usage = event.get("usage") or self._usage
        choices = event.get("choices")
        has_text = False
        for choice in choices if isinstance(choices, list) else ():
            has_text = (isinstance(choice, dict) and self._add_choice(choice)) or has_text
        return has_text

    def _add_choice(self, choice: Mapping[str, Any]) -> bool:
        if choice.get("finish_reason") is not None:
            self._finish_reason = choice["finish_reason"]
        has_text = False
        if isinstance(choice.get("text"), str):
            self._plain_text = True
            has_text = self._append("text", choice["text"])
        delta = choice.get("delta")
        if isinstance(delta, dict):
            for name in _TEXT_FIELDS:
                has_text = self._append(name, text_of(delta.get(name))) or has_text
            calls = delta.get("tool_calls")
            for call in calls if isinstance(calls, list) else ():
                function = call.get("function") if isinstance(call, dict) else None
                if isinstance(function, dict) and function.get("name"):
                    self._function_names.append(text_of(function["name"]))
        return has_text

    def _append(self, name: str, text: str) -> bool:
        self._texts.setdefault(name, []).append(text)
        return bool(text)
