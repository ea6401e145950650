"""Our own sandbox: ``jail.py`` isolates the guest by plain system calls of Linux. Nothing is installed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_llmeval.scoring.sandbox.base import ENVIRONMENT, NO_PROC, PROBE, Guest, SandboxFailed, started

_JAIL = Path(__file__).with_name("jail.py")  # a script: it can only be imported on Linux
#: some Pythons need it to find their own library (GitHub's setup-python)
LIBRARIES = {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}


@dataclass(frozen=True, slots=True)
class Own:
    """Needs Linux 5.12, and user namespaces or root with CAP_SYS_ADMIN."""

    name = "own"
    description = "own"
    probe = PROBE + NO_PROC

    @contextlib.contextmanager
    def start(self, guest: Guest) -> Iterator[subprocess.Popen[bytes]]:
        """See ``Provider``."""
        with tempfile.TemporaryDirectory(prefix="llmeval-") as root:
            request = {
                "parent": os.getpid(),
                "root": os.path.realpath(root),
                "python": sys.executable,
                "arguments": guest.arguments(),
                "visible": visible_folders(),
                "environment": dict(ENVIRONMENT) | LIBRARIES,
                "disk_mb": guest.limits.disk_mb,
            }
            arguments = [sys.executable, "-I", "-S", "-B", str(_JAIL), json.dumps(request)]
            with started(arguments, LIBRARIES) as process:
                yield process


def visible_folders() -> list[str]:
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
