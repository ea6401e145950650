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

from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.core.types import ChatPrompt, Completion, Prompt, Request

_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size)|maximum context|maximum model length|too long|too many tokens",
    re.IGNORECASE,
)


_PROBLEMS_AT_MOST = 5


class NoCompletion(Exception):
    """A reply with status 200 that is no chat completion; ``str()`` says what it is."""


class NoScores(Exception):
    """A completion without the log-probabilities asked for."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where servers differ, learnt from their refusals."""

    limit_key: str = "max_tokens"
    top_logprobs: int = 20
    #: tokens to ask for beside an echoed prompt; None where nothing is echoed
    echo_tokens: int | None = None
    stream_usage: bool = True

    def after(self, complaint: str, *, scoring: bool) -> Dialect | None:
        """What to try next when a server complains about a parameter; None: nothing left to try."""
        if self.limit_key == "max_tokens" and "max_completion_tokens" in complaint:
            return replace(self, limit_key="max_completion_tokens")
        if scoring and self.top_logprobs > 5 and about_logprobs(complaint):
            return replace(self, top_logprobs=5)
        if scoring and self.echo_tokens == 0 and "max_tokens" in complaint:
            return replace(self, echo_tokens=1)
        if self.stream_usage and "stream_options" in complaint:
            return replace(self, stream_usage=False)
        return None


def about_logprobs(complaint: str) -> bool:
    """Whether a refusal is about log-probabilities."""
    return "logprob" in complaint.lower()


def about_length(complaint: str) -> bool:
    """Whether a refusal says that the prompt is too long for the model."""
    return _TOO_LONG.search(complaint) is not None


class Chat:
    """The interface ``api = "chat"``, as ``calling.Interface`` wants it."""

    path = "/chat/completions"
    no_scores = "gives no log-probabilities; use --llm-mode=generate, or a server that supports top_logprobs"

    def __init__(self, limit_key: str = "max_tokens") -> None:
        self.dialect = Dialect(limit_key)

    def parts(self, request: Request) -> tuple[str, ...]:
        """All choices are scored by one reply."""
        return ("",)

    def body(
        self, request: Request, prompt: Prompt, part: str, model: str, dialect: Dialect
    ) -> dict[str, Any]:
        """The JSON to send."""
        return body(request, prompt, model, dialect)

    def read(self, reply: bytes, request: Request, prompt: Prompt, part: str, dialect: Dialect) -> Completion:
        """The completion in a reply. Raises ``NoCompletion`` and ``NoScores``."""
        return read(reply, request.choices)


def body(request: Request, prompt: Prompt, model: str, dialect: Dialect) -> dict[str, Any]:
    """The JSON to send for ``request``, with ``prompt`` in the place of its own.

    Plain text becomes one user turn. Choices are scored by the log-probabilities of one token. Raises
    ``ModelUnusable`` where that is not enough.
    """
    if request.choices and request.lm_eval:
        raise ModelUnusable(
            "tasks of lm-evaluation-harness score whole continuations, which chat cannot: "
            'ask the model with api = "completions" (docs/models.md), or a local one'
        )
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
    data, first = first_choice(reply)
    message = first.get("message")
    if not isinstance(message, dict):
        raise NoCompletion(f"the reply holds no completion: {server_message(reply)}")
    prompt_tokens, completion_tokens = usage(data)
    completion = Completion(
        text=text_of(message.get("content")),
        reasoning=text_of(message.get("reasoning_content")) or text_of(message.get("reasoning")),
        finish_reason=text_of(first.get("finish_reason")),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        notes=_calls(message),
    )
    return _scored(completion, first.get("logprobs"), choices) if choices else completion


def first_choice(reply: bytes) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """A reply's body, and the first of its choices (empty when it has none). Raises ``NoCompletion``."""
    data = parsed(reply)
    if not isinstance(data, dict):
        raise NoCompletion(f"the reply is no completion but {server_message(reply) or 'empty'}")
    return data, _first(data.get("choices"))


def usage(data: Mapping[str, object]) -> tuple[int | None, int | None]:
    """The tokens of prompt and answer that a reply's body tells."""
    told = data.get("usage")
    told = told if isinstance(told, dict) else {}
    return _count(told.get("prompt_tokens")), _count(told.get("completion_tokens"))


def _calls(message: Mapping[str, object]) -> tuple[str, ...]:
    """A note on what the model called instead of answering."""
    calls = message.get("tool_calls")
    entries = calls if isinstance(calls, list) else []
    called = [call.get("function") for call in entries if isinstance(call, dict)]
    called.append(message.get("function_call"))
    names = [text_of(one.get("name")) for one in called if isinstance(one, dict)]
    if not names:
        return ()
    return (f"the model called the function {one_line(', '.join(names), 80) or '?'}",)


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


def text_of(content: object) -> str:
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


def parsed(reply: bytes) -> object:
    try:
        return json.loads(reply)
    except (ValueError, RecursionError):
        return None


def server_message(reply: bytes) -> str:
    """What a server's error body says, on one line: its message, an HTML page's title, or its text.

    A field that the server names apart comes with it.
    """
    found, field = parsed(reply), ""
    for _ in range(3):
        if isinstance(found, list):  # pydantic's: what is wrong with which field
            entries = [one for one in found[:_PROBLEMS_AT_MOST] if isinstance(one, dict) and one.get("msg")]
            found = "; ".join(_named(_field(one), text_of(one["msg"])) for one in entries) or None
        if not isinstance(found, dict):
            break
        field = _field(found) or field
        inner = next((found[key] for key in ("error", "message", "detail", "msg") if found.get(key)), None)
        if inner is None:
            break
        found = inner
    if isinstance(found, str):
        return one_line(_named(field, text_of(found)), 1000)
    text = reply[:20_000].decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text)
        return "an HTML page" + (f" ({one_line(title[1], 80)})" if title else "")
    return one_line(text, 1000)


def _named(field: str, message: str) -> str:
    return message if not field or field in message else f"{field}: {message}"


def _field(problem: Mapping[str, object]) -> str:
    where = problem.get("param") or problem.get("loc")
    if isinstance(where, list):
        where = ".".join(str(part) for part in where if part != "body")
    return one_line(text_of(where), 80)


def error_code(reply: bytes) -> str:
    """The ``code`` or ``type`` of an error body, empty when it has none."""
    data = parsed(reply)
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return ""
    return " ".join(str(error[key]) for key in ("code", "type") if isinstance(error.get(key), str))


def model_names(reply: bytes) -> tuple[str, ...]:
    """The names in a list of models (``GET /models``); empty when it is none."""
    data = parsed(reply)
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        return ()
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return tuple(name for name in names if isinstance(name, str) and name)
