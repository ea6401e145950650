"""Killed, started again, two at once: nothing is asked twice, and nothing is scored otherwise."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.fault_server import FaultServer, expected_correct, write_benchmark
from tests.support.workers import WORKERS

pytestmark = pytest.mark.slow  # kills runs and resumes them

COUNT = 60
CLOCKS = ("latency_s", "latency_p50_s", "questions_per_s", "cached")


def command(server: FaultServer, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--llm-benchmark=faulty"),
        *("--llm-model=openai:m", f"--llm-base-url={server.url}", "--llm-concurrency=4", *more),
    ]


def run(server: FaultServer, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(server, *more), capture_output=True, text=True)


def stored(cache: Path) -> int:
    with sqlite3.connect(cache / "pytest-llmeval/completions.sqlite3") as store:
        return int(store.execute("select count(*) from completions").fetchone()[0])


def scores(folder: Path) -> tuple[object, object]:
    """All of a run's files that does not hang on clocks or on where answers came from."""
    text = (folder / "results.json").read_text()
    results = json.loads(text, object_hook=lambda table: {k: v for k, v in table.items() if k not in CLOCKS})
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    kept = ("id", "outcome", "answer", "target", "text", "finish_reason", "prompt", "scores")
    return results["results"], [[row[name] for name in kept] for row in rows]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_benchmark(tmp_path, COUNT, subjects=3)
    return tmp_path


def test_killed_ten_times_and_resumed(folder: Path, own_cache: Path) -> None:
    dice = random.Random(4)
    with FaultServer(latency=0.02) as server:
        assert run(server, "--llm-run-name=calm", "--llm-no-cache").returncode == 0
        assert sum(server.answered.values()) == COUNT and not list(own_cache.glob("*/*.sqlite3"))
        server.answered.clear()
        for _ in range(10):
            before = len(server.bodies)
            going = subprocess.Popen(command(server), stdout=subprocess.DEVNULL)
            wanted = before + dice.randint(1, 6)
            while len(server.bodies) < wanted and going.poll() is None:
                time.sleep(0.002)
            os.kill(going.pid, signal.SIGKILL)
            going.wait()
        held = stored(own_cache)
        before = len(server.bodies)
        done = run(server, "--llm-run-name=resumed")
        assert done.returncode == 0
        assert len(server.bodies) - before == COUNT - held
        # what was under way at a kill may be asked again, and nothing else
        assert sum(server.answered.values()) <= COUNT + 4 * 10
        assert f"{held} of {COUNT} answers from the store" in done.stdout
        before = len(server.bodies)
        again = run(server, "--llm-run-name=again")
        assert len(server.bodies) == before
        assert f"{COUNT} of {COUNT} answers from the store" in again.stdout
    assert scores(folder / "reports/calm") == scores(folder / "reports/resumed")
    assert scores(folder / "reports/calm") == scores(folder / "reports/again")


def test_refresh_asks_again_and_another_model_is_another(folder: Path) -> None:
    with FaultServer() as server:
        run(server)
        assert len(server.bodies) == COUNT
        run(server, "--llm-refresh")
        assert len(server.bodies) == 2 * COUNT
        for parameters in (["--llm-model=openai:n"], ["--llm-max-tokens=5"], ["--llm-temperature=0.5"]):
            before = len(server.bodies)
            base = [part for part in command(server) if not part.startswith(parameters[0].split("=")[0])]
            subprocess.run([*base, *parameters], capture_output=True, check=True)
            assert len(server.bodies) == before + COUNT, parameters
        before = len(server.bodies)
        run(server, "--llm-concurrency=2", "--llm-retries=1", "--llm-timeout=9")
        assert len(server.bodies) == before


def test_two_runs_at_once_on_one_store(folder: Path, own_cache: Path) -> None:
    with FaultServer(latency=0.01) as server:
        both = [
            subprocess.Popen(command(server, f"--llm-run-name={name}"), stdout=subprocess.DEVNULL)
            for name in "ab"
        ]
        assert [one.wait() for one in both] == [0, 0]
        assert stored(own_cache) == COUNT
    assert scores(folder / "reports/a") == scores(folder / "reports/b")


def test_errors_are_not_stored(folder: Path, own_cache: Path) -> None:
    broken = frozenset(f"question {row}?" for row in range(5))
    with FaultServer(always_fails=broken) as server:
        done = run(server, "--llm-retries=0")
        assert done.returncode == 1 and stored(own_cache) == COUNT - 5
        server.always_fails = frozenset()
        before = len(server.bodies)
        done = run(server, "--llm-run-name=mended")
        assert done.returncode == 0 and len(server.bodies) - before == 5
    (result,) = json.loads((folder / "reports/mended/results.json").read_text())["results"]
    assert result["counts"]["correct"] == expected_correct(COUNT)
    assert result["cached"] == COUNT - 5


def test_workers_share_the_store(folder: Path) -> None:
    with FaultServer() as server:
        first = run(server, "-n2", "--llm-run-name=two")
        assert first.returncode == 0 and len(server.bodies) == COUNT
        run(server, "--llm-run-name=one")
        assert len(server.bodies) == COUNT
    assert scores(folder / "reports/one") == scores(folder / "reports/two")


@pytest.mark.parametrize("workers", WORKERS)
def test_a_damaged_store_stops_before_the_first_question(folder: Path, own_cache: Path, workers: str) -> None:
    path = own_cache / "pytest-llmeval/completions.sqlite3"
    path.parent.mkdir()
    path.write_bytes(b"no database " * 100)
    with FaultServer() as server:
        done = run(server, workers)
        assert done.returncode == 4 and not server.bodies
        (line,) = [line for line in (done.stdout + done.stderr).splitlines() if "damaged" in line]
        assert line.startswith("ERROR:") and "--llm-no-cache" in line
        assert "Traceback" not in done.stdout + done.stderr
        assert run(server, workers, "--llm-no-cache").returncode == 0


def test_a_store_that_cannot_be_written_costs_no_answer(folder: Path) -> None:
    (folder / "file").write_text("")
    with FaultServer() as server:
        done = run(server, "--llm-cache-dir=file/x")
    assert done.returncode == 0 and f"{expected_correct(COUNT)} correct" in done.stdout
    assert done.stdout.count("answers cannot be stored") == 1
