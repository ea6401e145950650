"""A bad network and a bad server: no question lost, none counted wrong because of them.

Each of these fails when its protection is taken out; what that is stands beside it.
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


def test_a_rough_network_changes_no_score(folder: Path) -> None:
    """Retrying (``Calls.complete``), reading replies (``wire.read``), the whole request's time-out."""
    with FaultServer(ROUGH, latency=0.005) as server:
        done = run(server, "--llm-timeout=1.5", "--llm-retries=8")
        assert done.returncode == 0, done.stdout[-2000:]
        assert set(server.faults) == {"too_many", "error", "drop", "hang", "torn", "html", "drip"}
    counts, rows = outcomes(folder)
    assert counts["requested"] == COUNT and counts["error"] == counts["unparsed"] == 0
    assert counts["correct"] == expected_correct(COUNT)
    # a reply that drips is late as a whole, although there is always a bit more of it
    assert sum(row["attempts"] for row in rows) == COUNT + sum(server.faults.values())
    asked = {row["prompt"].removeprefix("[user]\n"): row["answer"] for row in rows}
    wanted = [f"question {number}?" for number in range(COUNT)]
    assert asked == {question: answer_to(question) for question in wanted}


def test_questions_that_never_work_are_errors_and_the_rest_is_scored(folder: Path) -> None:
    broken = frozenset(f"question {number}?" for number in (3, 250, 251, 700, 999))
    with FaultServer(always_fails=broken) as server:
        done = run(server, "--llm-retries=2")
        assert done.returncode == 1
        assert all(server.asked[question] == 3 for question in broken)
    counts, rows = outcomes(folder)
    assert counts["error"] == 5
    assert counts["correct"] + counts["wrong"] == COUNT - 5
    errors = [row["error"] for row in rows if row["error"]]
    assert len(errors) == 5 and all("this one never works" in error for error in errors)
    assert "after 3 attempts" in done.stdout


def test_a_server_that_comes_back_in_time_costs_nothing(folder: Path) -> None:
    """Back-off: attempts that follow each other at once would all be over before it is back."""
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


def test_a_server_that_stays_away_makes_errors_quickly_and_a_rerun_asks_only_those(folder: Path) -> None:
    """``Calls.dead``: without it each question in turn would wait for all its attempts."""
    server = FaultServer(latency=0.01)
    port = server.__enter__().port

    def die() -> None:
        while len(server.bodies) < 300:
            time.sleep(0.01)
        server.stop()

    thread = threading.Thread(target=die)
    thread.start()
    done = run(server, "--llm-retries=2")
    thread.join()
    assert done.returncode == 1
    counts, rows = outcomes(folder)
    # those in flight when it died wait for all their attempts, the rest for none
    assert sum(row["attempts"] > 1 for row in rows if row["error"]) <= 2 * 32
    assert counts["requested"] == COUNT and counts["error"] >= COUNT - 300 - 32
    answered = COUNT - counts["error"]
    assert counts["correct"] + counts["wrong"] == answered
    with FaultServer(port=port) as again:
        (folder / "reports/run").rename(folder / "reports/before")
        done = run(again)
        assert done.returncode == 0 and len(again.bodies) == COUNT - answered
    counts, _ = outcomes(folder)
    assert counts["correct"] == expected_correct(COUNT)
