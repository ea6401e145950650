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


def load_tiny(folder: Path, **settings: Any) -> load.LoadedModel:
    return load.load(ModelConfig("tiny", "hf", str(folder), **settings), load.find(str(folder)))


@pytest.mark.parametrize(
    ("prepare", "settings", "message"),
    [
        (lambda folder: None, {"target": "/no/such/model"}, "no such folder"),
        (lambda folder: None, {"target": __file__}, "a file, but not a .gguf file"),
        (lambda folder: None, {}, "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{}"), {}, "no weights"),
        (lambda folder: (folder / "x.gguf").write_text("x"), {"target": "x.gguf"}, "not a GGUF file"),
        (lambda folder: None, {"dtype": "float3"}, "unknown dtype 'float3'"),
        (lambda folder: None, {"device": "gpu"}, "'gpu' is not a device"),
        (lambda folder: None, {"target": "a b"}, "no such folder"),
    ],
)
def test_check_reports_the_cause_in_one_line(
    tmp_path: Path, prepare: Any, settings: dict[str, Any], message: str
) -> None:
    prepare(tmp_path)
    target = settings.get("target", "")
    if target.endswith(".gguf"):
        settings = {**settings, "target": str(tmp_path / target)}
    config = ModelConfig("m", "hf", **{"target": str(tmp_path), **settings})
    with pytest.raises(UserError, match=message) as caught:
        HuggingFaceModel(config).check()
    assert "\n" not in str(caught.value)


def test_an_unreachable_hub_is_reported_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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


def test_code_in_a_checkpoint_does_not_run_without_the_option(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model_type"] = "custom"
    config["auto_map"] = {"AutoConfig": "custom.Config", "AutoModelForCausalLM": "custom.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "custom.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelUnusable, match="if you trust it, pass --llm-trust-remote-code"):
        load_tiny(tmp_path)


def test_broken_weights_are_reported_in_one_line(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(ModelUnusable, match="cannot be loaded") as caught:
        load_tiny(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_device_is_reported(tiny: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ModelUnusable, match="use --llm-device=cpu"):
        load_tiny(tiny, device="cuda")


@pytest.mark.parametrize(("share", "spread"), [(0.8, False), (0.9, True)])
def test_a_model_larger_than_one_gpu_is_spread(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, share: float, spread: bool
) -> None:
    """Needs no GPU: its free memory is faked, and loading is recorded instead of done."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny)
    weights = sum(p.numel() for p in model.parameters()) * torch.bfloat16.itemsize
    arguments: dict[str, Any] = {}

    class Loaded:
        def to(self, device: torch.device) -> Loaded:
            arguments["to"] = device
            return self

    def from_pretrained(path: str, **options: Any) -> tuple[Loaded, dict[str, set[str]]]:
        arguments.update(options)
        return Loaded(), {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set()}

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(weights / share), 0))
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", from_pretrained)
    config, gpu = ModelConfig("tiny", "hf", str(tiny)), torch.device("cuda", 0)
    load._load_weights(config, load.find(str(tiny)), gpu, torch.bfloat16, {"trust_remote_code": False})
    assert arguments.get("device_map") == ("auto" if spread else None)
    assert arguments.get("to") == (None if spread else gpu)
