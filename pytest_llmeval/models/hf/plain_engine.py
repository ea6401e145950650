"""Answers from local weights in plain batches, for models whose prompts cannot share prefixes.

Requests of similar length form a batch (``batching.plan_batches``), padded on the left; attention and
generation are those of transformers.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch

from pytest_llmeval.core.types import Completion
from pytest_llmeval.models.base import Job
from pytest_llmeval.models.hf.batching import plan_batches
from pytest_llmeval.models.hf.detokenizer import Detokenizer
from pytest_llmeval.models.hf.encoded import EncodedRequest
from pytest_llmeval.models.hf.forward import is_out_of_memory

_EncodedJob: TypeAlias = tuple[Job, EncodedRequest]
_MAX_ROWS = {"cpu": 16}
_MAX_ROWS_GPU = 256


class PlainEngine:
    """Takes encoded jobs and finishes one batch per step; ``budget`` is in padded tokens of a batch."""

    def __init__(
        self, model: Any, tokenizer: Any, device: torch.device, detokenizer: Detokenizer, budget: int
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        self._detokenizer = detokenizer
        self._budget = budget
        self._max_rows = _MAX_ROWS.get(device.type, _MAX_ROWS_GPU)
        self._parameters = inspect.signature(model.forward).parameters
        self._pad = tokenizer.pad_token_id or 0
        self._batches: list[list[_EncodedJob]] = []
        self._generation = _plain_generation(model, detokenizer, self._pad)

    @property
    def busy(self) -> bool:
        """Whether any job is unfinished."""
        return bool(self._batches)

    def add(self, jobs: Sequence[_EncodedJob]) -> None:
        """Queue jobs, in batches after those already queued."""
        groups: dict[object, list[_EncodedJob]] = {}
        for job, encoded in jobs:
            request = encoded.request
            settings = bool(request.choices), request.temperature, request.stop, request.lm_eval
            groups.setdefault(settings, []).append((job, encoded))
        for rows in groups.values():
            max_new_tokens = max(encoded.max_length - len(encoded.ids) for _, encoded in rows)
            lengths = [len(encoded.ids) for _, encoded in rows]
            batches = plan_batches(lengths, self._budget, self._max_rows, max_new_tokens)
            self._batches += [[rows[number] for number in batch] for batch in batches]

    def step(self) -> None:
        """Answer one batch; a batch that does not fit in memory is queued again as two halves."""
        rows = self._batches.pop(0)
        started = time.perf_counter()
        for job, _ in rows:
            job.taken = started
        batch = [encoded for _, encoded in rows]
        try:
            completions = self._score(batch) if batch[0].tails else self._generate(batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._recover_from_oom(rows)
            return
        elapsed = time.perf_counter() - started
        tokens = [
            len(encoded.ids) + (completion.completion_tokens or 0)
            for encoded, completion in zip(batch, completions, strict=True)
        ]
        for (job, _), completion, count in zip(rows, completions, tokens, strict=True):
            job.finish(replace(completion, latency_s=elapsed * count / sum(tokens), batch_s=elapsed))

    def _recover_from_oom(self, rows: list[_EncodedJob]) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if len(rows) == 1:
            job, encoded = rows[0]
            job.fail(encoded.out_of_memory_error)
            return
        self._budget = max(1, max(encoded.max_length for _, encoded in rows) * len(rows) // 2)
        half = len(rows) // 2
        self._batches[:0] = [rows[:half], rows[half:]]

    def _score(self, rows: Sequence[EncodedRequest]) -> list[Completion]:
        """Completions with each choice's log-probability; identical inputs are computed once."""
        inputs: dict[tuple[int, ...], int] = {}
        for row in rows:
            for tail in row.tails.values():
                inputs.setdefault((*row.ids, *tail[:-1]), len(inputs))
        positions = max(len(tail) for row in rows for tail in row.tails.values())
        log_probabilities = self._last_log_probabilities(list(inputs), positions)
        completions = []
        for row in rows:
            scores: dict[str, float] = {}
            greedy: dict[str, bool] = {}
            for label, tail in row.tails.items():
                last = log_probabilities[inputs[(*row.ids, *tail[:-1])]][-len(tail) :]
                scores[label] = float(
                    sum(vocabulary[token] for vocabulary, token in zip(last, tail, strict=True))
                )
                if row.request.lm_eval:
                    greedy[label] = last.argmax(-1).tolist() == list(tail)
            completions.append(row.with_scores(scores, greedy))
        return completions

    def _last_log_probabilities(
        self, inputs: Sequence[tuple[int, ...]], positions: int
    ) -> list[torch.Tensor]:
        """Log-softmax at each input's last ``positions`` at most, on the CPU: [positions, vocabulary]."""
        by_input: dict[int, torch.Tensor] = {}
        for batch in plan_batches([len(ids) for ids in inputs], self._budget, self._max_rows):
            ids, mask = self._pad_left([inputs[number] for number in batch])
            arguments = {
                "attention_mask": mask,
                "position_ids": (mask.cumsum(-1) - 1).clamp(min=0),
                "logits_to_keep": positions,
            }
            arguments = {name: value for name, value in arguments.items() if name in self._parameters}
            with torch.inference_mode():
                logits = self._model(input_ids=ids, use_cache=False, **arguments).logits
                last = logits[:, -positions:].float().log_softmax(-1).cpu()
            by_input.update(zip(batch, last, strict=True))
        return [by_input[number] for number in range(len(inputs))]

    def _generate(self, rows: Sequence[EncodedRequest]) -> list[Completion]:
        request = rows[0].request
        ids, mask = self._pad_left([row.ids for row in rows])
        settings = self._generation
        settings.max_new_tokens = max(row.max_new_tokens for row in rows)
        settings.do_sample = (request.temperature or 0.0) > 0
        settings.temperature = request.temperature if settings.do_sample else None
        settings.stop_strings = list(request.stop) or None
        settings.eos_token_id = sorted(self._detokenizer.end_tokens_for(request)) or None
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=settings,
                tokenizer=self._tokenizer if request.stop else None,
            )
        written = out[:, ids.shape[1] :].tolist()
        return [self._detokenizer.completion(row, tokens) for row, tokens in zip(rows, written, strict=True)]

    def _pad_left(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and attention mask, padded on the left: [rows, longest] each."""
        longest = max(map(len, rows))
        ids = torch.tensor([[self._pad] * (longest - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self._device), mask.to(self._device)


def _plain_generation(model: Any, detokenizer: Detokenizer, pad: int) -> Any:
    """Generation settings without the checkpoint's defaults (top_p, repetition penalty)."""
    from transformers import GenerationConfig

    plain: Any = GenerationConfig
    settings = {"eos_token_id": sorted(detokenizer.ends) or None, "pad_token_id": pad}
    model.generation_config = plain(**settings)
    return plain(**settings)
