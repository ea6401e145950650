"""Which sandbox a session uses: the one that the user named, or the first one that works here."""

from __future__ import annotations

import shutil
import socket
import sys
from functools import cache

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.scoring.sandbox import bubblewrap, containers, runner
from pytest_llmeval.scoring.sandbox.base import Provider, SandboxFailed
from pytest_llmeval.scoring.sandbox.bubblewrap import Bubblewrap
from pytest_llmeval.scoring.sandbox.containers import Container
from pytest_llmeval.scoring.sandbox.own import Own
from pytest_llmeval.scoring.sandbox.runner import PythonTests

AUTO = "auto"
_selected: Provider | None = None


def select(name: str = AUTO, image: str | None = None) -> Provider:
    """Choose the sandbox of this process. ``image`` is that of containers.

    ``auto`` is bubblewrap where it works, otherwise our own. Raises ``UserError`` unless programs can be run
    safely.
    """
    global _selected
    reasons = []
    for provider in _candidates(name, image):
        reason = why_not(provider)
        if reason is None:
            _selected = provider
            return provider
        reasons.append(f"{provider.name}: {reason}")
    raise UserError(
        f"programs cannot be run safely here: {'; '.join(reasons)} (docs/code.md has the requirements)"
    )


def selected() -> Provider:
    """The sandbox of this process. Raises ``UserError`` if none has been selected and none works."""
    return _selected or select()


@cache
def why_not(provider: Provider) -> str | None:
    """Why programs cannot be run safely by a provider on this machine; None if they can."""
    in_container = isinstance(provider, Container)
    if sys.platform != "linux" and not in_container:
        return "only Linux can isolate a single program from the network"
    program = provider.name if in_container else bubblewrap.PROGRAM
    if not isinstance(provider, Own) and shutil.which(program) is None:
        return f"{program} is not installed"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        try:
            result = runner.run("", PythonTests(f"PORT = {port}\n{provider.probe}"), provider=provider)
        except SandboxFailed as error:
            return str(error)
    return None if result.passed else result.reason


def _candidates(name: str, image: str | None) -> list[Provider]:
    if name in containers.PROGRAMS:
        return [Container(name, image or containers.default_image())]
    providers: list[Provider] = [Bubblewrap(), Own()]
    return [provider for provider in providers if name in (AUTO, provider.name)]
