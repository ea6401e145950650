"""An API server for tests that request it, and an environment without API keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_llmeval.models.openai import backend
from tests.support.api_server import Server


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    backend._models_by_url.clear()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running
