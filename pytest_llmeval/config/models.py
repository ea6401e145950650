"""The parameters of one model, and of the model that judges answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_llmeval.core.types import Api


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model's parameters: a ``[models.NAME]`` table, or a model spec and the options.

    ``target`` is what the backend loads: a folder or hub id (hf), a model name (openai; empty:
    ask the server). ``context`` is the most tokens of prompt and answer together, ``rate`` is in
    requests a second, ``timeout`` in seconds; ``rate``, ``tokens_per_minute`` and ``concurrency`` (None:
    found out) are for the whole session, of which this process is one of several: ``share`` is its
    number, from 0, and how many there are. None means: the backend's or benchmark's default.

    Of an API: ``api`` is ``chat`` or ``completions`` (plain text, for base models). ``sampling_seed``
    is sent as ``seed``; ``extra_body`` are more fields of every body, ``headers`` of every request,
    whose values are shown nowhere. ``max_completion_tokens`` is whether the token limit goes under
    that name at once. ``stream`` reads the answer as it is written.

    Of a server that is started for the run: ``preset`` or ``command`` says how, ``target`` is the path of
    the weights, ``served_name`` the model's name there, ``start_timeout`` in seconds.

    Of a local model on a Ray cluster: ``ray`` is the cluster's address; a replica takes ``ray_cpus`` CPUs,
    or else ``ray_gpus`` GPUs (None: one).

    ``options`` is for a third party's backend: its own table, handed through as it is.
    """

    name: str
    backend: str
    target: str = ""
    base_url: str | None = field(default=None, repr=False)
    api_key_env: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    sampling_seed: int | None = None
    concurrency: int | None = None
    rate: float | None = None
    tokens_per_minute: int | None = None
    share: tuple[int, int] = (0, 1)
    retries: int | None = None
    timeout: float | None = None
    context: int | None = None
    stop: tuple[str, ...] = ()
    device: str = "auto"
    dtype: str = "auto"
    batch_tokens: int | None = None
    trust_remote_code: bool = False
    api: Api = "chat"
    stream: bool = False
    max_completion_tokens: bool = False
    extra_body: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    preset: str | None = None
    command: str | None = None
    served_name: str = ""
    start_timeout: float | None = None
    ray: str | None = None
    ray_cpus: int | None = None
    ray_gpus: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """The model that judges answers, and what all benchmarks ask it unless they say otherwise.

    ``price_in`` and ``price_out`` are for a million tokens of prompts and of replies, in any currency.
    """

    model: ModelConfig
    prompt: str = ""
    rubric: str = ""
    price_in: float | None = None
    price_out: float | None = None
