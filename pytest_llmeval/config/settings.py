"""Options and llmeval.toml, merged and checked: raw words in, frozen ``Settings`` out.

Precedence, highest first: command line, ``[runs.NAME]`` of the run asked for, the file's top level
(for a model's parameters, its ``[models.NAME]`` table comes before these two), built-in default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pytest_llmeval.config.models import JudgeConfig, ModelConfig
from pytest_llmeval.config.options import JUDGE_TABLE, MODEL_TABLE, OPTIONS, Limit, Option
from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.types import Mode, Policy

FILE_NAME = "llmeval.toml"
#: inference servers that can be started; how is in ``models/serving/presets.py``
PRESETS = ("lmdeploy", "vllm", "sglang", "transformers")
BACKENDS = ("hf", "openai", "serve", "smollm2", "echo")
_BY_KEY = {option.key: option for option in OPTIONS}
_NOT_IN_FILE = {"run"}
#: what may be spelled in the plural in a file, where it is a list
_PLURALS = {"models": "model", "benchmarks": "benchmark"}
_MODEL_KEYS = {option.key for option in OPTIONS if option.model} | set(MODEL_TABLE)


@dataclass(frozen=True, slots=True)
class File:
    """llmeval.toml (or ``[tool.llmeval]``), with checked keys and converted values."""

    name: str = FILE_NAME
    values: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, ModelConfig] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gates: Mapping[str, float | str] = field(default_factory=dict)
    judge: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a session was asked to do.

    ``specs`` are the words for ``models``, one for one. ``badge`` and ``plot`` are None where there is to
    be none, and "" for their place in the run's folder.
    """

    models: tuple[ModelConfig, ...] = ()
    specs: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    judge: JudgeConfig | None = None
    judge_labels: str | None = None
    lm_eval_path: tuple[Path, ...] = ()
    mode: Mode = "generate"
    shots: int | None = None
    split: str | None = None
    limit: Limit | None = None
    seed: int | None = None
    repeats: int = 1
    circular: bool = False
    shuffle_choices: int | None = None
    data_dir: Path | None = None
    cache_dir: Path = Path()
    fail_under: tuple[str, ...] = ()
    file_gates: Mapping[str, float | str] = field(default_factory=dict)
    gate_partial: bool = False
    baseline: str | None = None
    baseline_force: bool = False
    max_drop: tuple[str, ...] = ()
    max_drop_from_file: bool = False
    inconclusive: Policy = "pass"
    strict: bool = False
    allow_errors: int = 0
    allow_code: bool = False
    report_dir: Path = Path("reports")
    run_name: str | None = None
    no_cache: bool = False
    refresh: bool = False
    replay: str | None = None
    show_prompts: bool = False
    badge: str | None = None
    plot: str | None = None
    config_file: str = FILE_NAME


def _convert(option: Option, value: object, where: str) -> Any:
    try:
        return option.convert(value)
    except ValueError as error:
        given = value[0] if isinstance(value, list) and len(value) == 1 else value
        shown = "this" if option.secret else one_line(repr(given), 80)
        raise UserError(f"{where}: {shown} is not {error}") from None


def _values(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    values = {}
    for raw, value in table.items():
        key = raw.replace("-", "_")
        key = _PLURALS.get(key, key)
        if key not in _BY_KEY or key in _NOT_IN_FILE:
            raise unknown("key", raw, set(_BY_KEY) - _NOT_IN_FILE, where=where)
        values[key] = _convert(_BY_KEY[key], value, f"{where}: {raw}")
    return values


def _model(name: str, table: object, where: str) -> ModelConfig:
    if not isinstance(table, dict):
        raise UserError(f"{where}: [models.{name}] must be a table")
    place = f"{where} [models.{name}]"
    values: dict[str, Any] = {}
    for raw, value in table.items():
        key = raw.replace("-", "_")
        if key not in _MODEL_KEYS:
            hint = " (keys are never stored: name the variable in api_key_env)" if "key" in key else ""
            error = unknown("key", raw, _MODEL_KEYS, where=place)
            raise UserError(f"{error}{hint}")
        option = MODEL_TABLE.get(key) or _BY_KEY[key]
        if key in ("model", "path"):
            key = "served_name" if key == "model" and table.get("backend") == "serve" else "target"
        values[key] = _convert(option, value, f"{place}: {raw}")
    if "backend" not in values:
        raise UserError(f"{place}: backend is missing; one of {', '.join(BACKENDS)}, or a plugin's")
    if values["backend"] == "hf" and "target" not in values:
        raise UserError(f"{place}: path is missing; give a folder with weights or a hub id")
    if values["backend"] == "serve":
        _check_served(values, place)
    return ModelConfig(name=name, **values)


def _judge_table(table: object, where: str) -> dict[str, Any]:
    """[judge]: what is asked, prices, and parameters of its model."""
    if isinstance(table, str):
        table = {"model": table}
    place = f"{where} [judge]"
    if not isinstance(table, dict):
        raise UserError(f"{place} must be a table, or a model's SPEC")
    parameters = {key: option for key, option in _BY_KEY.items() if option.model}
    parameters |= {key: MODEL_TABLE[key] for key in ("api", "max_completion_tokens", "extra_body", "headers")}
    known = {**parameters, **JUDGE_TABLE}
    values = {}
    for raw, value in table.items():
        key = raw.replace("-", "_")
        if key not in known:
            hint = " (keys are never stored: name the variable in api_key_env)" if "key" in key else ""
            raise UserError(f"{unknown('key', raw, known, where=place)}{hint}")
        values[key] = _convert(known[key], value, f"{place}: {raw}")
    return values


def _check_served(values: Mapping[str, Any], place: str) -> None:
    if ("preset" in values) == ("command" in values):
        raise UserError(f"{place}: give either preset ({', '.join(PRESETS)}) or command")
    if "preset" in values and "target" not in values:
        raise UserError(f"{place}: path is missing; give a folder with weights or a hub id")


def _section(table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    section = table.get(key, {})
    if not isinstance(section, dict):
        raise UserError(f"{where}: [{key}] must be a table")
    return section


def parse_file(table: Mapping[str, Any], name: str) -> File:
    """The checked contents of a config file. Raises ``UserError`` naming file, key and mend."""
    top = {k: v for k, v in table.items() if k not in ("models", "runs", "gates", "judge")}
    if not isinstance(table.get("models", {}), dict):  # a list of names, not tables
        top["models"] = table["models"]
        table = {k: v for k, v in table.items() if k != "models"}
    runs = {}
    for run, values in _section(table, "runs", name).items():
        if not isinstance(values, dict):
            raise UserError(f"{name}: [runs.{run}] must be a table")
        runs[run] = _values(values, f"{name} [runs.{run}]")
    gates = _section(table, "gates", name)
    for key, value in gates.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise UserError(
                f"{name} [gates]: {key}: {one_line(repr(value), 80)} is not a number such as 0.55"
            )
    return File(
        name=name,
        values=_values(top, name),
        models={key: _model(key, value, name) for key, value in _section(table, "models", name).items()},
        runs=runs,
        gates=gates,
        judge=_judge_table(table["judge"], name) if "judge" in table else {},
    )


def read_file(folders: Sequence[Path]) -> File:
    """The first llmeval.toml, or pyproject.toml with ``[tool.llmeval]``, in ``folders``.

    Raises ``UserError`` for a file that is no TOML, not UTF-8, or has a wrong key or value.
    """
    for folder in folders:
        for path in (folder / FILE_NAME, folder / "pyproject.toml"):
            if not path.is_file():
                continue
            try:
                table = tomllib.loads(path.read_text("utf-8-sig"))
            except UnicodeDecodeError:
                raise UserError(f"{path}: not UTF-8; save the file as UTF-8") from None
            except (tomllib.TOMLDecodeError, RecursionError) as error:
                if path.name != FILE_NAME:
                    continue  # pytest itself reports a broken pyproject.toml
                raise UserError(f"{path}: not valid TOML: {one_line(error)}") from None
            except OSError as error:
                raise UserError(f"{path}: cannot be read: {error.strerror}") from None
            if path.name == FILE_NAME:
                return parse_file(table, str(path))
            tools = table.get("tool", {})
            own = tools.get("llmeval") if isinstance(tools, dict) else None
            if own is not None:
                if not isinstance(own, dict):
                    raise UserError(f"{path}: [tool.llmeval] must be a table")
                return parse_file(own, f"{path} [tool.llmeval]")
    return File()


def _overlay(
    base: ModelConfig, file: File, run: Mapping[str, Any], line: Mapping[str, Any], own: set[str]
) -> ModelConfig:
    values = {f.name: getattr(base, f.name) for f in fields(ModelConfig)}
    for option in OPTIONS:
        if not option.model:
            continue
        if option.key in line:
            values[option.key] = line[option.key]
        elif option.key not in own:
            for source in (run, file.values):
                if option.key in source:
                    values[option.key] = source[option.key]
                    break
    return ModelConfig(**values)


def parse_judge(spec: str | None, file: File) -> JudgeConfig | None:
    """The judge: the model of ``spec``, or else of the file's [judge]. Raises ``UserError``.

    What [judge] says of a model's parameters holds for its own model; for another one that is named in
    ``spec`` as far as that one's [models.NAME] is silent.
    """
    table = {key: value for key, value in file.judge.items() if key not in JUDGE_TABLE}
    spec = spec or file.judge.get("model")
    if spec is None:
        return None
    base = parse_model(spec, file, "--llm-judge")
    own = {f.name for f in fields(ModelConfig) if f.default is not getattr(base, f.name)}
    told = {key: value for key, value in table.items() if spec == file.judge.get("model") or key not in own}
    asked = {key: file.judge[key] for key in JUDGE_TABLE if key in file.judge and key != "model"}
    return JudgeConfig(replace(base, **told), **asked)


def parse_model(spec: str, file: File, option: str = "--llm-model") -> ModelConfig:
    """The model that a spec names. A name of the file's ``[models]`` comes first.

    Raises ``UserError`` for a spec that names no model. ``BACKEND:TARGET`` with a backend not of
    this package is left for a plugin's hook.
    """
    if spec in file.models:
        return file.models[spec]
    if spec in ("smollm2", "echo"):
        return ModelConfig(name=spec, backend=spec)
    backend, colon, target = spec.partition(":")
    if not colon:
        if os.path.isdir(spec):
            raise UserError(f"{option}={spec}: for a folder with weights write hf:{spec}")
        raise unknown(
            "model",
            spec,
            [*file.models, "smollm2", "echo", "hf:PATH_OR_ID", "openai:NAME", "serve:PRESET:PATH"],
            where=file.name if file.models else "",
        )
    if backend in ("smollm2", "echo") and target:
        raise UserError(f"{option}={spec}: {backend} takes no name; write {option}={backend}")
    if backend == "hf" and not target:
        raise UserError(f"{option}=hf: needs a folder or a hub id, as in hf:/models/my-model")
    if backend == "serve":
        return _served(spec, target, option)
    name = target.rstrip("/").rsplit("/", 1)[-1] if backend in ("hf", "openai") and target else spec
    return ModelConfig(name=name.rstrip(":"), backend=backend, target=target)


def _check_servers(judge: ModelConfig, models: Sequence[ModelConfig]) -> None:
    """A server is known by its model's name. Raises ``UserError``."""
    for model in models:
        same = all(getattr(model, key) == getattr(judge, key) for key in ("target", "preset", "command"))
        if model.name == judge.name and not (model.backend == "serve" and same):
            raise UserError(
                f"the judge and a model are both called {judge.name!r}, but are not the same; "
                f"give one a name of its own in [models.NAME] of {FILE_NAME}"
            )


def _served(spec: str, given: str, option: str) -> ModelConfig:
    preset, _, path = given.partition(":")
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS, where=f"{option}={spec}")
    if not path:
        raise UserError(f"{option}={spec}: write serve:{preset}:PATH, with a folder or a hub id")
    name = path.rstrip("/").rsplit("/", 1)[-1]
    return ModelConfig(name=name, backend="serve", target=path, preset=preset)


def _distinct(models: Sequence[ModelConfig]) -> tuple[ModelConfig, ...]:
    seen: dict[str, ModelConfig] = {}
    for model in models:
        if model.name in seen:
            raise UserError(
                f"two models are called {model.name!r}; "
                f"give one a name of its own in [models.NAME] of {FILE_NAME}"
            )
        seen[model.name] = model
    return tuple(models)


def default_cache_dir(environ: Mapping[str, str]) -> Path:
    """Where answers, data and models are kept unless ``--llm-cache-dir`` says otherwise."""
    return (Path(environ.get("XDG_CACHE_HOME") or "~/.cache") / "pytest-llmeval").expanduser()


def _outside(place: str | None, start: Path) -> str | None:
    """A place that was given as a path, seen from ``start``."""
    return str(start / Path(place).expanduser()) if place else place


def _plot_folder(place: str | None) -> str | None:
    """Raises ``UserError`` for what was meant as a path to collect: ``--llm-plot tests`` takes it."""
    if place and (os.path.isfile(place) or any(Path(place).glob("*.py"))):
        raise UserError(
            f"--llm-plot={place} is no folder for charts; write --llm-plot=DIR, or --llm-plot after all paths"
        )
    return place


def resolve(given: Mapping[str, object], file: File, *, start: Path, environ: Mapping[str, str]) -> Settings:
    """Settings from the command line (``given``: option key to raw value), file and environment.

    ``start`` is the folder that relative paths are meant from. Raises ``UserError``.
    """
    line = {
        option.key: _convert(option, given[option.key], f"--llm-{option.name}")
        for option in OPTIONS
        if given.get(option.key) not in (None, [], False)
    }
    run: Mapping[str, Any] = {}
    if "run" in line:
        if line["run"] not in file.runs:
            raise unknown("run", line["run"], file.runs, where=f"{file.name} (tables [runs.NAME])")
        run = file.runs[line["run"]]

    def pick(key: str, default: Any = None) -> Any:
        return line.get(key, run.get(key, file.values.get(key, default)))

    models = []
    specs = tuple(dict.fromkeys(pick("model", ())))
    for spec in specs:
        base = parse_model(spec, file)
        own = {f.name for f in fields(ModelConfig) if f.default is not getattr(base, f.name)}
        models.append(_overlay(base, file, run, line, own))
    judge = parse_judge(pick("judge"), file)
    if judge is not None and judge.model.backend == "serve":
        _check_servers(judge.model, models)
    labelled = pick("judge_labels")
    if labelled is not None and not models:
        if judge is None:
            raise UserError(
                "--llm-judge-labels measures a judge: name one with --llm-judge=SPEC, or in [judge]"
            )
        models = [judge.model]
    data_dir = pick("data_dir") or environ.get("LLMEVAL_DATA") or None
    if data_dir is not None and not (start / Path(data_dir).expanduser()).is_dir():
        wrong = "is not a folder" if (start / Path(data_dir).expanduser()).exists() else "does not exist"
        raise UserError(f"data folder {data_dir} {wrong}; check --llm-data-dir or LLMEVAL_DATA")
    cache_dir = Path(pick("cache_dir") or default_cache_dir(environ)).expanduser()
    limit = pick("limit")
    if pick("seed") is not None and (limit is None or limit.start or limit.stop is None):
        raise UserError("--llm-seed chooses N questions at random: give --llm-limit=N (a count) with it")
    if pick("repeats", 1) > 1 and pick("mode") == "logprob":
        raise UserError("--llm-repeats asks for several texts, but --llm-mode=logprob always scores alike")
    baseline = None if pick("baseline") == "none" else pick("baseline")
    if "max_drop" in line and baseline is None:
        raise UserError("--llm-max-drop is against an earlier run: give one with --llm-baseline=RUN")
    return Settings(
        models=_distinct(models),
        specs=specs,
        benchmarks=tuple(dict.fromkeys([*pick("benchmark", ()), *([labelled] if labelled else [])])),
        judge=judge,
        judge_labels=labelled,
        lm_eval_path=tuple(start / Path(one).expanduser() for one in pick("lm_eval_path", ())),
        mode=pick("mode", "generate"),
        shots=pick("shots"),
        split=pick("split"),
        limit=limit,
        seed=pick("seed"),
        repeats=pick("repeats", 1),
        circular=pick("circular", False),
        shuffle_choices=pick("shuffle_choices"),
        data_dir=None if data_dir is None else start / Path(data_dir).expanduser(),
        cache_dir=start / cache_dir,
        fail_under=pick("fail_under", ()),
        file_gates=file.gates,
        gate_partial=pick("gate_partial", False),
        baseline=baseline,
        baseline_force=pick("baseline_force", False),
        max_drop=pick("max_drop", ()),
        max_drop_from_file="max_drop" not in line,
        inconclusive=pick("inconclusive", "pass"),
        strict=pick("strict", False),
        allow_errors=pick("allow_errors", 0),
        allow_code=pick("allow_code", False),
        report_dir=start / Path(pick("report_dir", "reports")).expanduser(),
        run_name=pick("run_name"),
        no_cache=pick("no_cache", False),
        refresh=pick("refresh", False),
        replay=pick("replay"),
        show_prompts=pick("show_prompts", False),
        badge=_outside(pick("badge"), start),
        plot=_plot_folder(_outside(pick("plot"), start)),
        config_file=file.name,
    )
