"""The replica actor and its driver, tested without Ray."""

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
from pytest_llmeval.models.ray.driver import Driver, _ReplicaState
from pytest_llmeval.models.ray.messages import Note, Start
from pytest_llmeval.models.ray.replica import Replica, ReplicaInfo
from tests.support.tiny_models import save_tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "tiny")
    return tmp_path / "tiny"


def config(folder: Path) -> ModelConfig:
    return ModelConfig("tiny", "hf", str(folder), device="cpu")


def fingerprints(folder: Path) -> tuple[Any, Any]:
    """The fingerprints that pytest's process sends of its weights: from samples, and from whole files."""
    source = Source(str(folder))
    return fingerprint.weights(source, fingerprint.sample_sha256), fingerprint.weights(
        source, fingerprint.sha256
    )


def train(folder: Path) -> None:
    """Change the numbers in the weights, but not the names and sizes of the files."""
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    content[header:] = bytes(byte ^ 1 for byte in content[header:])
    path.write_bytes(content)


def test_a_replica_with_the_same_weights_answers(tiny: Path) -> None:
    samples, digests = fingerprints(tiny)
    replica = Replica(config(tiny), samples, digests, gpu=False)
    ready = replica.load()
    assert ready.samples == samples and ready.capacity > 0
    replica.put([(7, Request(ChatPrompt((Message("user", "hello"),)), max_tokens=2))])
    collected = replica.collect()
    while not collected.completions:
        collected = replica.collect()
    ((number, completion),) = collected.completions
    assert number == 7 and completion.error is None and completion.completion_tokens
    replica._jobs.close()


def test_different_weights_of_the_same_size_are_refused(tiny: Path) -> None:
    samples, digests = fingerprints(tiny)
    train(tiny)
    message = r"tiny has different contents on .* than where pytest runs \(model.safetensors\)"
    with pytest.raises(ModelUnusable, match=message):
        Replica(config(tiny), samples, None, gpu=False).load()
    # a difference that samples miss is caught by the whole file
    with pytest.raises(ModelUnusable, match=message):
        Replica(config(tiny), fingerprints(tiny)[0], digests, gpu=False).load()


def test_replicas_are_compared_with_each_other_where_pytest_has_no_weights(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    out = io.BytesIO()
    driver = Driver(Start("local", config(tiny), None, None, 1, 0, 1.0), out, queue.Queue())
    driver._ray.kill = lambda actor: None
    driver._ray.wait = lambda refs, **_: (refs, [])
    ready = ReplicaInfo(4, fingerprints(tiny)[0])
    train(tiny)
    for number, replica_ready in enumerate(
        (ready, ready, ReplicaInfo(4, fingerprints(tiny)[0]), ReplicaInfo(4, None))
    ):
        collect = SimpleNamespace(remote=lambda: "collecting")
        replica = _ReplicaState(
            number, SimpleNamespace(collect=collect), "loading", "load", host=f"host{number}"
        )
        driver._replicas[number] = replica
        driver._handle(replica, replica_ready)
    assert list(driver._replicas) == [0, 1, 3]
    messages = []
    out.seek(0)
    while out.tell() < len(out.getvalue()):
        messages.append(pickle.load(out))
    (note,) = (message.text for message in messages if isinstance(message, Note))
    assert "has different contents on host2 than on host0 (model.safetensors)" in note
