"""The import paths that the documentation gives to authors of plugins."""

from __future__ import annotations

import pytest_llmeval.extract
import pytest_llmeval.metrics
import pytest_llmeval.models.smollm2
import pytest_llmeval.scoring.extract
import pytest_llmeval.scoring.metrics


def test_metrics() -> None:
    assert set(pytest_llmeval.metrics.__all__) == {"Metric", "Reasoned", "Score", "Scores"}
    for name in pytest_llmeval.metrics.__all__:
        assert getattr(pytest_llmeval.metrics, name) is getattr(pytest_llmeval.scoring.metrics, name)


def test_extract() -> None:
    assert pytest_llmeval.extract.__all__ == ["Extractor"]
    assert pytest_llmeval.extract.Extractor is pytest_llmeval.scoring.extract.Extractor


def test_smollm2() -> None:
    assert callable(pytest_llmeval.models.smollm2.main)
