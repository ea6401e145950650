"""Checkpoints that lack weights are refused; those with a wrapper's prefix, or tied weights, are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.hf import load
from tests.support.tiny_models import save_tiny

Weights = dict[str, Any]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    save_tiny(tmp_path)
    return tmp_path


def loaded(folder: Path) -> Any:
    return load.load(ModelConfig("tiny", "hf", str(folder)), load.find(str(folder))).model


def rewrite(folder: Path, change: Callable[[Weights], Weights]) -> Weights:
    """Change the weights of a checkpoint, and return what it had."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    before = load_file(path)
    save_file(change(dict(before)), path, metadata={"format": "pt"})
    return before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda weights: {name: w for name, w in weights.items() if name != "lm_head.weight"},
            "lacks 1 of .* weights of a LlamaForCausalLM \\(lm_head.weight\\)",
        ),
        (
            lambda weights: {name: w for name, w in weights.items() if "layers.0" not in name},
            "lacks 9 of .*layers.0.*, \\.\\.\\.\\), which would be random; is a part of the checkpoint",
        ),
        (
            lambda weights: {f"encoder.{name}": w for name, w in weights.items()},
            "its files have encoder.lm_head.weight.* instead: is it a checkpoint of another kind of model",
        ),
        (
            lambda weights: {
                "score.weight" if name == "lm_head.weight" else name: w for name, w in weights.items()
            },
            "lm_head.weight.*its files have score.weight instead",
        ),
    ],
)
def test_missing_weights_are_refused(tiny: Path, change: Callable[[Weights], Weights], says: str) -> None:
    rewrite(tiny, change)
    with pytest.raises(ModelUnusable, match=says) as caught:
        loaded(tiny)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_training_wrappers_are_read(tiny: Path, prefix: str) -> None:
    import torch

    before = rewrite(tiny, lambda weights: {prefix + name: w for name, w in weights.items()})
    model = loaded(tiny)
    assert torch.equal(model.lm_head.weight, before["lm_head.weight"])
    assert torch.equal(model.model.norm.weight, before["model.norm.weight"])


def test_tied_weights_are_not_missing(tiny: Path) -> None:
    import torch

    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    rewrite(tiny, lambda weights: {name: w for name, w in weights.items() if name != "lm_head.weight"})
    model = loaded(tiny)
    assert torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("vocab_size", 400, r"\[325, 64\] instead of \[400, 64\], \.\.\.\); does its vocab_size belong"),
        ("hidden_size", 48, r"\[325, 64\] instead of \[325, 48\], \.\.\.\); does it belong to these weights"),
    ],
)
def test_weights_of_another_shape_are_refused(tiny: Path, setting: str, value: int, says: str) -> None:
    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**config, setting: value}))
    with pytest.raises(ModelUnusable, match=says) as caught:
        loaded(tiny)
    assert "\n" not in str(caught.value)
