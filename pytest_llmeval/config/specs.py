"""Parse model specs as users type them: ``NAME``, ``hf:PATH``, ``openai:NAME``, ``serve:PRESET:PATH``."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from difflib import get_close_matches

from pytest_llmeval.config.declare import options_of
from pytest_llmeval.config.file import File
from pytest_llmeval.config.models import PRESETS, JudgeConfig, ModelConfig
from pytest_llmeval.core.errors import UserError, one_line, unknown

#: the name of a model whose spec is ``openai:`` alone, until its server names it
UNNAMED = "openai"
_JUDGE_KEYS = {option.key for option in options_of(JudgeConfig)}


def parse_model(spec: str, file: File, option: str = "--llm-model") -> ModelConfig:
    """The model that a spec names; names from the file's ``[models]`` take precedence.

    Raises ``UserError`` for a spec that names no model. ``BACKEND:TARGET`` with an unknown backend is
    left to a plugin's hook.
    """
    if spec in file.models:
        return file.models[spec]
    if spec in ("smollm2", "echo"):
        return ModelConfig(name=spec, backend=spec)
    backend, colon, target = spec.partition(":")
    if not colon:
        if os.path.isdir(spec):
            raise UserError(f"{option}={spec}: for a folder with weights write hf:{spec}")
        raise _unknown_model(spec, file)
    if backend in ("smollm2", "echo") and target:
        raise UserError(f"{option}={spec}: {backend} takes no name; write {option}={backend}")
    if backend == "hf" and not target:
        raise UserError(f"{option}=hf: needs a folder or a hub id, as in hf:/models/my-model")
    if backend == "serve":
        return _parse_server(spec, target, option)
    name = short_name(target) if backend in ("hf", "openai") and target else spec
    return ModelConfig(name=name.rstrip(":"), backend=backend, target=target)


def short_name(target: str) -> str:
    """A model's name in results: the last part of a path, hub id or name at an API."""
    return target.rstrip("/").rsplit("/", 1)[-1]


def _unknown_model(spec: str, file: File) -> UserError:
    """The error for a bare name: a misspelt one, or that of a model on a hub or behind an API."""
    names = [*file.models, "smollm2", "echo"]
    if get_close_matches(spec, names, n=1, cutoff=0.5):
        return unknown("model", spec, names, where=file.name if file.models else "")
    shown, known = one_line(spec, 80), ", ".join(names)
    return UserError(
        f"unknown model {shown!r}; write openai:{shown} for a model behind an API, hf:{shown} for one on the "
        f"Hugging Face hub, serve:PRESET:{shown} to start a server for it; known without a prefix: {known}"
    )


def _parse_server(spec: str, target: str, option: str) -> ModelConfig:
    preset, _, path = target.partition(":")
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS, where=f"{option}={spec}")
    if not path:
        raise UserError(f"{option}={spec}: write serve:{preset}:PATH, with a folder or a hub id")
    return ModelConfig(name=short_name(path), backend="serve", target=path, preset=preset)


def parse_judge(spec: str | None, file: File) -> JudgeConfig | None:
    """The judge: the model of ``spec``, or else of the file's [judge]. Raises ``UserError``.

    The model parameters in [judge] apply to the model named there. For another model, named by ``spec``,
    they apply where its [models.NAME] table does not set them.
    """
    parameters = {key: value for key, value in file.judge.items() if key not in _JUDGE_KEYS}
    judge_options = {key: value for key, value in file.judge.items() if key in _JUDGE_KEYS and key != "model"}
    spec = spec or file.judge.get("model")
    if spec is None:
        return None
    base = parse_model(spec, file, "--llm-judge")
    if spec != file.judge.get("model"):
        own = set_options(base)
        parameters = {key: value for key, value in parameters.items() if key not in own}
    return JudgeConfig(replace(base, **parameters), spec=spec, **judge_options)


def set_options(model: ModelConfig) -> set[str]:
    """The attributes that a model's spec or table has set."""
    return {field.name for field in fields(ModelConfig) if field.default is not getattr(model, field.name)}
