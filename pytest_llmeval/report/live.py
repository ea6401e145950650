"""A line that stays below what pytest writes, and is written anew in its place.

``LiveFile`` stands in the terminal writer's place of a file. Everything goes through it, so it knows
when a new line is about to run into the live one, and takes that away first.
"""

from __future__ import annotations

from typing import Protocol

from pytest_llmeval.report.text import width_of

_SAVE, _RESTORE = "\0337", "\0338"
_BELOW = "\033[B\r"
_CLEAR = "\033[2K"
#: down and up again: at the bottom of the screen this makes room for a line, elsewhere it does nothing
_MAKE_ROOM = "\033D\033[A"


class TextFile(Protocol):
    """What a terminal writer needs of its file."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class LiveFile:
    """A terminal with a live line below the place where it is written."""

    def __init__(self, file: TextFile) -> None:
        self.file = file
        self._shown = False

    def write(self, text: str, /) -> int:
        """Pass ``text`` on; the live line makes way for a new one."""
        if self._shown and ("\n" in text or "\r" in text):
            self.clear()
        self.file.write(text)
        return len(text)

    def flush(self) -> None:
        """Show what was written."""
        self.file.flush()

    def show(self, line: str, width: int) -> None:
        """Let the live line say this, cut to ``width`` columns: a longer one would become two."""
        shown = line
        while width_of(shown) > width - 1:
            shown = shown[:-1]
        self.file.write(f"{_MAKE_ROOM}{_SAVE}{_BELOW}{_CLEAR}{shown}{_RESTORE}")
        self.file.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the live line away."""
        if self._shown:
            self.file.write(f"{_SAVE}{_BELOW}{_CLEAR}{_RESTORE}")
            self._shown = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)
