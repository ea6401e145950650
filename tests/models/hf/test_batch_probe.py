"""Which rows share a batch depends on what padding and caches do to a model's logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_llmeval.models.hf.batch_probe import BatchRules, probe_batches
from pytest_llmeval.models.hf.batching import Mix
from pytest_llmeval.models.hf.plain_forward import PlainForward
from tests.support.architectures import save_architecture

CPU = torch.device("cpu")


def rules(model: Any) -> BatchRules:
    return probe_batches(PlainForward(model, CPU, 0))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("llama", BatchRules()),
        ("bloom", BatchRules()),
        ("mamba", BatchRules()),  # it masks padding
        ("rwkv", BatchRules(texts=Mix.SINGLE)),  # its state mixes the rows of a batch
        ("recurrent_gemma", BatchRules(texts=Mix.EQUAL)),
        ("minimax", BatchRules(texts=Mix.EQUAL)),
        ("xlstm", BatchRules(texts=Mix.EQUAL, cached=False)),  # its cache fails with this size
    ],
)
def test_rules_follow_what_the_architecture_does(tmp_path: Path, name: str, expected: BatchRules) -> None:
    assert rules(save_architecture(tmp_path, name)) == expected


def change_logits(model: Any, change: Callable[[torch.Tensor, dict[str, Any]], torch.Tensor]) -> None:
    """Let ``change`` compute each pass's logits from the model's own and the arguments."""
    forward = type(model).forward

    def changed(self: Any, *args: Any, **arguments: Any) -> Any:
        out = forward(self, *args, **arguments)
        out.logits = change(out.logits, arguments)
        return out

    model.__class__ = type(type(model).__name__, (type(model),), {"forward": changed})


def test_rows_whose_results_depend_on_each_other_are_asked_one_by_one(tmp_path: Path) -> None:
    model = save_architecture(tmp_path, "llama")
    change_logits(model, lambda logits, _: logits + 0.01 * (len(logits) - 1))
    assert rules(model) == BatchRules(Mix.SINGLE, Mix.SINGLE)


def test_a_cache_that_changes_the_results_is_not_used(tmp_path: Path) -> None:
    model = save_architecture(tmp_path, "llama")
    change_logits(
        model, lambda logits, arguments: logits * (1 + 0.01 * (arguments["input_ids"].shape[1] == 1))
    )
    assert rules(model) == BatchRules(cached=False)
    assert rules(model).note == "texts without its cache, which changes the results"


def test_half_precision_does_not_hide_what_padding_does(tmp_path: Path) -> None:
    model = save_architecture(tmp_path, "recurrent_gemma").to(torch.bfloat16)
    assert rules(model).texts is Mix.EQUAL


def test_a_model_that_takes_no_mask_or_selection_is_asked_without(tmp_path: Path) -> None:
    model = save_architecture(tmp_path, "llama")
    forward = PlainForward(model, CPU, 0)
    expected = forward.last_logits([(9, 8, 7), (6, 5)], 2)
    plain = type(model).forward

    def bare(self: Any, input_ids: torch.Tensor, use_cache: bool) -> Any:
        return plain(self, input_ids=input_ids, use_cache=use_cache)

    model.__class__ = type("Bare", (type(model),), {"forward": bare})
    for logits, others in zip(
        PlainForward(model, CPU, 0).last_logits([(9, 8, 7), (6, 5)], 2), expected, strict=True
    ):
        assert torch.allclose(logits, others, atol=1e-5)
