"""How each inference server is started: data, from the tools' own documentation."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable, one_line, unknown

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Preset:
    """A server's command line, with ``{path}``, ``{name}``, ``{port}``, ``{dtype}`` and ``{device}``.

    ``model`` is how requests name the model there, ``package`` what brings the command (as pip calls
    it), ``trust`` what lets it run a model's own code (empty: there is no such switch).
    """

    command: str
    model: str
    package: str
    trust: str = ""


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
        trust="--trust-remote-code",
    ),
    # https://docs.sglang.io/docs/advanced_features/server_arguments
    "sglang": Preset(
        f"python -m sglang.launch_server --model-path {{path}} --host {HOST} --port {{port}} "
        "--served-model-name {name} --dtype {dtype}",
        model="{name}",
        package="sglang",
        trust="--trust-remote-code",
    ),
    # https://huggingface.co/docs/transformers/main/en/serving
    "transformers": Preset(
        f"transformers serve {{path}} --host {HOST} --port {{port}} --device {{device}} --dtype {{dtype}}",
        model="{path}",
        package="transformers[serving]",
        trust="--trust-remote-code",
    ),
}


def template(config: ModelConfig) -> str:
    """The command line of a model's server, unfilled: its own or the preset's. Raises ``ModelUnusable``."""
    if config.command is not None:
        return config.command
    preset = _preset(config)
    if not config.trust_remote_code:
        return preset.command
    if not preset.trust:
        raise ModelUnusable(
            f"model {config.name}: preset {config.preset} has no switch for trust_remote_code; "
            "write the server's command in [models.NAME]: command = ..."
        )
    return f"{preset.command} {preset.trust}"


def command(config: ModelConfig, port: int) -> list[str]:
    """The words of the command line that starts the server. Raises ``ModelUnusable``."""
    line = template(config)
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise _bad(config, f"{error}") from None
    if not words:
        raise _bad(config, "it is empty")
    if "{port}" not in line:
        raise _bad(config, "it has no {port}; write that where the server's port goes")
    if "{path}" in line and not config.target:
        raise _bad(config, "it has {path}, and there is no path")
    if words[0] == "python":
        words[0] = sys.executable
    return [_filled(word, config, port) for word in words]


def model_name(config: ModelConfig) -> str:
    """How requests name the model; empty: the server is asked."""
    if config.served_name or config.command is not None:
        return config.served_name
    return _filled(_preset(config).model, config, 0)


def executable(config: ModelConfig, word: str) -> str:
    """Where the command is: beside this Python, or on the PATH. Raises ``ModelUnusable``."""
    here = Path(sys.executable).parent
    found = shutil.which(word, path=here) or shutil.which(word)
    if found is None:
        hint = f"pip install '{_preset(config).package}'" if config.command is None else "is it installed?"
        raise ModelUnusable(f"model {config.name}: there is no command {one_line(word, 80)!r}; {hint}")
    return found


def _preset(config: ModelConfig) -> Preset:
    name = config.preset or ""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS, where=f"model {config.name}")
    return PRESETS[name]


def _filled(word: str, config: ModelConfig, port: int) -> str:
    told = {
        "path": str(Path(config.target).expanduser()) if config.target.startswith("~") else config.target,
        "name": config.served_name or config.name,
        "port": str(port),
        "dtype": config.dtype,
        "device": config.device,
    }
    for name, value in told.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _bad(config: ModelConfig, why: str) -> ModelUnusable:
    return ModelUnusable(f"model {config.name}: command {one_line(config.command or '', 80)!r}: {why}")
