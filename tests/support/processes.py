"""Helpers for tests that start processes: a server's command line, and waiting for processes to end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.paths import INFERENCE_SERVER

SERVER = [sys.executable, str(INFERENCE_SERVER), "--port", "0", "--load", "600"]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pids(file: Path) -> list[int]:
    assert wait_until(lambda: file.is_file() and file.read_text().endswith("\n"))
    return [int(pid) for pid in file.read_text().split()]
