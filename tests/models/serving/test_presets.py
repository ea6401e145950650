"""Command lines of inference servers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config import settings as configs
from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.models.serving import presets

#: as the tools' own documentation writes them
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


def test_the_presets_are_those_that_the_options_know() -> None:
    assert tuple(presets.PRESETS) == configs.PRESETS == tuple(LINES)


@pytest.mark.parametrize("preset", LINES)
def test_a_preset_is_one_command(preset: str) -> None:
    words = presets.command(served(preset=preset), 8001)
    assert " ".join(words) == LINES[preset]
    assert "/models/My Model" in words  # one word, blanks and all


def test_the_name_in_requests_is_the_one_that_the_server_is_told() -> None:
    assert {name: presets.model_name(served(preset=name)) for name in LINES} == {
        "lmdeploy": "mine",
        "vllm": "mine",
        "sglang": "mine",
        "transformers": "/models/My Model",
    }
    assert presets.model_name(served(command="x {port}")) == ""
    assert presets.model_name(served(command="x {port}", served_name="there")) == "there"


def test_remote_code_only_when_asked() -> None:
    assert presets.command(served(preset="vllm", trust_remote_code=True), 1)[-1] == "--trust-remote-code"
    with pytest.raises(UserError, match="lmdeploy has no switch for trust_remote_code"):
        presets.command(served(preset="lmdeploy", trust_remote_code=True), 1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"command": "serve --port 80"}, r"it has no \{port\}"),
        ({"command": "serve '{port}"}, "No closing quotation"),
        ({"command": "  "}, "it is empty"),
        ({"command": "serve {path} {port}", "target": ""}, "there is no path"),
        ({"preset": "vlm"}, "did you mean.*vllm"),
    ],
)
def test_what_is_no_command_is_said(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        presets.command(served(**values), 1)
    assert "mine" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_command_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r"no command 'no-such-tool'; pip install 'transformers\[serving\]'"):
        presets.executable(served(preset="transformers"), "no-such-tool")
    with pytest.raises(UserError, match="no command 'no-such-tool'; is it installed"):
        presets.executable(served(command="no-such-tool {port}"), "no-such-tool")


def test_the_command_beside_this_python_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("env", "else"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "vllm").write_text("#!/bin/sh\n")
        (tmp_path / folder / "vllm").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "env/python"))
    monkeypatch.setenv("PATH", str(tmp_path / "else"))
    assert presets.executable(served(preset="vllm"), "vllm") == str(tmp_path / "env/vllm")
    (tmp_path / "env/vllm").unlink()
    assert presets.executable(served(preset="vllm"), "vllm") == str(tmp_path / "else/vllm")
