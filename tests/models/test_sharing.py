"""What workers share: GPUs (made-up ones: none is needed), cores, and what may be asked of an API."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.models import sharing
from pytest_llmeval.models.hf import load
from tests.support.api_server import Server

#: a local model that says where it was loaded, and torch as if built for CUDA
WHERE = """
import json, os
from pytest_llmeval.models import sharing
from pytest_llmeval.models.echo import EchoModel

sharing.metadata.version = lambda name: "2.13.0"

class Where(EchoModel):
    def __init__(self, config):
        self.config = config
    def run(self, jobs):
        with open("loaded.jsonl", "a") as file:
            told = [self.config.name, os.environ.get("CUDA_VISIBLE_DEVICES"), self.config.share, os.getpid()]
            file.write(json.dumps(told) + "\\n")
        super().run(jobs)

def pytest_llmeval_make_model(config, cache_dir):
    return Where(config) if config.backend == "hf" else None
"""


def local(name: str = "m", **more: Any) -> ModelConfig:
    return ModelConfig(name, "hf", "/m", **more)


@pytest.fixture
def for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing.metadata, "version", lambda name: "2.13.0+cu130")


def smi(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """An nvidia-smi that lists so many GPUs; of whatever this machine has nothing is seen."""
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\n" + "".join(f"echo {index}\n" for index in range(number)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ("0,1", ("0", "1")),
        (" 3 , 1 ", ("3", "1")),
        ("2,-1,3", ("2",)),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("GPU-8932f937-d72c,MIG-GPU-1/2/3", ("GPU-8932f937-d72c", "MIG-GPU-1/2/3")),
    ],
)
def test_the_visible_gpus(for_cuda: None, told: str, seen: tuple[str, ...]) -> None:
    assert sharing.gpus({"CUDA_VISIBLE_DEVICES": told, "PATH": ""}) == seen


def test_gpus_are_listed_without_torch(
    for_cuda: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sharing.gpus({"PATH": str(tmp_path / "nowhere")}) == ()
    smi(tmp_path, monkeypatch, 3)
    assert sharing.gpus(dict(os.environ)) == ("0", "1", "2")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho NVIDIA-SMI has failed\nexit 9\n")
    assert sharing.gpus(dict(os.environ)) == ()


@pytest.mark.parametrize("version", ["2.13.0+cpu", None])
def test_torch_without_cuda_uses_no_gpu(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    def installed(name: str) -> str:
        if version is None:
            raise sharing.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(sharing.metadata, "version", installed)
    assert sharing.gpus({"CUDA_VISIBLE_DEVICES": "0,1"}) == ()


@pytest.mark.parametrize(
    ("models", "wanted"),
    [
        ([local()], 2),
        ([local(device="cuda")], 2),
        ([local(device="cuda:1")], 1),
        ([local(device="cpu")], 1),
        ([local(), local("n", device="cpu")], 1),
        ([local(), ModelConfig("api", "openai", "a")], 2),
        ([ModelConfig("api", "openai", "a")], None),
        ([ModelConfig("echo", "echo")], None),
        ([], None),
    ],
)
def test_auto_is_a_worker_for_each_gpu(for_cuda: None, models: list[ModelConfig], wanted: int | None) -> None:
    assert sharing.auto_workers(models, {"CUDA_VISIBLE_DEVICES": "4,5"}) == wanted
    without = None if wanted is None else 1
    assert sharing.auto_workers(models, {"CUDA_VISIBLE_DEVICES": ""}) == without


@given(st.integers(0, 9), st.integers(1, 9))
def test_gpus_are_divided(number: int, workers: int) -> None:
    found = [str(index) for index in range(number)]
    shares = sharing.divided(found, workers)
    assert [name for share in shares for name in share] == found
    assert len(shares) == workers
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(0, 99), st.integers(1, 9))
def test_the_parts_are_the_whole(whole: int, parts: int) -> None:
    assert sum(sharing.part(whole, number, parts) for number in range(parts)) == whole


@pytest.mark.parametrize(
    ("model", "found", "workers", "says"),
    [
        (local(), ("0", "1"), 3, "3 workers, but this machine has 2 GPUs"),
        (local(), ("0",), 2, "2 workers, but this machine has 1 GPU"),
        (local(device="cuda:1"), ("0", "1"), 2, "--llm-device=cuda:1 is one GPU"),
        (local(device="mps"), (), 2, "this Mac has one GPU"),
    ],
)
def test_more_workers_than_gpus(
    monkeypatch: pytest.MonkeyPatch, model: ModelConfig, found: tuple[str, ...], workers: int, says: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(UserError, match=says) as raised:
        sharing.check_devices([model], found, workers)
    assert "--llm-device=cpu" in str(raised.value)
    sharing.check_devices([model], found, 1)


def test_enough_gpus_or_none_at_all_is_no_mistake() -> None:
    sharing.check_devices([local(), ModelConfig("api", "openai", "a")], ("0", "1"), 2)
    sharing.check_devices([local(device="cpu")], (), 8)
    sharing.check_devices([local()], (), 8)


def test_the_workers_divide_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    took: list[int] = []
    monkeypatch.setattr(load, "_all_threads", lambda: 7)
    monkeypatch.setattr(torch, "set_num_threads", took.append)
    for number in range(3):
        load._share_cores((number, 3))
    assert took == [3, 2, 2]
    load._share_cores((0, 1))
    load._share_cores((8, 9))
    assert took == [3, 2, 2, 1]


def test_workers_of_other_accelerators_take_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 2)
    assert load._device(local(device="xpu", share=(1, 2))) == torch.device("xpu", 1)
    assert load._device(local(device="xpu:0", share=(1, 2))) == torch.device("xpu", 0)


# whole runs


def loaded(folder: Path) -> list[list[Any]]:
    lines = (folder / "loaded.jsonl").read_text().splitlines() if (folder / "loaded.jsonl").exists() else []
    return sorted(map(json.loads, lines))


@pytest.fixture
def two_models(pytester: pytest.Pytester, tiny: Path) -> Path:
    pytester.makeconftest(WHERE)
    models = "".join(f'[models.{name}]\nbackend = "hf"\npath = "."\n' for name in ("m", "n"))
    (pytester.path / "llmeval.toml").write_text(models)
    return pytester.path


def test_each_worker_has_its_own_gpu(
    pytester: pytest.Pytester, two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(two_models / "bin", monkeypatch, 2)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n", "auto")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["2 workers*", "*2 correct, 6 wrong*"])
    assert [told[1] for told in loaded(two_models)] == ["0", "1"]
    assert [told[2] for told in loaded(two_models)] == [[0, 2], [1, 2]]


def test_one_worker_has_all_gpus(
    pytester: pytest.Pytester, two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(two_models / "bin", monkeypatch, 2)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n1")
    assert done.ret == 0
    assert [told[1] for told in loaded(two_models)] == [None]


def test_more_workers_than_gpus_end_before_the_first(
    pytester: pytest.Pytester, two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(two_models / "bin", monkeypatch, 2)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n3")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    said = [line for line in done.outlines + done.errlines if "2 GPUs" in line]
    assert len(said) == 1 and "give -n2 or -n auto, or --llm-device=cpu" in said[0]
    assert not loaded(two_models)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n3", "--llm-device=cpu")
    assert done.ret == 0


def test_a_worker_in_a_crashed_ones_place_takes_its_gpu(
    pytester: pytest.Pytester, two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(two_models / "bin", monkeypatch, 2)
    killing = """
import pathlib, time
def pytest_runtest_call(item):
    marker, told = pathlib.Path("killed"), pathlib.Path("loaded.jsonl")
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "0" and not marker.exists():
        marker.touch()
        while not (told.exists() and str(os.getpid()) in told.read_text()):
            time.sleep(0.01)  # until the engine's thread has loaded the model
        os._exit(9)
"""
    pytester.makeconftest(WHERE + killing)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n2")
    assert done.ret == 0
    assert [told[1:3] for told in loaded(two_models)] == [["0", [0, 2]], ["0", [0, 2]], ["1", [1, 2]]]


def test_on_a_cpu_auto_is_one_worker(
    pytester: pytest.Pytester, two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n", "auto")
    done.stdout.fnmatch_lines(["1 worker *"])
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "2")
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n", "auto")
    done.stdout.fnmatch_lines(["2 workers *"])


def test_only_who_asks_a_model_loads_it(pytester: pytest.Pytester, two_models: Path) -> None:
    telling = """
def pytest_runtest_call(item):
    with open("asked.jsonl", "a") as file:
        file.write(json.dumps([item.callspec.params["llm"], os.getpid()]) + "\\n")
"""
    pytester.makeconftest(WHERE + telling)
    args = ("--llm-model=m", "--llm-model=n", "--llm-benchmark=tiny", "-k", "birds-0 or logic-1")
    done = pytester.runpytest_subprocess(*args, "-n4", "--llm-device=cpu", "--llm-no-cache")
    assert done.ret == 0
    rows = (two_models / "reports/latest/questions.jsonl").read_text().splitlines()
    assert len(rows) == 4
    asked = map(json.loads, (two_models / "asked.jsonl").read_text().splitlines())
    assert {(name, pid) for name, pid in asked} == {(name, pid) for name, _, _, pid in loaded(two_models)}
    assert len(loaded(two_models)) <= 4  # of eight that there would be if each worker loaded each


# an API


@pytest.mark.parametrize(("concurrency", "workers"), [(1, 3), (2, 3), (3, 2), (5, 2)])
def test_no_more_in_flight_than_the_user_set(
    pytester: pytest.Pytester, tiny: Path, concurrency: int, workers: int
) -> None:
    with Server(latency=0.05) as server:
        base = (f"--llm-base-url={server.url}", "--llm-model=openai:m", "--llm-benchmark=mini")
        done = pytester.runpytest_subprocess(*base, f"--llm-concurrency={concurrency}", f"-n{workers}")
        assert done.ret == 0
    assert len(server.bodies) == len({json.dumps(body["messages"]) for body in server.bodies}) > 20
    assert server.most_in_flight <= concurrency
    assert server.most_in_flight == concurrency or concurrency > 2


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--dist=each",), "--dist=each would ask and count each question once for each worker"),
        (("--dist=loadfile", "--llm-concurrency=1"), "each of the 2 workers may ask it"),
    ],
)
def test_ways_to_hand_out_that_keep_no_limit(
    pytester: pytest.Pytester, tiny: Path, args: tuple[str, ...], says: str
) -> None:
    with Server() as server:
        base = (f"--llm-base-url={server.url}", "--llm-model=openai:m", "--llm-benchmark=tiny", "-n2")
        done = pytester.runpytest_subprocess(*base, *args)
        assert done.ret == pytest.ExitCode.USAGE_ERROR
        assert not server.bodies
    assert len([line for line in done.outlines + done.errlines if says in line]) == 1
