"""Encodes requests as the local model of lm-evaluation-harness 0.4.13 does.

Its ``models/huggingface.py`` and ``api/model.py`` truncate the prompt on the left to fit the context; this
package otherwise drops whole shots. The scores of lm-evaluation-harness tasks depend on the truncation. In
every function ``limit`` is the model's context in tokens (None: no limit).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import Completion, Request
from pytest_llmeval.models.hf.encoded import EncodedRequest, PromptTokenizer
from pytest_llmeval.models.hf.prefill import Tokens


def encode_choices(
    tokenizer: PromptTokenizer, request: Request, limit: int | None
) -> tuple[EncodedRequest, ...]:
    """Continuations of one context (``_loglikelihood_tokens``), grouped by their truncated context.

    The last token of a continuation is not an input, so one more than ``limit`` tokens fit. Raises
    ``RequestFailed`` for a continuation without tokens, or with more than ``limit``.
    """
    head, tails = tokenizer.encode_choices(request.prompt.text, request.choices)
    by_context: dict[Tokens, dict[str, Tokens]] = {}
    for label, tail in tails.items():
        context = head
        # an empty context becomes the start token, unless the continuation begins with it
        if not request.prompt.text and tail[:1] == head:
            context, tail = tail[:1], tail[1:]
        if not tail:
            raise RequestFailed(f"a continuation has no tokens: {request.choices[label]!r}")
        if limit is not None:
            if len(tail) > limit:
                raise RequestFailed(
                    f"a continuation has {len(tail)} tokens: more than the model's context of {limit}"
                )
            context = context[max(0, len(context) + len(tail) - limit - 1) :]
        by_context.setdefault(context, {})[label] = tail
    return tuple(
        _encode(request, context, tails_here, len(head) - len(context))
        for context, tails_here in by_context.items()
    )


def encode_rolling(
    tokenizer: PromptTokenizer, request: Request, limit: int | None
) -> tuple[EncodedRequest, ...]:
    """A whole text (``loglikelihood_rolling``) in as many windows as it needs; none for an empty text."""
    ((label, text),) = request.choices.items()
    return tuple(
        _encode(request, context, {label: scored}, 0)
        for context, scored in windows(tokenizer.encode(text), tokenizer.start_token, limit)
    )


def windows(tokens: Sequence[int], start: int, limit: int | None) -> Iterator[tuple[Tokens, Tokens]]:
    """The context and scored tokens of each window; every token is scored once, in the longest context.

    Equals ``utils.get_rolling_token_windows`` with ``context_len=1``, made disjoint. The context of the
    first window is the ``start`` token. The last window is as long as the others: its context repeats
    tokens that are already scored.
    """
    width = limit or max(len(tokens), 1)
    for first in range(0, len(tokens), width):
        last = min(first + width, len(tokens))
        context = tokens[max(0, last - width - 1) : first] if first else [start]
        yield tuple(context), tuple(tokens[first:last])


def encode_generation(tokenizer: PromptTokenizer, request: Request, limit: int | None) -> EncodedRequest:
    """A prompt to continue (``generate_until``), truncated on the left to leave space for the answer.

    Raises ``RequestFailed`` for an empty prompt, or if the answer leaves no space for a prompt.
    """
    tokens = tuple(tokenizer.encode(request.prompt.text))
    if not tokens:
        raise RequestFailed("the prompt is empty")
    truncated = 0
    if limit is not None:
        if request.max_tokens >= limit:
            raise RequestFailed(
                f"{request.max_tokens} tokens for the answer leave none for the prompt "
                f"in the model's context of {limit}"
            )
        truncated = max(0, len(tokens) - (limit - request.max_tokens))
    return _encode(request, tokens[truncated:], {}, truncated, max_new_tokens=request.max_tokens)


def _encode(
    request: Request, context: Tokens, tails: dict[str, Tokens], truncated: int, *, max_new_tokens: int = 0
) -> EncodedRequest:
    notes = (
        (f"prompt truncated on the left by {truncated} tokens to fit the context",) if truncated > 0 else ()
    )
    if tails:
        request = replace(request, choices={label: request.choices[label] for label in tails})
    return EncodedRequest(request, context, max_new_tokens, tails, Completion(notes=notes))
