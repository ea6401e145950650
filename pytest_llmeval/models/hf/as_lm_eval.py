"""Requests as tokens in the way of lm-evaluation-harness 0.4.13's own local model.

Its ``models/huggingface.py`` and ``api/model.py`` cut from the left what the context has no room for, where
this package otherwise leaves out whole shots; the numbers of its tasks depend on that. ``limit`` is the
model's context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import Completion, Request
from pytest_llmeval.models.hf.passes import Tokens

if TYPE_CHECKING:
    from pytest_llmeval.models.hf.encoding import Encoded, Encoder


def scored(encoder: Encoder, request: Request, limit: int | None) -> tuple[Encoded, ...]:
    """The continuations of a context (``_loglikelihood_tokens``): one for all, unless cut differently.

    The last token of a continuation is not read, so that there is room for one more than ``limit``. Raises
    ``RequestFailed`` for a continuation without a token, or with too many.
    """
    head, tails = encoder.pairs(request.prompt.text, request.choices)
    by_context: dict[Tokens, dict[str, Tokens]] = {}
    for label, tail in tails.items():
        context = head
        if (
            not request.prompt.text and tail[:1] == head
        ):  # the text brings the token that would stand before it
            context, tail = tail[:1], tail[1:]
        if not tail:
            raise RequestFailed(f"a continuation has no token of its own: {request.choices[label]!r}")
        if limit is not None:
            if len(tail) > limit:
                raise RequestFailed(f"a continuation has {len(tail)} tokens, the model's context {limit}")
            context = context[max(0, len(context) + len(tail) - limit - 1) :]
        by_context.setdefault(context, {})[label] = tail
    return tuple(
        _encoded(request, context, own, len(head) - len(context)) for context, own in by_context.items()
    )


def rolling(encoder: Encoder, request: Request, limit: int | None) -> tuple[Encoded, ...]:
    """A whole text (``loglikelihood_rolling``), in as many windows as it takes; none for an empty one."""
    ((label, text),) = request.choices.items()
    return tuple(
        _encoded(request, context, {label: own}, 0)
        for context, own in windows(encoder.tokens(text), encoder.start, limit)
    )


def windows(tokens: Sequence[int], start: int, limit: int | None) -> Iterator[tuple[Tokens, Tokens]]:
    """What is read and what is scored of each window: every token once, after as many as fit before it.

    ``utils.get_rolling_token_windows`` with ``context_len=1``, made disjoint. The first window stands after
    the ``start`` token. The last is as long as the others: it begins with tokens that are scored already.
    """
    width = limit or max(len(tokens), 1)
    for first in range(0, len(tokens), width):
        last = min(first + width, len(tokens))
        before = tokens[max(0, last - width - 1) : first] if first else [start]
        yield tuple(before), tuple(tokens[first:last])


def written(encoder: Encoder, request: Request, limit: int | None) -> Encoded:
    """The prompt of a text to be written (``generate_until``), its beginning cut off to leave room for that.

    Raises ``RequestFailed`` where there is room for nothing.
    """
    tokens = tuple(encoder.tokens(request.prompt.text))
    if not tokens:
        raise RequestFailed("the prompt is empty")
    cut = 0
    if limit is not None:
        if request.max_tokens >= limit:
            raise RequestFailed(f"{request.max_tokens} tokens to write leave none for the prompt in {limit}")
        cut = max(0, len(tokens) - (limit - request.max_tokens))
    return _encoded(request, tokens[cut:], {}, cut, room=request.max_tokens)


def _encoded(
    request: Request, context: Tokens, tails: dict[str, Tokens], cut: int, *, room: int = 0
) -> Encoded:
    from pytest_llmeval.models.hf.encoding import Encoded

    notes = (f"{cut} tokens of the prompt's beginning cut off to fit the context",) if cut > 0 else ()
    asked = replace(request, choices={label: request.choices[label] for label in tails})
    return Encoded(asked if tails else request, context, room, tails, Completion(notes=notes))
