"""The progress line on an emulated terminal: visible during a run, gone without a trace afterwards."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.report.live import LiveFile
from pytest_llmeval.report.text import width_of


class Terminal:
    """The parts of a VT100 that are used; ``lines`` has all lines including those scrolled out."""

    def __init__(self, width: int = 20, height: int = 5) -> None:
        self.width, self.height = width, height
        self.lines: list[list[str]] = [[]]
        self.top = self.row = self.column = 0
        self._saved = (0, 0)

    def write(self, text: str) -> None:
        for piece in re.findall(r"\x1b\[\d*[A-Z]|\x1b.|.", text, re.S):
            self._take(piece)

    def flush(self) -> None:
        pass

    def _take(self, piece: str) -> None:
        if piece == "\n":
            self._down()
            self.column = 0
        elif piece == "\r":
            self.column = 0
        elif piece == "\x1bD":
            self._down()
        elif piece == "\x1b[A":
            self.row = max(self.top, self.row - 1)
        elif piece == "\x1b[B":
            self.row = min(self.top + self.height - 1, self.row + 1)
        elif piece == "\x1b[2K":
            self._line().clear()
        elif piece == "\x1b7":
            self._saved = self.row - self.top, self.column
        elif piece == "\x1b8":
            self.row, self.column = self.top + self._saved[0], self._saved[1]
        else:
            assert piece.isprintable(), repr(piece)
            if self.column == self.width:
                self._take("\n")
            line = self._line()
            line += " " * (self.column + 1 - len(line))
            line[self.column] = piece
            self.column += 1

    def _line(self) -> list[str]:
        while len(self.lines) <= self.row:
            self.lines.append([])
        return self.lines[self.row]

    def _down(self) -> None:
        self.row += 1
        self.top = max(self.top, self.row - self.height + 1)
        self._line()

    @property
    def shown(self) -> str:
        """All lines, without trailing blanks."""
        return "\n".join("".join(line).rstrip() for line in self.lines).rstrip()


WRITES = st.lists(
    st.text("abc\n\r", max_size=12).map(lambda text: ("write", text))
    | st.text("0123456789", max_size=40).map(lambda text: ("show", text)),
    max_size=30,
)


@given(WRITES)
def test_output_is_the_same_as_without_a_progress_line(writes: list[tuple[str, str]]) -> None:
    bare, terminal = Terminal(), Terminal()
    live = LiveFile(terminal)
    for kind, text in writes:
        if kind == "show":
            live.show(text, terminal.width)
        else:
            live.write(text)
            bare.write(text)
    live.clear()
    assert terminal.shown == bare.shown
    assert (terminal.row, terminal.column) == (bare.row, bare.column)


def test_the_line_is_below_the_output_and_updated_in_place() -> None:
    terminal = Terminal()
    live = LiveFile(terminal)
    live.write("tests/test_a.py ..")
    live.show("ceval 2/9", 20)
    assert terminal.shown == "tests/test_a.py ..\nceval 2/9"
    live.write(".")
    live.show("ceval 3/9", 20)
    assert terminal.shown == "tests/test_a.py ...\nceval 3/9"
    live.write("\nnext")
    assert terminal.shown == "tests/test_a.py ...\nnext"
    live.show("ceval 4/9", 20)
    assert terminal.shown == "tests/test_a.py ...\nnext\nceval 4/9"


@pytest.mark.parametrize("line", ["x" * 50, "注册" * 20, ""])
def test_a_long_line_is_cut_to_one_line(line: str) -> None:
    terminal = Terminal()
    live = LiveFile(terminal)
    live.write("a")
    live.show(line, terminal.width)
    assert len(terminal.shown.splitlines()) <= 2
    assert width_of(terminal.shown.splitlines()[-1]) < terminal.width


def test_other_attributes_are_the_file_s() -> None:
    assert LiveFile(Terminal()).width == 20  # type: ignore[comparison-overlap]
