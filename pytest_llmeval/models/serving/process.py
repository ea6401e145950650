"""The process of an inference server, and its log."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.models.serving import supervisor
from pytest_llmeval.models.serving.presets import HOST

_TAIL_BYTES = 64 * 1024
_TAIL_LINES = 4
_POLL_INTERVAL_S = 0.25
_REPORT_INTERVAL_S = 10.0
_LOADING = 503
#: the exit code of a process that SIGKILL ended
_KILLED = 137
_CAUSE = re.compile(
    r"\b(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt)\b: ?\S"  # Python's, with a message
    r"|(?<![\w.])error: \S"  # argparse's
    r"|\b(?:CUDA|HIP|NCCL|ACL) (?:error|out of memory)"
    r"|\b(?:Segmentation fault|Aborted|Bus error|Illegal instruction)\b"
    r"|terminate called after|[Aa]ddress already in use|No space left on device"
)
_POINTS_ELSEWHERE = re.compile(
    r"see (?:the )?(?:root cause|above|error|stack|log)|initialization failed|failed to start|"
    r"exited unexpectedly|died|was terminated|core proc|SystemExit|CancelledError|KeyboardInterrupt",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ServerHandle:
    """A server started by this or another process: its base URL and its log file."""

    url: str
    log: Path

    def last_lines(self, number: int = _TAIL_LINES) -> list[str]:
        """The last lines of the log, without blank lines; a progress bar's updates count as lines."""
        return [one_line(line, 200) for line in self._lines()[-number:]]

    def _lines(self) -> list[str]:
        try:
            with self.log.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(file.tell() - _TAIL_BYTES, 0))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return [line for line in re.split(r"[\r\n]+", text) if line.strip()]

    @property
    def ended(self) -> bool:
        """Whether the log says that the server has ended."""
        return any(line.startswith(supervisor.ENDED) for line in self.last_lines(1))

    def why_ended(self, name: str) -> ModelUnusable:
        """The error to raise when the server has ended: where its log is, and the line that matters."""
        lines = self._lines()
        written = [line for line in lines if not line.startswith("llmeval: ")]
        reason = cause(written) or " | ".join(one_line(line, 200) for line in written[-_TAIL_LINES:])
        if any(line.strip() == f"{supervisor.ENDED}{_KILLED}" for line in lines[-1:]):
            reason = f"{reason or 'no line'} (it was killed, as when the machine's memory is full)"
        return ModelUnusable(f"the server of model {name} ended; {self.log}: {reason or 'it is empty'}")


def cause(lines: Sequence[str]) -> str | None:
    """The line of a server's log that says why it ended; None if no line looks like that.

    The last exception counts, unless it only points to another one above it, as those of a server's main
    process do when a worker of it has failed.
    """
    candidates = [
        one_line(line[match.start() :], 300) for line in lines if (match := _CAUSE.search(line)) is not None
    ]
    own = [line for line in candidates if not _POINTS_ELSEWHERE.search(line)]
    return next(reversed(own or candidates), None)


class Server:
    """A server started by this process under ``supervisor``; it must be stopped."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.handle = ServerHandle(f"http://{HOST}:{port}/v1", log)
        self._port = port
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", supervisor.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C reaches only pytest, which then stops the server
            )

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def wait_until_ready(
        self, name: str, timeout: float, report: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> bool:
        """Wait until the server answers and return True, or False if ``cancelled`` first.

        ``report`` is called with progress messages. Raises ``ModelUnusable`` if the server ends or
        takes longer than ``timeout`` seconds.
        """
        started = reported = time.monotonic()
        while not cancelled():
            ready = self._answers()
            if self.ended:
                raise self.handle.why_ended(name)
            if ready:
                return True
            now = time.monotonic()
            if now - started > timeout:
                raise ModelUnusable(
                    f"the server of model {name} did not answer within {timeout:g} s (start_timeout); "
                    f"see {self.handle.log}"
                )
            if now - reported >= _REPORT_INTERVAL_S:
                reported = now
                last = self.handle.last_lines(1)
                report(f"loading for {now - started:.0f} s" + (f": {one_line(last[0], 100)}" if last else ""))
            time.sleep(_POLL_INTERVAL_S)
        return False

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status != _LOADING
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """Stop the server and its children, and wait until they have ended."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(3 * supervisor.GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """A port of this machine that is not in use now."""
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        return int(unused.getsockname()[1])
