r"""Patterns that users give (benchmark.toml, rows of a file), matched in model text within a time limit.

Python's ``re`` backtracks: ``^(\w+\s?)*$`` takes hours for some texts of 60 characters. It runs here in a
process of its own, which can be interrupted. The library ``regex`` has a time limit too, but another ``\w``
(marks of Hindi or Thai), other case folding and fuzzy matching in ``{e<=1}``: a pattern would silently read
other answers than in the tools that it comes from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pytest_llmeval.core.errors import RequestFailed, UserError, one_line
from pytest_llmeval.scoring.worker import Worker

Pick: TypeAlias = Literal["first", "last", "whole"]
#: processor time for one text; usual patterns take a millisecond for the longest
SECONDS = 2.0
#: a text is cut to this length, since the time of many patterns is quadratic
MAX_CHARACTERS = 100_000


@dataclass(frozen=True, slots=True)
class Found:
    """A match: the text of the pattern's first group, or of the whole match if it has none, and its place.

    ``text`` is None if the group took no part in the match.
    """

    start: int
    end: int
    text: str | None


def compile_pattern(pattern: str, where: str) -> re.Pattern[str]:
    """Compile a user's regular expression. Raises ``UserError``."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"{where}: not a regular expression: {one_line(error)}") from None


def find_all(pattern: re.Pattern[str], text: str) -> list[Found]:
    """All matches in a text, in order. Raises ``RequestFailed`` if that takes too long."""
    return _ask(pattern, text, "all")


def find(pattern: re.Pattern[str], text: str, pick: Pick) -> Found | None:
    """One match in a text, or None. Raises ``RequestFailed`` if that takes too long.

    ``pick`` is which: the first, the last, or that of the whole text.
    """
    return next(iter(_ask(pattern, text, pick)), None)


def _ask(pattern: re.Pattern[str], text: str, pick: str) -> list[Found]:
    request = {"pattern": pattern.pattern, "flags": pattern.flags, "text": text, "pick": pick}
    reply = _SHARED.ask(request, SECONDS)
    if reply is None or "error" in reply:
        reason = f"took more than {SECONDS:g} s on" if reply is None else f"fails ({reply['error']}) on"
        raise RequestFailed(
            f"the pattern {one_line(pattern.pattern, 80)} {reason} the model's text "
            f"({len(text):,} characters); a repetition inside of another is often the cause"
        )
    return [Found(*match) for match in reply["matches"]]


_SHARED = Worker(Path(__file__).with_name("pattern_job.py"))
