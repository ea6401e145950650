"""Runs a command, and ends it with all its children when nobody wants it any more.

A program of its own, started with the command's words: it needs nothing but the standard library.
Nobody wants the command when standard input ends, which happens however the process that holds the
other end dies, or when that process is not this one's parent any more.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

#: how long a command may take to end by itself once it is asked to
GRACE_S = 6.0
#: the last line of the log, whatever happened; the exit code follows
ENDED = "llmeval: the server ended with exit code "
_LOOK_EVERY_S = 0.2
_PR_SET_CHILD_SUBREAPER = 36


def main(words: list[str]) -> int:
    """Run a command until it ends or nobody wants it; returns its exit code."""
    parent = os.getppid()
    _adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"{words[0]} cannot be started: {error.strerror}", flush=True)
        return 127
    code = 143
    try:
        while child.poll() is None and os.getppid() == parent and not _input_ended():
            pass
    finally:
        code = _end(child)
    return code


def _input_ended() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY_S)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def _end(child: subprocess.Popen[bytes]) -> int:
    """End what is left of a command and return its exit code."""
    _signal(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    _signal(child.pid, signal.SIGKILL)
    code = child.wait()
    # those that left the group became ours when their parents died
    deadline = time.monotonic() + GRACE_S
    while (orphans := _children()) and time.monotonic() < deadline:
        for pid in orphans:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    return code if code >= 0 else 128 - code


def _signal(group: int, which: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, which)


def _adopt_orphans() -> None:
    """Become the parent of the command's orphans (Linux only; elsewhere its group has to do)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    status = main(sys.argv[1:])
    print(f"\n{ENDED}{status}", flush=True)
    sys.exit(status)
