"""Read and check llmeval.toml, or ``[tool.llmeval]`` of pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_llmeval.config.benchmark_suites import BenchmarkSuite, read_suites
from pytest_llmeval.config.declare import by_key, options_of, read_table
from pytest_llmeval.config.models import PRESETS, JudgeConfig, ModelConfig, OpenAIOptions
from pytest_llmeval.config.options import FILE_NAME, OPTIONS
from pytest_llmeval.core.errors import UserError, one_line

#: keys of the top level and of a [runs.NAME] table
SETTINGS = by_key(OPTIONS)
#: keys of a [models.NAME] table
MODEL = by_key(options_of(ModelConfig))
#: keys of [judge]: its own, and the parameters of a model that a spec names
JUDGE = by_key(
    (
        *(option for option in OPTIONS if option.model),
        *options_of(OpenAIOptions),
        *options_of(JudgeConfig),
    )
)
_TABLES = ("models", "runs", "gates", "judge", "suites")


@dataclass(frozen=True, slots=True)
class File:
    """The contents of llmeval.toml, with checked keys and converted values.

    ``values``, each of ``runs`` and ``judge`` map keys to values.
    """

    name: str = FILE_NAME
    values: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, ModelConfig] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gates: Mapping[str, float | str] = field(default_factory=dict)
    judge: Mapping[str, Any] = field(default_factory=dict)
    suites: Mapping[str, BenchmarkSuite] = field(default_factory=dict)


def read_file(folders: Sequence[Path]) -> File:
    """The first llmeval.toml, or pyproject.toml with ``[tool.llmeval]``, in ``folders``.

    Raises ``UserError`` if the file is not valid TOML, not UTF-8, or has a wrong key or value.
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
            section = tools.get("llmeval") if isinstance(tools, dict) else None
            if section is not None:
                if not isinstance(section, dict):
                    raise UserError(f"{path}: [tool.llmeval] must be a table")
                return parse_file(section, f"{path} [tool.llmeval]")
    return File()


def parse_file(table: Mapping[str, Any], name: str) -> File:
    """The contents of a config file called ``name``. Raises ``UserError`` naming file, table and key."""
    top = {key: value for key, value in table.items() if key not in _TABLES}
    if not isinstance(table.get("models", {}), dict):  # a list of names, not tables
        top["models"] = table["models"]
        table = {key: value for key, value in table.items() if key != "models"}
    runs = {}
    for run, values in _section(table, "runs", name).items():
        if not isinstance(values, dict):
            raise UserError(f"{name}: [runs.{run}] must be a table")
        runs[run] = read_table(values, SETTINGS, f"{name} [runs.{run}]", dashes=True)
    gates = _section(table, "gates", name)
    for key, value in gates.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise UserError(
                f"{name} [gates]: {key}: {one_line(repr(value), 80)} is not a number such as 0.55"
            )
    return File(
        name=name,
        values=read_table(top, SETTINGS, name, dashes=True),
        models={key: _model(key, value, name) for key, value in _section(table, "models", name).items()},
        runs=runs,
        gates=gates,
        judge=_judge(table["judge"], name) if "judge" in table else {},
        suites=read_suites(_section(table, "suites", name), name),
    )


def _section(table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    section = table.get(key, {})
    if not isinstance(section, dict):
        raise UserError(f"{where}: [{key}] must be a table")
    return section


def _model(name: str, table: object, where: str) -> ModelConfig:
    if not isinstance(table, dict):
        raise UserError(f"{where}: [models.{name}] must be a table")
    place = f"{where} [models.{name}]"
    keys = read_table(table, MODEL, place, dashes=True)
    is_server = keys.get("backend") == "serve"
    values: dict[str, Any] = {}
    for key, value in keys.items():
        attribute = MODEL[key].attribute
        if key == "model" and not is_server:  # an API knows it by no other name
            attribute = "target"
        values[attribute] = value
    if values["backend"] == "hf" and "target" not in values:
        raise UserError(f"{place}: path is missing; give a folder with weights or a hub id")
    if is_server:
        if ("preset" in values) == ("command" in values):
            raise UserError(f"{place}: give either preset ({', '.join(PRESETS)}) or command")
        if "preset" in values and "target" not in values:
            raise UserError(f"{place}: path is missing; give a folder with weights or a hub id")
    return ModelConfig(name=name, **values)


def _judge(table: object, where: str) -> dict[str, Any]:
    if isinstance(table, str):
        table = {"model": table}
    place = f"{where} [judge]"
    if not isinstance(table, dict):
        raise UserError(f"{place} must be a table, or a model's SPEC")
    return read_table(table, JUDGE, place, dashes=True)
