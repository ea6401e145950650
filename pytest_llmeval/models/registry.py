"""From a model's parameters to its backend, without importing what the backend needs."""

from __future__ import annotations

from pathlib import Path

from pytest_llmeval.config import BACKENDS
from pytest_llmeval.errors import unknown
from pytest_llmeval.models.base import Model
from pytest_llmeval.types import ModelConfig


def make_model(config: ModelConfig, cache_dir: Path) -> Model:
    """The backend for ``config``. Raises ``UserError`` for a backend that does not exist."""
    if config.backend == "echo":
        from pytest_llmeval.models.echo import EchoModel

        return EchoModel()
    if config.backend == "openai":
        from pytest_llmeval.models.openai_api import OpenAIModel

        return OpenAIModel(config)
    if config.backend == "hf":
        from pytest_llmeval.models.huggingface import HuggingFaceModel

        return HuggingFaceModel(config)
    if config.backend == "smollm2":
        from pytest_llmeval.models.smollm2 import SmolLM2Model

        return SmolLM2Model(config, cache_dir)
    raise unknown("backend", config.backend, BACKENDS, where=f"model {config.name}")
