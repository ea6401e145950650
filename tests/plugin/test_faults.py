"""Network and server faults: they lose no question, and none is scored wrong because of them.

Each test fails without the protection that it names.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.fault_server import ROUGH, FaultServer, answer_to, expected_correct, write_benchmark

pytestmark = pytest.mark.slow  # hundreds of requests to a faulty server

COUNT = 1000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_benchmark(tmp_path, COUNT, subjects=4)
    return tmp_path


def run(server: FaultServer, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--llm-benchmark=faulty"),
            *("--llm-model=openai:m", f"--llm-base-url={server.url}", "--llm-run-name=run"),
            *("--llm-concurrency=32", *more),
        ],
        capture_output=True,
        text=True,
    )


def outcomes(folder: Path) -> tuple[dict[str, int], list[dict]]:  # type: ignore[type-arg]
    (result,) = json.loads((folder / "reports/run/results.json").read_text())["results"]
    rows = [json.loads(line) for line in (folder / "reports/run/questions.jsonl").read_text().splitlines()]
    return result["counts"], rows


def test_network_faults_do_not_change_scores(folder: Path) -> None:
    """Retries (``Calls.complete``), strict parsing (``parse_response``), a time-out for the attempt."""
    with FaultServer(ROUGH, latency=0.005) as server:
        done = run(server, "--llm-timeout=1.5", "--llm-retries=8")
        assert done.returncode == 0, done.stdout[-2000:]
        assert set(server.faults) == {"too_many", "error", "drop", "hang", "torn", "html", "drip"}
    counts, rows = outcomes(folder)
    assert counts["requested"] == COUNT and counts["error"] == counts["unparsed"] == 0
    assert counts["correct"] == expected_correct(COUNT)
    # a response that drips times out as a whole, although more of it keeps arriving
    assert sum(row["attempts"] for row in rows) == COUNT + sum(server.faults.values())
    answers = {row["prompt"].removeprefix("[user]\n"): row["answer"] for row in rows}
    questions = [f"question {number}?" for number in range(COUNT)]
    assert answers == {question: answer_to(question) for question in questions}


def test_questions_that_always_fail_are_errors_and_the_rest_is_scored(folder: Path) -> None:
    broken = frozenset(f"question {number}?" for number in (3, 250, 251, 700, 999))
    with FaultServer(always_fails=broken) as server:
        done = run(server, "--llm-retries=2")
        assert done.returncode == 1
        assert all(server.requests[question] == 3 for question in broken)
    counts, rows = outcomes(folder)
    assert counts["error"] == 5
    assert counts["correct"] + counts["wrong"] == COUNT - 5
    errors = [row["error"] for row in rows if row["error"]]
    assert len(errors) == 5 and all("this question always fails" in error for error in errors)
    assert "after 3 attempts" in done.stdout


def test_a_server_that_restarts_in_time_loses_nothing(folder: Path) -> None:
    """Back-off: without it, all attempts would fail before the server is back."""
    first = FaultServer(latency=0.02)
    second: list[FaultServer] = []

    def restart() -> None:
        while len(first.bodies) < 200:
            time.sleep(0.01)
        first.stop()
        time.sleep(1.0)
        second.append(FaultServer(latency=0.02, port=first.port))
        second[0].__enter__()

    first.__enter__()
    thread = threading.Thread(target=restart)
    thread.start()
    try:
        done = run(first, "--llm-retries=6")
        thread.join()
    finally:
        first.stop()
        for server in second:
            server.stop()
    assert done.returncode == 0, done.stdout[-2000:]
    counts, _ = outcomes(folder)
    assert counts["correct"] == expected_correct(COUNT) and counts["error"] == 0


def test_a_stopped_server_makes_errors_quickly_and_a_rerun_resends_only_those(folder: Path) -> None:
    """``Calls.unresponsive``: without it, each question would use up all its attempts."""
    server = FaultServer(latency=0.01)
    port = server.__enter__().port

    def stop_after_300() -> None:
        while len(server.bodies) < 300:
            time.sleep(0.01)
        server.stop()

    thread = threading.Thread(target=stop_after_300)
    thread.start()
    done = run(server, "--llm-retries=2")
    thread.join()
    assert done.returncode == 1
    counts, rows = outcomes(folder)
    # those in flight when it stopped use up their attempts, the rest only one
    assert sum(row["attempts"] > 1 for row in rows if row["error"]) <= 2 * 32
    assert counts["requested"] == COUNT and counts["error"] >= COUNT - 300 - 32
    answered = COUNT - counts["error"]
    assert counts["correct"] + counts["wrong"] == answered
    with FaultServer(port=port) as restarted:
        (folder / "reports/run").rename(folder / "reports/before")
        done = run(restarted)
        assert done.returncode == 0 and len(restarted.bodies) == COUNT - answered
    counts, _ = outcomes(folder)
    assert counts["correct"] == expected_correct(COUNT)
