"""Plain completions on the wire (``/v1/completions``): how base models are asked.

The form is OpenAI's (https://platform.openai.com/docs/api-reference/completions), with the ``echo`` that
servers of open weights kept: the log-probabilities of the prompt itself, by which a choice is scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import ChatPrompt, Completion, Prompt, Request
from pytest_llmeval.models.openai.chat_payloads import (
    Dialect,
    NoCompletion,
    NoScores,
    first_choice,
    server_message,
    text_of,
    usage,
)

_JOINED = "completions API: turns joined as text"


class Completions:
    """The interface ``api = "completions"``."""

    path = "/completions"
    no_scores = (
        "gives no log-probabilities of the prompt (echo with logprobs); "
        'use --llm-mode=generate, or api = "chat"'
    )

    def __init__(self) -> None:
        self.dialect = Dialect(echo_tokens=0)

    def parts(self, request: Request) -> tuple[str, ...]:
        """The labels of the choices, each a request of its own; one of no name when there are none."""
        return tuple(request.choices) or ("",)

    def body(
        self, request: Request, prompt: Prompt, part: str, model: str, dialect: Dialect
    ) -> dict[str, Any]:
        """The JSON to send for one part of ``request``, with ``prompt`` in the place of its own.

        Raises ``RequestFailed`` for a text without a prompt: servers do not score a first token.
        """
        if request.choices and not prompt.text:
            raise RequestFailed("a text that nothing stands before can only be scored by a local model")
        if request.choices:
            return {
                "model": model,
                "prompt": prompt.text + request.choices[part],
                "temperature": 0.0,
                "max_tokens": dialect.echo_tokens or 0,
                "echo": True,
                "logprobs": 1,
            }
        sent = {
            "model": model,
            "prompt": prompt.text,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
        }
        if request.stop:
            sent["stop"] = list(request.stop)
        return sent

    def read(self, reply: bytes, request: Request, prompt: Prompt, part: str, dialect: Dialect) -> Completion:
        """The completion in a reply to one part. Raises ``NoCompletion`` and ``NoScores``."""
        data, first = first_choice(reply)
        text = first.get("text")
        if not isinstance(text, str):
            raise NoCompletion(f"the reply holds no completion: {server_message(reply)}")
        prompt_tokens, completion_tokens = usage(data)
        joined = isinstance(prompt, ChatPrompt)
        completion = Completion(
            text=text_of(text),
            finish_reason=text_of(first.get("finish_reason")),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            prompt=prompt.text if joined else None,
            notes=(_JOINED,) if joined else (),
        )
        if not request.choices:
            return completion
        continuation = request.choices[part]
        if 2 * len(text) < len(prompt.text + continuation):  # no echo, which a tokenizer changes a little
            raise NoScores
        made = min(dialect.echo_tokens or 0, 1 if completion_tokens is None else completion_tokens)
        logprobs = first.get("logprobs")
        score = echoed_score(logprobs, continuation, made)
        likeliest = echoed_greedy(logprobs, continuation, made) if request.lm_eval else None
        return Completion(
            scores={part: score},
            greedy={} if likeliest is None else {part: likeliest},
            finish_reason="scored",
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            prompt=completion.prompt,
            notes=completion.notes,
        )


def echoed_score(logprobs: object, continuation: str, made: int) -> float:
    """The log-probability of ``continuation`` at the end of an echoed prompt.

    ``made`` tokens come after it. Raises ``NoScores``.
    """
    values, own = _echoed(logprobs, continuation, made)
    return float(sum(values[place] for place in own))


def echoed_greedy(logprobs: object, continuation: str, made: int) -> bool | None:
    """Whether each token of ``continuation`` is the likeliest; None where the server names no others.

    Arguments are as for ``echoed_score``. Raises ``NoScores``.
    """
    values, own = _echoed(logprobs, continuation, made)
    others = logprobs.get("top_logprobs") if isinstance(logprobs, Mapping) else None
    if not isinstance(others, list):
        return None
    for place in own:
        top = others[place] if place < len(others) else None
        told = [value for value in top.values() if _is_number(value)] if isinstance(top, dict) else []
        if not told:
            return None
        if values[place] < max(told):
            return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


def _echoed(logprobs: object, continuation: str, made: int) -> tuple[list[float], list[int]]:
    """All log-probabilities of an echoed prompt, and the places of those of ``continuation``.

    Counted from the end, since a server may put a token of its own before the prompt; a token over the
    border belongs to the continuation. Raises ``NoScores``.
    """
    if not isinstance(logprobs, Mapping):
        raise NoScores
    tokens, values, offsets = (logprobs.get(key) for key in ("tokens", "token_logprobs", "text_offset"))
    if not (isinstance(tokens, list) and isinstance(values, list) and isinstance(offsets, list)):
        raise NoScores
    echoed = len(tokens) - made
    if not 0 < echoed <= min(len(values), len(offsets)) or not all(
        isinstance(offset, int) for offset in offsets[:echoed]
    ):
        raise NoScores
    ends = [*offsets[1:echoed], offsets[echoed - 1] + len(text_of(tokens[echoed - 1]))]
    border = ends[-1] - len(continuation)
    own = [place for place, end in enumerate(ends[: len(values)]) if end > border]
    if not own or not all(_is_number(values[place]) for place in own):
        raise NoScores
    return values, own
