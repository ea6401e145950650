"""Run a program that a model wrote, with the tests it must pass, shut in by the Linux kernel.

``run`` starts ``jail.py``, which takes away network, files, processes, environment and rights, limits what
is left, and becomes a Python that runs the program. That it passed is told by a word which is sent to it
together with the tests, after the program itself was run: what ends the process before the tests' end has
not passed.
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

_JAIL = Path(__file__).with_name("jail.py")  # not imported: elsewhere than on Linux it cannot be
_MOST_SAID = 16_384
#: for starting two Pythons, which is not the program's time
_START_S = 30.0
_PROBE = """
import os, socket
assert [name for _, name in socket.if_nameindex()] in ([], ["lo"]), "the network is there"
for address in ("127.0.0.1", "1.1.1.1"):
    try:
        socket.create_connection((address, 9), timeout=1)
    except OSError as error:
        assert error.errno in (99, 101), f"the network may be there: {error}"
    else:
        raise AssertionError("the network is there")
try:
    socket.socket(40, socket.SOCK_STREAM)
except OSError:
    pass
else:
    raise AssertionError("AF_VSOCK is there, which reaches a virtual machine's host")
assert not os.path.exists("/proc/self") and os.getuid() != 0
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use.

    ``seconds`` is wall time of program and tests; ``memory_mb`` is each process' address space in MiB,
    ``disk_mb`` all its files, in memory and gone afterwards; ``processes`` counts threads too.
    """

    seconds: float = 10.0
    memory_mb: int = 1024
    disk_mb: int = 64
    processes: int = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the program passed its tests, and if not why, on one line."""

    passed: bool
    reason: str = ""


class SandboxFailed(LLMEvalError):
    """The program was not run: there is no verdict."""


@cache
def why_not() -> str | None:
    """What keeps programs from being run safely on this machine; None where nothing does."""
    if sys.platform != "linux":
        return "only Linux can cut the network off from one program"
    try:
        probed = run("", _PROBE)
    except SandboxFailed as error:
        return str(error)
    return None if probed.passed else probed.reason


def check(what: str) -> None:
    """Raises ``UserError`` where programs cannot be run safely; ``what`` begins its line."""
    why = why_not()
    if why is not None:
        raise UserError(
            f"{what}: programs cannot be run safely here: {why}; "
            "see docs/code.md for what it takes (user namespaces, or root with CAP_SYS_ADMIN)"
        )


def run(code: str, tests: str, limits: Limits | None = None) -> Verdict:
    """Run ``code`` and then ``tests`` in its namespace. Raises ``SandboxFailed``.

    Passing means that the tests ran to their end. A program that looks for the word in the memory of its
    own Python can find it: see docs/code.md.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="llmeval-") as root:
        asked = {
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
                [sys.executable, "-I", "-S", "-B", str(_JAIL), json.dumps(asked)],
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


#: nothing of this process' own, which holds keys; numerical libraries would take a thread a core
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
#: some Pythons find their own library by it (GitHub's setup-python)
_LIBRARIES = {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}


def _visible() -> list[str]:
    """Where this Python and its packages are, also where links lead. Raises ``SandboxFailed``."""
    folders = (sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix)
    found = [place for folder in folders for place in (os.path.abspath(folder), os.path.realpath(folder))]
    hidden = {"the home folder": os.path.realpath(os.path.expanduser("~")), "the temporary files": "/tmp"}
    for place in found:
        for called, folder in hidden.items():
            if place not in ("/", "/usr") and os.path.commonpath([place, folder]) == place:
                raise SandboxFailed(
                    f"this Python is installed over {called} ({place}), which must stay hidden"
                )
    found.append(os.path.realpath(sys.executable))
    return list(dict.fromkeys(place for place in found if place != "/"))


class _Conversation:
    """What is yet to be sent to the process, and what it said; nothing here waits for it for long."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._unsent = b""
        self._said = b""

    def send(self, message: dict[str, str]) -> None:
        """Leave a line to be sent."""
        self._unsent += json.dumps(message).encode() + b"\n"

    def line(self, until: float) -> bytes | None:
        """The next line; what there is of it where the process ended or says too much; None out of time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while b"\n" not in self._said:
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
                    said = os.read(self._out, 65_536)
                    self._said += said
                    if not said or len(self._said) > _MOST_SAID:
                        return self._said[:_MOST_SAID]
        line, _, self._said = self._said.partition(b"\n")
        return line

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._in, self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # it ended; what it said tells why
            self._unsent = b""


def _talk(process: subprocess.Popen[bytes], code: str, tests: str, limits: Limits) -> Verdict:
    word = secrets.token_hex(32)
    conversation = _Conversation(process)
    conversation.send({"code": code})
    start = time.monotonic() + _START_S
    # until here nothing of the program was run, and all that is said is the jail's
    line = conversation.line(start)
    jailed = _parsed(line or b"").get(
        "jail", f"no start within {_START_S:g} s" if line is None else "no start"
    )
    if jailed:
        raise SandboxFailed(one_line(jailed))
    line = conversation.line(start)
    if line != b"begun":
        raise SandboxFailed(f"{sys.executable} does not start in the sandbox")
    until = time.monotonic() + limits.seconds
    line = conversation.line(until)
    if line == b"ready":
        conversation.send({"tests": tests, "word": word})
        line = conversation.line(until)
    if line is None:
        return Verdict(False, f"not done after {limits.seconds:g} s")
    said = _parsed(line)
    if secrets.compare_digest(said.get("passed", "").encode(), word.encode()):
        return Verdict(True)
    if "failed" in said:
        where = "" if said.get("where") == "tests" else "before its tests: "
        return Verdict(False, where + one_line(said["failed"], 200))
    return Verdict(False, "it ended before its tests did")


def _parsed(line: bytes) -> dict[str, str]:
    """What a line of the jail says. The program can write to the same pipe: anything may be in it."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    return {str(key): value for key, value in said.items() if isinstance(value, str)}
