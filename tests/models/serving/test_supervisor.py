"""What becomes of a command and its children when whoever wanted it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_llmeval.models.serving import supervisor
from tests.support.processes import SERVER, gone, pids, wait_until


def supervised(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", supervisor.__file__, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("how", ["input", "term"])
def test_a_command_and_its_children_end(
    how: str, stubborn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pids"
    going = supervised([*SERVER, "--pids", str(file), *(["--stubborn"] if stubborn else [])])
    of_server = pids(file)
    assert len(of_server) == 2 and not any(map(gone, of_server))
    if how == "input":
        assert going.stdin is not None
        going.stdin.close()
    else:
        going.send_signal(signal.SIGTERM)
    assert going.stdout is not None
    said = going.stdout.read()
    code = going.wait(30)
    assert all(map(gone, of_server))
    if how == "input":
        assert code == 128 + (signal.SIGKILL if stubborn else signal.SIGTERM)
        assert said.endswith(f"{supervisor.ENDED}{code}\n")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_it_ends_when_its_parent_is_killed_while_another_holds_its_input(tmp_path: Path) -> None:
    file, fork = tmp_path / "pids", tmp_path / "fork"
    code = (
        "import os, subprocess, sys, time\n"
        "going = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, start_new_session=True)\n"
        "child = os.fork()\n"
        "if child: open(sys.argv[1], 'w').write(f'{child}\\n')\n"
        "time.sleep(600)\n"
    )
    words = [sys.executable, "-I", supervisor.__file__, *SERVER, "--pids", str(file)]
    parent = subprocess.Popen([sys.executable, "-c", code, str(fork), *words])
    of_server = pids(file)
    [forked] = pids(fork)
    try:
        parent.kill()
        parent.wait()
        assert wait_until(lambda: all(map(gone, of_server)))
        assert not gone(forked)
    finally:
        os.kill(forked, signal.SIGKILL)


def test_the_commands_own_exit_code_is_its_own() -> None:
    going = supervised([sys.executable, "-c", "print('hello'); exit(7)"])
    assert going.stdout is not None
    assert going.stdout.read() == f"hello\n\n{supervisor.ENDED}7\n"
    assert going.wait(30) == 7


def test_a_command_that_cannot_be_started() -> None:
    going = supervised(["/no/such/program"])
    assert going.stdout is not None
    assert going.stdout.read().startswith("/no/such/program cannot be started: No such file")
    assert going.wait(30) == 127
