"""Normalise text for the rules: half-width characters, no markup."""

from __future__ import annotations

import re
import unicodedata

_MARKUP = (
    (re.compile(r"\r\n?|<br ?/?>", re.I), "\n"),
    (
        re.compile(r"\\(?:text|math|operatorname|large|Large|huge|bf|rm)[a-z]*\b ?|\\[,;!\[\]()]|\\q?quad\b"),
        "",
    ),
    (re.compile("[*_`$\\0-\\x08\\x0b-\\x1f\\x7f\\u200b-\\u200f\\ufeff\\ufe0f]+"), ""),
    (re.compile(r"[^\S\n]+"), " "),
    (re.compile(r"(?: ?\n){3,}"), "\n\n"),
    (re.compile(r"^ ?(?:[-•·+] |[#>|] ?)+|[ |]+$", re.M), ""),
)


def clean(text: str) -> str:
    """Remove Markdown, LaTeX fonts, control characters and surrounding blanks; make characters half-width."""
    text = unicodedata.normalize("NFKC", text)
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text.strip()


def unwrapped(text: str) -> str:
    """Remove the quotes, brackets and punctuation around a text."""
    return text.strip(" \n\t\"'“”‘’「」『』《》【】()[]{}<>。.,;:!、")


def bare(text: str) -> str:
    """``unwrapped`` text, ignoring case."""
    return unwrapped(text).casefold()
