"""The lines that a sandboxed process writes."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from pytest_llmeval.scoring.sandbox.conversation import LONGEST_LINE, Conversation


@pytest.mark.parametrize(
    ("code", "line"),
    [
        # a flood that arrives together with the line
        (f"import os; os.write(1, b'begun\\n' + b'z' * {LONGEST_LINE + 1000})", b"begun"),
        # a line that never ends
        (f"import os\nwhile True: os.write(1, b'z' * {LONGEST_LINE})", b"z" * LONGEST_LINE),
        # a process that ended within a line
        ("print('par', end='')", b"par"),
    ],
)
def test_the_first_line(code: str, line: bytes) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    with process:
        try:
            assert Conversation(process).line(time.monotonic() + 20) == line
        finally:
            process.kill()
