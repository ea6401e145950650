"""The command lines of inference servers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config import settings as configs
from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.models.serving import presets

#: as in the documentation of the servers
LINES = {
    "lmdeploy": "lmdeploy serve api_server /models/My Model --server-name 127.0.0.1 --server-port 8001 "
    "--model-name mine --dtype auto",
    "vllm": "vllm serve /models/My Model --host 127.0.0.1 --port 8001 --served-model-name mine --dtype auto",
    "sglang": f"{sys.executable} -m sglang.launch_server --model-path /models/My Model --host 127.0.0.1 "
    "--port 8001 --served-model-name mine --dtype auto",
    "transformers": "transformers serve /models/My Model --host 127.0.0.1 --port 8001 --device auto "
    "--dtype auto",
}


def served(**values: Any) -> ModelConfig:
    return ModelConfig(**{"name": "mine", "backend": "serve", "target": "/models/My Model"} | values)


def test_presets_match_the_settings() -> None:
    assert tuple(presets.PRESETS) == configs.PRESETS == tuple(LINES)


@pytest.mark.parametrize("preset", LINES)
def test_a_preset_s_command_line(preset: str) -> None:
    arguments = presets.command(served(preset=preset), 8001)
    assert " ".join(arguments) == LINES[preset]
    assert "/models/My Model" in arguments  # one argument, with its space


def test_requests_use_the_served_model_name() -> None:
    assert {name: presets.model_name(served(preset=name)) for name in LINES} == {
        "lmdeploy": "mine",
        "vllm": "mine",
        "sglang": "mine",
        "transformers": "/models/My Model",
    }
    assert presets.model_name(served(command="x {port}")) == ""
    assert presets.model_name(served(command="x {port}", served_name="there")) == "there"


def test_remote_code_is_off_by_default() -> None:
    assert presets.command(served(preset="vllm", trust_remote_code=True), 1)[-1] == "--trust-remote-code"
    with pytest.raises(UserError, match="lmdeploy has no option for trust_remote_code"):
        presets.command(served(preset="lmdeploy", trust_remote_code=True), 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"command": "serve --port 80"}, r"it has no \{port\}"),
        ({"command": "serve '{port}"}, "No closing quotation"),
        ({"command": "  "}, "it is empty"),
        ({"command": "serve {path} {port}", "target": ""}, "there is no path"),
        ({"preset": "vlm"}, "did you mean.*vllm"),
    ],
)
def test_invalid_commands(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        presets.command(served(**values), 1)
    assert "mine" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_program_names_the_package_to_install() -> None:
    with pytest.raises(UserError, match=r"no command 'no-such-tool'; pip install 'transformers\[serving\]'"):
        presets.executable(served(preset="transformers"), "no-such-tool")
    with pytest.raises(UserError, match="no command 'no-such-tool'; is it installed"):
        presets.executable(served(command="no-such-tool {port}"), "no-such-tool")


def test_a_program_next_to_this_python_takes_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("env", "else"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "vllm").write_text("#!/bin/sh\n")
        (tmp_path / folder / "vllm").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "env/python"))
    monkeypatch.setenv("PATH", str(tmp_path / "else"))
    assert presets.executable(served(preset="vllm"), "vllm") == str(tmp_path / "env/vllm")
    (tmp_path / "env/vllm").unlink()
    assert presets.executable(served(preset="vllm"), "vllm") == str(tmp_path / "else/vllm")
