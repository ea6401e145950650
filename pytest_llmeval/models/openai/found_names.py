"""Names of models that ``--llm-model=openai:`` leaves to the server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.specs import UNNAMED, short_name
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.openai.backend import OpenAIModel
from pytest_llmeval.models.openai.endpoint import find


def with_found_names(models: Sequence[ModelConfig]) -> tuple[ModelConfig, ...]:
    """The models; one without a name is called what its server calls it, so the server is asked.

    If another model has this name, the server's address follows it. A server that cannot be asked leaves
    the model as it is: the check before the first question says why.
    """
    return tuple(_named(model, models) if is_unnamed(model) else model for model in models)


def is_unnamed(model: ModelConfig) -> bool:
    """Whether neither the user nor a [models.NAME] table names the model."""
    return model.backend == "openai" and model.name == UNNAMED and not model.target


def _named(model: ModelConfig, models: Sequence[ModelConfig]) -> ModelConfig:
    try:
        target = OpenAIModel(model).served_name()
        address = urlsplit(find(model, os.environ).url).netloc
    except ModelUnusable:
        return model
    name = short_name(target) or UNNAMED
    if any(other.name == name for other in models):
        name = f"{name}@{address}"
    return replace(model, name=name, target=target)
