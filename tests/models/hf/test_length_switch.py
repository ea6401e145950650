"""The length from which on a model computes all positions of a pass in another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.hf.length_switch import find_length_switch
from tests.support.architectures import save_architecture

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def phi3(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return save_architecture(tmp_path_factory.mktemp("phi3"), "phi3_longrope")


@pytest.mark.parametrize(
    ("longest", "switch"), [(256, 40), (41, 40), (40, None), (11, None), (5, None), (None, None)]
)
def test_longrope_switches_at_its_original_length(phi3: Any, longest: int | None, switch: int | None) -> None:
    assert find_length_switch(phi3, CPU, longest) == switch


@pytest.mark.parametrize(
    "name", ["llama", "llama_linear_scaling", "llama_dynamic_scaling", "gemma3", "gpt2", "bloom", "mamba"]
)
def test_other_models_have_no_switch(tmp_path: Path, name: str) -> None:
    model = save_architecture(tmp_path, name)
    assert find_length_switch(model, CPU, 256) is None


def test_the_search_leaves_the_model_as_it_was(phi3: Any) -> None:
    ids = torch.arange(20, 40)[None]
    with torch.inference_mode():
        before = phi3(input_ids=ids).logits
        find_length_switch(phi3, CPU, 256)
        assert torch.equal(phi3(input_ids=ids).logits, before)
    assert not any(module._forward_pre_hooks for module in phi3.modules())


def test_a_model_that_scales_by_every_length_is_refused_with_the_option_that_helps(tmp_path: Path) -> None:
    model = save_architecture(tmp_path, "llama_dynamic_scaling")
    with pytest.raises(ModelUnusable, match=r"above 256 tokens.* use --llm-context=256$"):
        find_length_switch(model, CPU, 1000)
    assert find_length_switch(model, CPU, 256) is None
