"""The backend for local weights: load them, encode requests, and run an engine step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import RequestFailed, one_line
from pytest_llmeval.models.base import Job, Jobs
from pytest_llmeval.models.fingerprint import fingerprint, is_identifiable
from pytest_llmeval.models.hf import load
from pytest_llmeval.models.hf.encoding import Encoder
from pytest_llmeval.models.hf.local_engine import EncodedJob, LocalEngine, PassLimit
from pytest_llmeval.models.hf.tokenizer_fit import misfit_note
from pytest_llmeval.models.joining import gather, sum_pieces

if TYPE_CHECKING:
    from pytest_llmeval.models.hf.load import LoadedModel


class HuggingFaceModel:
    """``--llm-model=hf:PATH_OR_ID``."""

    window = 512

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self.notes: tuple[str, ...] = ()
        self.status: str | None = None

    def check(self) -> None:
        """Check path, packages, device and dtype without loading. Raises ``ModelUnusable``."""
        load.check(self._config)

    def identity(self) -> str:
        """The folder or hub id, dtype and device."""
        config = self._config
        return f"hf:{config.target} dtype={config.dtype} device={config.device}"

    def store_key(self, digest: Callable[[Path], str]) -> str | None:
        """A hash of the weights' contents, dtype and device type. Raises ``ModelUnusable``."""
        source = self.source
        return fingerprint(self._config, source, digest) if is_identifiable(source) else None

    def prepare(self) -> str:
        """Load what ``run`` needs; returns the device type. Raises ``ModelUnusable``."""
        self._engine  # noqa: B018
        return str(self._loaded.device.type)

    def run(self, jobs: Jobs) -> None:
        """Load the weights, then finish jobs until ``jobs`` is closed. Raises ``ModelUnusable``."""
        self.status = "loading the model"
        engine = self._engine
        self.status = None
        context = context_limit(self._loaded, self._config)
        encoder = Encoder(self._loaded.tokenizer, context, self._loaded.rows)
        try:
            while not jobs.closed:
                engine.add(encode(jobs.take(self.window, wait=not engine.busy), encoder))
                if engine.busy and not jobs.closed:
                    engine.step()
        finally:  # free the memory for the next model
            del self._engine, self._loaded

    @cached_property
    def source(self) -> load.Source:
        """The location of the weights. Raises ``ModelUnusable``."""
        return load.pin_revision(load.find(self._config.target))

    @cached_property
    def _loaded(self) -> LoadedModel:
        return self._load()

    @cached_property
    def _engine(self) -> LocalEngine:
        loaded, name = self._loaded, self._config.name
        engine, obstacle = make_engine(loaded, self._config)
        misfit = misfit_note(loaded.tokenizer, loaded.rows, name)
        if misfit is not None:
            self.notes += (misfit,)
        if obstacle is not None:
            self.notes += (f"{name}: prefixes are not shared, each prompt is computed in full: {obstacle}",)
        return engine

    def _load(self) -> LoadedModel:
        return load.load(self._config, self.source)


def encode(jobs: Sequence[Job], encoder: Encoder) -> list[EncodedJob]:
    """Encode the requests of jobs; a request encoded in pieces becomes one job per piece.

    A job that cannot be encoded fails without affecting the others.
    """
    encoded = []
    for job in jobs:
        try:
            pieces = encoder.encode_pieces(job.request)
        except Exception as error:
            job.taken = time.perf_counter()
            job.fail(error if isinstance(error, RequestFailed) else RequestFailed(one_line(error)))
            continue
        if len(pieces) == 1:
            encoded.append((job, pieces[0]))
        else:
            parts = [Job(piece.request) for piece in pieces]
            encoded += zip(parts, pieces, strict=True)
            gather(job, parts, sum_pieces)
    return encoded


def make_engine(
    loaded: LoadedModel, config: ModelConfig, *, shared: bool = True
) -> tuple[LocalEngine, str | None]:
    """Create the engine for a loaded model; also returns why it cannot share prefixes (None: it can).

    Raises ``ModelUnusable`` for a model whose answers would depend on each other.
    """
    from pytest_llmeval.models.hf.batch_probe import probe_batches
    from pytest_llmeval.models.hf.detokenizer import make_detokenizer
    from pytest_llmeval.models.hf.forward import Forward
    from pytest_llmeval.models.hf.length_switch import find_length_switch
    from pytest_llmeval.models.hf.memory import budgets, plain_batch_tokens
    from pytest_llmeval.models.hf.plain_engine import PlainEngine
    from pytest_llmeval.models.hf.plain_forward import PlainForward
    from pytest_llmeval.models.hf.probe import ProbeResult, probe
    from pytest_llmeval.models.hf.shared_engine import SharedEngine
    from pytest_llmeval.models.hf.switched_engine import SwitchedEngine

    model, device = loaded.model, loaded.device
    detokenizer = make_detokenizer(model, loaded.tokenizer)
    switch = find_length_switch(model, device, context_limit(loaded, config))
    result = probe(model, device) if shared else ProbeResult("not requested")
    if result.obstacle is None:
        engines = 1 if switch is None else 2  # which divide the memory
        limits = budgets(device, engines * result.bytes_per_token, config.batch_tokens)

        def make(limit: PassLimit | None) -> LocalEngine:
            return SharedEngine(Forward(model, device), detokenizer, limits, limit)
    else:
        forward = PlainForward(model, device, loaded.tokenizer.pad_token_id or 0)
        rules = probe_batches(forward)
        obstacle = "; ".join(filter(None, (result.obstacle, rules.note)))
        budget = config.batch_tokens or plain_batch_tokens(model, device)

        def make(limit: PassLimit | None) -> LocalEngine:
            return PlainEngine(forward, loaded.tokenizer, detokenizer, budget, rules, limit)

    engine = make(None) if switch is None else SwitchedEngine(make, switch)
    return engine, result.obstacle if result.obstacle is None else obstacle


def context_limit(loaded: LoadedModel, config: ModelConfig) -> int | None:
    """The maximum tokens of prompt and answer: the smaller of the model's limit and the user's."""
    return min([limit for limit in (config.context, loaded.context) if limit], default=None)
