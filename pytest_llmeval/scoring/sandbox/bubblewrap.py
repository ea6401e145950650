"""The sandbox of bubblewrap (https://github.com/containers/bubblewrap), 0.7 or newer, which Flatpak uses."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_llmeval.scoring.sandbox.base import ENVIRONMENT, NO_PROC, PROBE, Guest, SandboxFailed, started
from pytest_llmeval.scoring.sandbox.own import LIBRARIES, visible_folders

PROGRAM = "bwrap"
_NOBODY = 65534
#: The users that systemd reserves for services without a user of their own. As root, each sandbox has another
#: one, since the limit on processes counts those of a user.
_USERS = range(61184, 65520)


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Needs the program ``bwrap``, and user namespaces unless that is set-uid."""

    name = "bubblewrap"
    description = "bubblewrap"
    probe = PROBE + NO_PROC

    @contextlib.contextmanager
    def start(self, guest: Guest) -> Iterator[subprocess.Popen[bytes]]:
        """See ``Provider``."""
        from pytest_llmeval.scoring.sandbox import jail

        try:
            filter = jail.call_filter(os.uname().machine)
        except ValueError as error:
            raise SandboxFailed(str(error)) from None
        folders = _outermost([path for path in (*jail.SYSTEM, *visible_folders()) if os.path.exists(path)])
        filter_end, sending_end = os.pipe()
        try:
            os.write(sending_end, filter)  # less than a pipe holds
            os.close(sending_end)
            user = secrets.choice(_USERS) if os.getuid() == 0 else None
            arguments = command(guest, folders, jail.DEVICES, filter_end, user)
            with started(arguments, LIBRARIES, pass_fds=[filter_end]) as process:
                yield process
        finally:
            os.close(filter_end)


def command(
    guest: Guest, folders: Sequence[str], devices: Sequence[str], filter_fd: int, user: int | None
) -> list[str]:
    """The command line that runs the guest.

    It sees ``folders`` read-only, ``devices``, and an empty /tmp. ``filter_fd`` is a file descriptor with a
    seccomp filter. If root starts it, ``user`` is the number of the user that the guest becomes: without a
    user namespace, so that it works for a Python in root's home folder, too.
    """
    environment = {**ENVIRONMENT, **LIBRARIES}
    if user is None:
        identity = ["--unshare-user", "--uid", str(_NOBODY), "--gid", str(_NOBODY), "--cap-drop", "ALL"]
    else:
        identity = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    # bubblewrap would make the folders around a file unreadable for other users
    around = dict.fromkeys(
        str(parent) for path in (*folders, *devices) for parent in reversed(PurePosixPath(path).parents)
    )
    return [
        PROGRAM,
        *identity,
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-cgroup-try",
        *("--hostname", "sandbox"),
        "--die-with-parent",
        "--new-session",
        "--clearenv",
        *(part for key, value in environment.items() for part in ("--setenv", key, value)),
        # first, since Python's own folder may be in it
        *("--perms", "1777", "--size", str(guest.limits.disk_mb << 20), "--tmpfs", "/tmp"),
        *(part for path in around if path not in ("/", "/tmp") for part in ("--perms", "755", "--dir", path)),
        *(part for path in folders for part in ("--ro-bind", path, path)),
        *(part for path in devices for part in ("--dev-bind", path, path)),
        *("--remount-ro", "/"),
        *("--chdir", "/tmp"),
        *("--seccomp", str(filter_fd)),
        "--",
        sys.executable,
        *guest.arguments(user=user),
    ]


def _outermost(paths: Sequence[str]) -> list[str]:
    """The paths without those inside of others."""
    outermost: list[str] = []
    for path in sorted(paths):
        if not any(os.path.commonpath([path, other]) == other for other in outermost):
            outermost.append(path)
    return outermost
