"""Merge the command line, llmeval.toml and the environment into ``Settings``, and check them.

Precedence, highest first: command line, the chosen ``[runs.NAME]``, the file's top level, the default. For
a model's parameters, its ``[models.NAME]`` table comes directly after the command line.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_llmeval.config.benchmark_suites import expand
from pytest_llmeval.config.declare import options_of
from pytest_llmeval.config.file import File, parse_file, read_file
from pytest_llmeval.config.models import BACKENDS, PRESETS, ModelConfig
from pytest_llmeval.config.options import FILE_NAME, OPTIONS, Settings
from pytest_llmeval.config.specs import parse_judge, parse_model, set_options
from pytest_llmeval.core.errors import UserError, unknown
from pytest_llmeval.core.paths import expanded

__all__ = [
    "BACKENDS",
    "FILE_NAME",
    "PRESETS",
    "File",
    "Settings",
    "default_cache_dir",
    "parse_file",
    "parse_model",
    "read_file",
    "resolve",
]


def default_cache_dir(environ: Mapping[str, str]) -> Path:
    """Where answers, data and models are cached unless ``--llm-cache-dir`` says otherwise.

    An account without a home folder, as in some containers, has a folder among the temporary files.
    """
    base = expanded(environ.get("XDG_CACHE_HOME") or "~/.cache")
    if base.parts[:1] == ("~",):
        return Path(tempfile.gettempdir()) / f"pytest-llmeval-{getattr(os, 'getuid', str)()}"
    return base / "pytest-llmeval"


def resolve(
    arguments: Mapping[str, object], file: File, *, start: Path, environ: Mapping[str, str]
) -> Settings:
    """Settings from the command line (``arguments``: option key to raw value), file and environment.

    Relative paths start from the folder ``start``. Raises ``UserError``.
    """
    command_line = {
        option.key: option.read(arguments[option.key], f"--llm-{option.name}")
        for option in OPTIONS
        if arguments.get(option.key) not in (None, [], False)
    }
    run: Mapping[str, Any] = {}
    if "run" in command_line:
        if command_line["run"] not in file.runs:
            raise unknown("run", command_line["run"], file.runs, where=f"{file.name} (tables [runs.NAME])")
        run = file.runs[command_line["run"]]
    all_values: dict[str, Any] = {**file.values, **run, **command_line}
    if "data_dir" not in all_values and environ.get("LLMEVAL_DATA"):
        all_values["data_dir"] = Path(environ["LLMEVAL_DATA"])
    all_values.setdefault("cache_dir", default_cache_dir(environ))
    settings = Settings(
        **{
            option.attribute: _resolve_paths(start, all_values.get(option.key, option.default))
            for option in options_of(Settings)
            if not option.model
        }
    )
    models = _models(settings.specs, file, {**file.values, **run}, command_line)
    if settings.replay is None:
        _check_backends(models, command_line)
    judge = parse_judge(settings.judge_spec, file)
    if judge is not None and judge.model.backend == "serve":
        _check_servers(judge.model, models)
    benchmarks, suites = expand(settings.benchmarks, file.suites, file.name)
    labels = settings.judge_labels
    if labels is not None:
        benchmarks = (*benchmarks, labels)
        if not models:
            if judge is None:
                raise UserError(
                    "--llm-judge-labels measures a judge: name one with --llm-judge=SPEC, or in [judge]"
                )
            models = [judge.model]
    baseline = None if settings.baseline == "none" else settings.baseline
    _check(settings, all_values)
    for model in models:
        if model.system is not None and settings.mode == "logprob":
            where = "--llm-system" if "system" in command_line else f"the system prompt of {model.name}"
            raise UserError(f"{where} needs chat turns; --llm-mode=logprob sends plain text, which has none")
    if "max_drop" in command_line and baseline is None:
        raise UserError("--llm-max-drop is relative to an earlier run: name one with --llm-baseline=RUN")
    return replace(
        settings,
        specs=tuple(dict.fromkeys(settings.specs)),
        models=_check_distinct(models),
        benchmarks=tuple(dict.fromkeys(benchmarks)),
        named=tuple(dict.fromkeys(settings.benchmarks)),
        suites=suites,
        judge=judge,
        baseline=baseline,
        file_gates=file.gates,
        max_drop_from_file="max_drop" not in command_line,
        badge=_resolve_path(settings.badge, start),
        plot=_plot_folder(_resolve_path(settings.plot, start)),
        config_file=file.name,
    )


def _resolve_paths(start: Path, value: Any) -> Any:
    """Resolve paths against ``start``; other values stay unchanged."""
    if isinstance(value, Path):
        return start / expanded(value)
    if isinstance(value, tuple):
        return tuple(_resolve_paths(start, item) for item in value)
    return value


def _models(
    specs: Sequence[str], file: File, values: Mapping[str, Any], command_line: Mapping[str, Any]
) -> list[ModelConfig]:
    """The models of ``specs`` with their parameters: the command line's, their own, then ``values``."""
    parameters = {option.key: option.attribute for option in OPTIONS if option.model}
    models = []
    for spec in dict.fromkeys(specs):
        base = parse_model(spec, file)
        own = set_options(base)
        others = {key: value for key, value in values.items() if parameters.get(key) not in own}
        all_values = {**others, **command_line}
        models.append(
            replace(
                base, **{parameters[key]: value for key, value in all_values.items() if key in parameters}
            )
        )
    return models


def _check(settings: Settings, all_values: Mapping[str, Any]) -> None:
    """Raises ``UserError`` for incompatible settings or a missing data folder."""
    data_dir, limit = settings.data_dir, settings.limit
    if data_dir is not None and not data_dir.is_dir():
        problem = "is not a folder" if data_dir.exists() else "does not exist"
        raise UserError(
            f"data folder {all_values['data_dir']} {problem}; check --llm-data-dir or LLMEVAL_DATA"
        )
    if settings.seed is not None and (limit is None or limit.start or limit.stop is None):
        raise UserError("--llm-seed chooses N questions at random: give --llm-limit=N (a count) with it")
    if (settings.repeats or 1) > 1 and settings.mode == "logprob":
        raise UserError(
            "--llm-repeats needs --llm-mode=generate: with --llm-mode=logprob every repeat scores the same"
        )


def _check_backends(models: Sequence[ModelConfig], command_line: Mapping[str, object]) -> None:
    """Raises ``UserError`` for an option of the command line that is for none of the models."""
    for option in OPTIONS:
        if option.key not in command_line or not option.backends or not models:
            continue
        # nobody knows what a plugin's backend reads
        if all(model.backend in BACKENDS and model.backend not in option.backends for model in models):
            names = ", ".join(f"{model.name} ({model.backend})" for model in models)
            raise UserError(
                f"--llm-{option.name} has no effect on {names}; it is for models behind "
                f"{' or '.join(option.backends)}; leave it out"
            )


def _check_servers(judge: ModelConfig, models: Sequence[ModelConfig]) -> None:
    """Raises ``UserError`` if two different servers would have the same name."""
    for model in models:
        same = all(getattr(model, key) == getattr(judge, key) for key in ("target", "preset", "command"))
        if model.name == judge.name and not (model.backend == "serve" and same):
            raise UserError(
                f"the judge and a model are both called {judge.name!r} but differ; "
                f"name one of them in [models.NAME] of {FILE_NAME}"
            )


def _check_distinct(models: Sequence[ModelConfig]) -> tuple[ModelConfig, ...]:
    """Raises ``UserError`` for two models with the same name."""
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"two models are called {name!r}; name one of them in [models.NAME] of {FILE_NAME}"
            )
    return tuple(models)


def _resolve_path(place: str | None, start: Path) -> str | None:
    """Resolve a path from the user against ``start``."""
    return str(start / expanded(place)) if place else place


def _plot_folder(place: str | None) -> str | None:
    """Raises ``UserError`` for a path meant for collection, which ``--llm-plot tests`` consumes."""
    if place and (os.path.isfile(place) or any(Path(place).glob("*.py"))):
        raise UserError(
            f"--llm-plot={place} is not a folder for charts; write --llm-plot=DIR, "
            "or put --llm-plot after all paths"
        )
    return place
