"""Answers from local weights by plain batches: for models whose prompts cannot share a beginning.

Requests of like length go together (``batching.plan_batches``), padded on the left; the model writes
and attends as transformers has it.
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
from pytest_llmeval.models.hf.encoding import Encoded, Writer
from pytest_llmeval.models.hf.forward import is_out_of_memory

_Asked: TypeAlias = tuple[Job, Encoded]
_MOST_ROWS = {"cpu": 16}
_MOST_ROWS_GPU = 256


class PlainEngine:
    """Takes jobs that are encoded, and answers them a batch a step; ``budget`` is in tokens of a batch."""

    def __init__(self, model: Any, tokenizer: Any, device: torch.device, writer: Writer, budget: int) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        self._writer = writer
        self._budget = budget
        self._most_rows = _MOST_ROWS.get(device.type, _MOST_ROWS_GPU)
        self._known = inspect.signature(model.forward).parameters
        self._pad = tokenizer.pad_token_id or 0
        self._batches: list[list[_Asked]] = []
        self._generation = _plain_generation(model, writer, self._pad)

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._batches)

    def add(self, jobs: Sequence[_Asked]) -> None:
        """Let jobs wait for their turn, in batches behind those that wait already."""
        kinds: dict[object, list[_Asked]] = {}
        for job, encoded in jobs:
            request = encoded.request
            kind = bool(request.choices), request.temperature, request.stop, request.lm_eval
            kinds.setdefault(kind, []).append((job, encoded))
        for rows in kinds.values():
            room = max(encoded.size - len(encoded.ids) for _, encoded in rows)
            lengths = [len(encoded.ids) for _, encoded in rows]
            batches = plan_batches(lengths, self._budget, self._most_rows, room)
            self._batches += [[rows[number] for number in batch] for batch in batches]

    def step(self) -> None:
        """Answer one batch; what does not fit in memory is tried again in halves."""
        rows = self._batches.pop(0)
        started = time.perf_counter()
        for job, _ in rows:
            job.taken = started
        encoded = [one for _, one in rows]
        try:
            completions = self._score(encoded) if encoded[0].tails else self._write(encoded)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            if len(rows) == 1:
                rows[0][0].fail(rows[0][1].too_large)
                return
            self._budget = max(1, max(one.size for one in encoded) * len(rows) // 2)
            half = len(rows) // 2
            self._batches[:0] = [rows[:half], rows[half:]]
            return
        took = time.perf_counter() - started
        sizes = [
            len(one.ids) + (completion.completion_tokens or 0)
            for one, completion in zip(encoded, completions, strict=True)
        ]
        for (job, _), completion, size in zip(rows, completions, sizes, strict=True):
            job.finish(replace(completion, latency_s=took * size / sum(sizes), batch_s=took))

    def _score(self, rows: Sequence[Encoded]) -> list[Completion]:
        """Log-probabilities of each row's choices, each distinct input computed once."""
        inputs: dict[tuple[int, ...], int] = {}
        for row in rows:
            for tail in row.tails.values():
                inputs.setdefault((*row.ids, *tail[:-1]), len(inputs))
        keep = max(len(tail) for row in rows for tail in row.tails.values())
        scores = self._last_log_probabilities(list(inputs), keep)
        completions = []
        for row in rows:
            found, greedy = {}, {}
            for label, tail in row.tails.items():
                last = scores[inputs[(*row.ids, *tail[:-1])]][-len(tail) :]
                found[label] = float(sum(of_place[token] for of_place, token in zip(last, tail, strict=True)))
                if row.request.lm_eval:
                    greedy[label] = last.argmax(-1).tolist() == list(tail)
            completions.append(row.scored(found, greedy))
        return completions

    def _last_log_probabilities(self, inputs: Sequence[tuple[int, ...]], keep: int) -> list[torch.Tensor]:
        """Log-softmax at each input's last positions, ``keep`` at most, on the CPU: [places, vocabulary]."""
        found: dict[int, torch.Tensor] = {}
        for batch in plan_batches([len(ids) for ids in inputs], self._budget, self._most_rows):
            ids, mask = self._padded([inputs[number] for number in batch])
            given = {
                "attention_mask": mask,
                "position_ids": (mask.cumsum(-1) - 1).clamp(min=0),
                "logits_to_keep": keep,
            }
            given = {name: value for name, value in given.items() if name in self._known}
            with torch.inference_mode():
                logits = self._model(input_ids=ids, use_cache=False, **given).logits
                part = logits[:, -keep:].float().log_softmax(-1).cpu()
            found.update(zip(batch, part, strict=True))
        return [found[number] for number in range(len(inputs))]

    def _write(self, rows: Sequence[Encoded]) -> list[Completion]:
        request = rows[0].request
        ids, mask = self._padded([row.ids for row in rows])
        settings = self._generation
        settings.max_new_tokens = max(row.room for row in rows)
        settings.do_sample = request.temperature > 0
        settings.temperature = request.temperature if settings.do_sample else None
        settings.stop_strings = list(request.stop) or None
        settings.eos_token_id = sorted(self._writer.ends_of(request)) or None
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=settings,
                tokenizer=self._tokenizer if request.stop else None,
            )
        written = out[:, ids.shape[1] :].tolist()
        return [self._writer.completion(row, tokens) for row, tokens in zip(rows, written, strict=True)]

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask, padded on the left: [rows, longest]."""
        wide = max(map(len, rows))
        ids = torch.tensor([[self._pad] * (wide - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (wide - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self._device), mask.to(self._device)


def _plain_generation(model: Any, writer: Writer, pad: int) -> Any:
    """Settings with nothing of the checkpoint's own taste (top_p, repetition penalty) in them."""
    from transformers import GenerationConfig

    plain: Any = GenerationConfig
    settings = {"eos_token_id": sorted(writer.ends) or None, "pad_token_id": pad}
    model.generation_config = plain(**settings)
    return plain(**settings)
