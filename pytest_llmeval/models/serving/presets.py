"""The command lines of inference servers, from their documentation."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable, one_line, unknown
from pytest_llmeval.core.paths import expanded

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Preset:
    """A server's command line, with ``{path}``, ``{name}``, ``{port}``, ``{dtype}`` and ``{device}``.

    ``model`` is the model's name in requests, ``package`` the pip package that provides the command,
    and ``trust_flag`` the option that allows a model's own code to run (empty: there is none).
    """

    command: str
    model: str
    package: str
    trust_flag: str = ""


PRESETS: Mapping[str, Preset] = {
    # https://lmdeploy.readthedocs.io/en/latest/llm/api_server.html
    "lmdeploy": Preset(
        f"lmdeploy serve api_server {{path}} --server-name {HOST} --server-port {{port}} "
        "--model-name {name} --dtype {dtype}",
        model="{name}",
        package="lmdeploy",
    ),
    # https://docs.vllm.ai/en/latest/cli/serve.html
    "vllm": Preset(
        f"vllm serve {{path}} --host {HOST} --port {{port}} --served-model-name {{name}} --dtype {{dtype}}",
        model="{name}",
        package="vllm",
        trust_flag="--trust-remote-code",
    ),
    # https://docs.sglang.io/docs/advanced_features/server_arguments
    "sglang": Preset(
        f"python -m sglang.launch_server --model-path {{path}} --host {HOST} --port {{port}} "
        "--served-model-name {name} --dtype {dtype}",
        model="{name}",
        package="sglang",
        trust_flag="--trust-remote-code",
    ),
    # https://huggingface.co/docs/transformers/main/en/serving
    "transformers": Preset(
        f"transformers serve {{path}} --host {HOST} --port {{port}} --device {{device}} --dtype {{dtype}}",
        model="{path}",
        package="transformers[serving]",
        trust_flag="--trust-remote-code",
    ),
}


def template(config: ModelConfig) -> str:
    """The command line of a model's server with its placeholders. Raises ``ModelUnusable``."""
    if config.command is not None:
        return config.command
    preset = _preset(config)
    if not config.trust_remote_code:
        return preset.command
    if not preset.trust_flag:
        raise ModelUnusable(
            f"model {config.name}: preset {config.preset} has no option for trust_remote_code; "
            "write the server's command in [models.NAME]: command = ..."
        )
    return f"{preset.command} {preset.trust_flag}"


def command(config: ModelConfig, port: int) -> list[str]:
    """The command line that starts the server, split into arguments. Raises ``ModelUnusable``."""
    text = template(config)
    try:
        arguments = shlex.split(text)
    except ValueError as error:
        raise _bad_command(config, f"{error}") from None
    if not arguments:
        raise _bad_command(config, "it is empty")
    if "{port}" not in text:
        raise _bad_command(config, "it has no {port}; write {port} where the server's port goes")
    if "{path}" in text and not config.target:
        raise _bad_command(config, "it contains {path}, but there is no path; set path in [models.NAME]")
    if arguments[0] == "python":
        arguments[0] = sys.executable
    return [_fill(argument, config, port) for argument in arguments]


def model_name(config: ModelConfig) -> str:
    """The model's name in requests; empty: the server is queried for its only model."""
    if config.served_name or config.command is not None:
        return config.served_name
    return _fill(_preset(config).model, config, 0)


def executable(config: ModelConfig, program: str) -> str:
    """The path of a program next to this Python or on the PATH. Raises ``ModelUnusable``."""
    python_folder = Path(sys.executable).parent
    path = shutil.which(program, path=python_folder) or shutil.which(program)
    if path is None:
        hint = f"pip install '{_preset(config).package}'" if config.command is None else "is it installed?"
        raise ModelUnusable(f"model {config.name}: there is no command {one_line(program, 80)!r}; {hint}")
    return path


def _preset(config: ModelConfig) -> Preset:
    name = config.preset or ""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS, where=f"model {config.name}")
    return PRESETS[name]


def _fill(argument: str, config: ModelConfig, port: int) -> str:
    values = {
        "path": str(expanded(config.target)) if config.target.startswith("~") else config.target,
        "name": config.served_name or config.name,
        "port": str(port),
        "dtype": config.dtype,
        "device": config.device,
    }
    for name, value in values.items():
        argument = argument.replace(f"{{{name}}}", value)
    return argument


def _bad_command(config: ModelConfig, reason: str) -> ModelUnusable:
    return ModelUnusable(f"model {config.name}: command {one_line(config.command or '', 80)!r}: {reason}")
