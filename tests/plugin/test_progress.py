"""What a long run tells while it goes on: alone, under xdist, in a terminal, and when it is stopped."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

SLOW = """
import time
import pytest_llmeval.plugin.progress as progress
progress._LOG_EVERY_S = progress._LIVE_EVERY_S = 0.0
class Slow:
    window = 1
    def check(self): pass
    def identity(self): return "slow"
    def run(self, jobs):
        from pytest_llmeval import Completion, run_batches
        def answer(batch):
            for job in batch:
                time.sleep({seconds})
                job.finish(Completion(text="A", finish_reason="stop"))
        run_batches(jobs, answer, 1)
def pytest_llmeval_make_model(config, cache_dir):
    if config.backend == "slow":
        return Slow()
"""


@pytest.fixture
def slow(pytester: pytest.Pytester, tiny: Path) -> Path:
    """A model that takes half a second; progress is told after every question."""
    pytester.makeconftest(SLOW.replace("{seconds}", "0.5"))
    (pytester.path / "llmeval.toml").write_text('[models.slow]\nbackend = "slow"\n', "utf-8")
    return pytester.path


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_log_gets_lines(pytester: pytest.Pytester, slow: Path, xdist: str) -> None:
    (slow / "conftest.py").write_text(SLOW.replace("{seconds}", "0"), "utf-8")
    args = ("--llm-model=slow", "--llm-benchmark=tiny", "-p", "no:cacheprovider", xdist)
    done = pytester.runpytest_subprocess(*args)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["tiny slow 8/8  acc 25.0% (7.1-59.1)*"])
    assert "from the store" not in done.stdout.str()
    assert not list((slow / "reports/latest").glob("plan.*"))


def test_answers_from_the_store_are_told(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makeconftest("import pytest_llmeval.plugin.progress as p\np._LOG_EVERY_S = 0.0\n")
    pytester.runpytest_subprocess("--llm-model=echo", "--llm-benchmark=tiny", "--llm-run-name=first")
    done = pytester.runpytest_subprocess("--llm-replay=latest")
    done.stdout.fnmatch_lines(["tiny echo 8/8  acc 25.0% (7.1-59.1)*  8 from the store"])


def test_several_models_and_the_whole(pytester: pytest.Pytester, slow: Path) -> None:
    (slow / "conftest.py").write_text(SLOW.replace("{seconds}", "0"), "utf-8")
    done = pytester.runpytest_subprocess("--llm-model=slow", "--llm-model=echo", "--llm-benchmark=tiny")
    done.stdout.fnmatch_lines(["tiny slow 8/8*(all 8/16)", "tiny echo 8/8*(all 16/16)"])


def wait_for(folder: Path, number: int) -> None:
    """Until so many questions were answered."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        files = list(folder.glob("reports/*/questions*.jsonl"))
        if sum(len(path.read_bytes().splitlines()) for path in files) >= number:
            return
        time.sleep(0.05)
    raise AssertionError("no question was answered")


@pytest.mark.parametrize("xdist", WORKERS)
def test_ctrl_c_ends_with_what_is_done(pytester: pytest.Pytester, slow: Path, xdist: str) -> None:
    command = [sys.executable, "-m", "pytest", "--llm-model=slow", "--llm-benchmark=tiny", xdist]
    process = subprocess.Popen(
        command,
        cwd=slow,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # a shell starts what runs in its background deaf to Ctrl-C, and that is inherited
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_for(slow, 3)  # a worker writes a line a moment before it reports: the first are counted by now
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "INTERNAL" not in output
    assert "mean over questions" in output
    assert "of the selected questions were not run" in output
    found = results(pytester)
    assert found["run"]["complete"] is False
    assert 1 <= found["results"][0]["counts"]["requested"] < 8
    # the counts are of the lines that there are
    assert found["results"][0]["counts"]["requested"] == len(questions(pytester))
    assert "This run is incomplete" in (slow / "reports/latest/report.html").read_text("utf-8")


def test_on_a_terminal_a_line_is_written_in_place(pytester: pytest.Pytester, slow: Path) -> None:
    (slow / "conftest.py").write_text(SLOW.replace("{seconds}", "0"), "utf-8")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--llm-model=slow", "--llm-benchmark=tiny"],
        cwd=slow,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    output = b""
    try:
        while chunk := os.read(ours, 65536):
            output += chunk
    except OSError:  # how a terminal ends on Linux
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 0
    text = output.decode("utf-8")
    lines = [part.partition("\x1b8")[0] for part in text.split("\x1b[B\r\x1b[2K")[1:]]
    assert any(line.startswith("tiny slow 8/8  acc 25.0%") for line in lines)
    assert lines[-1] == ""  # taken away before the table
    assert json.loads((slow / "reports/latest/results.json").read_text("utf-8"))["run"]["complete"]
