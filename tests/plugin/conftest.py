"""Runs in the tests' own process."""

from __future__ import annotations

import importlib

import pytest


@pytest.fixture(scope="session")
def sdk_loaded() -> None:
    """The openai SDK takes longer to import than a run takes, and pytester forgets what a run imported."""
    for name in (
        "openai.resources.chat.completions",
        "openai.resources.completions",
        "openai._models",
        "aiohttp",
    ):
        importlib.import_module(name)
