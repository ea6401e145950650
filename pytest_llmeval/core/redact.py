"""URLs as they may be shown."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
_QUERY = re.compile(r"(://[^\s?'\"]+)\?[^\s'\"]+")


def redact(text: str) -> str:
    """``text`` with ``***`` for the credentials and the query of every URL in it: both may hold a key."""
    return _QUERY.sub(r"\1?***", _CREDENTIALS.sub("***@", text))
