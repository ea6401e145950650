"""What a model thought, apart from what it said."""

from __future__ import annotations

import re

_THINK_TAG = re.compile(r"<(/?)think(?:ing)?[ \t]*>", re.I)


def split_reasoning(text: str) -> tuple[str, str]:
    """``(text, reasoning)``: the ``<think>`` (or ``<thinking>``) blocks taken out of a text.

    An unclosed block reaches to the end; a closing tag without an opening one makes all before it reasoning.
    A text without tags comes back unchanged.
    """
    said: list[str] = []
    thought: list[str] = []
    inside = False
    seen = 0
    for tag in _THINK_TAG.finditer(text):
        piece = text[seen : tag.start()].strip()
        closing = tag[1] == "/"
        if closing and not inside:
            thought += said
            said = []
        (thought if inside or closing else said).append(piece)
        inside = not closing
        seen = tag.end()
    if not seen:
        return text, ""
    (thought if inside else said).append(text[seen:].strip())
    # Joined by newlines, which no tag may hold, so that two pieces never make a new tag.
    return "\n".join(filter(None, said)), "\n".join(filter(None, thought))
