"""Extractors of answers that are the text itself: ``text`` and ``json``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_OPENING = re.compile(r"[\[{]")
_MOST_TRIES = 50


def text(written: str, choices: Mapping[str, str] | None = None) -> str | None:
    """All that the model wrote, without blanks around it; None where it wrote nothing."""
    del choices
    return written.strip() or None


def json_value(written: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The text's JSON value, be it all of it or its first object or list; None where there is none."""
    del choices
    decoder = json.JSONDecoder(parse_constant=_refuse)
    body = written.strip()
    starts = [match.start() for match, _ in zip(_OPENING.finditer(body), range(_MOST_TRIES), strict=False)]
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
