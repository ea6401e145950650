"""Chat completions on the wire: bodies to send, and what servers really send back.

The form is OpenAI's (https://platform.openai.com/docs/api-reference/chat); replies are hostile text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_llmeval.errors import one_line
from pytest_llmeval.types import ChatPrompt, Completion, Prompt, Request

_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size)|maximum context|maximum model length|too long|too many tokens",
    re.IGNORECASE,
)


class NoCompletion(Exception):
    """A reply with status 200 that is no chat completion; ``str()`` says what it is."""


class NoScores(Exception):
    """A completion without the log-probabilities asked for."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where servers differ, learnt from their refusals."""

    limit_key: str = "max_tokens"
    top_logprobs: int = 20

    def after(self, complaint: str, *, scoring: bool) -> Dialect | None:
        """What to try next when a server complains about a parameter; None: nothing left to try."""
        if self.limit_key == "max_tokens" and "max_completion_tokens" in complaint:
            return replace(self, limit_key="max_completion_tokens")
        if scoring and self.top_logprobs > 5 and about_logprobs(complaint):
            return replace(self, top_logprobs=5)
        return None


def about_logprobs(complaint: str) -> bool:
    """Whether a refusal is about log-probabilities."""
    return "logprob" in complaint.lower()


def about_length(complaint: str) -> bool:
    """Whether a refusal says that the prompt is too long for the model."""
    return _TOO_LONG.search(complaint) is not None


def body(request: Request, prompt: Prompt, model: str, dialect: Dialect) -> dict[str, Any]:
    """The JSON to send for ``request``, with ``prompt`` in the place of its own.

    Plain text becomes one user turn. Choices are scored by the log-probabilities of one token.
    """
    if isinstance(prompt, ChatPrompt):
        messages = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
    else:
        messages = [{"role": "user", "content": prompt.text}]
    if request.choices:
        return {
            "model": model,
            "messages": messages,
            "temperature": 0.0,
            dialect.limit_key: 1,
            "logprobs": True,
            "top_logprobs": dialect.top_logprobs,
        }
    sent = {
        "model": model,
        "messages": messages,
        "temperature": request.temperature,
        dialect.limit_key: request.max_tokens,
    }
    if request.stop:
        sent["stop"] = list(request.stop)
    return sent


def read(reply: bytes, choices: Mapping[str, str]) -> Completion:
    """The completion in a reply's body; of ``choices``, their scores.

    Raises ``NoCompletion``, and ``NoScores`` where choices were to be scored.
    """
    data = _json(reply)
    if not isinstance(data, dict):
        raise NoCompletion(f"the reply is no completion but {server_message(reply) or 'empty'}")
    first = _first(data.get("choices"))
    message = first.get("message")
    if not isinstance(message, dict):
        raise NoCompletion(f"the reply holds no completion: {server_message(reply)}")
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    finish = first.get("finish_reason")
    completion = Completion(
        text=_text(message.get("content")),
        reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")),
        finish_reason=_text(finish),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
    )
    return _scored(completion, first.get("logprobs"), choices) if choices else completion


def _scored(completion: Completion, logprobs: object, choices: Mapping[str, str]) -> Completion:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if completion.finish_reason == "content_filter":
        return replace(completion, notes=("the server's content filter held the answer back",))
    if not isinstance(content, list):
        raise NoScores
    tokens = _tokens(_first(content)) if content else {}
    if content and not tokens:
        raise NoScores
    scores = {}
    for label, continuation in choices.items():
        wanted = continuation.strip()
        same = [value for token, value in tokens.items() if wanted and token.strip() == wanted]
        if same:
            top = max(same)
            scores[label] = top + math.log(sum(math.exp(value - top) for value in same))
    notes = () if scores else (f"none of the choices is among the {len(tokens)} most likely first tokens",)
    return replace(completion, scores=scores, finish_reason="scored", notes=notes)


def _tokens(position: Mapping[str, object]) -> dict[str, float]:
    """Log-probabilities by token at one position; empty when the server gave no alternatives."""
    top = position.get("top_logprobs")
    found: dict[str, float] = {}
    for entry in [*top, position] if isinstance(top, list) and top else ():
        if not isinstance(entry, dict):
            continue
        token, value = entry.get("token"), entry.get("logprob")
        if isinstance(token, str) and isinstance(value, int | float) and math.isfinite(value):
            found.setdefault(token, float(value))
    return found


def _first(entries: object) -> Mapping[str, object]:
    first = entries[0] if isinstance(entries, list) and entries else None
    return first if isinstance(first, dict) else {}


def _text(content: object) -> str:
    """A message's text: a string, or the text parts of a list of parts; lone surrogates replaced."""
    if isinstance(content, list):
        content = "".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    if not isinstance(content, str):
        return ""
    try:
        content.encode("utf-8")
    except UnicodeEncodeError:
        return content.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return content


def _count(number: object) -> int | None:
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None


def _json(reply: bytes) -> object:
    try:
        return json.loads(reply)
    except (ValueError, RecursionError):
        return None


def server_message(reply: bytes) -> str:
    """What a server's error body says, on one line: its message, an HTML page's title, or its text."""
    found = _json(reply)
    for _ in range(3):
        if not isinstance(found, dict):
            break
        inner = next((found[key] for key in ("error", "message", "detail", "msg") if found.get(key)), None)
        if inner is None:
            break
        found = inner
    if isinstance(found, str):
        return one_line(_text(found), 1000)
    text = reply[:20_000].decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text)
        return "an HTML page" + (f" ({one_line(title[1], 80)})" if title else "")
    return one_line(text, 1000)


def error_code(reply: bytes) -> str:
    """The ``code`` or ``type`` of an error body, empty when it has none."""
    data = _json(reply)
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return ""
    return " ".join(str(error[key]) for key in ("code", "type") if isinstance(error.get(key), str))


def model_names(reply: bytes) -> tuple[str, ...]:
    """The names in a list of models (``GET /models``); empty when it is none."""
    data = _json(reply)
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        return ()
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return tuple(name for name in names if isinstance(name, str) and name)
