"""Whole runs against an inference server that the run starts and stops."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.models.serving.backend import ServedModel
from tests.support.fault_server import write_benchmark
from tests.support.paths import INFERENCE_SERVER as INFERENCE
from tests.support.processes import gone, pids, wait_until
from tests.support.tiny_models import save_tiny
from tests.support.workers import WORKERS

pytestmark = pytest.mark.slow  # starts servers

COUNT = 12


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_benchmark(tmp_path, COUNT, subjects=2)
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    write_weights(weights, "first")
    return tmp_path


def write_weights(folder: Path, note: str) -> None:
    """A safetensors file without tensors."""
    header = json.dumps({"__metadata__": {"note": note}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def configure(folder: Path, *more: str) -> None:
    command = f"python {INFERENCE} --port {{port}} --pids {folder / 'pids'} {' '.join(more)}"
    (folder / "llmeval.toml").write_text(
        f'[models.mine]\nbackend = "serve"\npath = "weights"\nmodel = "m"\ncommand = "{command}"\n'
    )


def command(*more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--llm-benchmark=faulty"),
        *("--llm-model=mine", "--llm-run-name=run", *more),
    ]


def run(*more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*more), capture_output=True, text=True)


def counts(folder: Path) -> dict[str, int]:
    (result,) = json.loads((folder / "reports/latest/results.json").read_text())["results"]
    return dict(result["counts"])


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_server_is_started_used_and_stopped(folder: Path, xdist: str) -> None:
    configure(folder, "--load=1")
    done = run(xdist)
    assert done.returncode == 0, done.stdout
    assert counts(folder)["correct"] == COUNT
    server_pids = pids(folder / "pids")
    assert len(server_pids) == 2, "one server, whatever the number of workers"
    assert all(map(gone, server_pids))
    assert "loading the weights" in (folder / "reports/run/server-mine.log").read_text()


def test_a_rerun_uses_the_store_and_starts_no_server_until_the_weights_change(folder: Path) -> None:
    configure(folder)
    assert run().returncode == 0
    rerun = run()
    assert rerun.returncode == 0 and f"{COUNT} of {COUNT} answers from the store" in rerun.stdout
    assert len(pids(folder / "pids")) == 2
    write_weights(folder / "weights", "trained")
    retrained = run()
    assert retrained.returncode == 0 and "from the store" not in retrained.stdout
    assert len(pids(folder / "pids")) == 4


def test_start_up_progress_is_reported(folder: Path) -> None:
    configure(folder, "--load=5")
    done = run()
    assert re.search(rf"^mine 0/12  starting {re.escape(sys.executable)} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_server_that_fails_to_load_ends_the_run_with_its_last_log_lines(folder: Path, xdist: str) -> None:
    configure(folder, "--fails=no_room")
    done = run(xdist)
    assert done.returncode == 4
    errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 1 and errors[0].startswith("ERROR: the server of model mine ended; ")
    assert "server-mine.log: " in errors[0] and errors[0].endswith("RuntimeError: no_room")
    log = Path(errors[0].partition("; ")[2].partition(": ")[0])
    assert "RuntimeError: no_room" in log.read_text() and log.parent == folder / "reports/run"
    assert all(map(gone, pids(folder / "pids")))


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_server_that_crashes_ends_the_run_but_loses_no_answers(folder: Path, xdist: str) -> None:
    configure(folder, "--latency=0.05", "--dies-after=4")
    done = run(xdist, "--llm-concurrency=2")
    assert done.returncode == 4, done.stdout
    assert "CUDA error: an illegal memory access" in done.stdout
    assert all(map(gone, pids(folder / "pids")))
    configure(folder, "--latency=0.05")
    rerun = run("--llm-concurrency=2")
    assert rerun.returncode == 0 and counts(folder)["correct"] == COUNT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("xdist", WORKERS)
def test_no_server_outlives_pytest(folder: Path, number: signal.Signals, xdist: str) -> None:
    configure(folder, "--latency=0.4", "--stubborn")
    process = subprocess.Popen(
        command(xdist, "--llm-concurrency=1"),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    server_pids = pids(folder / "pids")
    time.sleep(1)
    assert not any(map(gone, server_pids))
    if number == signal.SIGINT:  # like Ctrl-C: to all processes of the terminal
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.wait(60)
    assert wait_until(lambda: all(map(gone, server_pids)))


def test_no_server_outlives_a_failing_test(folder: Path) -> None:
    configure(folder, "--stubborn")
    (folder / "test_generate.py").write_text(
        "def test_generate(llm):\n    assert llm.generate('hello').text == 'something else'\n"
    )
    done = subprocess.run(
        [*(sys.executable, "-m", "pytest", "test_generate.py", "--llm-model=mine", "-p", "no:cacheprovider")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "something else" in done.stdout
    assert all(map(gone, pids(folder / "pids")))


def served(**values: Any) -> ServedModel:
    config = ModelConfig(**{"name": "mine", "backend": "serve", "target": "weights"} | values)
    return ServedModel(config, Path.cwd)


def digest(path: Path) -> str:
    return path.read_text()


def test_the_store_key_depends_on_weights_command_and_settings(folder: Path) -> None:
    command = f"python {INFERENCE} --port {{port}}"
    key = served(command=command).store_key(digest)
    assert key == served(command=command, name="other", served_name="x", timeout=3).store_key(digest)
    others = [
        served(command=f"{command} --load=1"),
        served(preset="vllm"),
        served(command=command, top_p=0.5),
        served(command=command, dtype="float16"),
        served(command=command, context=100),
    ]
    keys = {key, *(other.store_key(digest) for other in others)}
    (folder / "weights/config.json").write_text("{ }")
    keys.add(served(command=command).store_key(digest))
    assert len(keys) == 7 and None not in keys
    assert served(command=command, target="").store_key(digest) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"preset": "vllm", "target": "./nowhere"}, "serve:vllm:./nowhere: no such folder"),
        ({"preset": "lmdeploy"}, "no command 'lmdeploy'; pip install 'lmdeploy'"),
        ({"command": "no-such-tool {port}"}, "no command 'no-such-tool'"),
        ({"command": "python"}, r"it has no \{port\}"),
    ],
)
def test_check_reports_errors_without_starting_a_server(
    folder: Path, values: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if values.get("preset") == "vllm":
        (folder / "vllm").touch(0o755)
        monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(UserError, match=expected):
        served(**values).check()


@pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="needs transformers[serving]")
def test_transformers_serve_gives_the_local_engine_s_answers(folder: Path) -> None:
    save_tiny(folder / "tiny")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--llm-benchmark=faulty"),
            *("--llm-model=serve:transformers:./tiny", "--llm-model=mine", "--llm-run-name=run"),
            *("--llm-max-tokens=6", "--llm-dtype=float32", "--llm-device=cpu", "--llm-limit=2"),
        ],
        capture_output=True,
        text=True,
        cwd=_with_local_model(folder),
    )
    assert done.returncode == 0, done.stdout + (folder / "reports/run/server-tiny.log").read_text()[-2000:]
    rows = [json.loads(line) for line in (folder / "reports/run/questions.jsonl").read_text().splitlines()]
    texts = {(row["model"], row["id"]): row["text"] for row in rows}
    assert len(texts) == 8
    for model, id in texts:
        assert texts[model, id] == texts["mine", id]


def _with_local_model(folder: Path) -> Path:
    (folder / "llmeval.toml").write_text('[models.mine]\nbackend = "hf"\npath = "tiny"\n')
    return folder
