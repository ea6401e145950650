"""Options and llmeval.toml, merged and checked: raw words in, frozen ``Settings`` out.

Precedence, highest first: command line, ``[runs.NAME]`` of the run asked for, the file's top level
(for a model's parameters, its ``[models.NAME]`` table comes before these two), built-in default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pytest_llmeval.errors import UserError, one_line, unknown
from pytest_llmeval.types import MODES, Mode, ModelConfig

FILE_NAME = "llmeval.toml"
BACKENDS = ("hf", "openai", "smollm2", "echo")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a non-empty text")
    return value


def _folder_name(value: object) -> str:
    name = _text(value)
    if name.strip() in (".", "..") or any(char in "/\\" or not char.isprintable() for char in name):
        raise ValueError("a folder's name (no path)")
    return name


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _whole(value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"a whole number of at least {least}")
    try:
        number = int(value)
    except ValueError:
        raise ValueError(f"a whole number of at least {least}") from None
    if number < least:
        raise ValueError(f"a whole number of at least {least}")
    return number


def _count(value: object) -> int:
    return _whole(value, 0)


def _positive(value: object) -> int:
    return _whole(value, 1)


def _number(value: object, *, zero: bool) -> float:
    wanted = "a number of at least 0" if zero else "a number above 0"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(wanted)
    try:
        number = float(value)
    except ValueError:
        raise ValueError(wanted) from None
    if not (number > 0 or (zero and number == 0)) or number == float("inf"):
        raise ValueError(wanted)
    return number


def _rate(value: object) -> float:
    return _number(value, zero=False)


def _temperature(value: object) -> float:
    return _number(value, zero=True)


def _mode(value: object) -> Mode:
    for mode in MODES:
        if value == mode:
            return mode
    raise ValueError("generate or logprob")


def _texts(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        raise ValueError("a list of texts")
    return tuple(_text(one) for one in values)


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("a table")
    return value


@dataclass(frozen=True, slots=True)
class Limit:
    """Which questions of each subject are asked: ``start:stop`` as Python slices them."""

    start: int
    stop: int | None
    spelled: str

    def __str__(self) -> str:
        return self.spelled

    @property
    def count(self) -> int | None:
        """How many at most; None for all from ``start`` on."""
        return None if self.stop is None else self.stop - self.start


def _limit(value: object) -> Limit:
    wanted = "a count of at least 1 (as in 5) or a slice (as in 10:20) for each subject"
    spelled = str(value).strip()
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(wanted)
    spelled = spelled.removeprefix("[").removesuffix("]")
    start, colon, stop = spelled.partition(":")
    try:
        low = int(start) if colon and start.strip() else 0
        high = int(stop) if colon and stop.strip() else (None if colon else int(spelled))
    except ValueError:
        raise ValueError(wanted) from None
    if low < 0 or (high is not None and high <= low):
        raise ValueError(wanted)
    return Limit(low, high, spelled)


@dataclass(frozen=True, slots=True)
class Option:
    """One option: on the command line ``--llm-NAME``, in the file ``name`` with underscores.

    ``convert`` raises ValueError with the words for what it wanted.
    """

    name: str
    convert: Callable[[Any], Any]
    help: str
    metavar: str | None = None
    many: bool = False
    flag: bool = False
    model: bool = False

    @property
    def key(self) -> str:
        """Its name in llmeval.toml and in ``Settings``."""
        return self.name.replace("-", "_")

    @property
    def dest(self) -> str:
        """Its name in pytest's ``config.option``."""
        return "llm_" + self.key


OPTIONS: tuple[Option, ...] = (
    Option(
        "model",
        _texts,
        "model to evaluate (repeatable): a name from [models.NAME]; hf:PATH_OR_ID; "
        "openai:NAME; smollm2 (embedded); echo (always the first choice)",
        "SPEC",
        many=True,
    ),
    Option(
        "benchmark",
        _texts,
        "run a packaged benchmark or your own folder, from anywhere (repeatable)",
        "NAME_OR_FOLDER",
        many=True,
    ),
    Option("run", _text, "settings of the [runs.NAME] table in llmeval.toml", "NAME"),
    Option(
        "mode", _mode, "generate (text, then read the answer; default) or logprob (score the choices)", "MODE"
    ),
    Option("shots", _count, "worked examples before each question (default: the benchmark's)", "N"),
    Option("split", _text, "part of the benchmark to ask (default: the benchmark's)", "NAME"),
    Option("limit", _limit, "questions for each subject: a count (5) or a slice (10:20)", "N"),
    Option("seed", _count, "with --llm-limit=N: a random choice with this seed instead of the first N", "N"),
    Option("base-url", _text, "where the OpenAI-compatible API is", "URL", model=True),
    Option(
        "api-key-env",
        _text,
        "environment variable that holds the API key (default OPENAI_API_KEY)",
        "VAR",
        model=True,
    ),
    Option("max-tokens", _positive, "most tokens of an answer", "N", model=True),
    Option("temperature", _temperature, "sampling temperature (default 0: greedy)", "T", model=True),
    Option("concurrency", _positive, "requests in flight at once (API; default 16)", "N", model=True),
    Option("rate", _rate, "most requests a second, fractions allowed (API)", "R", model=True),
    Option("retries", _count, "how often a failed request is sent again (API; default 5)", "N", model=True),
    Option("timeout", _rate, "seconds until a request counts as failed (API; default 120)", "S", model=True),
    Option(
        "context",
        _positive,
        "most tokens of prompt and answer together; earliest shots are dropped to fit",
        "N",
        model=True,
    ),
    Option("stop", _texts, "text at which an answer ends (repeatable)", "TEXT", many=True, model=True),
    Option("device", _text, "torch device, or auto (local models)", "NAME", model=True),
    Option("dtype", _text, "torch dtype, or auto (local models)", "NAME", model=True),
    Option("batch-tokens", _positive, "most tokens in one batch (local models)", "N", model=True),
    Option("trust-remote-code", _flag, "run Python code that comes with a model", flag=True, model=True),
    Option("data-dir", _text, "folder with benchmark data (also: environment variable LLMEVAL_DATA)", "DIR"),
    Option(
        "cache-dir",
        _text,
        "folder for downloaded data and the unpacked embedded model (default: ~/.cache/pytest-llmeval)",
        "DIR",
    ),
    Option(
        "fail-under",
        _texts,
        "gate (repeatable): 0.55, ceval=0.55, ceval:stem=0.4; exit code 1 below it",
        "EXPR",
        many=True,
    ),
    Option("gate-partial", _flag, "let gates judge a run that -k or --llm-limit made smaller", flag=True),
    Option("strict", _flag, "make wrong and unparsed answers test failures", flag=True),
    Option("allow-errors", _count, "so many questions without any completion leave the run complete", "N"),
    Option("report-dir", _text, "where run folders go (default: reports)", "DIR"),
    Option("run-name", _folder_name, "name of this run's folder (default: time and model)", "NAME"),
    Option(
        "show-prompts", _flag, "print the prompts of the selected questions, ask nothing, and stop", flag=True
    ),
)
_BY_KEY = {option.key: option for option in OPTIONS}
_NOT_IN_FILE = {"run"}
#: what may be spelled in the plural in a file, where it is a list
_PLURALS = {"models": "model", "benchmarks": "benchmark"}
_MODEL_FIELDS = {f.name for f in fields(ModelConfig)} - {"name", "target", "options"}
_MODEL_KEYS = _MODEL_FIELDS | {"model", "path", "options"}


@dataclass(frozen=True, slots=True)
class File:
    """llmeval.toml (or ``[tool.llmeval]``), with checked keys and converted values."""

    name: str = FILE_NAME
    values: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, ModelConfig] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gates: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a session was asked to do."""

    models: tuple[ModelConfig, ...] = ()
    benchmarks: tuple[str, ...] = ()
    mode: Mode = "generate"
    shots: int | None = None
    split: str | None = None
    limit: Limit | None = None
    seed: int | None = None
    data_dir: Path | None = None
    cache_dir: Path = Path()
    fail_under: tuple[str, ...] = ()
    file_gates: Mapping[str, float | str] = field(default_factory=dict)
    gate_partial: bool = False
    strict: bool = False
    allow_errors: int = 0
    report_dir: Path = Path("reports")
    run_name: str | None = None
    show_prompts: bool = False
    config_file: str = FILE_NAME


def _convert(option: Option, value: object, where: str) -> Any:
    try:
        return option.convert(value)
    except ValueError as error:
        given = value[0] if isinstance(value, list) and len(value) == 1 else value
        raise UserError(f"{where}: {one_line(repr(given), 80)} is not {error}") from None


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
        if key in ("model", "path"):
            values["target"] = _convert(Option(key, _text, ""), value, f"{place}: {raw}")
        elif key == "backend":
            values[key] = _convert(Option(key, _text, ""), value, f"{place}: {raw}")
        elif key == "options":
            values[key] = _convert(Option(key, _table, ""), value, f"{place}: {raw}")
        else:
            values[key] = _convert(_BY_KEY[key], value, f"{place}: {raw}")
    if "backend" not in values:
        raise UserError(f"{place}: backend is missing; one of {', '.join(BACKENDS)}, or a plugin's")
    return ModelConfig(name=name, **values)


def _section(table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    section = table.get(key, {})
    if not isinstance(section, dict):
        raise UserError(f"{where}: [{key}] must be a table")
    return section


def parse_file(table: Mapping[str, Any], name: str) -> File:
    """The checked contents of a config file. Raises ``UserError`` naming file, key and mend."""
    top = {k: v for k, v in table.items() if k not in ("models", "runs", "gates")}
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


def parse_model(spec: str, file: File) -> ModelConfig:
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
            raise UserError(f"--llm-model={spec}: for a folder with weights write hf:{spec}")
        raise unknown(
            "model",
            spec,
            [*file.models, "smollm2", "echo", "hf:PATH_OR_ID", "openai:NAME"],
            where=file.name if file.models else "",
        )
    if backend == "hf" and not target:
        raise UserError("--llm-model=hf: needs a folder or a hub id, as in hf:/models/my-model")
    name = target.rstrip("/").rsplit("/", 1)[-1] if backend in ("hf", "openai") and target else spec
    return ModelConfig(name=name.rstrip(":"), backend=backend, target=target)


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
    for spec in dict.fromkeys(pick("model", ())):
        base = parse_model(spec, file)
        own = {f.name for f in fields(ModelConfig) if f.default is not getattr(base, f.name)}
        models.append(_overlay(base, file, run, line, own))
    data_dir = pick("data_dir") or environ.get("LLMEVAL_DATA") or None
    if data_dir is not None and not (start / Path(data_dir).expanduser()).is_dir():
        raise UserError(f"data folder {data_dir} does not exist; check --llm-data-dir or LLMEVAL_DATA")
    home = environ.get("XDG_CACHE_HOME") or "~/.cache"
    cache_dir = Path(pick("cache_dir") or Path(home) / "pytest-llmeval").expanduser()
    limit = pick("limit")
    if pick("seed") is not None and (limit is None or limit.start or limit.stop is None):
        raise UserError("--llm-seed chooses N questions at random: give --llm-limit=N (a count) with it")
    return Settings(
        models=_distinct(models),
        benchmarks=tuple(dict.fromkeys(pick("benchmark", ()))),
        mode=pick("mode", "generate"),
        shots=pick("shots"),
        split=pick("split"),
        limit=limit,
        seed=pick("seed"),
        data_dir=None if data_dir is None else start / Path(data_dir).expanduser(),
        cache_dir=start / cache_dir,
        fail_under=pick("fail_under", ()),
        file_gates=file.gates,
        gate_partial=pick("gate_partial", False),
        strict=pick("strict", False),
        allow_errors=pick("allow_errors", 0),
        report_dir=start / Path(pick("report_dir", "reports")).expanduser(),
        run_name=pick("run_name"),
        show_prompts=pick("show_prompts", False),
        config_file=file.name,
    )
