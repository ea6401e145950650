"""The sandboxes that hostile programs are tried in."""

from __future__ import annotations

from pytest_llmeval.scoring.sandbox import selection
from pytest_llmeval.scoring.sandbox.base import Provider
from pytest_llmeval.scoring.sandbox.bubblewrap import Bubblewrap
from pytest_llmeval.scoring.sandbox.containers import PROGRAMS, Container, default_image
from pytest_llmeval.scoring.sandbox.own import Own

PROVIDERS: tuple[Provider, ...] = (
    Own(),
    Bubblewrap(),
    *(Container(program, default_image()) for program in PROGRAMS),
)


def why_skip(provider: Provider) -> str | None:
    """Why a sandbox cannot be tried on this machine, or None."""
    reason = selection.why_not(provider)
    return None if reason is None else f"no sandbox {provider.name} here: {reason}"


def why_skip_all() -> str | None:
    """Why no sandbox can be tried on this machine, or None."""
    return None if why_skip(Own()) is None else why_skip(Bubblewrap())
