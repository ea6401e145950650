"""Docker and Podman: their command lines, and a whole run with a program that takes the place of docker."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from pytest_llmeval.scoring.sandbox import containers, selection
from pytest_llmeval.scoring.sandbox.base import Guest, Limits, SandboxFailed
from pytest_llmeval.scoring.sandbox.containers import Container, command, default_image
from pytest_llmeval.scoring.sandbox.runner import ProgramResult, PythonTests, run

#: notes its arguments, and runs what a container would run; it isolates nothing
FAKE = """#!{python}
import json, os, subprocess, sys
with open({calls!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + chr(10))
if sys.argv[1] == "run":
    image = sys.argv.index("some/image:1")
    assert sys.argv[image + 1 : image + 3] == ["-s", "KILL"] and sys.argv[image + 4] == "python3"
    options = [part for part in sys.argv if part.startswith("--env=")]
    environment = dict(option.removeprefix("--env=").split("=", 1) for option in options)
    settings = json.loads(sys.argv[-1])
    os.execve(sys.executable, [sys.executable, *sys.argv[image + 5 :]], environment)
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the arguments of each call of ``docker``, as JSON."""
    (tmp_path / "bin").mkdir()
    path, program = tmp_path / "calls", tmp_path / "bin/docker"
    program.write_text(FAKE.format(python=sys.executable, calls=str(path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return path


def arguments_of(calls: Path) -> list[list[str]]:
    return [json.loads(line) for line in calls.read_text().splitlines()]


def test_the_command_line_isolates() -> None:
    line = command("docker", "some/image:1", "llmeval-1", Guest(Limits(5.0, 256, 16, 4)))
    options, rest = line[: line.index("some/image:1")], line[line.index("some/image:1") + 1 :]
    assert options[:2] == ["docker", "run"]
    assert {
        "--rm",
        "--interactive",
        "--pull=never",
        "--network=none",
        "--ipc=none",
        "--read-only",
        "--user=65534:65534",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--memory=272m",
        "--memory-swap=272m",
        "--pids-limit=6",
        "--tmpfs=/tmp:rw,nosuid,nodev,size=16m,nr_inodes=4096,mode=1777",
        "--name=llmeval-1",
        "--entrypoint=timeout",
    } <= set(options)
    assert not [option for option in options if option.startswith(("-v", "--volume", "--mount", "--priv"))]
    assert rest[:4] == ["-s", "KILL", "75", "python3"]
    limits = {name for name, _, _ in json.loads(rest[-1])["limits"]}
    assert "AS" in limits and "NPROC" not in limits  # which would count all containers together
    assert "--read-only-tmpfs=false" in command("podman", "i", "n", Guest(Limits()))


def test_keys_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "sk-secret" not in "".join(command("docker", "i", "n", Guest(Limits())))


def test_programs_run_in_a_container(calls: Path) -> None:
    docker = Container("docker", "some/image:1")
    assert run("x = 1", PythonTests("assert x == 1"), provider=docker) == ProgramResult(True)
    assert run("x = 1", PythonTests("assert x"), provider=docker).passed
    (first, second) = arguments_of(calls)  # each in a container of its own, which ended by itself
    names = {part for part in (*first, *second) if part.startswith("--name=")}
    assert len(names) == 2


def test_a_container_that_does_not_end_is_removed(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_CLIENT_END_S", 0)
    docker = Container("docker", "some/image:1")
    result = run("while True: pass", PythonTests(""), Limits(seconds=0.5), provider=docker)
    assert result.reason == "not done after 0.5 s"
    started, removed = arguments_of(calls)
    name = next(part for part in started if part.startswith("--name=")).removeprefix("--name=")
    assert removed == ["rm", "--force", name]


def test_a_sandbox_that_does_not_isolate_is_refused(calls: Path) -> None:
    selection.why_not.cache_clear()
    try:
        assert "AssertionError" in (selection.why_not(Container("docker", "some/image:1")) or "")
    finally:
        selection.why_not.cache_clear()


def test_the_client_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "podman"
    program.write_text(
        "#!/bin/sh\necho 'podman: no such image' >&2; echo \"See 'podman --help'\" >&2; exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(SandboxFailed, match=r"^no such image$"):
        run("", PythonTests(""), provider=Container("podman", default_image()))
