"""A model shares prefixes only if its logits stay the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.models.hf import attention, load
from pytest_llmeval.models.hf.probe import probe
from tests.support.tiny_models import SHARING, save_tiny

CPU = torch.device("cpu")


def loaded(folder: Path, architecture: str = "llama"):  # type: ignore[no-untyped-def]
    save_tiny(folder, architecture)
    return load.load(ModelConfig("tiny", "hf", str(folder)), load.find(str(folder))).model


@pytest.mark.parametrize("name", SHARING)
def test_bytes_per_token_count_the_keys_and_values_of_all_layers(tmp_path: Path, name: str) -> None:
    model = loaded(tmp_path, name)
    result = probe(model, CPU)
    settings = model.config
    heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
    width = getattr(settings, "head_dim", None) or settings.hidden_size // settings.num_attention_heads
    assert result.obstacle is None
    assert result.bytes_per_token == 2 * 4 * settings.num_hidden_layers * heads * width


@pytest.mark.parametrize(
    ("architecture", "reason"), [("mamba", "MambaForCausalLM"), ("llama", "different logits")]
)
def test_the_obstacle_is_one_line_and_the_model_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, reason: str
) -> None:
    model = loaded(tmp_path, architecture)
    before = model.config._attn_implementation
    if architecture == "llama":  # simulate an attention that differs
        attend_grouped = attention.attend_grouped
        monkeypatch.setattr(
            attention,
            "attend_grouped",
            lambda q, k, v, params, mask=None: attend_grouped(q, k, v * 1.1, params, mask),
        )
    obstacle = probe(model, CPU).obstacle
    assert obstacle is not None and reason in obstacle and "\n" not in obstacle
    assert model.config._attn_implementation == before


def test_a_model_that_does_not_pass_its_window_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(tmp_path, "mistral")
    model.config.sliding_window = 4096  # longer than the probe's prompts
    shared_attention = attention.shared_attention

    def without_window(*args: object, sliding_window: object = None, **more: object) -> object:
        return shared_attention(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(attention, "shared_attention", without_window)
    assert "do not pass their sliding window" in str(probe(model, CPU).obstacle)


def test_unsupported_layers_are_rejected(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    model.config.layer_types = ["full_attention", "linear_attention"]
    assert "unsupported layers (linear_attention)" in str(probe(model, CPU).obstacle)
