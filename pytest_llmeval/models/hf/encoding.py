"""Encodes requests as tokens that fit the model's context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, one_line
from pytest_llmeval.core.types import ChatPrompt, Completion, Prompt, Request, TextPrompt, shown
from pytest_llmeval.models.base import NO_CHAT_TEMPLATE
from pytest_llmeval.models.hf import as_lm_eval
from pytest_llmeval.models.hf.encoded import EncodedRequest, PromptTokenizer
from pytest_llmeval.models.hf.prefill import Tokens


class Encoder:
    """Encodes requests with a tokenizer.

    ``context`` is the limit for the tokens of prompt and answer together (None: no limit), ``rows`` the
    number of tokens that the weights know (None: all).
    """

    def __init__(self, tokenizer: Any, context: int | None, rows: int | None = None) -> None:
        self._tokenizer = PromptTokenizer(tokenizer)
        self._context = context
        self._rows = rows

    def encode_pieces(self, request: Request) -> tuple[EncodedRequest, ...]:
        """Encode a request; a request of lm-evaluation-harness may take several pieces.

        The scores of the pieces add up to those of the request. Raises ``RequestFailed`` for a request
        that cannot be encoded.
        """
        pieces = self._encode_pieces(request)
        if self._rows is not None:
            for piece in pieces:
                largest = max([*piece.ids, *(id for tail in piece.tails.values() for id in tail)])
                if largest >= self._rows:
                    raise RequestFailed(
                        f"the prompt has token {largest}, but the weights know only {self._rows} tokens"
                    )
        return pieces

    def _encode_pieces(self, request: Request) -> tuple[EncodedRequest, ...]:
        if not request.lm_eval:
            return (self.encode(request),)
        if isinstance(request.prompt, ChatPrompt):
            return self._encode_turns(request, request.prompt)
        if request.rolling:
            return as_lm_eval.encode_rolling(self._tokenizer, request, self._context)
        if request.choices:
            return as_lm_eval.encode_choices(self._tokenizer, request, self._context)
        return (as_lm_eval.encode_generation(self._tokenizer, request, self._context),)

    def _encode_turns(self, request: Request, prompt: ChatPrompt) -> tuple[EncodedRequest, ...]:
        """Encode a request of lm-evaluation-harness as the text that the chat template makes of its turns.

        Raises ``ModelUnusable`` without a template.
        """
        turns = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        text = self._tokenizer.render_chat(turns)
        if text is None:
            raise ModelUnusable(
                "the tokenizer has no chat template, which --llm-lm-eval-chat needs; leave out the option"
            )
        pieces = self._encode_pieces(replace(request, prompt=TextPrompt(text)))
        return tuple(replace(piece, draft=replace(piece.draft, prompt=text)) for piece in pieces)

    def encode(self, request: Request) -> EncodedRequest:
        """Encode a request; drops the earliest shots until it fits the context.

        Raises ``RequestFailed`` for a request that cannot be encoded.
        """
        max_new_tokens = 0 if request.choices else self._reserve(request.max_tokens)
        dropped = 0
        while True:
            prompt = request.prompt.without_shots(dropped)
            ids, tails, note = self._tokens(prompt, request)
            length = len(ids) + max([max_new_tokens, *(len(tail) for tail in tails.values())])
            if self._context is None or length <= self._context:
                break
            if dropped == len(request.prompt.shots):
                raise RequestFailed(
                    f"the prompt has {len(ids)} tokens, {length} with its answer: "
                    f"more than the model's context of {self._context}"
                )
            dropped += 1
        notes = [note] if note else []
        if dropped:
            notes.append(f"{dropped} earliest shots dropped to fit {self._context} tokens")
        if not request.choices and max_new_tokens < request.max_tokens:
            max_new_tokens = (self._context or 0) - len(ids)
            notes.append(f"answer limited to {max_new_tokens} tokens by the context of {self._context}")
        sent = prompt.text if note else shown(prompt)
        draft = Completion(dropped_shots=dropped, notes=tuple(notes), prompt=sent if notes else None)
        return EncodedRequest(request, ids, max_new_tokens, tails, draft)

    def _reserve(self, max_tokens: int) -> int:
        """Tokens reserved for the answer: ``max_tokens``, but at most half of the context."""
        return max_tokens if self._context is None else min(max_tokens, max(1, self._context // 2))

    def _tokens(self, prompt: Prompt, request: Request) -> tuple[Tokens, dict[str, Tokens], str]:
        """The ids of the prompt and of each choice after it, and a note if turns were joined as text."""
        if request.choices:
            head, tails = self._tokenizer.encode_choices(prompt.text, request.choices)
            if not all(tails.values()):
                raise RequestFailed(f"a choice adds no token to the prompt: {one_line(tails)}")
            _check_distinct(tails, request.choices)
            return head, tails, ""
        note = ""
        if isinstance(prompt, ChatPrompt):
            ids = self._tokenizer.encode_chat(
                [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
            )
            if ids is not None:
                return tuple(ids), {}, ""
            note = NO_CHAT_TEMPLATE
        return tuple(self._tokenizer.encode(prompt.text)), {}, note


def _check_distinct(tails: Mapping[str, Tokens], choices: Mapping[str, str]) -> None:
    """Raise ``RequestFailed`` if choices with other texts have the same tokens, and so the same score."""
    labels: dict[Tokens, str] = {}
    for label, tail in tails.items():
        first = labels.setdefault(tail, label)
        if choices[first] != choices[label]:
            raise RequestFailed(
                f"the tokenizer gives choices {first} and {label} the same tokens {list(tail)}: "
                "it does not know their characters"
            )
