"""A whole process, from start to exit, as the operating system counts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the clock and on all processors, the most memory (MB), and when it began (monotonic)."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    began: float


def timed(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> Cost:
    """Run a command in ``folder`` (made here) with ``env`` added; exits when it fails.

    Its output goes to ``output.txt``. Commands of this Python see the repository, others do not.
    """
    folder.mkdir(parents=True)
    own = {"PYTHONPATH": str(REPOSITORY) if command[0] == sys.executable else ""}
    with (folder / "output.txt").open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **env, **own}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = (folder / "output.txt").read_text("utf-8", "replace")[-3000:]
        sys.exit(f"{' '.join(command)}\nexited {process.returncode}:\n{tail}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, began)
