"""The job of the process that matches patterns given by users; run by ``worker_main``, never imported.

A request is ``{"pattern": TEXT, "flags": 32, "text": TEXT, "pick": "last"}``: ``first``, ``last`` or ``all``
of the matches, or ``whole`` for a match of the whole text. The answer has each as the start, end and text of
its first group, or of the whole match without groups. A group that took no part is ``[-1, -1, null]``.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import islice
from typing import Any

_MEMORY_BYTES = 1 << 30


def prepare(path: list[str]) -> None:
    """Limit memory: the group of a look-ahead may hold the rest of the text at each of its places."""
    del path
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    except (ImportError, ValueError, OSError):
        pass  # not on Windows


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Match a pattern. Raises RecursionError and MemoryError."""
    pattern = re.compile(request["pattern"], request["flags"])
    group = 1 if pattern.groups else 0
    text, pick = request["text"], request["pick"]
    if pick == "whole":
        found = iter([match] if (match := pattern.fullmatch(text)) else [])
    else:
        found = pattern.finditer(text)
    matches = deque(found, maxlen=1) if pick == "last" else islice(found, 1 if pick == "first" else None)
    return {"matches": [[*match.span(group), match[group]] for match in matches]}
