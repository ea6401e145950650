"""The forward pass and the generation of transformers for a batch of rows, padded if their lengths differ."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from pytest_llmeval.models.hf.prefill import Tokens
from pytest_llmeval.models.hf.tensors import tensor_on


class PlainForward:
    """Runs a model with its own attention and cache; ``pad`` is the token that fills shorter rows.

    Rows of equal length are passed as a row alone is: without a mask, at the model's own positions. The
    model loses its checkpoint's settings for generation (top_p, repetition penalty).
    """

    def __init__(self, model: Any, device: torch.device, pad: int) -> None:
        self.device = device
        self.model = model
        self.pad = pad
        model.generation_config = plain_settings(pad)
        parameters = inspect.signature(model.forward).parameters
        self._takes_mask = "attention_mask" in parameters
        self._selects_logits = "logits_to_keep" in parameters

    def last_logits(self, rows: Sequence[Tokens], positions: int) -> list[torch.Tensor]:
        """Logits in float32 at the last ``positions`` of each row: [positions, vocabulary].

        A shorter row has logits at all its positions. Rows are padded on the right: whatever a model does
        with padding, earlier tokens do not see later ones.
        """
        lengths = [len(row) for row in rows]
        longest = max(lengths)
        wanted = [range(max(0, length - positions), length) for length in lengths]
        ids = tensor_on(self.device, [[*row, *[self.pad] * (longest - len(row))] for row in rows])
        arguments: dict[str, Any] = {}
        columns = {column: column for column in range(longest)}
        if min(lengths) < longest and self._takes_mask:
            mask = [[1] * length + [0] * (longest - length) for length in lengths]
            arguments["attention_mask"] = tensor_on(self.device, mask)
        if self._selects_logits and min(lengths) < longest:
            kept = sorted({column for columns_of_row in wanted for column in columns_of_row})
            arguments["logits_to_keep"] = tensor_on(self.device, kept)
            columns = {column: place for place, column in enumerate(kept)}
        elif self._selects_logits:
            first = wanted[0].start
            arguments["logits_to_keep"] = longest - first
            columns = {column: column - first for column in wanted[0]}
        with torch.inference_mode():
            logits = self.model(input_ids=ids, use_cache=False, **arguments).logits
            return [
                logits[number, columns[places.start] : columns[places.stop - 1] + 1].float()
                for number, places in enumerate(wanted)
            ]

    def generate(
        self, rows: Sequence[Tokens], settings: Any, tokenizer: Any = None, processor: Any = None
    ) -> Any:
        """The output of transformers' ``generate`` for rows that are padded on the left.

        Shorter answers are padded on the right. ``tokenizer`` is needed for stop strings; ``processor`` sees,
        and may change, the logits of each step.
        """
        longest = max(map(len, rows))
        ids = [[*[self.pad] * (longest - len(row)), *row] for row in rows]
        mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        with torch.inference_mode():
            return self.model.generate(
                input_ids=tensor_on(self.device, ids),
                attention_mask=tensor_on(self.device, mask),
                generation_config=settings,
                logits_processor=[] if processor is None else [processor],
                tokenizer=tokenizer,
            )


def plain_settings(pad: int, ends: Sequence[int] = (), **settings: Any) -> Any:
    """transformers' settings of a greedy generation that ends at the tokens ``ends``."""
    from transformers import GenerationConfig

    config: Any = GenerationConfig
    return config(eos_token_id=list(ends) or None, pad_token_id=pad, do_sample=False, **settings)
