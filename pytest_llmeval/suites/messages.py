"""Chat turns in a cell: messages of chat APIs, conversations of ShareGPT, inputs of OpenAI's evals."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_llmeval.core.types import Message
from pytest_llmeval.suites.cells import cell_value
from pytest_llmeval.suites.data_keys import DataSpec

_ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "ai"), "assistant"),
}
_ROLE_KEYS = ("role", "from")
_TEXT_KEYS = ("content", "value", "text")


def parse_messages(cell: str) -> tuple[Message, ...]:
    """The chat turns of a cell, the last one a user's, ready to be sent. Raises a descriptive ValueError."""
    turns = parse_turns(cell)
    if turns[-1].role != "user":
        raise ValueError("the last turn must be the user's")
    return turns


def asked_turns(fields: Mapping[str, str], data: DataSpec) -> tuple[tuple[Message, ...], str | None]:
    """The turns of a row to send, and the gold answer if it is the assistant's last turn.

    Raises a descriptive ValueError.
    """
    cell = "" if data.messages is None else fields.get(data.messages, "")
    return split_reply(cell) if data.answer == data.messages else (parse_messages(cell), None)


def split_reply(cell: str) -> tuple[tuple[Message, ...], str]:
    """The turns before an assistant's last one, and its text. Raises a descriptive ValueError."""
    turns = parse_turns(cell)
    if turns[-1].role != "assistant":
        raise ValueError("the last turn must be the assistant's, which is the gold answer")
    if len(turns) < 2 or turns[-2].role != "user":
        raise ValueError("the turn before the last must be the user's")
    return turns[:-1], turns[-1].content


def parse_turns(cell: str) -> tuple[Message, ...]:
    """The chat turns of a cell: a list of objects with role and content, or from and value.

    Raises a descriptive ValueError.
    """
    try:
        turns = cell_value(cell)
    except ValueError:
        raise ValueError("not JSON") from None
    if isinstance(turns, dict):
        turns = [turns]
    if not isinstance(turns, list) or not turns:
        raise ValueError('must be a list, as in [{"role": "user", "content": "..."}]')
    return tuple(map(_turn, turns))


def _turn(turn: object) -> Message:
    content = _content(_first(turn, _TEXT_KEYS)) if isinstance(turn, dict) else None
    if content is None:
        raise ValueError("each turn's content must be a string")
    role = _first(turn, _ROLE_KEYS) if isinstance(turn, dict) else None
    known = _ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if known is None:
        raise ValueError("each turn's role must be system, user or assistant")
    return Message(known, content)


def _first(turn: Mapping[str, object], keys: tuple[str, ...]) -> object:
    return next((turn[key] for key in keys if key in turn), None)


def _content(content: object) -> str | None:
    """A turn's text; the parts of a list are joined. None if there is none, or a part is no text."""
    if isinstance(content, list):
        parts = [_content(part.get("text")) if isinstance(part, dict) else None for part in content]
        texts = [part for part in parts if part is not None]
        return "\n".join(texts) if texts and len(texts) == len(parts) else None
    return content if isinstance(content, str) else None
