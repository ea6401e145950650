"""Ask math-verify, in a process of its own, whether two formulas are equal; each time within a time limit.

Threads share one worker process, and each process of a run (such as those of xdist) has its own. A worker
that exceeds the limit is killed, and the next comparison starts another.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_WORKER = Path(__file__).with_name("worker.py")
#: time to load sympy on a busy machine, which is no part of a comparison
_START_S = 120.0
#: a comparison's limit is processor time; a busy machine may take this much longer
_PATIENCE = 6.0


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether two formulas are equal, their decimals if they have real values, and what went wrong."""

    equal: bool
    gold: str | None = None
    answer: str | None = None
    problem: str = ""


def is_installed() -> bool:
    """Whether math-verify can be imported."""
    try:
        return importlib.util.find_spec("math_verify") is not None
    except (ImportError, ValueError):
        return False


@lru_cache(maxsize=8192)
def prove(gold: str, answer: str, seconds: float) -> Proof:
    """Whether two formulas in LaTeX are equal; False after ``seconds`` of processor time."""
    return _SHARED.ask(gold, answer, seconds)


class _Worker:
    """A process that is started when it is needed, and again after it was killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()
        self._owner = os.getpid()

    def ask(self, gold: str, answer: str, seconds: float) -> Proof:
        """The worker's answer, or what went wrong."""
        with self._lock:
            if self._owner != os.getpid():  # after a fork the process belongs to the parent
                self._process, self._owner = None, os.getpid()
            try:
                if self._process is None or self._process.poll() is not None:
                    self._start()
                self._send({"gold": gold, "answer": answer, "seconds": seconds})
                reply = json.loads(self._line(_PATIENCE * seconds + 5))
            except (OSError, queue.Empty, ValueError):
                self.stop()
                return Proof(False, problem=_slow(seconds))
        if reply.get("problem") == "slow":
            reply["problem"] = _slow(seconds)
        return Proof(**reply)

    def stop(self) -> None:
        """Kill the process, if it runs."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                process.wait(timeout=10)
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()

    def _start(self) -> None:
        self.stop()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        self._lines = queue.Queue()
        threading.Thread(target=_read, args=(self._process, self._lines), daemon=True).start()
        self._send(sys.path)
        self._line(_START_S)

    def _send(self, request: object) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _line(self, seconds: float) -> str:
        return self._lines.get(timeout=seconds)


def _read(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    """Queue the lines of a process, and an empty one at its end."""
    with contextlib.suppress(ValueError, OSError):
        for line in process.stdout or ():
            lines.put(line)
    lines.put("")


def _slow(seconds: float) -> str:
    return f"the comparison took more than {seconds:g} s"


_SHARED = _Worker()
atexit.register(_SHARED.stop)
