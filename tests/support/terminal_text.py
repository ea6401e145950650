"""Text for the tests of terminal output: hostile names, and markup that can be read."""

from __future__ import annotations

HOSTILE = "evil\x1b[2J\x1b]0;title\x07\r\n\tname\u202e\x9b31m\u2028\u200b注册"


def tagged(text: str, **markup: bool) -> str:
    """A ``paint`` that writes its markup as tags."""
    return f"<{'+'.join(name for name, on in markup.items() if on)}>{text}</>" if markup else text
