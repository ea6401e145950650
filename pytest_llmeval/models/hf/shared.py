"""Answers from local weights with every shared prompt read once.

One ``step`` is one run through the model: a pass of packed prompts as the planner gives them, which
ends what is scored and starts what is written, or one more token of each text being written.
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
from pytest_llmeval.models.hf import attention
from pytest_llmeval.models.hf.copies import tensor_on
from pytest_llmeval.models.hf.encoding import Encoded, Writer
from pytest_llmeval.models.hf.forward import Forward, choose, is_out_of_memory
from pytest_llmeval.models.hf.memory import Budgets
from pytest_llmeval.models.hf.passes import Item, Pass, Placed
from pytest_llmeval.models.hf.prefixes import Planner
from pytest_llmeval.models.hf.slots import Slots, SlotView

#: log-probabilities by label, and which of them the model would have written
_Scored: TypeAlias = tuple[dict[str, float], dict[str, bool]]
# texts that end leave room for others: when so many of the places are free, they are filled at once
_REFILL_BELOW = 0.75


@dataclass(slots=True)
class _Asked:
    """A job, and the part of the machine's time that was its own."""

    job: Job
    encoded: Encoded
    started: float = 0.0
    compute_s: float = 0.0
    shared_tokens: int = 0


@dataclass(slots=True)
class _Row:
    """A text being written; its slot is its place in the list of rows."""

    asked: _Asked
    placed: Placed
    tokens: list[int]

    @property
    def start(self) -> int:
        """The position of the first token that is its own."""
        return self.placed.item.prompt_tokens - self.placed.computed


@dataclass(slots=True)
class SharedEngine:
    """Takes jobs that are encoded, and answers them step by step."""

    forward: Forward
    writer: Writer
    budgets: Budgets
    _planner: Planner = field(init=False)
    _asked: dict[int, _Asked] = field(default_factory=dict)
    _rows: list[_Row] = field(default_factory=list)
    _slots: Slots = field(default_factory=Slots)
    _kept: attention.Kept = field(default_factory=dict)
    _numbers: int = 0
    _filling: bool = True
    _peak: int = 0

    def __post_init__(self) -> None:
        budgets = self.budgets
        self._planner = Planner(
            budgets.pass_tokens,
            budgets.kept_tokens,
            row_tokens=budgets.row_tokens,
            most_rows=budgets.most_rows,
        )

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._rows or self._planner.waiting)

    def add(self, jobs: Sequence[tuple[Job, Encoded]]) -> None:
        """Let jobs wait for their turn."""
        items = []
        for job, encoded in jobs:
            self._numbers += 1
            self._asked[self._numbers] = _Asked(job, encoded)
            head, last = encoded.ids[:-1], encoded.ids[-1]
            tails = encoded.tails.values() or [(last,)]
            branches = tuple((last, *tail[:-1]) for tail in tails)
            items.append(Item(self._numbers, head, branches, encoded.room))
        self._planner.add(items)

    @torch.inference_mode()
    def step(self) -> None:
        """One run through the model."""
        planned = self._next_pass()
        if planned is not None:
            self._run_pass(planned)
        elif self._rows:
            self._write_tokens()

    def _next_pass(self) -> Pass | None:
        if not self._planner.waiting:
            return None
        self._filling |= len(self._rows) <= _REFILL_BELOW * self._peak
        if not self._filling:
            return None
        widest = max((row.placed.width for row in self._rows), default=0)
        planned = self._planner.next_pass(len(self._rows), widest)
        if not planned.placed:
            self._filling, self._peak = False, len(self._rows)
            return None
        return planned

    def _run_pass(self, planned: Pass) -> None:
        started = time.perf_counter()
        for placed in planned.placed:
            asked = self._asked[placed.item.number]
            asked.started = asked.started or started
        for name in planned.dropped:
            self._kept.pop(name, None)
        try:
            scores, tokens = self._forward_pass(planned)
        except Exception as error:
            if is_out_of_memory(error):
                self._relieve(planned)
            else:
                self._take_back(planned)
                self._slots.lengths = self._slots.lengths[: len(self._rows)]
                self._fail(planned.placed, error)
            return
        took = time.perf_counter() - started
        own = sum(placed.computed for placed in planned.placed)
        written = iter(tokens)
        for placed in planned.placed:
            asked = self._asked[placed.item.number]
            asked.compute_s += took * placed.computed / own
            asked.shared_tokens = max(0, placed.item.prompt_tokens - placed.computed)
            if placed.item.room:
                self._rows.append(_Row(asked, placed, [next(written)]))
            else:
                self._finish(placed.item.number, asked.encoded.scored(*scores[placed.item.number]))
        self._end_rows()

    def _forward_pass(self, planned: Pass) -> tuple[dict[int, _Scored], list[int]]:
        """What was scored of each item without room, and the first token of each with room."""
        device = self.forward.device
        ids = [token for segment in planned.segments for token in segment.tokens]
        positions = [
            segment.start + place for segment in planned.segments for place in range(len(segment.tokens))
        ]
        writing = [placed for placed in planned.placed if placed.item.room]
        scoring = [placed for placed in planned.placed if not placed.item.room]
        places = sorted({at for placed in planned.placed for branch in placed.wanted for at in branch})
        row_of = {place: row for row, place in enumerate(places)}
        where = tensor_on(device, positions)
        view = attention.PassView(planned, self._kept, where)
        if writing:
            view.hand = self._slots.filler(writing, device)
        logits = self.forward(ids, where, tensor_on(device, places), view)
        tokens: list[int] = []
        if writing:
            rows = tensor_on(device, [row_of[placed.wanted[0][-1]] for placed in writing])
            tokens = choose(logits[rows], self._temperatures([self._asked[p.item.number] for p in writing]))
        return self._choice_scores(scoring, logits, row_of), tokens

    def _choice_scores(
        self, scoring: Sequence[Placed], logits: torch.Tensor, row_of: dict[int, int]
    ) -> dict[int, _Scored]:
        rows: list[int] = []
        tokens: list[int] = []
        sizes: list[int] = []
        for placed in scoring:
            tails = self._asked[placed.item.number].encoded.tails.values()
            for tail, branch in zip(tails, placed.wanted, strict=True):
                rows += [row_of[place] for place in branch]
                tokens += tail
                sizes.append(len(tail))
        if not sizes:
            return {}
        at = tensor_on(logits.device, rows)
        picked = logits[at, tensor_on(logits.device, tokens)] - logits.logsumexp(-1)[at]
        parts = iter(picked.double().tolist())
        sums = iter([sum(itertools.islice(parts, size)) for size in sizes])
        asked = {placed.item.number: self._asked[placed.item.number].encoded for placed in scoring}
        found = {number: {label: next(sums) for label in one.tails} for number, one in asked.items()}
        if not any(one.request.lm_eval for one in asked.values()):
            return {number: (scores, {}) for number, scores in found.items()}
        same = iter((logits.argmax(-1)[at] == tensor_on(logits.device, tokens)).tolist())
        whole = iter([all(list(itertools.islice(same, size))) for size in sizes])
        return {
            number: (found[number], {label: next(whole) for label in one.tails})
            for number, one in asked.items()
        }

    def _write_tokens(self) -> None:
        started = time.perf_counter()
        device = self.forward.device
        rows = self._rows
        try:
            self._slots.grow()
            positions = [
                row.start + length - 1 for row, length in zip(rows, self._slots.lengths, strict=True)
            ]
            view = SlotView(
                self._slots,
                self._kept,
                [row.start for row in rows],
                [row.placed.history for row in rows],
                device,
            )
            logits = self.forward([row.tokens[-1] for row in rows], tensor_on(device, positions), None, view)
            tokens = choose(logits, self._temperatures([row.asked for row in rows]))
        except Exception as error:
            if is_out_of_memory(error):
                self._relieve(None)
            else:
                self._rows, self._slots = [], Slots()
                for row in rows:
                    self._planner.release(row.placed)
                self._fail([row.placed for row in rows], error)
            return
        share = (time.perf_counter() - started) / len(rows)
        for row, token in zip(rows, tokens, strict=True):
            row.asked.compute_s += share
            row.tokens.append(token)
        self._end_rows()

    def _temperatures(self, asked: Sequence[_Asked]) -> list[float]:
        return [one.encoded.request.temperature for one in asked]

    def _end_rows(self) -> None:
        """Finish what is written; the last row takes the place of one that goes."""
        for place in reversed(range(len(self._rows))):
            row = self._rows[place]
            if self.writer.ended(row.asked.encoded, row.tokens):
                self._slots.remove(place)
                self._rows[place] = self._rows[-1]
                self._rows.pop()
                self._planner.release(row.placed)
                completion = self.writer.completion(row.asked.encoded, row.tokens)
                self._finish(row.placed.item.number, completion)

    def _finish(self, number: int, completion: Completion) -> None:
        asked = self._asked.pop(number)
        asked.job.taken = asked.started
        asked.job.finish(
            replace(
                completion,
                latency_s=asked.compute_s,
                batch_s=time.perf_counter() - asked.started,
                shared_tokens=asked.shared_tokens,
            )
        )

    def _relieve(self, planned: Pass | None) -> None:
        """There was not enough memory: what was under way begins anew in smaller parts.

        A single request for which there is none even so has no answer.
        """
        rows, self._rows, self._slots = self._rows, [], Slots()
        items = [row.placed.item for row in rows]
        for row in rows:
            self._planner.release(row.placed)
        if planned is not None:
            items += [placed.item for placed in planned.placed]
            self._take_back(planned)
        self.forward.free()
        if len(items) == 1 and not self._kept:
            asked = self._asked.pop(items[0].number)
            asked.job.fail(asked.encoded.too_large)
            return
        if planned is not None:
            self._planner.pass_tokens = max(1, planned.tokens // 2)
        self._planner.most_rows = max(1, sum(item.room > 0 for item in items) // 2)
        if 2 * self._planner.kept > self._planner.kept_tokens:
            self._planner.kept_tokens //= 2
        self._planner.forget_all()
        self._planner.add(items)

    def _fail(self, placed: Sequence[Placed], error: Exception) -> None:
        """These questions have no answer, the others may."""
        for one in placed:
            self._asked.pop(one.item.number).job.fail(error)

    def _take_back(self, planned: Pass) -> None:
        self._planner.take_back(planned)
        for segment in planned.segments:
            if segment.keep is not None:
                self._kept.pop(segment.keep, None)
