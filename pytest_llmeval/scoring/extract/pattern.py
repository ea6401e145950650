"""A benchmark's own pattern, in front of any extractor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llmeval.scoring.extract import Extractor

MATCHES = ("last", "first")
#: a user's pattern may take more than linear time
_MAX_CHARACTERS = 100_000


def with_pattern(extract: Extractor, pattern: re.Pattern[str], match: str) -> Extractor:
    """An extractor that reads only a match of ``pattern``: its first group if it has one, else the whole.

    ``match`` is ``first`` or ``last``. The extractor finds no answer if the pattern does not match.
    """

    def read(text: str, choices: Mapping[str, str]) -> str | None:
        text = text[:_MAX_CHARACTERS] if match == "first" else text[-_MAX_CHARACTERS:]
        matches = pattern.finditer(text)
        chosen = next(matches, None)
        if match == "last":
            for later in matches:
                chosen = later
        if chosen is None:
            return None
        return extract((chosen[1] if pattern.groups else chosen[0]) or "", choices)

    return read
