"""A server's process and its log."""

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
_LINES = 4
_LOOK_EVERY_S = 0.25
_TELL_EVERY_S = 10.0
_LOADING = 503


@dataclass(frozen=True, slots=True)
class Running:
    """A server that this or another process started: its address and its log."""

    url: str
    log: Path

    def last_lines(self, number: int = _LINES) -> list[str]:
        """The last lines of the log, without blank ones and what progress bars wrote over."""
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
        """Whether its log says that it ended."""
        return any(line.startswith(supervisor.ENDED) for line in self.last_lines(1))

    def why_ended(self, name: str) -> ModelUnusable:
        """What to say of it then."""
        said = " | ".join(line for line in self.last_lines(_LINES + 1) if not line.startswith("llmeval: "))
        return ModelUnusable(f"the server of model {name} ended; {self.log}: {said or 'it is empty'}")


class Server:
    """One that this process started, under ``supervisor``; must be stopped."""

    def __init__(self, words: Sequence[str], port: int, log: Path) -> None:
        self.running = Running(f"http://{HOST}:{port}/v1", log)
        self._port = port
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", supervisor.__file__, *words],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for pytest, which then stops it
            )

    @property
    def ended(self) -> bool:
        """Whether it ended by itself."""
        return self._process.poll() is not None

    def wait_until_ready(
        self, name: str, timeout: float, tell: Callable[[str], None], given_up: Callable[[], bool]
    ) -> bool:
        """Return when it answers, and ``tell`` of it meanwhile; False when ``given_up`` came first.

        ``timeout`` is in seconds. Raises ``ModelUnusable`` when it ends, or takes longer.
        """
        started = told = time.monotonic()
        while not given_up():
            ready = self._answers()
            if self.ended:
                raise self.running.why_ended(name)
            if ready:
                return True
            now = time.monotonic()
            if now - started > timeout:
                raise ModelUnusable(
                    f"the server of model {name} did not answer within {timeout:g} s (start_timeout); "
                    f"see {self.running.log}"
                )
            if now - told >= _TELL_EVERY_S:
                told = now
                last = self.running.last_lines(1)
                tell(f"loading for {now - started:.0f} s" + (f": {one_line(last[0], 100)}" if last else ""))
            time.sleep(_LOOK_EVERY_S)
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
        """End it and its children, and wait until they are gone."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(3 * supervisor.GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens at now."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
