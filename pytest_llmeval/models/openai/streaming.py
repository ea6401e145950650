"""Assembles streamed responses (server-sent events) into the body that the server would send unstreamed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pytest_llmeval.models.openai.chat_payloads import parse_json, text_of
from pytest_llmeval.models.openai.error_bodies import reported_error
from pytest_llmeval.models.openai.finish_reasons import finish_reason

_LINE_END = re.compile(rb"\r\n|\n|\r")
_TEXT_FIELDS = ("content", "reasoning_content", "reasoning")


class StreamTruncated(Exception):
    """A stream that ended before its answer did."""


class StreamAssembler:
    """Assembles one response. Also accepts a server that ignores ``stream`` and responds in one piece."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._event = b""
        self._streamed = self._done = self._malformed = False
        self._error: bytes | None = None
        self._texts: dict[str, list[str]] = {}
        self._function_names: list[str] = []
        self._plain_text = False
        self._finish_reason = ""
        self._unfinished = False
        self._usage: object = None
        self._model: object = None

    def feed(self, data: bytes) -> bool:
        """Process a chunk of the response; returns whether it contained any of the answer's text."""
        if not self._streamed:
            self._raw += data
        self._rest += data
        *lines, rest = _LINE_END.split(self._rest)
        # a carriage return at the end may be the first half of a line's end
        if lines and not rest and self._rest.endswith(b"\r"):
            rest = lines.pop() + b"\r"
        self._rest = bytearray(rest)
        has_text = False
        for line in lines:
            has_text = self._process_line(bytes(line)) or has_text
        return has_text

    def body(self) -> bytes:
        """The complete response body. Raises ``StreamTruncated``."""
        self._process_line(bytes(self._rest.rstrip(b"\r")))
        self._end_event()
        self._rest.clear()
        if not self._streamed:
            return bytes(self._raw)
        if self._error is not None:
            return self._error
        has_text = any(map(any, self._texts.values()))
        complete = self._finish_reason or (self._done and has_text and not self._unfinished)
        if self._malformed or not complete:
            raise StreamTruncated("the stream ended in the middle of the answer")
        texts: dict[str, Any] = {name: "".join(pieces) for name, pieces in self._texts.items()}
        if self._function_names:
            texts["tool_calls"] = [{"function": {"name": name}} for name in self._function_names]
        choice: dict[str, Any] = {"finish_reason": self._finish_reason}
        choice |= {"text": texts.get("text", "")} if self._plain_text else {"message": texts}
        return json.dumps({"choices": [choice], "usage": self._usage, "model": self._model}).encode()

    def _process_line(self, line: bytes) -> bool:
        if not line:
            return self._end_event()
        name, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
        if name == b"data":
            self._streamed = True
            self._data.append(value.strip())
        elif name == b"event":
            self._event = value.strip()
        return False

    def _end_event(self) -> bool:
        """Process the event whose lines have all arrived; returns whether it contained text."""
        data, event = self._data, self._event
        self._data, self._event = [], b""
        if not data:
            return False
        whole = b"\n".join(data)
        if event == b"error":
            self._add_error(parse_json(whole), whole)
            return False
        # an event may span lines; some servers write no empty line between events
        single = len(data) == 1 or parse_json(whole) is not None
        has_text = False
        for value in [whole] if single else data:
            has_text = self._process_data(value) or has_text
        return has_text

    def _process_data(self, data: bytes) -> bool:
        if data == b"[DONE]":
            self._done = True
            return False
        event = parse_json(data)
        if not isinstance(event, dict):
            self._malformed = True
            return False
        if reported_error(event) is not None:
            self._add_error(event, data)
            return False
        self._usage = event.get("usage") or self._usage
        self._model = self._model or event.get("model")
        choices = event.get("choices")
        has_text = False
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index") in (0, None):
                has_text = self._add_choice(choice) or has_text
        return has_text

    def _add_error(self, event: object, data: bytes) -> None:
        if self._error is not None:  # the first error is the cause of others
            return
        if isinstance(event, dict) and not event.get("choices") and reported_error(event) is not None:
            self._error = data
            return
        error = reported_error(event) if isinstance(event, dict) else None
        text = data.decode("utf-8", "replace")
        self._error = json.dumps({"error": error or event or {"message": text}}).encode()

    def _add_choice(self, choice: Mapping[str, Any]) -> bool:
        self._finish_reason = finish_reason(choice) or self._finish_reason
        # "" or "null" says that a reason will follow; servers without reasons send none at all, or a null
        self._unfinished = isinstance(choice.get("finish_reason"), str) and not finish_reason(choice)
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
