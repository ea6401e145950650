"""Creates the backend of a model; imports a backend's module only when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.settings import BACKENDS
from pytest_llmeval.core.errors import unknown
from pytest_llmeval.models.base import Model

if TYPE_CHECKING:
    from pytest_llmeval.models.serving.process import ServerHandle


def make_model(
    config: ModelConfig, cache_dir: Path, log_dir: Callable[[], Path], server: ServerHandle | None = None
) -> Model:
    """The backend for ``config``. Raises ``UserError`` for an unknown backend.

    ``log_dir`` returns the folder for the log of a server that is started; ``server`` is a server that
    another process has started.
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

        return ServedModel(config, log_dir, server)
    raise unknown("backend", config.backend, BACKENDS, where=f"model {config.name}")
