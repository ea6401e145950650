"""A loaded model as one function from packed tokens to logits, and what is made of logits."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from pytest_llmeval.models.hf import attention
from pytest_llmeval.models.hf.copies import tensor_on


class Forward:
    """The model under shared attention; must have been set to ``attention.NAME``."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self.device = device
        self._model = model
        self._can_choose = "logits_to_keep" in inspect.signature(model.forward).parameters

    def __call__(
        self,
        ids: Sequence[int],
        positions: torch.Tensor,
        wanted: torch.Tensor | None,
        view: attention.View,
    ) -> torch.Tensor:
        """Logits [wanted, vocabulary] in float32 at the ``wanted`` places of packed tokens (None: all)."""
        more = {"logits_to_keep": wanted} if self._can_choose and wanted is not None else {}
        packed = tensor_on(self.device, ids)[None]
        with torch.inference_mode(), attention.viewing(view):
            logits: torch.Tensor = self._model(
                input_ids=packed, position_ids=positions[None], use_cache=False, **more
            ).logits[0]
            if wanted is not None and not self._can_choose:
                logits = logits[wanted]
            return logits.float()

    def free(self) -> None:
        """Give memory that is not in use back to the device."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def choose(logits: torch.Tensor, temperatures: Sequence[float]) -> list[int]:
    """The next token of each row of ``logits`` [rows, vocabulary]: at temperature 0 the likeliest."""
    best = logits.argmax(-1)
    drawn = [row for row, temperature in enumerate(temperatures) if temperature > 0]
    if drawn:
        heat = tensor_on(logits.device, [temperatures[row] for row in drawn])
        chances = (logits[drawn] / heat[:, None]).softmax(-1)
        best[drawn] = torch.multinomial(chances, 1)[:, 0]
    tokens: list[int] = best.tolist()
    return tokens


def is_out_of_memory(error: Exception) -> bool:
    """Whether ``error`` says, in the words of any backend, that there is no memory left."""
    text = str(error).lower()
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or "out of memory" in text
        or "not enough memory" in text
    )
