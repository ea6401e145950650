"""Runs local weights, computing every shared prompt prefix once.

One ``step`` is one run of the model: either a prefill of packed prompts, which completes scored
requests and produces the first token of the others, or a decode step, which adds one token to every
text in decoding.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch

from pytest_llmeval.core.types import Completion
from pytest_llmeval.models.base import Job
from pytest_llmeval.models.hf.attention import CachedKV, PrefillView
from pytest_llmeval.models.hf.decode_cache import DecodeCache, DecodeView
from pytest_llmeval.models.hf.detokenizer import Detokenizer
from pytest_llmeval.models.hf.encoded import EncodedRequest
from pytest_llmeval.models.hf.forward import Forward, is_out_of_memory, sample
from pytest_llmeval.models.hf.local_engine import EncodedJob, PassLimit
from pytest_llmeval.models.hf.memory import Budgets
from pytest_llmeval.models.hf.planner import Planner
from pytest_llmeval.models.hf.prefill import Item, Placement, PrefillBatch
from pytest_llmeval.models.hf.tensors import tensor_on

#: each choice's log-probability, and whether greedy decoding would generate it
_Scores: TypeAlias = tuple[dict[str, float], dict[str, bool]]
# new texts are admitted when at most this fraction of the rows is in use, so that they are prefilled together
_REFILL_BELOW = 0.75


@dataclass(slots=True)
class _RequestState:
    """A job in the engine; ``compute_s`` is its share of the time spent in the model."""

    job: Job
    encoded: EncodedRequest
    started: float = 0.0
    compute_s: float = 0.0
    shared_tokens: int = 0


@dataclass(slots=True)
class _Row:
    """A text in decoding; its index in the engine's list is its row in the decode cache."""

    state: _RequestState
    placement: Placement
    tokens: list[int] = field(default_factory=list)
    #: whether the logits were not finite, so that there is no next token
    overflowed: bool = False

    def add(self, token: int | None) -> None:
        """Add a token that was sampled."""
        if token is None:
            self.overflowed = True
        else:
            self.tokens.append(token)

    @property
    def start(self) -> int:
        """The position of its first unshared token."""
        return self.placement.item.prompt_tokens - self.placement.computed


@dataclass(slots=True)
class SharedEngine:
    """Takes encoded jobs and finishes them step by step; ``limit`` is that of a pass."""

    forward: Forward
    detokenizer: Detokenizer
    budgets: Budgets
    limit: PassLimit | None = None
    _planner: Planner = field(init=False)
    _states: dict[int, _RequestState] = field(default_factory=dict)
    _rows: list[_Row] = field(default_factory=list)
    _decode_cache: DecodeCache = field(default_factory=DecodeCache)
    _cached: CachedKV = field(default_factory=dict)
    _last_number: int = 0
    _admitting: bool = True
    _peak_rows: int = 0

    def __post_init__(self) -> None:
        budgets = self.budgets
        self._planner = Planner(
            budgets.prefill_tokens,
            budgets.cached_tokens,
            decode_tokens=budgets.decode_tokens,
            max_rows=budgets.max_rows,
        )

    @property
    def busy(self) -> bool:
        """Whether any job is unfinished."""
        return bool(self._rows or self._planner.waiting)

    def add(self, jobs: Sequence[EncodedJob]) -> None:
        """Queue jobs."""
        max_inputs = None if self.limit is None else self.limit.tokens
        items = []
        for job, encoded in jobs:
            self._last_number += 1
            self._states[self._last_number] = _RequestState(job, encoded)
            head, last = encoded.inputs[:-1], encoded.inputs[-1]
            tails = encoded.tails.values() or [(last,)]
            branches = tuple((last, *tail[:-1]) for tail in tails)
            new_tokens = 0 if encoded.tails else encoded.new_tokens(max_inputs)
            items.append(Item(self._last_number, head, branches, new_tokens))
        self._planner.add(items)

    @torch.inference_mode()
    def step(self) -> None:
        """Run the model once: a prefill if one is due, else a decode step."""
        batch = self._next_batch()
        if batch is not None:
            self._prefill(batch)
        elif self._rows:
            self._decode()

    def _next_batch(self) -> PrefillBatch | None:
        if not self._planner.waiting:
            return None
        self._admitting |= len(self._rows) <= _REFILL_BELOW * self._peak_rows
        if not self._admitting:
            return None
        longest = max((row.placement.max_length for row in self._rows), default=0)
        batch = self._planner.next_batch(len(self._rows), longest)
        if not batch.placements:
            self._admitting, self._peak_rows = False, len(self._rows)
            return None
        return batch

    def _prefill(self, batch: PrefillBatch) -> None:
        started = time.perf_counter()
        for placement in batch.placements:
            state = self._states[placement.item.number]
            state.started = state.started or started
        for entry in batch.evicted:
            self._cached.pop(entry, None)
        try:
            scores, tokens = self._forward_batch(batch)
        except Exception as error:
            if is_out_of_memory(error):
                self._recover_from_oom(batch)
            else:
                self._roll_back(batch)
                self._decode_cache.lengths = self._decode_cache.lengths[: len(self._rows)]
                self._fail(batch.placements, error)
            return
        elapsed = time.perf_counter() - started
        unshared = sum(placement.computed for placement in batch.placements)
        first_tokens = iter(tokens)
        for placement in batch.placements:
            number = placement.item.number
            state = self._states[number]
            state.compute_s += elapsed * placement.computed / unshared
            state.shared_tokens = max(0, placement.item.prompt_tokens - placement.computed)
            if placement.item.max_new_tokens:
                row = _Row(state, placement, [*state.encoded.written])
                row.add(next(first_tokens))
                self._rows.append(row)
            else:
                self._finish(number, state.encoded.with_scores(*scores[number], self.forward.dtype))
        self._finish_rows()

    def _forward_batch(self, batch: PrefillBatch) -> tuple[dict[int, _Scores], list[int | None]]:
        """The scores of each scored item by its number, and the first token of each other item."""
        device = self.forward.device
        ids = [token for segment in batch.segments for token in segment.tokens]
        positions = tensor_on(
            device,
            [segment.start + offset for segment in batch.segments for offset in range(len(segment.tokens))],
        )
        generated = [placement for placement in batch.placements if placement.item.max_new_tokens]
        scored = [placement for placement in batch.placements if not placement.item.max_new_tokens]
        indices = sorted(
            {
                index
                for placement in batch.placements
                for branch in placement.logit_indices
                for index in branch
            }
        )
        row_of = {index: row for row, index in enumerate(indices)}
        view = PrefillView(batch, self._cached, positions)
        if generated:
            view.on_kv = self._decode_cache.add_rows(generated, device)
        logits = self.forward(ids, positions, tensor_on(device, indices), view)
        tokens: list[int | None] = []
        if generated:
            rows = tensor_on(device, [row_of[placement.logit_indices[0][-1]] for placement in generated])
            states = [self._states[placement.item.number] for placement in generated]
            tokens = sample(logits[rows], _temperatures(states))
        return self._scores(scored, logits, row_of), tokens

    def _scores(
        self, placements: Sequence[Placement], logits: torch.Tensor, row_of: dict[int, int]
    ) -> dict[int, _Scores]:
        """The scores of each item by its number; greedy flags only where lm-evaluation-harness needs them."""
        rows: list[int] = []
        tokens: list[int] = []
        lengths: list[int] = []
        for placement in placements:
            tails = self._states[placement.item.number].encoded.tails.values()
            for tail, branch in zip(tails, placement.logit_indices, strict=True):
                rows += [row_of[index] for index in branch]
                tokens += tail
                lengths.append(len(tail))
        if not lengths:
            return {}
        row_indices = tensor_on(logits.device, rows)
        targets = tensor_on(logits.device, tokens)
        # subtracted in double precision, on the CPU because not every device has it
        picked = torch.stack([logits[row_indices, targets], logits.logsumexp(-1)[row_indices]]).cpu().double()
        log_probabilities = iter((picked[0] - picked[1]).tolist())
        sums = iter([sum(itertools.islice(log_probabilities, length)) for length in lengths])
        encoded = {
            placement.item.number: self._states[placement.item.number].encoded for placement in placements
        }
        scores = {number: {label: next(sums) for label in item.tails} for number, item in encoded.items()}
        if not any(item.request.lm_eval for item in encoded.values()):
            return {number: (by_label, {}) for number, by_label in scores.items()}
        matches = iter((logits.argmax(-1)[row_indices] == targets).tolist())
        greedy = iter([all(list(itertools.islice(matches, length))) for length in lengths])
        return {
            number: (scores[number], {label: next(greedy) for label in item.tails})
            for number, item in encoded.items()
        }

    def _decode(self) -> None:
        """Add one token to every text in decoding."""
        started = time.perf_counter()
        device = self.forward.device
        rows = self._rows
        try:
            self._decode_cache.grow()
            positions = [
                row.start + length - 1 for row, length in zip(rows, self._decode_cache.lengths, strict=True)
            ]
            view = DecodeView(
                self._decode_cache,
                self._cached,
                [row.start for row in rows],
                [row.placement.prefix for row in rows],
                device,
            )
            logits = self.forward([row.tokens[-1] for row in rows], tensor_on(device, positions), None, view)
            tokens = sample(logits, _temperatures([row.state for row in rows]))
        except Exception as error:
            if is_out_of_memory(error):
                self._recover_from_oom(None)
            else:
                self._rows, self._decode_cache = [], DecodeCache()
                for row in rows:
                    self._planner.release(row.placement)
                self._fail([row.placement for row in rows], error)
            return
        share = (time.perf_counter() - started) / len(rows)
        for row, token in zip(rows, tokens, strict=True):
            row.state.compute_s += share
            row.add(token)
        self._finish_rows()

    def _finish_rows(self) -> None:
        """Finish the texts that are complete; the last row moves to the place of a finished one."""
        for index in reversed(range(len(self._rows))):
            row = self._rows[index]
            encoded = row.state.encoded
            complete = row.overflowed or self.detokenizer.is_complete(encoded, row.tokens)
            if not complete and len(row.tokens) - len(encoded.written) < row.placement.item.max_new_tokens:
                continue
            if row.overflowed:
                self._decode_cache.erase(index)
            self._decode_cache.remove(index)
            self._rows[index] = self._rows[-1]
            self._rows.pop()
            self._planner.release(row.placement)
            if row.overflowed:
                self._finish(row.placement.item.number, encoded.overflow(self.forward.dtype))
            elif complete:
                completion = self.detokenizer.completion(encoded, row.tokens)
                self._finish(row.placement.item.number, completion)
            else:
                self._hand_over(row)

    def _hand_over(self, row: _Row) -> None:
        """Give a text that has reached the limit to another engine."""
        assert self.limit is not None
        state = self._states.pop(row.placement.item.number)
        encoded = state.encoded
        latency_s = encoded.draft.latency_s + state.compute_s
        state.job.taken = state.started
        draft = replace(encoded.draft, latency_s=latency_s)
        self.limit.hand_over((state.job, replace(encoded, written=tuple(row.tokens), draft=draft)))

    def _finish(self, number: int, completion: Completion) -> None:
        state = self._states.pop(number)
        state.job.taken = state.job.taken if state.encoded.written else state.started
        state.job.finish(
            replace(
                completion,
                latency_s=state.encoded.draft.latency_s + state.compute_s,
                batch_s=time.perf_counter() - state.started,
                shared_tokens=state.shared_tokens,
            )
        )

    def _recover_from_oom(self, batch: PrefillBatch | None) -> None:
        """After memory ran out: restart all unfinished requests with smaller budgets.

        A single request that does not fit even with an empty cache fails.
        """
        rows, self._rows, self._decode_cache = self._rows, [], DecodeCache()
        items = [row.placement.item for row in rows]
        for row in rows:
            self._planner.release(row.placement)
        if batch is not None:
            items += [placement.item for placement in batch.placements]
            self._roll_back(batch)
        self.forward.empty_cache()
        if len(items) == 1 and not self._cached:
            state = self._states.pop(items[0].number)
            state.job.fail(state.encoded.out_of_memory_error)
            return
        if batch is not None:
            self._planner.prefill_tokens = max(1, batch.tokens // 2)
        self._planner.max_rows = max(1, sum(item.max_new_tokens > 0 for item in items) // 2)
        cache = self._planner.cache
        if 2 * cache.tokens > cache.capacity:
            cache.capacity //= 2
        cache.clear()
        self._planner.add(items)

    def _fail(self, placements: Sequence[Placement], error: Exception) -> None:
        for placement in placements:
            self._states.pop(placement.item.number).job.fail(error)

    def _roll_back(self, batch: PrefillBatch) -> None:
        self._planner.roll_back(batch)
        for segment in batch.segments:
            if segment.cache_as is not None:
                self._cached.pop(segment.cache_as, None)


def _temperatures(states: Sequence[_RequestState]) -> list[float]:
    return [state.encoded.request.temperature or 0.0 for state in states]
