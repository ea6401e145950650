"""Fits a prompt into a context without a tokenizer: the earliest shots are dropped first."""

from __future__ import annotations

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import ChatPrompt, Prompt

_FIRST_WIDE = 0x2E80  # CJK radicals; from here on a character is about one token
_FIRST_ASTRAL = 0x10000
_TURN_TOKENS = 4


def estimate_tokens(prompt: Prompt) -> int:
    """A rough upper estimate of the number of tokens in ``prompt``.

    A CJK character or a digit counts as one token, other characters as a third (ASCII) or a half, and
    each turn adds a few for the chat template.
    """
    turns = [turn.content for turn in prompt.messages] if isinstance(prompt, ChatPrompt) else [prompt.text]
    sixths = sum(_sixths(char) for turn in turns for char in turn)
    return -(-sixths // 6) + _TURN_TOKENS * (len(turns) + 1)


def _sixths(char: str) -> int:
    if char < "\x80":
        return 6 if char.isdigit() else 2
    code = ord(char)
    return 3 if code < _FIRST_WIDE else 6 if code < _FIRST_ASTRAL else 12


def fit_context(prompt: Prompt, max_tokens: int, context: int | None) -> tuple[Prompt, int]:
    """``prompt`` with as few of its earliest shots dropped as necessary, and how many were dropped.

    Without a ``context`` (in tokens) nothing is dropped. Raises ``RequestFailed`` when the question
    without shots and ``max_tokens`` of answer exceed the context.
    """
    if context is None:
        return prompt, 0
    for dropped in range(len(prompt.shots) + 1):
        shortened = prompt.without_shots(dropped)
        tokens = estimate_tokens(shortened)
        if tokens + max_tokens <= context:
            return shortened, dropped
    raise RequestFailed(
        f"a prompt of about {tokens} tokens and {max_tokens} of answer do not fit a context of {context}; "
        "lower --llm-max-tokens or raise --llm-context",
        attempts=0,
    )


def dropped_note(dropped: int, context: int | None) -> str:
    """The record's note about dropped shots; ``context`` is None if the server rejected the length."""
    shots = "1 earliest shot" if dropped == 1 else f"{dropped} earliest shots"
    if context is None:
        return f"{shots} dropped: the server found the prompt too long"
    return f"{shots} dropped to fit {context} tokens"
