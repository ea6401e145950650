"""Hooks that other plugins may implement."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.models.base import Model

if TYPE_CHECKING:
    from pytest_llmeval.scoring.extract import Extractor
    from pytest_llmeval.scoring.metrics import Metric


@pytest.hookspec(firstresult=True)
def pytest_llmeval_make_model(config: ModelConfig, cache_dir: Path) -> Model | None:
    """The backend for ``config``, or None when ``config.backend`` is not yours.

    Called with every model, before the packaged backends are looked at; must be cheap (load on
    the first ``run``). See ``pytest_llmeval.models.base`` for what a backend is.
    """


@pytest.hookspec
def pytest_llmeval_metrics() -> Mapping[str, Metric]:  # type: ignore[empty-body]
    """Metrics by the names that ``metric`` in a benchmark.toml may have.

    Called once a session, when the first benchmark is read. A name that another plugin also gives is a usage
    error. See ``pytest_llmeval.scoring.metrics`` for what a metric is.
    """


@pytest.hookspec
def pytest_llmeval_extractors() -> Mapping[str, Extractor]:  # type: ignore[empty-body]
    """Extractors by the names that ``extractor`` in a benchmark.toml may have.

    An extractor gets a completion's text and the question's choices (label to text) and gives the answer, or
    None where none can be read. Called as ``pytest_llmeval_metrics`` is.
    """


@pytest.hookspec(firstresult=True)
def pytest_llmeval_find_benchmark(name: str, start: Path) -> Path | None:
    """The benchmark that ``--llm-benchmark=NAME`` means, or None when it is not yours.

    A folder with a benchmark.toml, or a file of questions (csv, jsonl, parquet); ``start`` is where pytest
    was started. This package's own look-up (packaged, a folder, a file) comes last.
    """
