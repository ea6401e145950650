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


@dataclass(frozen=True, slots=True)
class ServerHandle:
    """A server started by this or another process: its base URL and its log file."""

    url: str
    log: Path

    def last_lines(self, number: int = _TAIL_LINES) -> list[str]:
        """The last lines of the log, without blank lines; a progress bar's updates count as lines."""
        try:
            with self.log.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(file.tell() - _TAIL_BYTES, 0))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        lines = [one_line(line, 200) for line in re.split(r"[\r\n]+", text) if line.strip()]
        return lines[-number:]

    @property
    def ended(self) -> bool:
        """Whether the log says that the server has ended."""
        return any(line.startswith(supervisor.ENDED) for line in self.last_lines(1))

    def why_ended(self, name: str) -> ModelUnusable:
        """The error to raise when the server has ended, with the last lines of its log."""
        tail = " | ".join(
            line for line in self.last_lines(_TAIL_LINES + 1) if not line.startswith("llmeval: ")
        )
        return ModelUnusable(f"the server of model {name} ended; {self.log}: {tail or 'it is empty'}")


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
