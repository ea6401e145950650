"""A loaded model as one function from packed tokens to logits, and sampling from these."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from pytest_llmeval.models.hf import attention
from pytest_llmeval.models.hf.tensors import tensor_on

_NO_TOKEN = -1


class Forward:
    """Runs a model whose attention implementation is set to ``attention.NAME``."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self.device = device
        self._model = model
        self.dtype = dtype_name(model)
        self._selects_logits = "logits_to_keep" in inspect.signature(model.forward).parameters

    def __call__(
        self,
        ids: Sequence[int],
        positions: torch.Tensor,
        logit_indices: torch.Tensor | None,
        view: attention.View,
    ) -> torch.Tensor:
        """Logits [indices, vocabulary] in float32 of the packed tokens at ``logit_indices`` (None: all).

        ``positions`` [tokens] are the tokens' positions in their prompts.
        """
        selection = {}
        if self._selects_logits and logit_indices is not None:
            selection["logits_to_keep"] = logit_indices
        packed = tensor_on(self.device, ids)[None]
        with torch.inference_mode(), attention.use_view(view):
            logits: torch.Tensor = self._model(
                input_ids=packed, position_ids=positions[None], use_cache=False, **selection
            ).logits[0]
            if logit_indices is not None and not self._selects_logits:
                logits = logits[logit_indices]
            return logits.float()

    def empty_cache(self) -> None:
        """Return unused memory to the device."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def dtype_name(model: Any) -> str:
    """The name of the dtype of a model's weights, as ``--llm-dtype`` has it."""
    return str(model.dtype).removeprefix("torch.")


def sample(logits: torch.Tensor, temperatures: Sequence[float]) -> list[int | None]:
    """The next token of each row of ``logits`` [rows, vocabulary]; temperature 0 is greedy.

    None for a row whose logits are not finite (``has_finite_logits``).
    """
    finite = has_finite_logits(logits)
    ids = logits.argmax(-1)
    sampled_rows = [row for row, temperature in enumerate(temperatures) if temperature > 0]
    if sampled_rows:
        scale = tensor_on(logits.device, [temperatures[row] for row in sampled_rows])
        # the zeros are never used, but NaN would fail the whole batch
        usable = logits[sampled_rows].where(finite[sampled_rows, None], 0.0)
        probabilities = (usable / scale[:, None]).softmax(-1)
        ids[sampled_rows] = torch.multinomial(probabilities, 1)[:, 0]
    tokens: list[int] = ids.where(finite, _NO_TOKEN).tolist()
    return [None if token == _NO_TOKEN else token for token in tokens]


def has_finite_logits(logits: torch.Tensor) -> torch.Tensor:
    """Whether each row of ``logits`` [rows, vocabulary] has a most likely token: [rows].

    Not with NaN or infinity in a row. Minus infinity is how models exclude tokens, unless it excludes all.
    """
    return logits.amax(-1).isfinite()


def is_out_of_memory(error: Exception) -> bool:
    """Whether ``error`` is an out-of-memory error of any device."""
    text = str(error).lower()
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or "out of memory" in text
        or "not enough memory" in text
    )
