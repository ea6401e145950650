"""Resources that xdist workers share: GPUs (simulated, none is needed), cores and API limits."""

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
from pytest_llmeval.models import worker_resources
from pytest_llmeval.models.hf import load
from tests.support.api_server import Server

#: a local model that records where it was loaded, and torch as if built for CUDA
WHERE = """
import json, os
from pytest_llmeval.models import worker_resources
from pytest_llmeval.models.echo import EchoModel

worker_resources.metadata.version = lambda name: "2.13.0"

class Where(EchoModel):
    def __init__(self, config):
        self.config = config
    def run(self, jobs):
        with open("loaded.jsonl", "a") as file:
            entry = [self.config.name, os.environ.get("CUDA_VISIBLE_DEVICES"), self.config.share, os.getpid()]
            file.write(json.dumps(entry) + "\\n")
        super().run(jobs)

def pytest_llmeval_make_model(config, cache_dir):
    return Where(config) if config.backend == "hf" else None
"""


def local(name: str = "m", **more: Any) -> ModelConfig:
    return ModelConfig(name, "hf", "/m", **more)


@pytest.fixture
def for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_resources.metadata, "version", lambda name: "2.13.0+cu130")


def fake_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Put a fake nvidia-smi that lists ``number`` GPUs first on the PATH."""
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\n" + "".join(f"echo {index}\n" for index in range(number)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("devices", "expected"),
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
def test_the_visible_gpus(for_cuda: None, devices: str, expected: tuple[str, ...]) -> None:
    assert worker_resources.visible_gpus({"CUDA_VISIBLE_DEVICES": devices, "PATH": ""}) == expected


def test_nvidia_smi_lists_gpus(for_cuda: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_resources.visible_gpus({"PATH": str(tmp_path / "nowhere")}) == ()
    fake_nvidia_smi(tmp_path, monkeypatch, 3)
    assert worker_resources.visible_gpus(dict(os.environ)) == ("0", "1", "2")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho NVIDIA-SMI has failed\nexit 9\n")
    assert worker_resources.visible_gpus(dict(os.environ)) == ()


@pytest.mark.parametrize("version", ["2.13.0+cpu", None])
def test_torch_without_cuda_uses_no_gpu(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    def installed(name: str) -> str:
        if version is None:
            raise worker_resources.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(worker_resources.metadata, "version", installed)
    assert worker_resources.visible_gpus({"CUDA_VISIBLE_DEVICES": "0,1"}) == ()


@pytest.mark.parametrize(
    ("models", "expected"),
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
def test_auto_is_one_worker_per_gpu(for_cuda: None, models: list[ModelConfig], expected: int | None) -> None:
    assert worker_resources.auto_workers(models, {"CUDA_VISIBLE_DEVICES": "4,5"}) == expected
    without = None if expected is None else 1
    assert worker_resources.auto_workers(models, {"CUDA_VISIBLE_DEVICES": ""}) == without


@given(st.integers(0, 9), st.integers(1, 9))
def test_gpus_are_split_evenly(number: int, workers: int) -> None:
    gpus = [str(index) for index in range(number)]
    shares = worker_resources.split_gpus(gpus, workers)
    assert [name for share in shares for name in share] == gpus
    assert len(shares) == workers
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(0, 99), st.integers(1, 9))
def test_shares_add_up_to_the_total(total: int, parts: int) -> None:
    assert sum(worker_resources.share_of(total, number, parts) for number in range(parts)) == total


@pytest.mark.parametrize(
    ("model", "gpus", "workers", "expected"),
    [
        (local(), ("0", "1"), 3, "3 workers, but this machine has 2 GPUs"),
        (local(), ("0",), 2, "2 workers, but this machine has 1 GPU"),
        (local(device="cuda:1"), ("0", "1"), 2, "--llm-device=cuda:1 is one GPU"),
        (local(device="mps"), (), 2, "this Mac has one GPU"),
    ],
)
def test_more_workers_than_gpus(
    monkeypatch: pytest.MonkeyPatch, model: ModelConfig, gpus: tuple[str, ...], workers: int, expected: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(UserError, match=expected) as raised:
        worker_resources.check_devices([model], gpus, workers)
    assert "--llm-device=cpu" in str(raised.value)
    worker_resources.check_devices([model], gpus, 1)


def test_enough_gpus_or_no_gpu_is_no_error() -> None:
    worker_resources.check_devices([local(), ModelConfig("api", "openai", "a")], ("0", "1"), 2)
    worker_resources.check_devices([local(device="cpu")], (), 8)
    worker_resources.check_devices([local()], (), 8)


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    threads: list[int] = []
    monkeypatch.setattr(load, "_all_threads", lambda: 7)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    for number in range(3):
        load._share_cores((number, 3))
    assert threads == [3, 2, 2]
    load._share_cores((0, 1))
    load._share_cores((8, 9))
    assert threads == [3, 2, 2, 1]


def test_each_worker_uses_its_own_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.slow
def test_each_worker_has_its_own_gpu(
    pytester: pytest.Pytester, two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_nvidia_smi(two_models / "bin", monkeypatch, 2)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n", "auto")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["2 workers*", "*2 correct, 6 wrong*"])
    assert [entry[1] for entry in loaded(two_models)] == ["0", "1"]
    assert [entry[2] for entry in loaded(two_models)] == [[0, 2], [1, 2]]


@pytest.mark.slow
def test_one_worker_has_all_gpus(
    pytester: pytest.Pytester, two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_nvidia_smi(two_models / "bin", monkeypatch, 2)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n1")
    assert done.ret == 0
    assert [entry[1] for entry in loaded(two_models)] == [None]


@pytest.mark.slow
def test_more_workers_than_gpus_end_the_run_before_it_starts(
    pytester: pytest.Pytester, two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_nvidia_smi(two_models / "bin", monkeypatch, 2)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n3")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    errors = [line for line in done.outlines + done.errlines if "2 GPUs" in line]
    assert len(errors) == 1 and "use -n2 or -n auto, or --llm-device=cpu" in errors[0]
    assert not loaded(two_models)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n3", "--llm-device=cpu")
    assert done.ret == 0


@pytest.mark.slow
def test_the_replacement_of_a_crashed_worker_takes_its_gpu(
    pytester: pytest.Pytester, two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_nvidia_smi(two_models / "bin", monkeypatch, 2)
    killing = """
import pathlib, time
def pytest_runtest_call(item):
    marker, log = pathlib.Path("killed"), pathlib.Path("loaded.jsonl")
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "0" and not marker.exists():
        marker.touch()
        while not (log.exists() and str(os.getpid()) in log.read_text()):
            time.sleep(0.01)  # until the engine's thread has loaded the model
        os._exit(9)
"""
    pytester.makeconftest(WHERE + killing)
    done = pytester.runpytest_subprocess("--llm-model=m", "--llm-benchmark=tiny", "-n2")
    assert done.ret == 0
    assert [entry[1:3] for entry in loaded(two_models)] == [["0", [0, 2]], ["0", [0, 2]], ["1", [1, 2]]]


@pytest.mark.slow
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


@pytest.mark.slow
def test_only_workers_that_use_a_model_load_it(pytester: pytest.Pytester, two_models: Path) -> None:
    logging_calls = """
def pytest_runtest_call(item):
    with open("used.jsonl", "a") as file:
        file.write(json.dumps([item.callspec.params["llm"], os.getpid()]) + "\\n")
"""
    pytester.makeconftest(WHERE + logging_calls)
    args = ("--llm-model=m", "--llm-model=n", "--llm-benchmark=tiny", "-k", "birds-0 or logic-1")
    done = pytester.runpytest_subprocess(*args, "-n4", "--llm-device=cpu", "--llm-no-cache")
    assert done.ret == 0
    rows = (two_models / "reports/latest/questions.jsonl").read_text().splitlines()
    assert len(rows) == 4
    used = map(json.loads, (two_models / "used.jsonl").read_text().splitlines())
    assert {(name, pid) for name, pid in used} == {(name, pid) for name, _, _, pid in loaded(two_models)}
    assert len(loaded(two_models)) <= 4  # instead of eight if each worker loaded each model


# an API


@pytest.mark.slow
@pytest.mark.parametrize(("concurrency", "workers"), [(1, 3), (2, 3), (3, 2), (5, 2)])
def test_workers_together_respect_the_concurrency(
    pytester: pytest.Pytester, tiny: Path, concurrency: int, workers: int
) -> None:
    with Server(latency=0.05) as server:
        base = (f"--llm-base-url={server.url}", "--llm-model=openai:m", "--llm-benchmark=mini")
        done = pytester.runpytest_subprocess(*base, f"--llm-concurrency={concurrency}", f"-n{workers}")
        assert done.ret == 0
    assert len(server.bodies) == len({json.dumps(body["messages"]) for body in server.bodies}) > 20
    assert server.most_in_flight <= concurrency
    assert server.most_in_flight == concurrency or concurrency > 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--dist=each",), "--dist=each would send and count each question once per worker"),
        (("--dist=loadfile", "--llm-concurrency=1"), "each of the 2 workers may use it"),
    ],
)
def test_dist_modes_that_cannot_respect_limits(
    pytester: pytest.Pytester, tiny: Path, args: tuple[str, ...], expected: str
) -> None:
    with Server() as server:
        base = (f"--llm-base-url={server.url}", "--llm-model=openai:m", "--llm-benchmark=tiny", "-n2")
        done = pytester.runpytest_subprocess(*base, *args)
        assert done.ret == pytest.ExitCode.USAGE_ERROR
        assert not server.bodies
    assert len([line for line in done.outlines + done.errlines if expected in line]) == 1
