"""Local weights through transformers: load, encode what is asked, and answer it step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import RequestFailed, one_line
from pytest_llmeval.models.base import Job, Jobs
from pytest_llmeval.models.fingerprint import fingerprint, known
from pytest_llmeval.models.hf import load
from pytest_llmeval.models.hf.encoding import Encoded, Encoder
from pytest_llmeval.models.joining import added_up, gather

if TYPE_CHECKING:
    from pytest_llmeval.models.hf.load import Loaded


class LocalEngine(Protocol):
    """A loaded model: takes jobs and answers them, one run through the model (or batch) a step."""

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""

    def add(self, jobs: Sequence[tuple[Job, Encoded]]) -> None:
        """Let jobs wait, in the order in which somebody waits for them."""

    def step(self) -> None:
        """Do a part of the work; finishes the jobs that are then answered."""


class HuggingFaceModel:
    """``--llm-model=hf:PATH_OR_ID``."""

    window = 512

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self.notes: tuple[str, ...] = ()

    def check(self) -> None:
        """Path, packages, device and dtype names; loads nothing. Raises ``ModelUnusable``."""
        load.check(self._config)

    def identity(self) -> str:
        """Folder or hub id, dtype and device."""
        config = self._config
        return f"hf:{config.target} dtype={config.dtype} device={config.device}"

    def store_key(self, digest: Callable[[Path], str]) -> str | None:
        """The weights' contents, dtype and kind of device. Raises ``ModelUnusable``."""
        source = self.source
        return fingerprint(self._config, source, digest) if known(source) else None

    def prepare(self) -> str:
        """Load now what ``run`` would load; returns the type of its device. Raises ``ModelUnusable``."""
        self._engine  # noqa: B018
        return str(self._loaded.device.type)

    def run(self, jobs: Jobs) -> None:
        """Load, then answer until nothing more is asked."""
        engine = self._engine
        encoder = Encoder(self._loaded.tokenizer, context(self._loaded, self._config))
        try:
            while not jobs.closed:
                engine.add(encode(jobs.take(self.window, wait=not engine.busy), encoder))
                if engine.busy and not jobs.closed:
                    engine.step()
        finally:  # its memory is the next model's
            del self._engine, self._loaded

    @cached_property
    def source(self) -> load.Source:
        """Where the weights are. Raises ``ModelUnusable``."""
        return load.pinned(load.find(self._config.target))

    @cached_property
    def _loaded(self) -> Loaded:
        return self._load()

    @cached_property
    def _engine(self) -> LocalEngine:
        engine, why_not = make_engine(self._loaded, self._config)
        if why_not is not None:
            self.notes = (f"{self._config.name}: prompts are not shared, each is read whole: {why_not}",)
        return engine

    def _load(self) -> Loaded:
        return load.load(self._config, self.source)


def encode(jobs: Sequence[Job], encoder: Encoder) -> list[tuple[Job, Encoded]]:
    """Jobs with their tokens, in the place of one that is read in pieces a job for each of them.

    A job that cannot be asked fails alone.
    """
    encoded = []
    for job in jobs:
        try:
            pieces = encoder.pieces(job.request)
        except Exception as error:
            job.taken = time.perf_counter()
            job.fail(error if isinstance(error, RequestFailed) else RequestFailed(one_line(error)))
            continue
        if len(pieces) == 1:
            encoded.append((job, pieces[0]))
        else:
            parts = [Job(piece.request) for piece in pieces]
            encoded += zip(parts, pieces, strict=True)
            gather(job, parts, added_up)
    return encoded


def make_engine(
    loaded: Loaded, config: ModelConfig, *, shared: bool = True
) -> tuple[LocalEngine, str | None]:
    """The engine for a loaded model, and why it is not the one that shares prefixes, if so."""
    from pytest_llmeval.models.hf.encoding import Writer, end_tokens, listed_ends
    from pytest_llmeval.models.hf.forward import Forward
    from pytest_llmeval.models.hf.memory import budgets, plain_tokens
    from pytest_llmeval.models.hf.plain import PlainEngine
    from pytest_llmeval.models.hf.probe import Finding, probe
    from pytest_llmeval.models.hf.shared import SharedEngine

    writer = Writer(
        loaded.tokenizer,
        end_tokens(loaded.model, loaded.tokenizer),
        listed_ends(loaded.model, loaded.tokenizer),
    )
    finding = probe(loaded.model, loaded.device) if shared else Finding("it was not wanted")
    if finding.why_not is None:
        limits = budgets(loaded.device, finding.bytes_a_token, config.batch_tokens)
        return SharedEngine(Forward(loaded.model, loaded.device), writer, limits), None
    budget = config.batch_tokens or plain_tokens(loaded.model, loaded.device)
    return PlainEngine(loaded.model, loaded.tokenizer, loaded.device, writer, budget), finding.why_not


def context(loaded: Loaded, config: ModelConfig) -> int | None:
    """The most tokens of prompt and answer: the model's, or fewer if the user says so."""
    return min([limit for limit in (config.context, loaded.context) if limit], default=None)
