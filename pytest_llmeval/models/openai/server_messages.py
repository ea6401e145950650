"""What a server's error says, on one line: the message, wherever gateways have wrapped it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.models.openai.error_bodies import parsed

_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_MAX_LENGTH = 1000
_MAX_DEPTH = 6
_MAX_ITEMS = 5
#: fields that hold a message, or an object with one; the first that has a value counts
_FIELDS = (
    *("error", "message", "detail", "msg", "error_message", "error_msg", "errmsg", "errorMessage"),
    *("status_msg", "base_resp", "errors", "fault", "title", "description"),
)


def server_message(response: bytes) -> str:
    """An error body on one line: its message, the title of an HTML page, or its text.

    Gateways put the error of the server behind them into a list, into JSON inside the message, or into
    ``metadata.raw``; that error is what counts, after the gateway's own words. If the server names the
    rejected field separately, the message starts with it.
    """
    text = response[:20_000].decode("utf-8", "replace")
    value = parsed(response.decode("utf-8", "replace"))
    if isinstance(value, str):
        return one_line(value, _MAX_LENGTH)
    message = _message(value, 0)
    if message:
        return one_line(message, _MAX_LENGTH)
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text)
        return "an HTML page" + (f" ({one_line(title[1], 80)})" if title else "")
    return one_line(text, _MAX_LENGTH)


def _message(value: object, depth: int) -> str:
    """The message in a part of an error body; empty if it has none."""
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, str):
        return _unwrapped(value, depth)
    if isinstance(value, list):  # Gemini's list of one error, pydantic's list of validation errors
        messages = (_message(item, depth + 1) for item in value[:_MAX_ITEMS])
        return "; ".join(dict.fromkeys(message for message in messages if message))
    if not isinstance(value, dict):
        return ""
    own = next((text for name in _FIELDS if (text := _message(value.get(name), depth + 1))), "")
    inner = _upstream(value, depth)
    message = own if not inner or inner in own else f"{own}: {inner}" if own else inner
    return _prefixed(_field(value), message) if message else ""


def _unwrapped(text: str, depth: int) -> str:
    """A message, or the message of the error body that it holds as JSON."""
    if text.lstrip()[:1] in ("{", "[") and isinstance(body := parsed(text), dict | list):
        return _message(body, depth + 1) or text
    return text


def _upstream(error: Mapping[str, object], depth: int) -> str:
    """The message of the server behind a gateway (OpenRouter's ``metadata.raw``)."""
    metadata = error.get("metadata")
    return _message(metadata.get("raw"), depth + 1) if isinstance(metadata, dict) else ""


def _prefixed(field: str, message: str) -> str:
    return message if not field or field in message else f"{field}: {message}"


def _field(problem: Mapping[str, object]) -> str:
    location = problem.get("param") or problem.get("loc")
    if isinstance(location, list):
        location = ".".join(str(part) for part in location if part != "body")
    return one_line(location, 80) if isinstance(location, str) else ""
