"""Sandboxes in containers of Docker or Podman: their own Python, from an image."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_llmeval.scoring.sandbox.base import ENVIRONMENT, PROBE, START_S, Guest, started

PROGRAMS = ("docker", "podman")
#: how long a client may take to end by itself after its program, and a container to be removed
_CLIENT_END_S, _END_S = 2.0, 10.0
#: the guest's own processes: ``timeout`` and Python
_OWN_PROCESSES = 2


def default_image() -> str:
    """The official image with the version of this Python."""
    major, minor, _ = platform.python_version_tuple()
    return f"python:{major}.{minor}-slim"


@dataclass(frozen=True, slots=True)
class Container:
    """Needs ``docker`` or ``podman`` (``name``), and an image with Python 3 that has been pulled before."""

    name: str
    image: str
    probe = PROBE

    @property
    def description(self) -> str:
        """See ``Provider``."""
        return f"{self.name} ({self.image})"

    @contextlib.contextmanager
    def start(self, guest: Guest) -> Iterator[subprocess.Popen[bytes]]:
        """See ``Provider``."""
        container = f"llmeval-{secrets.token_hex(8)}"
        ended = False
        try:
            # the client needs the environment of its user; the container receives only ``ENVIRONMENT``
            with started(command(self.name, self.image, container, guest), os.environ) as process:
                yield process
                assert process.stdin is not None
                process.stdin.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_CLIENT_END_S)
                    ended = True
        finally:
            if not ended:
                self._remove(container)

    def _remove(self, container: str) -> None:
        """Remove a container that still runs: killing the client does not end it."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [self.name, "rm", "--force", container],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_END_S,
            )


def command(program: str, image: str, container: str, guest: Guest) -> list[str]:
    """The command line that runs the guest in a new container.

    Process 1 of the container is ``timeout``, which ends it even if pytest is killed; the tested program
    cannot kill process 1.
    """
    limits = guest.limits
    memory = f"{limits.memory_mb + limits.disk_mb}m"
    longest = math.ceil(START_S + limits.seconds * guest.runs + _END_S)
    return [
        program,
        "run",
        "--rm",
        "--interactive",
        "--pull=never",
        f"--name={container}",
        "--network=none",
        "--ipc=none",
        "--hostname=sandbox",
        "--read-only",
        *(["--read-only-tmpfs=false"] if program == "podman" else []),
        f"--tmpfs=/tmp:rw,nosuid,nodev,size={limits.disk_mb}m,nr_inodes=4096,mode=1777",
        "--workdir=/tmp",
        "--user=65534:65534",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--memory={memory}",
        f"--memory-swap={memory}",
        f"--pids-limit={limits.processes + _OWN_PROCESSES}",
        "--cpus=1",
        "--log-driver=none",
        *(f"--env={key}={value}" for key, value in ENVIRONMENT.items()),
        "--entrypoint=timeout",
        image,
        *("-s", "KILL", str(longest)),
        "python3",
        *guest.arguments(count_processes=False),
    ]
