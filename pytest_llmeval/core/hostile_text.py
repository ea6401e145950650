"""Make text of models, servers and files safe to print on a terminal or in a CI log.

Such text may hold control sequences, which move the cursor or change the title; marks that reverse the order
of characters; and lines that CI runners take for commands: ``::add-mask::`` (GitHub), ``##vso[`` (Azure),
``##teamcity[``, ``section_start:`` (GitLab), ``+++`` (Buildkite), ``travis_fold:``.
"""

from __future__ import annotations

import re
import unicodedata

JOINERS = "\u200c\u200d"
#: control characters but tab and newline, marks of direction, and others without width; not the joiners of
#: emoji, Persian and Indic scripts, which change nothing but their neighbours' shapes
_HIDDEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
#: Azure and old runners of GitHub look for commands anywhere in a line
_ANYWHERE = re.compile(r"##(?=\[|vso\[|teamcity\[)", re.I)
_AT_START = re.compile(
    r"^(\s*)(?=::|\+\+\+|---|~~~|\^\^\^|section_(?:start|end):|travis_(?:fold|time):)", re.M | re.I
)
#: of one text from a model in a message
MAX_CHARACTERS = 4000


def escaped(text: str) -> str:
    r"""``text`` with each hidden character as its escape: ``\x1b``, ``\u202e``."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text.replace("\r\n", "\n"))


def without_commands(text: str, *, own_start: bool = False) -> str:
    """``text`` with a backslash in what a CI runner would take for a command, in any of its lines.

    ``own_start`` says that its lines begin with words of our own.
    """
    text = _ANYWHERE.sub(r"#\\#", text)
    return text if own_start else _AT_START.sub(r"\1\\", text)


def safe(text: str, limit: int = MAX_CHARACTERS) -> str:
    """``text`` on its own lines as it may be printed; a longer one is cut, with a note of its length."""
    shown = without_commands(escaped(text[:limit]))
    if len(text) > limit:
        shown += f"\n… (cut: {len(text):,} characters)"
    return shown


def cut(text: str, limit: int) -> str:
    """The first characters of ``text``, up to ``limit``; never a part of an emoji or accented letter."""
    end = limit
    while 0 < end < len(text) and (_joins(text[end]) or text[end - 1] in JOINERS):
        end -= 1
    return text[: end or limit]


def _joins(character: str) -> bool:
    """Whether a character belongs to the one before it: a joiner, an accent, a skin tone."""
    return (
        character in JOINERS
        or unicodedata.combining(character) > 0
        or unicodedata.category(character) in ("Mn", "Me", "Mc")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
