"""Reading a program out of what a model wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping

# a fence may be indented, and the last may lack its end where the token limit cut it off
_FENCE = re.compile(
    r"^[ ]{0,3}(`{3,}|~{3,})[ ]*([\w+#.-]*)[^\n]*\n(.*?)(?:^[ ]{0,3}\1[`~]*[ ]*$|\Z)", re.M | re.S
)
_PYTHON = ("", "python", "py", "python3")
_DEFINES = re.compile(r"^(?:async\s+def|def|class)\s", re.M)


def code(written: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The last fenced block of Python that defines something, else the last; all of a text without fences.

    Leading blanks stay: a base model goes on inside of a function. None where there is nothing.
    """
    del choices
    blocks = [body for _, language, body in _FENCE.findall(written) if language.lower() in _PYTHON]
    if not blocks:
        found = written if not _FENCE.search(written) else ""
    else:
        found = ([block for block in blocks if _DEFINES.search(block)] or blocks)[-1]
    return found.rstrip() + "\n" if found.strip() else None
