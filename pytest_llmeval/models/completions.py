"""Plain completions on the wire (``/v1/completions``): how base models are asked.

The form is OpenAI's (https://platform.openai.com/docs/api-reference/completions), with the ``echo`` that
servers of open weights kept: the log-probabilities of the prompt itself, by which a choice is scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_llmeval.models.wire import (
    Dialect,
    NoCompletion,
    NoScores,
    first_choice,
    server_message,
    text_of,
    usage,
)
from pytest_llmeval.types import ChatPrompt, Completion, Prompt, Request

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
        """The JSON to send for one part of ``request``, with ``prompt`` in the place of its own."""
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
        score = echoed_score(first.get("logprobs"), continuation, made)
        return Completion(
            scores={part: score},
            finish_reason="scored",
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            prompt=completion.prompt,
            notes=completion.notes,
        )


def echoed_score(logprobs: object, continuation: str, made: int) -> float:
    """The log-probability of ``continuation`` at the end of an echoed prompt.

    ``made`` tokens come after it. Counted from the end, since a server may put a token of its own
    before the prompt; a token over the border belongs to the continuation. Raises ``NoScores``.
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
    own = [value for value, end in zip(values, ends, strict=False) if end > border]
    if not own or not all(isinstance(value, int | float) and not math.isnan(value) for value in own):
        raise NoScores
    return float(sum(own))
