"""Run a program that a model wrote, with the tests it must pass, isolated by the Linux kernel.

``run`` starts ``jail.py``, which removes access to network, files, processes, environment and privileges,
limits the remaining resources, and then executes a Python that runs the program. The process reports
success with a token that it receives together with the tests, after the program itself has run: a program
that ends the process earlier does not pass.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pytest_llmeval.core.errors import LLMEvalError, UserError, one_line

_JAIL = Path(__file__).with_name("jail.py")  # a script: it can only be imported on Linux
_MAX_LINE_BYTES = 16_384
#: time for starting two Pythons, which does not count as the program's time
_START_S = 30.0
_PROBE = """
import os, socket
assert [name for _, name in socket.if_nameindex()] in ([], ["lo"]), "the network is reachable"
for address in ("127.0.0.1", "1.1.1.1"):
    try:
        socket.create_connection((address, 9), timeout=1)
    except OSError as error:
        assert error.errno in (99, 101), f"the network may be reachable: {error}"
    else:
        raise AssertionError("the network is reachable")
try:
    socket.socket(40, socket.SOCK_STREAM)
except OSError:
    pass
else:
    raise AssertionError("AF_VSOCK is available, which reaches a virtual machine's host")
assert not os.path.exists("/proc/self") and os.getuid() != 0
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The resources that a program may use.

    ``seconds`` is the wall time of program and tests, ``memory_mb`` the address space of each process in
    MiB, ``disk_mb`` the size of all its files, which exist in memory only, and ``processes`` the number of
    processes and threads.
    """

    seconds: float = 10.0
    memory_mb: int = 1024
    disk_mb: int = 64
    processes: int = 8


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """Whether the program passed its tests, and if not why, on one line."""

    passed: bool
    reason: str = ""


class SandboxFailed(LLMEvalError):
    """The program could not be run, so there is no result."""


@cache
def why_not() -> str | None:
    """Why programs cannot be run safely on this machine; None if they can."""
    if sys.platform != "linux":
        return "only Linux can isolate a single program from the network"
    try:
        result = run("", _PROBE)
    except SandboxFailed as error:
        return str(error)
    return None if result.passed else result.reason


def check(name: str) -> None:
    """Raise ``UserError`` if programs cannot be run safely; ``name`` begins its message."""
    reason = why_not()
    if reason is not None:
        raise UserError(
            f"{name}: programs cannot be run safely here: {reason}; "
            "see docs/code.md for the requirements (user namespaces, or root with CAP_SYS_ADMIN)"
        )


def run(code: str, tests: str, limits: Limits | None = None) -> ProgramResult:
    """Run ``code`` and then ``tests`` in the same namespace. Raises ``SandboxFailed``.

    A program passes if the tests run to their end. A program that searches the memory of its own Python for
    the token can find it: see docs/code.md.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="llmeval-") as root:
        request = {
            "parent": os.getpid(),
            "root": os.path.realpath(root),
            "python": sys.executable,
            "visible": _visible(),
            "environment": _ENVIRONMENT | _LIBRARIES,
            "cpu_s": math.ceil(limits.seconds) + 1,
            "memory_mb": limits.memory_mb,
            "disk_mb": limits.disk_mb,
            "processes": limits.processes,
        }
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", str(_JAIL), json.dumps(request)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_LIBRARIES,
                cwd="/",
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise SandboxFailed(f"no process can be started: {one_line(error)}") from None
        try:
            return _talk(process, code, tests, limits)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


#: nothing from this process, which may hold keys; numerical libraries would start a thread per core
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
#: some Pythons need it to find their own library (GitHub's setup-python)
_LIBRARIES = {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}


def _visible() -> list[str]:
    """The folders of this Python and its packages, with links resolved too. Raises ``SandboxFailed``."""
    folders = (sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix)
    paths = [path for folder in folders for path in (os.path.abspath(folder), os.path.realpath(folder))]
    hidden = {"the home folder": os.path.realpath(os.path.expanduser("~")), "the temporary files": "/tmp"}
    for path in paths:
        for name, folder in hidden.items():
            if path not in ("/", "/usr") and os.path.commonpath([path, folder]) == path:
                raise SandboxFailed(f"this Python is installed in a folder that contains {name}: {path}")
    paths.append(os.path.realpath(sys.executable))
    return list(dict.fromkeys(path for path in paths if path != "/"))


class _Conversation:
    """Exchanges lines with the process through non-blocking pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._unsent = b""
        self._received = b""

    def send(self, message: dict[str, str]) -> None:
        """Queue a message; ``line`` sends it."""
        self._unsent += json.dumps(message).encode() + b"\n"

    def line(self, until: float) -> bytes | None:
        """The next line; part of one if the process ended or the line is too long; None on timeout."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while b"\n" not in self._received:
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
                    too_long = b"\n" not in self._received and len(self._received) > _MAX_LINE_BYTES
                    if not received or too_long:
                        return self._received[:_MAX_LINE_BYTES]
        line, _, self._received = self._received.partition(b"\n")
        return line[:_MAX_LINE_BYTES]

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._in, self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # the process ended; its output says why
            self._unsent = b""


def _talk(process: subprocess.Popen[bytes], code: str, tests: str, limits: Limits) -> ProgramResult:
    token = secrets.token_hex(32)
    conversation = _Conversation(process)
    conversation.send({"code": code})
    start = time.monotonic() + _START_S
    # the program has not run yet, so this line can only come from the jail
    line = conversation.line(start)
    jailed = _parsed(line or b"").get(
        "jail", f"not started within {_START_S:g} s" if line is None else "not started"
    )
    if jailed:
        raise SandboxFailed(one_line(jailed))
    line = conversation.line(start)
    if line != b"begun":
        raise SandboxFailed(f"{sys.executable} does not start in the sandbox")
    until = time.monotonic() + limits.seconds
    line = conversation.line(until)
    if line == b"ready":
        conversation.send({"tests": tests, "word": token})
        line = conversation.line(until)
    if line is None:
        return ProgramResult(False, f"not done after {limits.seconds:g} s")
    message = _parsed(line)
    if secrets.compare_digest(message.get("passed", "").encode(), token.encode()):
        return ProgramResult(True)
    if "failed" in message:
        where = "" if message.get("where") == "tests" else "before its tests: "
        return ProgramResult(False, where + one_line(message["failed"], 200))
    return ProgramResult(False, "it ended before its tests did")


def _parsed(line: bytes) -> dict[str, str]:
    """The message in a line. The program can write to the same pipe, so it may contain anything."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(message, dict):
        return {}
    return {str(key): value for key, value in message.items() if isinstance(value, str)}
