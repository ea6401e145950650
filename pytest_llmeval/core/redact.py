"""Remove secrets from URLs in texts that are shown or stored."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
_QUERY = re.compile(r"(://[^\s?'\"]+)\?[^\s'\"]+")


def redact(text: str) -> str:
    """Replace the credentials and the query of every URL in ``text`` with ``***``; both may contain a key."""
    return _QUERY.sub(r"\1?***", _CREDENTIALS.sub("***@", text))
