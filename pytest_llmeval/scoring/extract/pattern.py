"""A benchmark's own pattern, in front of any extractor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_llmeval.scoring.patterns import MAX_CHARACTERS, find

if TYPE_CHECKING:
    from pytest_llmeval.scoring.extract import Extractor

MATCHES = ("last", "first")


def with_pattern(extract: Extractor, pattern: re.Pattern[str], match: str) -> Extractor:
    """An extractor that reads only a match of ``pattern``: its first group if it has one, else the whole.

    The extractor finds no answer if the pattern does not match. It raises ``RequestFailed`` if the pattern
    takes too long.
    """

    def read(text: str, choices: Mapping[str, str]) -> str | None:
        text = text[:MAX_CHARACTERS] if match == "first" else text[-MAX_CHARACTERS:]
        chosen = find(pattern, text, "first" if match == "first" else "last")
        return None if chosen is None else extract(chosen.text or "", choices)

    return read
