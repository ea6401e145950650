"""What a sandbox provider is, and what all providers share."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from pytest_llmeval.core.errors import LLMEvalError, one_line

#: time for starting Python in a sandbox, which does not count as the program's time
START_S = 60.0
_GUEST = Path(__file__).with_name("guest.py")
#: nothing from this process, which may hold keys; numerical libraries would start a thread per core
ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class SandboxFailed(LLMEvalError):
    """The program could not be run, so there is no result."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The resources that a program may use.

    ``seconds`` is the wall time of program and tests, or of each test with an input; ``memory_mb`` the
    address space of each process in MiB, ``disk_mb`` the size of all its files, which exist in memory only,
    and ``processes`` the number of processes and threads.
    """

    seconds: float = 10.0
    memory_mb: int = 1024
    disk_mb: int = 64
    processes: int = 8

    @property
    def cpu_s(self) -> int:
        """The processor time of one process in whole seconds, above ``seconds``."""
        return math.ceil(self.seconds) + 1


@dataclass(frozen=True, slots=True)
class Guest:
    """The script that runs the program in a sandbox, and its settings.

    ``modules`` are imported before the program is received. ``runs`` is how often the program runs.
    """

    limits: Limits
    modules: Sequence[str] = ()
    runs: int = 1

    def arguments(self, *, count_processes: bool = True, user: int | None = None) -> list[str]:
        """The arguments of the Python that runs the script.

        ``count_processes`` is False where the provider itself limits the number of processes. ``user`` is the
        number of the user that the script becomes, if it starts as root.
        """
        cpu_s, memory, disk = self.limits.cpu_s * self.runs, self.limits.memory_mb << 20, self.limits.disk_mb
        limits = [
            ("CPU", cpu_s, cpu_s + 1),
            ("AS", memory, memory),
            ("FSIZE", disk << 20, disk << 20),
            ("NOFILE", 64, 64),
            ("CORE", 0, 0),
            *([("NPROC", self.limits.processes, self.limits.processes)] if count_processes else []),
        ]
        settings = {
            "limits": limits,
            "modules": list(self.modules),
            "user": user,
            "environment": [*ENVIRONMENT, "LD_LIBRARY_PATH", "LC_CTYPE"],
        }
        return ["-I", "-B", "-c", _guest_source(), json.dumps(settings)]


@cache
def _guest_source() -> str:
    return _GUEST.read_text("utf-8")


class Provider(Protocol):
    """Isolates one program from everything else.

    ``name`` is its name in the option, ``description`` what results record: whatever may change whether a
    program passes. ``probe`` is Python that raises AssertionError if the sandbox does not isolate.
    """

    @property
    def name(self) -> str:
        """See the class."""

    @property
    def description(self) -> str:
        """See the class."""

    @property
    def probe(self) -> str:
        """See the class."""

    def __hash__(self) -> int:
        """Providers with equal settings are equal."""

    def start(self, guest: Guest) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Start the guest; leaving the context ends all of its processes. Raises ``SandboxFailed``."""


@contextlib.contextmanager
def started(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with pipes in a session of its own, which is killed at the end. Raises ``SandboxFailed``."""
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise SandboxFailed(f"no process can be started: {one_line(error)}") from None
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


#: Fails unless the network, root's rights and the host of a virtual machine are out of reach. ``PORT`` is
#: that of a server outside of the sandbox. A network namespace may have a loopback interface of its own,
#: which refuses connections (111); other addresses must be unreachable (99, 101).
PROBE = """
import os, socket
assert [name for _, name in socket.if_nameindex()] in ([], ["lo"]), "the network is reachable"
for address, port, errors in (("127.0.0.1", PORT, (99, 101, 111)), ("1.1.1.1", 9, (99, 101))):
    try:
        socket.create_connection((address, port), timeout=1)
    except OSError as error:
        assert error.errno in errors, f"the network may be reachable: {error}"
    else:
        raise AssertionError("the network is reachable")
try:
    socket.socket(40, socket.SOCK_STREAM)
except OSError:
    pass
else:
    raise AssertionError("AF_VSOCK is available, which reaches a virtual machine's host")
assert os.getuid() != 0, "programs run as root"
for folder in ("/", "/usr", "/etc"):
    try:
        open(folder + "/llmeval-probe", "x").close()
    except OSError:
        continue
    raise AssertionError(f"{folder} can be written")
"""
#: fails if the kernel's view of processes is mounted
NO_PROC = 'assert not os.path.exists("/proc/self"), "/proc is mounted"\n'
