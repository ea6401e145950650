"""What a server's answer says about a failure, wherever in the body it says so.

Servers and gateways put errors under many names (``error``, ``error_code``, ``base_resp``, ``detail``, beside
the choices, or as JSON inside a message). Here they become codes and words, which ``failures.py`` compares
with what is known. Only fields that servers write are read: a body may also repeat the request, and a
question about an account's balance must not look like an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_HTML_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_CODES = frozenset(
    [
        *("code", "type", "status", "object", "error_code", "error_type", "errcode", "status_code"),
        *("http_status_code", "reason", "quotaid", "limit_source"),
    ]
)
_WORDS = frozenset(
    [
        *("message", "msg", "error", "error_message", "error_msg", "errmsg", "errormessage", "detail"),
        *("details", "status_msg", "raw", "title", "description", "cause", "errors"),
    ]
)
_CONTAINERS = _WORDS | {"metadata", "headers", "base_resp", "innererror", "violations", "fault"}
_STATUSES = ("http_status_code", "status_code", "code", "status")
_NO_ERROR_CODES = frozenset(["", "0", "200", "ok", "success", "succeed", "成功", "none", "null"])
_MAX_DEPTH = 8
_MAX_TEXT = 4000


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an answer says about a failure.

    ``status`` is the HTTP status, or for an error inside a 200 the status that the body names; ``codes``
    are lower-case error codes and types; ``words`` the messages; ``html`` whether the body is an HTML page.
    """

    status: int
    codes: frozenset[str] = frozenset()
    words: str = ""
    html: bool = False


def evidence(status: int, body: bytes) -> Evidence:
    """What the body of an answer says about a failure."""
    data = parsed(body.decode("utf-8", "replace"))
    if not isinstance(data, dict | list):
        text = body[: 4 * _MAX_TEXT].decode("utf-8", "replace")
        if text.lstrip().startswith("<"):
            title = _HTML_TITLE.search(text)
            return Evidence(status, words=title[1][:_MAX_TEXT] if title else "", html=True)
        # torn JSON or a stream may hold part of an answer
        torn = text.lstrip().startswith(("{", "[", "data:", "event:", ":"))
        return Evidence(status, words="" if torn else text[:_MAX_TEXT])
    codes: set[str] = set()
    words: list[str] = []
    for name, value in report_fields(data):
        if name in _CODES and isinstance(value, str | int) and not isinstance(value, bool):
            codes.add(str(value).strip().lower())
        if isinstance(value, str) and name in _WORDS:
            words.append(value[:_MAX_TEXT])
    if status == 200:
        status = _named_status(data) or status
    return Evidence(status, frozenset(codes), "\n".join(words)[:_MAX_TEXT])


def reported_error(data: Mapping[str, object]) -> object | None:
    """The error that a body or an event of a stream reports, also beside its choices; None if it has none."""
    choice = first_choice_of(data)
    message = choice.get("message")
    for holder in (data, choice, message if isinstance(message, dict) else {}):
        if _is_error(error := holder.get("error")):
            return error
    for name in ("error_code", "error_message", "error_msg", "errcode", "errmsg"):
        if _is_failing_code(data.get(name)):
            return data
    if "error" in (data.get("object"), data.get("type")):
        return data
    base = data.get("base_resp")
    if isinstance(base, dict) and _is_failing_code(base.get("status_code")):
        return base
    text = data.get("message") or data.get("msg")
    if "choices" not in data and _is_failing_code(text) and _is_failing_code(data.get("code")):
        return data
    return None


def first_choice_of(data: Mapping[str, object]) -> Mapping[str, object]:
    """The choice with index 0, else the first one; empty if there is none."""
    choices = data.get("choices")
    dicts = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    return next((choice for choice in dicts if choice.get("index") == 0), dicts[0] if dicts else {})


def _is_error(error: object) -> bool:
    if isinstance(error, dict):
        coded = [error[name] for name in ("code", "status") if name in error]
        # some servers always send an error object, with code 0 if all is well
        return any(error.values()) and not (coded and not any(map(_is_failing_code, coded)) and 0 in coded)
    return bool(error)


def _is_failing_code(code: object) -> bool:
    return isinstance(code, str | int) and bool(code) and str(code).strip().lower() not in _NO_ERROR_CODES


def _named_status(data: object) -> int | None:
    """The HTTP status that an error inside a 200 names."""
    for value in (value for name, value in report_fields(data) if name in _STATUSES):
        if str(value).isdigit() and 400 <= int(str(value)[:9]) <= 599:
            return int(str(value))
    return None


def report_fields(data: object) -> Iterator[tuple[str, object]]:
    """Names (lower case) and values of the fields of a body that report an error; not those of its answer."""
    yield from _fields(_reports(data))


def _reports(data: object) -> object:
    if not isinstance(data, dict) or "choices" not in data:
        return data
    choice = first_choice_of(data)
    message = choice.get("message")
    others = [choice.get("error"), message.get("error") if isinstance(message, dict) else None]
    rest = {name: value for name, value in data.items() if name not in ("choices", "object", "message")}
    return [rest, *({"error": other} for other in others if other)]


def _fields(value: object, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Fields, those of outer objects first; only objects under the names that hold errors are entered."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value[:20]:
            yield from _fields(item, depth + 1)
    if not isinstance(value, dict):
        return
    inner: list[object] = []
    for key, item in value.items():
        name = str(key).lower()
        if isinstance(item, str) and name in _CONTAINERS and item.lstrip()[:1] in ("{", "["):
            nested = parsed(item)
            item = item if nested is None else nested
        yield name, item
        if isinstance(item, dict | list) and name in _CONTAINERS:
            inner.append(item)
            if isinstance(item, list):  # a plain list of messages
                yield from ((name, text) for text in item[:20] if isinstance(text, str))
    for item in inner:
        yield from _fields(item, depth + 1)


def parsed(text: str) -> object:
    """The value of a JSON text; None if it is not valid JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
