"""Text on a terminal: display width, cleaning, wrapping, padding, bars."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.core.hostile_text import JOINERS

_WITHOUT_JOINERS = dict.fromkeys(map(ord, JOINERS))
_BLOCKS = " ▏▎▍▌▋▊▉█"
_DRAWN = _BLOCKS + "·–×…"
_CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60"
#: the parts of a word that is broken: it has no blanks in Chinese and Japanese
_PARTS = re.compile(rf"[{_CJK}]|[^_/\-{_CJK}]*[_/-]+|[^_/\-{_CJK}]+")


def can_draw(encoding: str | None) -> bool:
    """Whether a stream with this encoding can show bars and dashes, and so Chinese names too."""
    try:
        _DRAWN.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def char_width(char: str) -> int:
    """The width of a character in columns: 0, 1 or 2 (Unicode Standard Annex 11).

    Ambiguous characters have width 1, as on nearly all terminals.
    """
    if char.isascii():
        return 1 if char.isprintable() else 0
    if unicodedata.category(char) in ("Mn", "Me", "Cf", "Cc", "Zl", "Zp") or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "FW" else 1


def width_of(text: str) -> int:
    """The width of ``text`` on a terminal, in columns."""
    return sum(map(char_width, text))


def clean(text: str, *, unicode: bool = True, limit: int = 300) -> str:
    """``text`` on one line of at most ``limit`` characters, without control characters.

    If ``unicode`` is False, everything but ASCII is escaped.
    """
    flat = one_line(text, limit).translate(
        _WITHOUT_JOINERS
    )  # terminals disagree on the width of joined emoji
    return flat if unicode else flat.replace("…", "...").encode("ascii", "backslashreplace").decode()


def wrap(text: str, width: int, hang: int = 0) -> list[str]:
    """``text`` on lines of at most ``width`` columns, all but the first ``hang`` columns shorter.

    Lines break at a blank. A word that is longer than a line breaks after ``_``, ``-`` or ``/``, and
    elsewhere only if a part between these is longer than a line too.
    """
    lines = [""]
    for word in re.findall(r"\S+|\s+", text):
        for piece in _pieces(word, width - hang):
            room = width if len(lines) == 1 else width - hang
            if lines[-1] and width_of(lines[-1] + piece.rstrip()) > room:
                lines.append("")
            if lines[-1] or not piece.isspace():
                lines[-1] += piece
    return [line.rstrip() for line in lines if line.strip()] or [""]


def longest_part(text: str) -> int:
    """The width of the longest part of ``text`` that ``wrap`` breaks only if it must."""
    return max((width_of(part) for word in text.split() for part in _PARTS.findall(word)), default=0)


def _pieces(word: str, width: int) -> Iterator[str]:
    if width_of(word) <= width:
        yield word
        return
    for part in _PARTS.findall(word):
        if width_of(part) <= width:
            yield part
            continue
        piece = ""
        for char in part:
            if piece and width_of(piece + char) > width:
                yield piece
                piece = ""
            piece += char
        yield piece


def left(text: str, width: int) -> str:
    """``text`` padded with blanks on the right to ``width`` columns."""
    return text + " " * (width - width_of(text))


def right(text: str, width: int) -> str:
    """``text`` padded with blanks on the left to ``width`` columns."""
    return " " * (width - width_of(text)) + text


def bar(share: float, width: int, *, unicode: bool = True) -> str:
    """A bar that fills ``share`` (0 to 1) of ``width`` columns, to an eighth of a column."""
    if not unicode:
        return left("#" * round(share * width), width)
    eighths = round(share * width * 8)
    return left(_BLOCKS[8] * (eighths // 8) + _BLOCKS[eighths % 8].strip(), width)
