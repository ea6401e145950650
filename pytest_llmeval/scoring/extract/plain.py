"""The extractors ``text`` and ``json``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_OPENING = re.compile(r"[\[{]")
_MAX_ATTEMPTS = 50


def text(reply: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The whole text without surrounding blanks; None if it is empty."""
    del choices
    return reply.strip() or None


def json_value(reply: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The JSON value of a text: the whole text, or its first object or list; None if it has none."""
    del choices
    decoder = json.JSONDecoder(parse_constant=_refuse)
    body = reply.strip()
    starts = [match.start() for match, _ in zip(_OPENING.finditer(body), range(_MAX_ATTEMPTS), strict=False)]
    for start in [0, *starts]:
        try:
            _, end = decoder.raw_decode(body, start)
        except (ValueError, RecursionError):
            continue
        if start or end == len(body) or body[0] in "[{":
            return body[start:end]
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
