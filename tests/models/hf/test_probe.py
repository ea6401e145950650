"""A model shares prefixes only if it gives the same logits then."""

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
def test_the_size_of_a_token_is_that_of_keys_and_values(tmp_path: Path, name: str) -> None:
    model = loaded(tmp_path, name)
    finding = probe(model, CPU)
    settings = model.config
    heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
    width = getattr(settings, "head_dim", None) or settings.hidden_size // settings.num_attention_heads
    assert finding.why_not is None
    assert finding.bytes_a_token == 2 * 4 * settings.num_hidden_layers * heads * width


@pytest.mark.parametrize(
    ("architecture", "reason"), [("mamba", "MambaForCausalLM"), ("llama", "other answers")]
)
def test_why_not_is_one_line_and_the_model_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, reason: str
) -> None:
    model = loaded(tmp_path, architecture)
    before = model.config._attn_implementation
    if architecture == "llama":  # as if it attended in a way of its own
        own = attention.folded
        monkeypatch.setattr(
            attention, "folded", lambda q, k, v, style, mask=None: own(q, k, v * 1.1, style, mask)
        )
    finding = probe(model, CPU)
    assert finding.why_not is not None and reason in finding.why_not and "\n" not in finding.why_not
    assert model.config._attn_implementation == before


def test_a_window_that_is_not_told_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(tmp_path, "mistral")
    model.config.sliding_window = 4096  # longer than what is tried
    own = attention.shared_attention

    def deaf(*args: object, sliding_window: object = None, **more: object) -> object:
        return own(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(attention, "shared_attention", deaf)
    finding = probe(model, CPU)
    assert finding.why_not is not None and "window is not told" in finding.why_not


def test_layers_of_an_unknown_kind_are_not_tried(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    model.config.layer_types = ["full_attention", "linear_attention"]
    assert "layers of its own kind (linear_attention)" in str(probe(model, CPU).why_not)
