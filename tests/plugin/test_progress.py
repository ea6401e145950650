"""What a long run tells while it goes on: alone, under xdist, in a terminal, and when it is stopped."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.api_server import Server
from tests.support.processes import wait_until
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


WAITS = """
import time
import pytest_llmeval.plugin.progress as progress
import pytest_llmeval.runtime.asker as asker
import pytest_llmeval.plugin.xdist.worker as worker
progress._LOG_QUIET_S = progress._LOG_CHANGE_S = asker._REPORT_EVERY_S = worker._SEND_EVERY_S = 0.05
class Waits:
    window = 8
    status = "loading the model"
    def check(self): pass
    def identity(self): return "waits"
    def run(self, jobs):
        from pytest_llmeval import Completion, run_batches
        time.sleep(1.5)
        self.status = None
        def answer(batch):
            time.sleep(1.5)
            for job in batch:
                job.finish(Completion(text="A", finish_reason="stop"))
        run_batches(jobs, answer, 8)
def pytest_llmeval_make_model(config, cache_dir):
    if config.backend == "waits":
        return Waits()
"""


@pytest.fixture
def waits(pytester: pytest.Pytester, tiny: Path) -> Path:
    """A model that loads, then answers its first batch, both long enough to be reported."""
    pytester.makeconftest(WAITS)
    (pytester.path / "llmeval.toml").write_text('[models.waits]\nbackend = "waits"\n', "utf-8")
    return pytester.path


@pytest.mark.parametrize("verbose", ["-v", "-q"])
@pytest.mark.parametrize("xdist", WORKERS)
def test_a_log_says_what_a_model_does_while_nothing_is_finished(
    pytester: pytest.Pytester, waits: Path, xdist: str, verbose: str
) -> None:
    done = pytester.runpytest_subprocess("--llm-model=waits", "--llm-benchmark=tiny", xdist, verbose)
    assert done.ret == 0
    lines = [line for line in done.outlines if line.startswith("waits 0/8  ")]
    assert lines[0].startswith("waits 0/8  loading the model, ")
    assert any(re.match(r"waits 0/8  \d sent, 0 back", line) for line in lines)
    # a log gets a line for each reason, not one for each look
    assert len(lines) == 2
    assert not list((waits / "reports/latest").glob("activity.*"))


def wait_for(folder: Path, number: int) -> None:
    """Until so many questions were answered."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        files = list(folder.glob("reports/*/questions*.jsonl"))
        if sum(len(path.read_bytes().splitlines()) for path in files) >= number:
            return
        time.sleep(0.05)
    raise AssertionError("no question was answered")


def interrupted(folder: Path, ready: Callable[[], object], *args: str) -> tuple[int, str]:
    """The exit code and output of a run that gets Ctrl-C once ``ready`` returns."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *args],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # a shell starts what runs in its background deaf to Ctrl-C, and that is inherited
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        ready()
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, output


def quiet_about_ctrl_c(output: str) -> bool:
    """Whether Ctrl-C left one line, and nothing of Python's own modules."""
    assert "interrupted by Ctrl-C" in output
    return not any(word in output for word in ("KeyboardInterrupt", "threading.py", "Traceback", "INTERNAL"))


@pytest.mark.parametrize("xdist", WORKERS)
def test_ctrl_c_ends_with_what_is_done(pytester: pytest.Pytester, slow: Path, xdist: str) -> None:
    args = ("--llm-model=slow", "--llm-benchmark=tiny", xdist)
    # a worker writes a line a moment before it reports: the first are counted by now
    code, output = interrupted(slow, lambda: wait_for(slow, 3), *args)
    assert code == pytest.ExitCode.INTERRUPTED, output
    assert quiet_about_ctrl_c(output), output
    assert "mean over questions" in output
    assert "of the selected questions were not run" in output
    assert "the same command asks only" not in output  # this model's answers are not stored
    found = results(pytester)
    assert found["run"]["complete"] is False
    assert 1 <= found["results"][0]["counts"]["requested"] < 8
    # the counts are of the lines that there are
    assert found["results"][0]["counts"]["requested"] == len(questions(pytester))
    assert "This run is incomplete" in (slow / "reports/latest/report.html").read_text("utf-8")


@pytest.mark.parametrize("xdist", WORKERS)
def test_ctrl_c_while_a_server_hangs(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    with Server(latency=600) as server:

        def asked() -> None:
            assert wait_until(lambda: bool(server.bodies), 60)

        args = ("--llm-model=openai:m", f"--llm-base-url={server.url}", "--llm-benchmark=tiny", xdist)
        code, output = interrupted(pytester.path, asked, *args)
    assert code == pytest.ExitCode.INTERRUPTED, output
    assert quiet_about_ctrl_c(output), output
    assert "no tests ran" in output


def test_ctrl_c_while_a_model_loads(pytester: pytest.Pytester, waits: Path) -> None:
    loading = WAITS.replace("time.sleep(1.5)", "open('loading', 'w').close(); time.sleep(5)", 1)
    (waits / "conftest.py").write_text(loading, "utf-8")

    def started() -> None:
        assert wait_until((waits / "loading").exists, 60)

    code, output = interrupted(waits, started, "--llm-model=waits", "--llm-benchmark=tiny")
    assert code == pytest.ExitCode.INTERRUPTED, output
    assert quiet_about_ctrl_c(output), output


def test_a_full_trace_shows_where_it_was_interrupted(pytester: pytest.Pytester, slow: Path) -> None:
    args = ("--llm-model=slow", "--llm-benchmark=tiny", "--full-trace")
    _, output = interrupted(slow, lambda: wait_for(slow, 1), *args)
    assert "KeyboardInterrupt" in output and "interrupted by Ctrl-C" not in output


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
