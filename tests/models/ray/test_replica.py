"""A replica of a model, as Ray runs it, without Ray."""

from __future__ import annotations

import io
import pickle
import queue
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import ChatPrompt, Message, Request
from pytest_llmeval.models import fingerprint
from pytest_llmeval.models.hf.load import Source
from pytest_llmeval.models.ray.driver import Driver, _Running
from pytest_llmeval.models.ray.messages import Note, Start
from pytest_llmeval.models.ray.replica import Ready, Replica
from tests.support.tiny_models import save_tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "tiny")
    return tmp_path / "tiny"


def config(folder: Path) -> ModelConfig:
    return ModelConfig("tiny", "hf", str(folder), device="cpu")


def told(folder: Path) -> tuple[Any, Any]:
    """What pytest's process tells of its weights."""
    source = Source(str(folder))
    return fingerprint.weights(source, fingerprint.sampled), fingerprint.weights(source, fingerprint.sha256)


def train(folder: Path) -> None:
    """Other numbers in the weights, which keep their names and sizes."""
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    content[header:] = bytes(byte ^ 1 for byte in content[header:])
    path.write_bytes(content)


def test_the_same_weights_answer(tiny: Path) -> None:
    samples, digests = told(tiny)
    replica = Replica(config(tiny), samples, digests, gpu=False)
    ready = replica.load()
    assert ready.samples == samples and ready.hold > 0
    replica.put([(7, Request(ChatPrompt((Message("user", "hello"),)), max_tokens=2))])
    found = replica.collect()
    while not found.completions:
        found = replica.collect()
    ((number, completion),) = found.completions
    assert number == 7 and completion.error is None and completion.completion_tokens
    replica._jobs.close()


def test_other_weights_of_the_same_size_are_refused(tiny: Path) -> None:
    samples, digests = told(tiny)
    train(tiny)
    said = r"tiny holds other contents on .* than where pytest runs \(model.safetensors\)"
    with pytest.raises(ModelUnusable, match=said):
        Replica(config(tiny), samples, None, gpu=False).load()
    # what samples do not show, all of the file does
    with pytest.raises(ModelUnusable, match=said):
        Replica(config(tiny), told(tiny)[0], digests, gpu=False).load()


def test_replicas_are_compared_with_each_other_where_pytest_has_no_weights(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    out = io.BytesIO()
    driver = Driver(Start("local", config(tiny), None, None, 1, 0, 1.0), out, queue.Queue())
    driver._ray.kill = lambda actor: None
    driver._ray.wait = lambda refs, **_: (refs, [])
    ready = Ready(4, told(tiny)[0])
    train(tiny)
    for number, found in enumerate((ready, ready, Ready(4, told(tiny)[0]), Ready(4, None))):
        collect = SimpleNamespace(remote=lambda: "collecting")
        one = _Running(number, SimpleNamespace(collect=collect), "loading", "load", host=f"host{number}")
        driver._running[number] = one
        driver._heard(one, found)
    assert list(driver._running) == [0, 1, 3]
    messages = []
    out.seek(0)
    while out.tell() < len(out.getvalue()):
        messages.append(pickle.load(out))
    (note,) = (one.text for one in messages if isinstance(one, Note))
    assert "holds other contents on host2 than on host0 (model.safetensors)" in note
