"""Replicas on a real Ray cluster with two nodes on this machine, one of which is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.models.ray.backend import RayModel
from tests.support.fault_server import write_benchmark
from tests.support.tiny_models import save_tiny

pytestmark = pytest.mark.slow  # a Ray cluster

pytest.importorskip("ray", reason="needs Ray: tox -e ray")

COUNT = 160
DEADLY = "\u2620"
#: an architecture that kills its process when the input contains certain tokens
MODELING = """
import os
from transformers import LlamaForCausalLM

class DyingForCausalLM(LlamaForCausalLM):
    def forward(self, input_ids=None, **more):
        if input_ids is not None and 'TOKENS' in str(input_ids.flatten().tolist()):
            os._exit(9)
        return super().forward(input_ids=input_ids, **more)
"""


class TwoNodes:
    """A cluster with one CPU per node; ``kill`` stops a node abruptly."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        small = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=small)
        del small["include_dashboard"]
        self.second: Any = self._cluster.add_node(**small)
        self.address: str = self._cluster.address

    def kill(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        for node in [*self._cluster.worker_nodes, self._cluster.head_node]:
            node.kill_all_processes(check_alive=False, allow_graceful=False)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def cluster() -> Iterator[TwoNodes]:
    nodes = TwoNodes()
    try:
        yield nodes
    finally:
        nodes.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_benchmark(tmp_path, COUNT, subjects=4)
    save_tiny(tmp_path / "tiny")
    return tmp_path


def command(name: str, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--llm-benchmark=faulty"),
        *("--llm-model=hf:tiny", "--llm-max-tokens=24", f"--llm-run-name={name}", *more),
    ]


def run(name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *more), capture_output=True, text=True, timeout=240)


def questions(name: str) -> dict[str, dict[str, Any]]:
    lines = Path("reports", name, "questions.jsonl").read_text("utf-8").splitlines()
    return {line["id"]: line for line in map(json.loads, lines)}


def answers(name: str) -> dict[str, tuple[str, str]]:
    return {id: (line["outcome"], line["text"]) for id, line in questions(name).items()}


def line_count(name: str) -> int:
    path = Path("reports", name, "questions.jsonl")
    return path.read_text("utf-8").count("\n") if path.exists() else 0


def test_a_killed_node_loses_no_question(folder: Path, cluster: TwoNodes) -> None:
    assert run("local", "--llm-no-cache").returncode == 0
    ray = (f"--llm-ray={cluster.address}", "--llm-ray-cpus=1")
    process = subprocess.Popen(command("ray", *ray), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while line_count("ray") < COUNT // 8 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, "the run ended before a node could be killed"
    cluster.kill(cluster.second)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0, out
    assert answers("ray") == answers("local")
    records = questions("ray").values()
    assert any(record["attempts"] > 1 for record in records), "the killed node had no questions"
    assert all(record["queue_s"] >= 0 and record["latency_s"] > 0 for record in records)
    assert "was lost" in out
    local_rerun = run("again")
    assert f"{COUNT} of {COUNT} answers from the store" in local_rerun.stdout, "a local run reuses them"


def test_only_a_question_that_kills_replicas_is_given_up(folder: Path, cluster: TwoNodes) -> None:
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained("tiny")(DEADLY, add_special_tokens=False).input_ids
    Path("tiny/modeling_dying.py").write_text(MODELING.replace("TOKENS", str(tokens)[1:-1]))
    config = json.loads(Path("tiny/config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "modeling_dying.DyingForCausalLM"}
    Path("tiny/config.json").write_text(json.dumps(config))
    data = Path("faulty/data/s1_val.csv")
    data.write_text(data.read_text("utf-8").replace("question 57?", f"question {DEADLY}?"), "utf-8")
    ray = (f"--llm-ray={cluster.address}", "--llm-ray-cpus=1", "--llm-trust-remote-code")
    done = run("ray", *ray)
    assert done.returncode == 1, done.stdout
    errors = {id: line for id, line in questions("ray").items() if line["outcome"] == "error"}
    assert len(errors) == 1, done.stdout
    (line,) = errors.values()
    assert DEADLY in line["prompt"]
    assert "ended two replicas" in line["error"]
    assert len(questions("ray")) == COUNT


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--llm-ray=127.0.0.1:1", "--llm-ray-cpus=1"), "nothing answers there"),
        (("--llm-ray=nonsense", "--llm-ray-cpus=1"), "is not a cluster address"),
        (("--llm-ray=auto", "-n2"), "leave out xdist's -n"),
        (("--llm-ray=auto", "--llm-ray-cpus=1", "--llm-ray-gpus=1"), "set only one of them"),
        (("--llm-ray=auto", "--llm-device=cuda:1"), "Ray assigns each replica its device"),
        (("--llm-ray=auto", "--llm-model=echo"), "echo is not local"),
    ],
)
def test_invalid_options_give_one_line(folder: Path, more: tuple[str, ...], expected: str) -> None:
    done = run("wrong", *more)
    assert done.returncode == 4
    assert expected in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_cluster_without_enough_resources_times_out(folder: Path, cluster: TwoNodes) -> None:
    Path("llmeval.toml").write_text(
        '[models."hf:tiny"]\nbackend = "hf"\npath = "tiny"\nstart_timeout = 6\n', "utf-8"
    )
    done = run("none", f"--llm-ray={cluster.address}", "--llm-ray-gpus=2")
    assert done.returncode == 4
    assert "had no 2 GPUs free for a replica" in done.stdout


def test_the_store_key_is_the_same_with_and_without_ray(folder: Path) -> None:
    from pytest_llmeval.models.fingerprint import fingerprint
    from pytest_llmeval.models.hf.backend import HuggingFaceModel

    def digest(path: Path) -> str:
        return str(path.stat().st_size)

    local = HuggingFaceModel(ModelConfig("tiny", "hf", "tiny", device="cpu"))
    config = ModelConfig("tiny", "hf", "tiny", ray="auto", ray_cpus=2)
    assert RayModel(config, folder, lambda: folder).store_key(digest) == local.store_key(digest)
    on_gpu = RayModel(ModelConfig("tiny", "hf", "tiny", ray="auto"), folder, lambda: folder)
    auto = ModelConfig("tiny", "hf", "tiny")
    assert on_gpu.store_key(digest) == fingerprint(auto, local.source, digest, "gpu")
    elsewhere = ModelConfig("tiny", "hf", "/not/here", ray="auto")
    assert RayModel(elsewhere, folder, lambda: folder).store_key(digest) is None


def test_a_model_that_is_not_local_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is for local models"):
        RayModel(ModelConfig("x", "openai", "x", ray="auto"), tmp_path, lambda: tmp_path)
