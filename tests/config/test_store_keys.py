"""The store's keys are pinned: a changed key would discard every answer that users have stored.

The digests were computed by the version before the options were declared in dataclasses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.models import registry, smollm2
from pytest_llmeval.models.base import Storable

#: name of the case: backend, its options, the key
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "openai": ("openai", {"target": "m"}, "3ac789d0dcd658ef24a30523216f99a60c187b0e3306fe78d64b9724c1999e43"),
    "openai-url": (
        "openai",
        {"target": "m", "base_url": "https://u:p@h.example/v1?x=1"},
        "aa6c4704f1fa304df723e31df6862e0c3eb758d7d4ffd102d4263ebd4b4255e3",
    ),
    "openai-completions": (
        "openai",
        {"target": "m", "api": "completions", "context": 4096},
        "8d7e51c1250614aa8162823f718cbc3212588aaad25682a63742297685ab35cb",
    ),
    "openai-sampling": (
        "openai",
        {
            "target": "m",
            "top_p": 0.5,
            "sampling_seed": 3,
            "temperature": 0.7,
            "max_tokens": 9,
            "stop": ("a",),
        },
        "4b5e7d9d5b2618f28dd6c46db37fa4bb4424f8fbc32358d78aeddc91c40126a8",
    ),
    "openai-traffic": (
        "openai",
        {
            "target": "m",
            "concurrency": 2,
            "rate": 0.5,
            "tokens_per_minute": 100,
            "share": (1, 2),
            "retries": 1,
            "timeout": 3.0,
            "stream": True,
            "max_completion_tokens": True,
            "api_key_env": "KEY_OF_TEST",
        },
        "3ac789d0dcd658ef24a30523216f99a60c187b0e3306fe78d64b9724c1999e43",
    ),
    "openai-extra": (
        "openai",
        {
            "target": "m",
            "extra_body": {"top_k": 1, "chat_template_kwargs": {"enable_thinking": False}},
            "headers": {"X-Team": "red", "Authorization": "Bearer secret"},
            "options": {"a": 1},
        },
        "4d87e3bec04a41fd420b878dd578937f174ad97ab7eefb9005ac8f16337da279",
    ),
    "openai-local-options": (
        "openai",
        {
            "target": "m",
            "device": "cuda:1",
            "dtype": "float16",
            "batch_tokens": 7,
            "trust_remote_code": True,
            "preset": "vllm",
            "command": "c {port}",
            "served_name": "n",
            "start_timeout": 9.0,
            "ray_cpus": 2,
        },
        "5e88f8699df1d50bea13d090ea299701c8f27e1040b793643b32ab0f51729c4a",
    ),
    "hf": ("hf", {"device": "cpu"}, "ae8d96c16fa6d1ff186890ace17600a87b92434f876a27da83d0172b7701f993"),
    "hf-auto": ("hf", {}, "ae8d96c16fa6d1ff186890ace17600a87b92434f876a27da83d0172b7701f993"),
    "hf-gpu": (
        "hf",
        {"device": "cuda:1", "dtype": "bfloat16", "context": 512},
        "a80bc655e6a6001499d17fcd619b210a3f14e09674ec9b2794165d44dc80264c",
    ),
    "hf-no-matter": (
        "hf",
        {
            "device": "cpu",
            "batch_tokens": 3,
            "trust_remote_code": True,
            "temperature": 0.5,
            "top_p": 0.1,
            "max_tokens": 5,
            "base_url": "http://localhost",
            "api": "completions",
            "options": {"a": 1},
        },
        "ae8d96c16fa6d1ff186890ace17600a87b92434f876a27da83d0172b7701f993",
    ),
    "smollm2": (
        "smollm2",
        {"device": "cpu", "dtype": "float32"},
        "27960a412240425ec29ba05be4fe83df47d408f04606c5a9013848e7f4d113e1",
    ),
    "serve-vllm": (
        "serve",
        {"preset": "vllm"},
        "ba8fe610277ed0695ad46fb2d2804530ac82573783c09e277e3fa59375820e8f",
    ),
    "serve-remote-code": (
        "serve",
        {"preset": "vllm", "trust_remote_code": True, "dtype": "float16"},
        "b68e364bb7fd54cf0db93aa3695918ee13a5c48d5bacaeeb728319f3b12cc8db",
    ),
    "serve-transformers": (
        "serve",
        {"preset": "transformers", "device": "cpu", "top_p": 0.5, "context": 99},
        "42ed1a1f7d9e7bfd545ef77146e154a21f5bcd5a32b6c3a5637353f80073cfa8",
    ),
    "serve-command": (
        "serve",
        {
            "command": "run {path} --port {port}",
            "served_name": "n",
            "start_timeout": 5.0,
            "sampling_seed": 1,
            "extra_body": {"x": 1},
            "headers": {"x-api-key": "s", "X-A": "b"},
        },
        "cc84e448a843cae19a73c3184498b62ac61dffa9c671402d3dd96c29b105d99f",
    ),
    "ray-gpus": ("hf", {"ray": "auto"}, "05a7e63a345b23ed9160e73c9f2498752fd350261649c391b4e46d777ae06bf6"),
    "ray-cpus": (
        "hf",
        {"ray": "local", "ray_cpus": 2, "dtype": "float32"},
        "3a5949305eb3ff3cf1880a9be8fc106c9f6de51a11320b84d67e39a9432e1136",
    ),
    "ray-cuda": (
        "hf",
        {"ray": "auto", "ray_gpus": 2, "device": "cuda", "context": 64},
        "bfc5607902f5368101aabf3b63853fbf348814e1146196fe20e98d9791e2f724",
    ),
}

#: a value other than the default for each option of a model
OTHER_VALUES: dict[str, Any] = {
    "target": "other",
    "base_url": "http://localhost:9/v1",
    "api_key_env": "OTHER_KEY",
    "max_tokens": 7,
    "temperature": 0.5,
    "top_p": 0.5,
    "sampling_seed": 7,
    "concurrency": 7,
    "rate": 0.5,
    "tokens_per_minute": 7,
    "share": (1, 2),
    "retries": 7,
    "timeout": 7.0,
    "context": 7,
    "stop": ("x",),
    "system": "x",
    "device": "cuda",
    "dtype": "float16",
    "batch_tokens": 7,
    "trust_remote_code": True,
    "api": "completions",
    "stream": True,
    "max_completion_tokens": True,
    "extra_body": {"x": 1},
    "headers": {"X-Team": "red"},
    "served_name": "other",
    "start_timeout": 7.0,
    "ray_cpus": 7,
    "ray_gpus": 7,
    "options": {"x": 1},
    "reasoning_marks": ("((", "))"),
}
API = {"target", "base_url", "top_p", "sampling_seed", "context", "api", "extra_body", "headers"}
API |= {"ray_cpus", "ray_gpus", "options"}
#: which of them change the key of each backend
IN_THE_KEY = {
    "openai": API,
    "hf": {"target", "context", "device", "dtype"},
    "serve": API | {"device", "dtype", "trust_remote_code"},
}


@pytest.fixture(autouse=True)
def fixed_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights, environment and versions of packages on every machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("OPENAI_API_KEY", "KEY_OF_TEST", "OTHER_KEY"):
        monkeypatch.setenv(name, "secret-of-test")
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"{name}-1.0")
    for folder in ("weights", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text("{}")
        (tmp_path / folder / "model.safetensors").write_text(folder)
    (tmp_path / "tiny.gguf").write_text("x")
    monkeypatch.setattr(smollm2, "weights", lambda: Path("tiny.gguf"))


def store_key(config: ModelConfig, digest: str = "digest of {path.name}") -> str | None:
    model = registry.make_model(config, Path("cache"), lambda: Path("logs"))
    assert isinstance(model, Storable)
    return model.store_key(lambda path: digest.format(path=path))


@pytest.mark.parametrize(("backend", "options", "key"), CASES.values(), ids=CASES)
def test_store_keys_are_what_they_were(backend: str, options: dict[str, Any], key: str) -> None:
    weights = {"target": "weights"} if backend in ("hf", "serve") else {}
    assert store_key(ModelConfig("m", backend, **(weights | options))) == key


def test_every_option_of_a_model_is_covered() -> None:
    config = ModelConfig("m", "openai")
    own = {"name", "backend", "preset", "command", "ray"}  # fixed below, or an error for these backends
    assert set(ModelConfig.__dataclass_fields__) == OTHER_VALUES.keys() | own
    assert all(getattr(config, name) != value for name, value in OTHER_VALUES.items())


@pytest.mark.parametrize("backend", IN_THE_KEY)
@pytest.mark.parametrize("name", OTHER_VALUES)
def test_the_key_changes_with_what_changes_answers(backend: str, name: str) -> None:
    base: dict[str, Any] = {"target": "weights"}
    base |= {"preset": "vllm"} if backend == "serve" else {}
    one = store_key(ModelConfig("m", backend, **base), "{path}")
    other = store_key(ModelConfig("m", backend, **(base | {name: OTHER_VALUES[name]})), "{path}")
    assert (one != other) == (name in IN_THE_KEY[backend])
