"""A process that does work on a model's text which could take for ever, each time within a time limit.

Threads share a worker, and each process of a run (such as those of xdist) has its own. A worker that exceeds
the limit is killed, and the next request starts another.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MAIN = Path(__file__).with_name("worker_main.py")
#: time to start and prepare on a busy machine, which is no part of a request
_START_S = 120.0
#: the limit of a request is processor time; a busy machine may take this much longer
_PATIENCE = 6.0


class Worker:
    """A process that is started when it is needed, and again after it was killed; safe for several threads.

    ``job`` is a Python file that is run in isolated mode: it defines ``prepare(path)``, called once with
    ``sys.path``, and ``answer(request)``, which turns one JSON object into another.
    """

    def __init__(self, job: Path) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()
        self._owner = os.getpid()
        atexit.register(self.stop)

    def ask(self, request: Mapping[str, object], seconds: float) -> dict[str, Any] | None:
        """The answer to a request; None if there was none after ``seconds`` of processor time.

        If ``answer`` raised, the only key is ``error``, with the name of the exception.
        """
        with self._lock:
            if self._owner != os.getpid():  # after a fork the process belongs to the parent
                self._process, self._owner = None, os.getpid()
            try:
                if self._process is None or self._process.poll() is not None:
                    self._start()
                self._send({"seconds": seconds, "request": request})
                reply: dict[str, Any] | None = json.loads(self._line(_PATIENCE * seconds + 5))
            except (OSError, queue.Empty, ValueError):
                self.stop()
                return None
        return reply

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
            [sys.executable, "-I", "-X", "utf8", str(_MAIN), str(self._job)],
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

    def _send(self, message: object) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _line(self, seconds: float) -> str:
        return self._lines.get(timeout=seconds)


def _read(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    """Queue the lines of a process, and an empty one at its end."""
    with contextlib.suppress(ValueError, OSError):
        for line in process.stdout or ():
            lines.put(line)
    lines.put("")
