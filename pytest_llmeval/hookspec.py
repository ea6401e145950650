"""Hooks that other plugins may implement."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmeval.models.base import Model
from pytest_llmeval.types import ModelConfig


@pytest.hookspec(firstresult=True)
def pytest_llmeval_make_model(config: ModelConfig, cache_dir: Path) -> Model | None:
    """The backend for ``config``, or None when ``config.backend`` is not yours.

    Called with every model, before the packaged backends are looked at; must be cheap (load on
    the first ``run``). See ``pytest_llmeval.models.base`` for what a backend is.
    """
