"""Runs a command, and stops it and all its children when the process that started it is gone.

It is a stand-alone program, started with the command as its arguments, and needs only the standard
library. It stops the command when standard input ends, which happens however the process at the other
end dies, or when its parent process changes.
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

#: seconds that a command may take to end after SIGTERM
GRACE_S = 6.0
#: start of the log's last line, which is always written; the exit code follows
ENDED = "llmeval: the server ended with exit code "
_POLL_INTERVAL_S = 0.2
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run a command until it ends or must be stopped; returns its exit code."""
    parent = os.getppid()
    _adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", flush=True)
        return 127
    code = 143
    try:
        while child.poll() is None and os.getppid() == parent and not _input_ended():
            pass
    finally:
        code = _stop(child)
    return code


def _input_ended() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], _POLL_INTERVAL_S)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def _stop(child: subprocess.Popen[bytes]) -> int:
    """Stop the command's process group and orphans, and return the command's exit code."""
    _signal(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    _signal(child.pid, signal.SIGKILL)
    code = child.wait()
    # processes that left the group became children of this process when their parents died
    deadline = time.monotonic() + GRACE_S
    while (orphans := _children()) and time.monotonic() < deadline:
        for pid in orphans:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    return code if code >= 0 else 128 - code


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, number)


def _adopt_orphans() -> None:
    """Become the parent of the command's orphans (Linux only; elsewhere only its group is stopped)."""
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
