"""Separate the reasoning of a model from its answer."""

from __future__ import annotations

import re

_THINK_TAG = re.compile(r"<(/?)think(?:ing)?[ \t]*>", re.I)


def split_reasoning(text: str) -> tuple[str, str]:
    """Split a text into ``(answer, reasoning)`` by its ``<think>`` or ``<thinking>`` blocks.

    An unclosed block extends to the end of the text. If a closing tag has no opening tag, everything before
    it is reasoning. A text without tags is returned unchanged.
    """
    answer: list[str] = []
    reasoning: list[str] = []
    inside = False
    position = 0
    for tag in _THINK_TAG.finditer(text):
        piece = text[position : tag.start()].strip()
        closing = tag[1] == "/"
        if closing and not inside:
            reasoning += answer
            answer = []
        (reasoning if inside or closing else answer).append(piece)
        inside = not closing
        position = tag.end()
    if not position:
        return text, ""
    (reasoning if inside else answer).append(text[position:].strip())
    # tags cannot contain newlines, so joined pieces never form a new tag
    return "\n".join(filter(None, answer)), "\n".join(filter(None, reasoning))
