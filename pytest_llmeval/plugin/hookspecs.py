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
    """Create the backend for ``config``, or return None if ``config.backend`` is not yours.

    Called for every model, before the packaged backends are tried. Must be cheap: load the model in the first
    ``run``. See ``pytest_llmeval.models.base`` for the backend protocol.
    """


@pytest.hookspec
def pytest_llmeval_metrics() -> Mapping[str, Metric]:  # type: ignore[empty-body]
    """Provide metrics, keyed by their names for ``metric`` in a benchmark.toml.

    Called once per session, when the first benchmark is read. If two plugins provide the same name, this is a
    usage error. See ``pytest_llmeval.scoring.metrics`` for the metric protocol.
    """


@pytest.hookspec
def pytest_llmeval_extractors() -> Mapping[str, Extractor]:  # type: ignore[empty-body]
    """Provide extractors, keyed by their names for ``extractor`` in a benchmark.toml.

    An extractor takes a completion's text and the question's choices (label to text), and returns the answer
    or None if it finds none. Called at the same time as ``pytest_llmeval_metrics``.
    """


@pytest.hookspec(firstresult=True)
def pytest_llmeval_find_benchmark(name: str, start: Path) -> Path | None:
    """Find the benchmark for ``--llm-benchmark=NAME``, or return None if it is not yours.

    Return a folder with a benchmark.toml, or a file of questions (csv, jsonl, parquet). ``start`` is the
    folder in which pytest was started. This package's own lookup (packaged, folder, file) runs last.
    """
