"""Contexts of chat turns: what ``--apply_chat_template`` of lm-evaluation-harness makes of a document.

The library renders turns to text with the model's chat template as it builds requests, but here the model
is asked later, and a chat API renders them itself. So ``pack`` stands in for the template: it makes a text
that ``turns`` reads back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pytest_llmeval.core.types import ChatPrompt, Message

#: no text of a task begins like this
_MARK = "\0pytest-llmeval turns\0"


def pack(turns: Sequence[dict[str, Any]], add_generation_prompt: bool = True) -> str:
    """Turns as a text. Stands in for the library's ``LM.apply_chat_template``.

    Without ``add_generation_prompt`` the last turn is the beginning of the answer, and stays the last.
    """
    del add_generation_prompt  # false exactly if the last turn is the assistant's
    return _MARK + json.dumps([[turn["role"], turn["content"]] for turn in turns])


def turns(context: str) -> ChatPrompt | None:
    """The turns in a context that ``pack`` made; None for plain text.

    None of them is a shot that may be dropped: the library truncates the rendered text instead.
    """
    if not context.startswith(_MARK):
        return None
    messages = tuple(Message(role, content) for role, content in json.loads(context.removeprefix(_MARK)))
    system = messages[:1] if messages[0].role == "system" else ()
    return ChatPrompt(messages[len(system) :], system=system)
