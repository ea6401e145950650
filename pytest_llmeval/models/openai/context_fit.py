"""Making a prompt fit a context when no tokenizer is at hand: the earliest shots go first."""

from __future__ import annotations

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import ChatPrompt, Prompt

_FIRST_WIDE = 0x2E80  # CJK radicals: from here on scripts where a character is about a token
_FIRST_ASTRAL = 0x10000
_TURN_TOKENS = 4


def estimate_tokens(prompt: Prompt) -> int:
    """About how many tokens ``prompt`` takes, rather too many than too few.

    A CJK character or a digit counts one, other letters a third (ASCII) or a half, and each turn
    a few for the chat template.
    """
    turns = [turn.content for turn in prompt.messages] if isinstance(prompt, ChatPrompt) else [prompt.text]
    sixths = sum(_sixths(char) for turn in turns for char in turn)
    return -(-sixths // 6) + _TURN_TOKENS * (len(turns) + 1)


def _sixths(char: str) -> int:
    if char < "\x80":
        return 6 if char.isdigit() else 2
    code = ord(char)
    return 3 if code < _FIRST_WIDE else 6 if code < _FIRST_ASTRAL else 12


def fit(prompt: Prompt, max_tokens: int, context: int | None) -> tuple[Prompt, int]:
    """``prompt`` without as many of its earliest shots as it takes, and how many those are.

    Raises ``RequestFailed`` when the question alone and ``max_tokens`` of answer are more than
    ``context``; without a context everything fits.
    """
    if context is None:
        return prompt, 0
    for dropped in range(len(prompt.shots) + 1):
        shorter = prompt.without_shots(dropped)
        tokens = estimate_tokens(shorter)
        if tokens + max_tokens <= context:
            return shorter, dropped
    raise RequestFailed(
        f"a prompt of about {tokens} tokens and {max_tokens} of answer do not fit a context of {context}; "
        "lower --llm-max-tokens or raise --llm-context",
        attempts=0,
    )


def dropped_note(dropped: int, context: int | None) -> str:
    """What the record says about shots left out."""
    what = "1 earliest shot" if dropped == 1 else f"{dropped} earliest shots"
    if context is None:
        return f"{what} dropped: the server found the prompt too long"
    return f"{what} dropped to fit {context} tokens"
