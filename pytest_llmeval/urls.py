"""URLs as they may be shown."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")


def redact(text: str) -> str:
    """``text`` with ``***@`` for the credentials of every URL in it."""
    return _CREDENTIALS.sub("***@", text)
