"""The supervisor stops a command and its children when the process that started it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_llmeval.models.serving import supervisor
from tests.support.processes import SERVER, gone, pids, wait_until


def supervised(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", supervisor.__file__, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("trigger", ["input", "term"])
def test_a_command_and_its_children_are_stopped(
    trigger: str, stubborn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pids"
    process = supervised([*SERVER, "--pids", str(file), *(["--stubborn"] if stubborn else [])])
    server_pids = pids(file)
    assert len(server_pids) == 2 and not any(map(gone, server_pids))
    if trigger == "input":
        assert process.stdin is not None
        process.stdin.close()
    else:
        process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    output = process.stdout.read()
    code = process.wait(30)
    assert all(map(gone, server_pids))
    if trigger == "input":
        assert code == 128 + (signal.SIGKILL if stubborn else signal.SIGTERM)
        assert output.endswith(f"{supervisor.ENDED}{code}\n")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_it_stops_when_its_parent_is_killed_while_stdin_stays_open(tmp_path: Path) -> None:
    file, fork = tmp_path / "pids", tmp_path / "fork"
    code = (
        "import os, subprocess, sys, time\n"
        "process = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, start_new_session=True)\n"
        "child = os.fork()\n"
        "if child: open(sys.argv[1], 'w').write(f'{child}\\n')\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-I", supervisor.__file__, *SERVER, "--pids", str(file)]
    parent = subprocess.Popen([sys.executable, "-c", code, str(fork), *command])
    server_pids = pids(file)
    [forked] = pids(fork)
    try:
        parent.kill()
        parent.wait()
        assert wait_until(lambda: all(map(gone, server_pids)))
        assert not gone(forked)
    finally:
        os.kill(forked, signal.SIGKILL)


def test_the_exit_code_is_the_command_s() -> None:
    process = supervised([sys.executable, "-c", "print('hello'); exit(7)"])
    assert process.stdout is not None
    assert process.stdout.read() == f"hello\n\n{supervisor.ENDED}7\n"
    assert process.wait(30) == 7


def test_a_command_that_cannot_be_started() -> None:
    process = supervised(["/no/such/program"])
    assert process.stdout is not None
    assert process.stdout.read().startswith("/no/such/program cannot be started: No such file")
    assert process.wait(30) == 127
