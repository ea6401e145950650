"""Finding, checking and loading local weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable, UserError
from pytest_llmeval.models.hf import load
from pytest_llmeval.models.hf.backend import HuggingFaceModel
from tests.support.tiny_models import save_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder)
    return folder


def load_tiny(folder: Path, **settings: Any) -> load.Loaded:
    return load.load(ModelConfig("tiny", "hf", str(folder), **settings), load.find(str(folder)))


@pytest.mark.parametrize(
    ("prepare", "settings", "message"),
    [
        (lambda folder: None, {"target": "/no/such/model"}, "no such folder"),
        (lambda folder: None, {"target": __file__}, "a file, and not a .gguf one"),
        (lambda folder: None, {}, "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{}"), {}, "no weights"),
        (lambda folder: None, {"dtype": "float3"}, "unknown dtype 'float3'"),
        (lambda folder: None, {"device": "gpu"}, "'gpu' is no device"),
        (lambda folder: None, {"target": "a b"}, "no such folder"),
    ],
)
def test_what_check_finds(tmp_path: Path, prepare: Any, settings: dict[str, Any], message: str) -> None:
    prepare(tmp_path)
    config = ModelConfig("m", "hf", **{"target": str(tmp_path), **settings})
    with pytest.raises(UserError, match=message) as caught:
        HuggingFaceModel(config).check()
    assert "\n" not in str(caught.value)


def test_no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    config = ModelConfig("m", "hf", "someone/some-model")
    with pytest.raises(ModelUnusable, match="cannot be reached") as caught:
        HuggingFaceModel(config).check()
    assert "hf download someone/some-model" in str(caught.value)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnusable, match="HF_HUB_OFFLINE is set"):
        HuggingFaceModel(config).check()


def test_code_of_a_checkpoint_is_not_run_unasked(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model_type"] = "own"
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelUnusable, match="if you trust it, give --llm-trust-remote-code"):
        load_tiny(tmp_path)


def test_broken_weights_are_one_line(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(ModelUnusable, match="cannot be loaded") as caught:
        load_tiny(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_here(tiny: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ModelUnusable, match="use --llm-device=cpu"):
        load_tiny(tiny, device="cuda")


@pytest.mark.parametrize(("share", "spread"), [(0.8, False), (0.9, True)])
def test_a_model_larger_than_one_gpu_is_spread(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, share: float, spread: bool
) -> None:
    """No GPU is needed: what a GPU would have free is made up, and loading is only recorded."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny)
    weights = sum(p.numel() for p in model.parameters()) * torch.bfloat16.itemsize
    asked: dict[str, Any] = {}

    class Loaded:
        def to(self, device: torch.device) -> Loaded:
            asked["to"] = device
            return self

    def from_pretrained(path: str, **options: Any) -> Loaded:
        asked.update(options)
        return Loaded()

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(weights / share), 0))
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", from_pretrained)
    config, gpu = ModelConfig("tiny", "hf", str(tiny)), torch.device("cuda", 0)
    load._load_weights(config, load.find(str(tiny)), gpu, torch.bfloat16, {"trust_remote_code": False})
    assert asked.get("device_map") == ("auto" if spread else None)
    assert asked.get("to") == (None if spread else gpu)
