"""Undo what surrounds or disguises a program in a model's text: tags, quotations, sessions, diffs, numbers.

They are for texts that Python's parser does not accept, since they may also change the program's strings.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from pytest_llmeval.scoring.python_source import HEAD

_WORD = r"\[/?(?:BEGIN|END|DONE|STOP|PYTHON|CODE|ANSWER|SOLUTION|INST|TESTS?)\]"
_MARKS_BEFORE = re.compile(rf"^([ \t]*+)(?:(?:</?[A-Za-z][\w-]*(?:[ \t][^<>\n]*)?>|{_WORD})[ \t]*+)++", re.M)
_MARK_AFTER = re.compile(rf"(?:</[A-Za-z][\w-]*>|(?:[ \t]|(?=\[/)){_WORD})[ \t]*$")
_LINE_BREAK = re.compile(r"<br ?/?>\n?", re.I)
_LONGEST_MARK = 60
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#x?[0-9a-fA-F]{1,4});")
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\u3000", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
        **dict.fromkeys("\u2018\u2019\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201f", '"'),
    }
)
_QUOTED = re.compile(r"^[ \t]*>[ \t]?(?!>)", re.M)
_SESSION = re.compile(r"^[ \t]*(?:(?:>>>|\.\.\.)(?: |$)|In \[\d+\]: |\.{3,}: ?)", re.M)
_NUMBER = re.compile(r"^[ \t]*\d{1,4}(?:[.:|)][ \t]?|[ \t]*[|│][ \t]?|[ \t]{1,2}|$)", re.M)


def _without_marks(text: str) -> str:
    """Without HTML tags and tool marks such as ``[PYTHON]`` around lines; entities become characters."""
    text = _MARKS_BEFORE.sub(r"\1", _LINE_BREAK.sub("\n", text))
    text = "\n".join(map(_without_marks_after, text.split("\n")))
    return html.unescape(text) if _ENTITY.search(text) else text


def _without_marks_after(line: str) -> str:
    for _ in range(3):
        mark = _MARK_AFTER.search(line, max(0, len(line) - _LONGEST_MARK))
        if mark is None:
            break
        line = line[: mark.start()]
    return line


def _without_typography(text: str) -> str:
    return text.translate(_TYPOGRAPHY)


def _without_quotation(text: str) -> str:
    """Without the marks of a Markdown quotation."""
    lines = [line for line in text.split("\n") if line.strip()]
    return _QUOTED.sub("", text) if lines and all(map(_QUOTED.match, lines)) else text


def _without_session(text: str) -> str:
    """The input of an interactive session, whose lines begin with ``>>>`` and ``...``."""
    if not any(_SESSION.match(line) and HEAD.match(_SESSION.sub("", line)) for line in text.split("\n")):
        return text
    lines = (line for line in text.split("\n") if _SESSION.match(line))
    return "\n".join(_SESSION.sub("", line) for line in lines)


def _after_diff(text: str) -> str:
    """The new text of a unified diff."""
    lines = text.split("\n")
    lines = [line for line in lines if not re.match(r"diff |index |---|\+\+\+|@@|\\ No newline", line)]
    if not any(line.startswith("+") for line in lines) or any(line[:1] not in "+- " for line in lines):
        return text
    return "\n".join(line[1:] for line in lines if not line.startswith("-"))


def _without_numbers(text: str) -> str:
    """Without line numbers."""
    lines = [line for line in text.split("\n") if line.strip()]
    return _NUMBER.sub("", text) if len(lines) > 1 and all(map(_NUMBER.match, lines)) else text


def _with_newlines(text: str) -> str:
    """With newlines where a text on one line has them as ``\\n``."""
    if "\n" in text.strip() or "\\n" not in text:
        return text
    return text.strip().replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')


#: in the order in which they are made
REPAIRS: tuple[Callable[[str], str], ...] = (
    _without_marks,
    _without_typography,
    _without_quotation,
    _without_session,
    _after_diff,
    _without_numbers,
    _with_newlines,
)
