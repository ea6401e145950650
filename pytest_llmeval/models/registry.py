"""From a model's parameters to its backend, without importing what the backend needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.settings import BACKENDS
from pytest_llmeval.core.errors import unknown
from pytest_llmeval.models.base import Model

if TYPE_CHECKING:
    from pytest_llmeval.models.serving.process import Running


def make_model(
    config: ModelConfig, cache_dir: Path, log_dir: Callable[[], Path], running: Running | None = None
) -> Model:
    """The backend for ``config``. Raises ``UserError`` for a backend that does not exist.

    A server that is started leaves its log in ``log_dir``; ``running`` is one that another process started.
    """
    if config.ray is not None:
        from pytest_llmeval.models.ray.backend import RayModel

        return RayModel(config, cache_dir, log_dir)
    if config.backend == "echo":
        from pytest_llmeval.models.echo import EchoModel

        return EchoModel()
    if config.backend == "openai":
        from pytest_llmeval.models.openai.backend import OpenAIModel

        return OpenAIModel(config)
    if config.backend == "hf":
        from pytest_llmeval.models.hf.backend import HuggingFaceModel

        return HuggingFaceModel(config)
    if config.backend == "smollm2":
        from pytest_llmeval.models.smollm2 import SmolLM2Model

        return SmolLM2Model(config, cache_dir)
    if config.backend == "serve":
        from pytest_llmeval.models.serving.backend import ServedModel

        return ServedModel(config, log_dir, running)
    raise unknown("backend", config.backend, BACKENDS, where=f"model {config.name}")
