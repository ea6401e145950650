"""Lines of JSON to and from a process in a sandbox."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from collections.abc import Mapping
from typing import Any

#: the longest line in bytes, unless another number is given
LONGEST_LINE = 16_384


class Conversation:
    """Exchanges lines with a process through non-blocking pipes. The process may write anything."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._unsent = memoryview(b"")
        self._received = bytearray()

    def send(self, message: Mapping[str, Any]) -> None:
        """Queue a message; ``line`` sends it."""
        self._unsent = memoryview(bytes(self._unsent) + json.dumps(message).encode() + b"\n")

    def line(self, until: float, longest: int = LONGEST_LINE) -> bytes | None:
        """The next line; part of one if the process ended or the line is too long; None on timeout.

        ``until`` is a time of ``time.monotonic``, ``longest`` a number of bytes.
        """
        searched = 0
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while (end := self._received.find(b"\n", searched)) < 0:
                searched = len(self._received)
                left = until - time.monotonic()
                if left <= 0:
                    return None
                if self._unsent and self._in not in selector.get_map():
                    selector.register(self._in, selectors.EVENT_WRITE)
                for key, _ in selector.select(left):
                    if key.fd == self._in:
                        self._write()
                        if not self._unsent:
                            selector.unregister(self._in)
                        continue
                    received = os.read(self._out, 65_536)
                    self._received += received
                    too_long = b"\n" not in received and len(self._received) > longest
                    if not received or too_long:
                        return bytes(self._received[:longest])
        line = bytes(self._received[: min(end, longest)])
        del self._received[: end + 1]
        return line

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._in, self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # the process ended; its output says why
            self._unsent = memoryview(b"")


def parsed(line: bytes | None) -> dict[str, Any]:
    """The message in a line; empty for anything else."""
    try:
        message = json.loads(line or b"")
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def text_of(message: Mapping[str, Any], key: str) -> str:
    """A text of a message; empty if there is none."""
    value = message.get(key)
    return value if isinstance(value, str) else ""


def number_of(message: Mapping[str, Any], key: str) -> int:
    """A whole number of a message; 0 if there is none."""
    value = message.get(key)
    return value if type(value) is int and 0 <= value < 1 << 31 else 0
