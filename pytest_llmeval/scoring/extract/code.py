"""The extractor ``code``: the program in a text."""

from __future__ import annotations

import re
from collections.abc import Mapping

# fences may be indented, and the last one may lack its end if the token limit cut it off
_FENCE = re.compile(
    r"^[ ]{0,3}(`{3,}|~{3,})[ ]*([\w+#.-]*)[^\n]*\n(.*?)(?:^[ ]{0,3}\1[`~]*[ ]*$|\Z)", re.M | re.S
)
_PYTHON = ("", "python", "py", "python3")
_DEFINES = re.compile(r"^(?:async\s+def|def|class)\s", re.M)


def code(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The last fenced block of Python that defines a function or class, else the last block.

    A text without fences is a program as a whole. Leading blanks are kept, since base models continue the
    body of a function. None if there is no program.
    """
    del choices
    blocks = [body for _, language, body in _FENCE.findall(text) if language.lower() in _PYTHON]
    if not blocks:
        program = text if not _FENCE.search(text) else ""
    else:
        program = ([block for block in blocks if _DEFINES.search(block)] or blocks)[-1]
    return program.rstrip() + "\n" if program.strip() else None
