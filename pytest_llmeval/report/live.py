"""A progress line below pytest's output that is updated in place.

``LiveFile`` replaces the file of the terminal writer. As all output goes through it, it removes the progress
line before a new line would overwrite it.
"""

from __future__ import annotations

from typing import Protocol

from pytest_llmeval.report.text import width_of

_SAVE, _RESTORE = "\0337", "\0338"
_BELOW = "\033[B\r"
_CLEAR = "\033[2K"
#: down and up again: scrolls by a line at the bottom of the screen, has no effect elsewhere
_MAKE_ROOM = "\033D\033[A"


class TextFile(Protocol):
    """The methods of a file that a terminal writer calls."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class LiveFile:
    """A terminal with a progress line below the current line."""

    def __init__(self, file: TextFile) -> None:
        self.file = file
        self._shown = False

    def write(self, text: str, /) -> int:
        """Write ``text``; a new line removes the progress line."""
        if self._shown and ("\n" in text or "\r" in text):
            self.clear()
        self.file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the file."""
        self.file.flush()

    def show(self, line: str, width: int) -> None:
        """Show ``line`` as the progress line, cut to fit on one line of ``width`` columns."""
        shown = line
        while width_of(shown) > width - 1:
            shown = shown[:-1]
        self.file.write(f"{_MAKE_ROOM}{_SAVE}{_BELOW}{_CLEAR}{shown}{_RESTORE}")
        self.file.flush()
        self._shown = True

    def clear(self) -> None:
        """Remove the progress line."""
        if self._shown:
            self.file.write(f"{_SAVE}{_BELOW}{_CLEAR}{_RESTORE}")
            self._shown = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)
