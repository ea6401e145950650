"""The parameters of a model, grouped by the backend that reads them, and of the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

from pytest_llmeval.config.declare import REQUIRED, option, toml_key
from pytest_llmeval.config.kinds import (
    ABOVE_ZERO,
    ANY_TEXT,
    API,
    BODY,
    CONCURRENCY,
    COUNT,
    FLAG,
    HEADERS,
    PAIR,
    POSITIVE,
    PROBABILITY,
    TABLE,
    TEMPERATURE,
    TEXT,
    TEXTS,
    ZERO_OR_MORE,
)
from pytest_llmeval.core.types import Api, Temperature

BACKENDS = ("hf", "openai", "serve", "smollm2", "echo")
#: the backends that options of one kind are for
_API = ("openai", "serve")
_WEIGHTS = ("hf", "serve", "smollm2")
_IN_PROCESS = ("hf", "smollm2")
#: inference servers that can be started; ``models/serving/presets.py`` has their command lines
PRESETS = ("lmdeploy", "vllm", "sglang", "transformers")


@dataclass(frozen=True)
class ModelOptions:
    """The options of every backend.

    ``target`` is what the backend loads: a folder or hub id, or the model's name at an API (empty: ask the
    server). ``options`` is the table of a third-party backend, passed through unchanged. ``share`` is
    this process's number, from 0, and the number of processes that share the session's traffic limits.
    None means the default of the backend or benchmark.

    ``max_tokens``, ``temperature``, ``stop`` and ``system`` also change answers, but they are part of every
    request.
    """

    name: str
    backend: str = toml_key(
        REQUIRED, TEXT, f"{', '.join(BACKENDS)}, or a backend of a plugin", changes_answers=True
    )
    target: str = toml_key("", TEXT, "folder or hub id of a local model", key="path", changes_answers=True)
    _: KW_ONLY
    max_tokens: int | None = option(None, POSITIVE, "maximum number of tokens in an answer", metavar="N")
    temperature: Temperature | None = option(
        None,
        TEMPERATURE,
        "sampling temperature (default: 0, greedy), or none: do not send one, for models that refuse it",
        metavar="T",
    )
    context: int | None = option(
        None,
        POSITIVE,
        "maximum number of tokens in prompt and answer together; the earliest shots are dropped to fit",
        metavar="N",
        changes_answers=True,
    )
    stop: tuple[str, ...] = option((), TEXTS, "string that ends an answer (repeatable)", metavar="TEXT")
    system: str | None = option(
        None,
        ANY_TEXT,
        "system prompt, in place of the benchmark's own if it has one; an empty one for none",
        metavar="TEXT",
    )
    reasoning_marks: tuple[str, str] | None = toml_key(
        None, PAIR, "text before and after the model's reasoning, if they are not among the usual marks"
    )
    options: Mapping[str, object] = toml_key(
        {}, TABLE, "parameters for the backend of a plugin", changes_answers=True
    )
    share: tuple[int, int] = (0, 1)


@dataclass(frozen=True, kw_only=True)
class OpenAIOptions:
    """The options of the backend for OpenAI-compatible APIs.

    ``rate`` is in requests per second, ``timeout`` in seconds. ``rate``, ``tokens_per_minute`` and
    ``concurrency`` (None: adapt to the server) apply to the whole session. ``sampling_seed`` is sent as
    ``seed``.
    """

    base_url: str | None = option(
        None,
        TEXT,
        "URL of the OpenAI-compatible API",
        metavar="URL",
        changes_answers=True,
        repr=False,
        backends=("openai",),
    )
    api_key_env: str | None = option(
        None,
        TEXT,
        "environment variable that holds the API key (default: OPENAI_API_KEY)",
        metavar="VAR",
        backends=_API,
    )
    top_p: float | None = option(
        None,
        PROBABILITY,
        "nucleus sampling: sample from the most likely tokens with this total probability (API)",
        metavar="P",
        changes_answers=True,
        backends=_API,
    )
    sampling_seed: int | None = option(
        None, COUNT, "seed for the model's sampling (API)", metavar="N", changes_answers=True, backends=_API
    )
    concurrency: int | None = option(
        None,
        CONCURRENCY,
        "number of concurrent requests (API; default: auto, which adapts to the server)",
        metavar="N",
        backends=_API,
    )
    rate: float | None = option(
        None, ABOVE_ZERO, "maximum requests per second; may be a fraction (API)", metavar="R", backends=_API
    )
    tokens_per_minute: int | None = option(
        None, POSITIVE, "maximum prompt and answer tokens per minute (API)", metavar="N", backends=_API
    )
    stream: bool = option(
        False, FLAG, "stream answers, which measures the time to the first token (API)", backends=_API
    )
    retries: int | None = option(
        None, COUNT, "how many times to retry a failed request (API; default: 5)", metavar="N", backends=_API
    )
    timeout: float | None = option(
        None, ABOVE_ZERO, "seconds before a request times out (API; default: 120)", metavar="S", backends=_API
    )
    api: Api = toml_key(
        "chat", API, "chat, or completions for base models (plain text prompts)", changes_answers=True
    )
    max_completion_tokens: bool = toml_key(
        False, FLAG, "send the token limit as max_completion_tokens instead of max_tokens"
    )
    extra_body: Mapping[str, object] = toml_key(
        {}, BODY, "additional fields for the body of every request", changes_answers=True
    )
    headers: Mapping[str, str] = toml_key(
        {}, HEADERS, "additional HTTP headers for every request", secret=True, changes_answers=True
    )


@dataclass(frozen=True, kw_only=True)
class HFOptions:
    """The options of the backend for local weights, and of servers that are started for a run."""

    device: str = option(
        "auto",
        TEXT,
        "torch device, or auto (local models)",
        metavar="NAME",
        changes_answers=True,
        backends=_WEIGHTS,
    )
    dtype: str = option(
        "auto",
        TEXT,
        "torch dtype, or auto (local models)",
        metavar="NAME",
        changes_answers=True,
        backends=_WEIGHTS,
    )
    batch_tokens: int | None = option(
        None,
        POSITIVE,
        "maximum number of tokens in a batch (local models)",
        metavar="N",
        backends=_IN_PROCESS,
    )
    trust_remote_code: bool = option(
        False, FLAG, "allow running Python code that comes with a model", backends=("hf", "serve")
    )


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """The options that start an inference server: ``preset`` or ``command``.

    ``target`` is the path of the weights, ``served_name`` the model's name at the server (empty: ask it),
    ``start_timeout`` in seconds.
    """

    preset: str | None = toml_key(None, TEXT, f"inference server to start: {', '.join(PRESETS)}")
    command: str | None = toml_key(
        None, TEXT, "command that starts the server; {port}, {path}, {name}, {dtype}, {device} are replaced"
    )
    served_name: str = toml_key("", TEXT, "the model's name at the API", key="model")
    start_timeout: float | None = toml_key(
        None, ABOVE_ZERO, "seconds to wait for the server to start (default: 1800)"
    )


@dataclass(frozen=True, kw_only=True)
class RayOptions:
    """The placement of a local model's replicas: each uses ``ray_cpus`` CPUs, or else ``ray_gpus`` GPUs."""

    ray: str | None = option(
        None,
        TEXT,
        "run replicas of a local model on a Ray cluster: HOST:PORT, ray://HOST:PORT, auto or local",
        metavar="ADDRESS",
    )
    ray_cpus: int | None = option(
        None, POSITIVE, "run replicas on CPUs, this many each (default: on GPUs)", metavar="N"
    )
    ray_gpus: int | None = option(None, POSITIVE, "GPUs per replica (default: 1)", metavar="N")


@dataclass(frozen=True)
class ModelConfig(RayOptions, ServeOptions, HFOptions, OpenAIOptions, ModelOptions):  # fields: last first
    """One model's parameters: from a ``[models.NAME]`` table, or from a model spec and the options.

    Flat: the options of every backend are its attributes, and keyword arguments.

        >>> ModelConfig("mine", "hf", "./weights", dtype="float32").target
        './weights'
    """


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """The model that judges answers, with the default prompt and rubric for benchmarks.

    ``spec`` is the model as the user named it. Prices are per million tokens, in any currency.
    """

    model: ModelConfig
    prompt: str = toml_key("", TEXT, "jinja2 template of the judge's prompt")
    rubric: str = toml_key("", TEXT, "criteria to grade by")
    price_in: float | None = toml_key(None, ZERO_OR_MORE, "price of a million prompt tokens")
    price_out: float | None = toml_key(None, ZERO_OR_MORE, "price of a million completion tokens")
    spec: str = toml_key("", TEXT, "the judge, as for --llm-model", key="model")
