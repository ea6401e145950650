"""Answers from local weights in plain batches, for models whose prompts cannot share prefixes.

Requests of similar length form a batch (``batching.plan_batches``), as far as the model allows it
(``batch_probe``); attention and generation are those of transformers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch

from pytest_llmeval.core.types import Completion
from pytest_llmeval.models.hf.batch_probe import BatchRules
from pytest_llmeval.models.hf.batching import Mix, plan_batches
from pytest_llmeval.models.hf.detokenizer import Detokenizer
from pytest_llmeval.models.hf.encoded import EncodedRequest
from pytest_llmeval.models.hf.forward import dtype_name, has_finite_logits, is_out_of_memory
from pytest_llmeval.models.hf.local_engine import EncodedJob, PassLimit
from pytest_llmeval.models.hf.plain_forward import PlainForward, plain_settings
from pytest_llmeval.models.hf.prefill import Tokens

#: a completion, or a request whose text goes on beyond the limit of a pass
_Answer: TypeAlias = Completion | EncodedRequest
_MAX_ROWS = {"cpu": 16}
_MAX_ROWS_GPU = 256


class PlainEngine:
    """Takes encoded jobs and finishes one batch per step.

    ``budget`` is in padded tokens of a batch; ``limit`` is that of a pass.
    """

    def __init__(
        self,
        forward: PlainForward,
        tokenizer: Any,
        detokenizer: Detokenizer,
        budget: int,
        rules: BatchRules,
        limit: PassLimit | None = None,
    ) -> None:
        self._forward = forward
        self._tokenizer = tokenizer
        self._detokenizer = detokenizer
        self._budget = budget
        self._limit = limit
        # rows of different lengths would reach the limit at different times
        self._rules = rules if limit is None else replace(rules, texts=_without_padding(rules.texts))
        self._max_rows = _MAX_ROWS.get(forward.device.type, _MAX_ROWS_GPU)
        self._batches: list[list[EncodedJob]] = []

    @property
    def busy(self) -> bool:
        """Whether any job is unfinished."""
        return bool(self._batches)

    def add(self, jobs: Sequence[EncodedJob]) -> None:
        """Queue jobs, in batches after those already queued."""
        groups: dict[object, list[EncodedJob]] = {}
        for job, encoded in jobs:
            request = encoded.request
            settings = bool(request.choices), request.temperature, request.stop, request.lm_eval
            groups.setdefault(settings, []).append((job, encoded))
        for rows in groups.values():
            max_new_tokens = max(encoded.max_length - len(encoded.ids) for _, encoded in rows)
            lengths = [len(encoded.inputs) for _, encoded in rows]
            # choices are batched again, by their own lengths
            mix = Mix.SIMILAR if rows[0][1].tails else self._rules.texts
            batches = plan_batches(lengths, self._budget, self._max_rows, max_new_tokens, mix)
            self._batches += [[rows[number] for number in batch] for batch in batches]

    def step(self) -> None:
        """Answer one batch; a batch that does not fit in memory is queued again as two halves."""
        rows = self._batches.pop(0)
        started = time.perf_counter()
        for job, encoded in rows:
            job.taken = job.taken if encoded.written else started
        batch = [encoded for _, encoded in rows]
        try:
            answers = self._score(batch) if batch[0].tails else self._generate(batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._recover_from_oom(rows)
            return
        elapsed = time.perf_counter() - started
        tokens = [_tokens(answer, encoded) for answer, encoded in zip(answers, batch, strict=True)]
        for (job, encoded), answer, count in zip(rows, answers, tokens, strict=True):
            latency_s = encoded.draft.latency_s + elapsed * count / sum(tokens)
            if isinstance(answer, Completion):
                job.finish(replace(answer, latency_s=latency_s, batch_s=elapsed))
            else:
                assert self._limit is not None
                draft = replace(answer.draft, latency_s=latency_s)
                self._limit.hand_over((job, replace(answer, draft=draft)))

    def _recover_from_oom(self, rows: list[EncodedJob]) -> None:
        if self._forward.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(rows) == 1:
            job, encoded = rows[0]
            job.fail(encoded.out_of_memory_error)
            return
        self._budget = max(1, max(encoded.max_length for _, encoded in rows) * len(rows) // 2)
        half = len(rows) // 2
        self._batches[:0] = [rows[:half], rows[half:]]

    def _score(self, rows: Sequence[EncodedRequest]) -> list[_Answer]:
        """Completions with each choice's log-probability; identical inputs are computed once."""
        inputs: dict[Tokens, int] = {}
        for row in rows:
            for tail in row.tails.values():
                inputs.setdefault((*row.ids, *tail[:-1]), len(inputs))
        positions = max(len(tail) for row in rows for tail in row.tails.values())
        log_probabilities = self._last_log_probabilities(list(inputs), positions)
        completions: list[_Answer] = []
        for row in rows:
            scores: dict[str, float] = {}
            greedy: dict[str, bool] = {}
            for label, tail in row.tails.items():
                last = log_probabilities[inputs[(*row.ids, *tail[:-1])]][-len(tail) :]
                scores[label] = sum(
                    float(vocabulary[token]) for vocabulary, token in zip(last, tail, strict=True)
                )
                if row.request.lm_eval:
                    greedy[label] = last.argmax(-1).tolist() == list(tail)
            completions.append(row.with_scores(scores, greedy, dtype_name(self._forward.model)))
        return completions

    def _last_log_probabilities(self, inputs: Sequence[Tokens], positions: int) -> list[torch.Tensor]:
        """Log-softmax at each input's last ``positions`` at most, on the CPU: [positions, vocabulary]."""
        by_input: dict[int, torch.Tensor] = {}
        lengths = [len(ids) for ids in inputs]
        for batch in plan_batches(lengths, self._budget, self._max_rows, mix=self._rules.scores):
            logits = self._forward.last_logits([inputs[number] for number in batch], positions)
            by_input.update(zip(batch, (rows.log_softmax(-1).cpu() for rows in logits), strict=True))
        return [by_input[number] for number in range(len(inputs))]

    def _generate(self, rows: Sequence[EncodedRequest]) -> list[_Answer]:
        request = rows[0].request
        max_inputs = None if self._limit is None else self._limit.tokens
        counts = [row.new_tokens(max_inputs) for row in rows]
        settings = plain_settings(
            self._forward.pad,
            sorted(self._detokenizer.end_tokens_for(request)),
            max_new_tokens=max(counts),
            use_cache=self._rules.cached,
            stop_strings=list(request.stop) or None,
        )
        if (request.temperature or 0.0) > 0:
            settings.do_sample, settings.temperature = True, request.temperature
        inputs = [row.inputs for row in rows]
        overflows = _Overflows(len(rows))
        tokenizer = self._tokenizer if request.stop else None
        out = self._forward.generate(inputs, settings, tokenizer, overflows)
        new = out[:, max(map(len, inputs)) :].tolist()
        answers: list[_Answer] = []
        for row, tokens, count, overflow in zip(rows, new, counts, overflows.first(), strict=True):
            written = (*row.written, *tokens[:count])
            completion = self._detokenizer.completion(row, written)
            # padding follows the end of a text, and its logits do not matter
            if overflow is not None and len(row.written) + overflow < (completion.completion_tokens or 0):
                answers.append(row.overflow(dtype_name(self._forward.model)))
                continue
            unfinished = completion.finish_reason == "length" and len(written) < row.max_new_tokens
            answers.append(replace(row, written=written) if unfinished else completion)
        return answers


class _Overflows:
    """A logits processor that remembers the steps at which the logits of a row are not finite.

    Greedy decoding takes them for token 0, and sampling fails for the whole batch, so they become zeros.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._finite: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The ``scores`` [rows, vocabulary] of the next token, without rows that are not finite."""
        finite = has_finite_logits(scores)
        self._finite.append(finite)
        return scores.where(finite[:, None], 0.0)

    def first(self) -> list[int | None]:
        """The first such step of each row; None: there is none."""
        if not self._finite:
            return [None] * self._rows
        by_row = torch.stack(self._finite, 1).tolist()
        return [steps.index(False) if False in steps else None for steps in by_row]


def _without_padding(mix: Mix) -> Mix:
    return Mix.EQUAL if mix is Mix.SIMILAR else mix


def _tokens(answer: _Answer, encoded: EncodedRequest) -> int:
    """The tokens of a request and its answer so far."""
    if isinstance(answer, EncodedRequest):
        return len(answer.inputs)
    return len(encoded.ids) + (answer.completion_tokens or 0)
