"""The words and numbers in which judges write a verdict, without the markup around them.

Only characters that cannot change a verdict are markup. A sign, a point, a percent sign or a question mark
can: ``-5`` is not 5, ``.5`` is not 5, ``A-`` is not A.
"""

from __future__ import annotations

import re
import unicodedata

_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})")
_OUT_OF = re.compile(r"(.*?)\s*(?:/|\bout of\b)\s*([0-9]{1,9})(?:\.0{1,9})?", re.I | re.S)
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
#: minus signs that are no dashes (category Pd)
_MINUS = "\u02d7\u207b\u208b\u2212\u2796"
_MARKUP = "*_`\"'#|$\\;\u200b\u200c\u200d\u2060\ufe0f\ufeff"
_BRACKETS_AND_SYMBOLS = ("Ps", "Pe", "Pi", "Pf", "So")
_PUNCTUATION = ".,:!。"
_LATEX = re.compile(r"\\(?:boxed|text|textbf|mathbf|mathrm)\{([^{}]*)\}")
_PLACEHOLDER = re.compile(r"<([^<>]*)>")
_HEAD = re.compile(r"[\W_]*grade[\W_]*?[:：](.*)", re.I | re.S)
#: what goes on after the digits that a pattern found
_REST = re.compile(r"(?:[.,]?\d)*(?:\s?%)?(?:\s*(?:/|\bout of\b)\s*[0-9]+(?:\.[0-9]+)?)?", re.I)
_SIGN_OR_DIGIT = re.compile(r"[-+.,\d]")


def last_line(reply: str) -> str:
    """The last line with a letter or digit; lines such as a closing fence have none."""
    lines = reversed(reply.splitlines())
    return next((line.strip() for line in lines if any(map(str.isalnum, line))), "")


def after_grade(line: str) -> str | None:
    """What a line says after ``GRADE:``; None if it begins otherwise."""
    match = _HEAD.fullmatch(line)
    return None if match is None else match[1]


def bare(text: str) -> str:
    """A verdict without markup, in ASCII digits and signs, with single spaces."""
    text = _ascii(text).strip()
    text = _LATEX.sub(r"\1", text)
    start, end = 0, len(text)
    while start < end and _is_markup(text[start]):
        start += 1
    while end > start and (_is_markup(text[end - 1]) or text[end - 1] in _PUNCTUATION):
        end -= 1
    text = text[start:end]
    placeholder = _PLACEHOLDER.fullmatch(text)
    return " ".join((text if placeholder is None else placeholder[1]).split())


def number(text: str, highest: float) -> float | None:
    """The number that a bare verdict is; it may name the highest one, as in ``8/10`` and ``8 out of 10``."""
    if (out_of := _OUT_OF.fullmatch(text)) is not None:
        if float(out_of[2]) != highest:
            return None
        text = bare(out_of[1])
    return float(text) if _NUMBER.fullmatch(text) else None


def whole_number(line: str, start: int, end: int) -> tuple[int, int]:
    """The place of the number of which digits in a line are a part: ``-5``, ``.5``, ``5%``, ``5/10``."""
    while start and _SIGN_OR_DIGIT.match(_ascii(line[start - 1])):
        start -= 1
    rest = _REST.match(line, end)
    return start, end if rest is None else rest.end()


def _ascii(text: str) -> str:
    """``text`` with full-width characters, digits and minus signs in ASCII."""
    text = text.translate(_FULL_WIDTH)
    return text if text.isascii() else "".join(map(_ascii_character, text))


def _ascii_character(character: str) -> str:
    if character in _MINUS or unicodedata.category(character) == "Pd":
        return "-"
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _is_markup(character: str) -> bool:
    return (
        character.isspace()
        or character in _MARKUP
        or unicodedata.category(character) in _BRACKETS_AND_SYMBOLS
    )
