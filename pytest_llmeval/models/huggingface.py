"""Local weights through transformers: chat completions, and scores of choices.

Requests are put together into batches of like length (``batching.plan_batches``), padded on the
left. Scoring splits context and continuation as lm-evaluation-harness 0.4.13 does
(``api/model.py``, ``_encode_pair``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_llmeval.errors import RequestFailed, one_line
from pytest_llmeval.models import hf_load
from pytest_llmeval.models.base import Job, Jobs, run_batches
from pytest_llmeval.models.batching import plan_batches
from pytest_llmeval.types import ChatPrompt, Completion, ModelConfig, Prompt, Request, shown

if TYPE_CHECKING:
    import torch

_CPU_BATCH_TOKENS = 16_384
_MOST_ROWS = {"cpu": 16}
_MOST_ROWS_GPU = 256
# of the free memory of a GPU, what a batch's cache may take; the rest is for activations
_SHARE_FOR_CACHE = 0.4
# ends of a chat turn that some checkpoints forget to list as end tokens
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|end_of_turn|>", "<turn|>")


@dataclass(frozen=True, slots=True)
class _Row:
    """One job as tokens; ``tail`` are the tokens of each choice, ``room`` most tokens to write."""

    job: Job
    ids: tuple[int, ...]
    room: int
    tails: Mapping[str, tuple[int, ...]]
    note: Completion

    @property
    def size(self) -> int:
        """Tokens it will hold at most."""
        return len(self.ids) + max([self.room, *map(len, self.tails.values())])


class HuggingFaceModel:
    """``--llm-model=hf:PATH_OR_ID``."""

    window = 256

    def __init__(self, config: ModelConfig) -> None:
        self._config = config

    def check(self) -> None:
        """Path, packages, device and dtype names; loads nothing. Raises ``ModelUnusable``."""
        hf_load.check(self._config)

    def identity(self) -> str:
        """Folder or hub id, dtype and device."""
        config = self._config
        return f"hf:{config.target} dtype={config.dtype} device={config.device}"

    def run(self, jobs: Jobs) -> None:
        """Load, then answer in batches."""
        loaded = self._load()
        runner = Runner(loaded, self._config, lambda: jobs.closed)
        run_batches(jobs, runner.answer, self.window)

    def _load(self) -> hf_load.Loaded:
        return hf_load.load(self._config, hf_load.find(self._config.target))


class Runner:
    """A loaded model and the batches it is given."""

    def __init__(self, loaded: hf_load.Loaded, config: ModelConfig, closed: Callable[[], bool]) -> None:
        self._model = loaded.model
        self._tokenizer = loaded.tokenizer
        self._device = loaded.device
        self._closed = closed
        limits = [limit for limit in (config.context, loaded.context) if limit]
        self._context = min(limits, default=None)
        self._budget = config.batch_tokens or self._batch_tokens()
        self._most_rows = _MOST_ROWS.get(self._device.type, _MOST_ROWS_GPU)
        self._ends = self._end_tokens()
        self._generation = self._plain_generation()

    def answer(self, jobs: Sequence[Job]) -> None:
        """Finish each job; a job that cannot be asked fails alone."""
        kinds: dict[object, list[_Row]] = {}
        for job in jobs:
            request = job.request
            try:
                row = self._row(job)
            except Exception as error:
                job.taken = time.perf_counter()
                job.fail(error if isinstance(error, RequestFailed) else RequestFailed(one_line(error)))
                continue
            kind = bool(request.choices), request.temperature, request.stop
            kinds.setdefault(kind, []).append(row)
        for rows in kinds.values():
            room = max(row.size - len(row.ids) for row in rows)
            lengths = [len(row.ids) for row in rows]
            batches = plan_batches(lengths, self._budget, self._most_rows, room)
            waiting = [[rows[number] for number in batch] for batch in batches]
            while waiting and not self._closed():
                waiting[:1] = self._try(waiting[0])

    def _try(self, rows: list[_Row]) -> list[list[_Row]]:
        """Run one batch; what did not fit in memory comes back in halves."""
        started = time.perf_counter()
        for row in rows:
            row.job.taken = started
        try:
            completions = self._score(rows) if rows[0].tails else self._generate(rows)
        except Exception as error:
            if not _out_of_memory(error):
                raise
            self._free()
            if len(rows) == 1:
                rows[0].job.fail(RequestFailed(f"out of memory with {rows[0].size} tokens"))
                return []
            self._budget = max(1, max(row.size for row in rows) * len(rows) // 2)
            half = len(rows) // 2
            return [rows[:half], rows[half:]]
        for row, completion in zip(rows, completions, strict=True):
            row.job.finish(completion)
        return []

    def _row(self, job: Job) -> _Row:
        """The job's tokens, with the earliest shots left out as far as the context demands."""
        request = job.request
        room = 0 if request.choices else self._room(request.max_tokens)
        dropped = 0
        while True:
            prompt = request.prompt.without_shots(dropped)
            ids, tails, note = self._tokens(prompt, request)
            longest = len(ids) + max([room, *(len(tail) for tail in tails.values())])
            if self._context is None or longest <= self._context:
                break
            if dropped == len(request.prompt.shots):
                raise RequestFailed(
                    f"the prompt has {len(ids)} tokens, with its answer {longest}: "
                    f"more than the model's context of {self._context}"
                )
            dropped += 1
        notes = [note] if note else []
        if dropped:
            notes.append(f"{dropped} earliest shots dropped to fit {self._context} tokens")
        if not request.choices and room < request.max_tokens:
            room = (self._context or 0) - len(ids)
            notes.append(f"answer limited to {room} tokens by the context of {self._context}")
        sent = prompt.text if note else shown(prompt)
        return _Row(
            job,
            ids,
            room,
            tails,
            Completion(dropped_shots=dropped, notes=tuple(notes), prompt=sent if notes else None),
        )

    def _room(self, max_tokens: int) -> int:
        """Tokens kept free for the answer: all that is asked for, but at most half of the context."""
        return max_tokens if self._context is None else min(max_tokens, max(1, self._context // 2))

    def _tokens(
        self, prompt: Prompt, request: Request
    ) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]], str]:
        """Ids of the prompt, of each choice after it, and a note where turns were joined as text."""
        if request.choices:
            pairs = {label: self._pair(prompt.text, tail) for label, tail in request.choices.items()}
            tails = {label: tail for label, (_, tail) in pairs.items()}
            if not all(tails.values()):
                raise RequestFailed(f"a choice has no token of its own after the prompt: {one_line(tails)}")
            return next(iter(pairs.values()))[0], tails, ""
        if isinstance(prompt, ChatPrompt) and self._tokenizer.chat_template:
            turns = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
            ids = self._tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=True, return_dict=False
            )
            return tuple(ids), {}, ""
        note = "no chat template: turns joined as text" if isinstance(prompt, ChatPrompt) else ""
        return tuple(self._encode(prompt.text)), {}, note

    def _encode(self, text: str) -> list[int]:
        """As lm-eval: the tokenizer's own special tokens, but no second one of what the text begins with."""
        first = self._tokenizer.bos_token or self._tokenizer.eos_token
        if first and text.startswith(first):
            ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        else:
            ids = self._tokenizer.encode(text)
        return ids

    def _pair(self, context: str, continuation: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Context and continuation, cut where the context alone ends; blanks move to the continuation."""
        bare = context.rstrip()
        continuation = context[len(bare) :] + continuation
        if not bare:
            tokenizer = self._tokenizer
            start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
            return (start,), tuple(tokenizer.encode(continuation, add_special_tokens=False))
        head = self._encode(bare)
        return tuple(head), tuple(self._encode(bare + continuation)[len(head) :])

    def _score(self, rows: Sequence[_Row]) -> list[Completion]:
        """Log-probabilities of each row's choices, each distinct input computed once."""
        inputs: dict[tuple[int, ...], int] = {}
        for row in rows:
            for tail in row.tails.values():
                inputs.setdefault((*row.ids, *tail[:-1]), len(inputs))
        keep = max(len(tail) for row in rows for tail in row.tails.values())
        scores = self._last_log_probabilities(list(inputs), keep)
        completions = []
        for row in rows:
            found = {}
            for label, tail in row.tails.items():
                last = scores[inputs[(*row.ids, *tail[:-1])]][-len(tail) :]
                found[label] = float(sum(of_place[token] for of_place, token in zip(last, tail, strict=True)))
            completions.append(
                replace(
                    row.note,
                    scores=found,
                    finish_reason="scored",
                    prompt_tokens=len(row.ids),
                    completion_tokens=0,
                )
            )
        return completions

    def _last_log_probabilities(self, inputs: Sequence[tuple[int, ...]], keep: int) -> list[torch.Tensor]:
        """Log-softmax at each input's last positions, ``keep`` at most, on the CPU: [places, vocabulary]."""
        import torch

        found: dict[int, torch.Tensor] = {}
        for batch in plan_batches([len(ids) for ids in inputs], self._budget, self._most_rows):
            ids, mask = self._padded([inputs[number] for number in batch])
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            with torch.inference_mode():
                logits = self._forward(input_ids=ids, attention_mask=mask, position_ids=positions, keep=keep)
                part = logits[:, -keep:].float().log_softmax(-1).cpu()
            found.update(zip(batch, part, strict=True))
        return [found[number] for number in range(len(inputs))]

    def _forward(self, *, keep: int, **inputs: torch.Tensor) -> torch.Tensor:
        import inspect

        known = inspect.signature(self._model.forward).parameters
        more: dict[str, Any] = {"logits_to_keep": keep} if "logits_to_keep" in known else {}
        given = {name: value for name, value in inputs.items() if name in known}
        logits: torch.Tensor = self._model(**given, use_cache=False, **more).logits
        return logits

    def _generate(self, rows: Sequence[_Row]) -> list[Completion]:
        import torch
        from transformers import StoppingCriteriaList

        request = rows[0].job.request
        ids, mask = self._padded([row.ids for row in rows])
        settings = self._generation
        settings.max_new_tokens = max(row.room for row in rows)
        settings.do_sample = request.temperature > 0
        settings.temperature = request.temperature if settings.do_sample else None
        settings.stop_strings = list(request.stop) or None
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=settings,
                tokenizer=self._tokenizer if request.stop else None,
                stopping_criteria=StoppingCriteriaList([self._stop_when_closed]),
            )
        written = out[:, ids.shape[1] :].tolist()
        return [self._completion(row, tokens) for row, tokens in zip(rows, written, strict=True)]

    def _stop_when_closed(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        """End generation early when nobody waits for it any more."""
        import torch

        return torch.full((input_ids.shape[0],), self._closed(), device=input_ids.device)

    def _completion(self, row: _Row, tokens: list[int]) -> Completion:
        """Tokens up to the first end token, the row's own limit or a stop string."""
        request = row.job.request
        end = next((place for place, token in enumerate(tokens) if token in self._ends), None)
        ended = end is not None and end < row.room
        kept = tokens[: end if ended else row.room]
        text = self._tokenizer.decode(kept, skip_special_tokens=True)
        stops = [place for place in (text.find(stop) for stop in request.stop) if place >= 0]
        if stops:
            text = text[: min(stops)]
        return replace(
            row.note,
            text=text,
            finish_reason="stop" if ended or stops else "length",
            prompt_tokens=len(row.ids),
            completion_tokens=len(kept) + ended,
        )

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask, padded on the left: [rows, longest]."""
        import torch

        wide = max(map(len, rows))
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([[pad] * (wide - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (wide - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self._device), mask.to(self._device)

    def _end_tokens(self) -> tuple[int, ...]:
        """All ids that end an answer: the model's, the tokenizer's, and ends of a turn in its template."""
        listed = getattr(self._model.generation_config, "eos_token_id", None)
        ends = set(listed if isinstance(listed, list) else [listed])
        ends.add(self._tokenizer.eos_token_id)
        template = self._tokenizer.chat_template
        vocabulary = self._tokenizer.get_added_vocab()
        if isinstance(template, str):
            ends |= {vocabulary[name] for name in _TURN_ENDS if name in template and name in vocabulary}
        return tuple(sorted(end for end in ends if end is not None))

    def _plain_generation(self) -> Any:
        """Settings with nothing of the checkpoint's own taste (top_p, repetition penalty) in them."""
        from transformers import GenerationConfig

        plain: Any = GenerationConfig
        settings = {"eos_token_id": list(self._ends) or None, "pad_token_id": self._tokenizer.pad_token_id}
        self._model.generation_config = plain(**settings)
        return plain(**settings)

    def _batch_tokens(self) -> int:
        """Tokens that a batch may hold, from what a token's keys and values take of the free memory."""
        import torch

        if self._device.type != "cuda":
            return _CPU_BATCH_TOKENS
        settings = self._model.config.get_text_config()
        heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
        width = getattr(settings, "head_dim", None) or settings.hidden_size // settings.num_attention_heads
        a_token = 2 * settings.num_hidden_layers * heads * width * self._model.dtype.itemsize
        free, _ = torch.cuda.mem_get_info(self._device)
        return max(1024, int(free * _SHARE_FOR_CACHE / a_token))

    def _free(self) -> None:
        import torch

        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _out_of_memory(error: Exception) -> bool:
    import torch

    text = str(error).lower()
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError))
        or "out of memory" in text
        or "not enough memory" in text
    )
