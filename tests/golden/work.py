"""A scenario's folder, its server, and running pytest in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_api import FakeApi
from picture import Picture, Places

#: plugins of the development environment that slow every run down and have nothing to do with it
_PYTEST = (
    *("-m", "pytest", "-p", "no:hypothesispytest", "-p", "no:benchmark", "-p", "no:anyio"),
    *("-p", "no:cacheprovider"),
)
_LEAVE_OUT = ("LLMEVAL_", "OPENAI_", "PYTEST_", "GITHUB_", "HF_", "XDG_", "COV_")
_LONGEST_S = 900


class Work:
    """Where a scenario runs. Each ``pytest`` call is a step of its picture."""

    def __init__(
        self, folder: Path, tree: Path, data: Path, *, port: int = 0, unpacked: Path | None = None
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder, self.tree, self.data = folder, tree, data
        self.store = folder / "cache/pytest-llmeval/completions.sqlite3"
        self.api = FakeApi(port)
        self.picture = Picture(
            Places(
                {
                    folder: "<work>",
                    tree: "<tree>",
                    data: "<data>",
                    Path(sys.prefix): "<python>",
                    Path(sys.executable): "<python>/bin/python",
                },
                {os.path.relpath(folder, tree): "<work>"},
            )
        )
        self.write("pytest.ini", "[pytest]\n")
        if unpacked is not None:
            self.store.parent.mkdir(parents=True)
            (self.store.parent / "models").symlink_to(unpacked.resolve(), target_is_directory=True)

    def __enter__(self) -> Work:
        self.api.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.api.__exit__(*exc)

    def write(self, name: str, content: str) -> Path:
        """Write a file of the scenario."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
        return path

    def api_model(self, name: str = "m") -> tuple[str, ...]:
        """The options that ask the fake server."""
        return f"--llm-model=openai:{name}", f"--llm-base-url={self.api.url}"

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        """As on a fresh account, without a network; the package comes from the tree."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(_LEAVE_OUT)}
        for name in ("CI", "FORCE_COLOR", "PY_COLORS"):
            env.pop(name, None)
        return {
            **env,
            "PYTHONPATH": str(self.tree),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "COLUMNS": "120",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",  # the scenarios run beside each other
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "HF_HOME": str(self.folder / "hf"),
            "HF_HUB_OFFLINE": "1",
            **more,
        }

    def start(self, *args: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Running:
        """Start Python with ``args`` in the scenario's folder."""
        return Running([sys.executable, *args], cwd or self.folder, self.environment(env or {}))

    def pytest(
        self,
        step: str,
        *args: str,
        requests: bool = True,
        named: bool = True,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> dict[str, Any]:
        """Run pytest as a step, and add what it left behind to the picture.

        The run's folder has the step's name, unless it is not ``named``. Without ``requests`` the server's
        requests are not counted.
        """
        name = (f"--llm-run-name={step}",) if named else ()
        asked = self.api.posts
        running = self.start(*_PYTEST, *args, *name, env=env, cwd=cwd)
        code = running.wait()
        found = self.finished(step, code, running.stdout, running.stderr, xdist="-n2" in args)
        if requests:
            found["requests"] = self.api.posts - asked
        return found

    def finished(self, step: str, code: int, stdout: str, stderr: str, xdist: bool = False) -> dict[str, Any]:
        """Add a step that ended to the picture."""
        found: dict[str, Any] = {"exit": code, **self.picture.terminal(step, stdout, stderr, xdist)}
        if (self.folder / "reports" / step).is_dir():
            found["run"] = self.picture.run(step, self.folder / "reports" / step, xdist)
        self.picture.content[step] = found
        return found

    def begin(self, *args: str) -> Running:
        """Start pytest, to be interrupted."""
        return self.start(*_PYTEST, *args)

    def lines(self, step: str, *args: str, words: tuple[str, ...] = (), only: str = "", **more: Any) -> None:
        """Run pytest for its output: all lines between its head and its end are the picture.

        Lines that begin with one of ``words`` are messages for people; ``only`` lines with this text count.
        """
        running = self.start(*_PYTEST, *args, **more)
        code = running.wait()
        kept, said = [], []
        for line in running.stdout.splitlines():
            if (
                line.startswith(("platform ", "plugins: ", "rootdir: ", "=====", "configfile: "))
                or only not in line
            ):
                continue
            if line.startswith(words):
                said.append(self.picture.places.words(line))
            else:
                kept.append(self.picture.places.words(line))
        self.picture.words[f"{step}/stdout"] = said
        self.picture.content[step] = {"exit": code, "lines": kept}

    def tool(self, step: str, *args: str, as_json: bool = False) -> None:
        """Run ``python -m pytest_llmeval`` as a step: rows of tables, or JSON."""
        running = self.start("-m", "pytest_llmeval", *args)
        code = running.wait()
        stdout = running.stdout
        found: dict[str, Any] = {"exit": code}
        if as_json:
            found["json"] = self.picture.value(json.loads(stdout), f"{step}/json")
        else:
            framed = f"= llmeval =\n{stdout}"
            found.update(self.picture.terminal(step, framed, running.stderr, False))
        self.picture.content[step] = found


class Running:
    """A process with its output in files, so that it may be killed at any time."""

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str]) -> None:
        self.stdout = self.stderr = ""
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def wait(self) -> int:
        """The exit code, once it has ended by itself."""
        try:
            self.stdout, self.stderr = self._process.communicate(timeout=_LONGEST_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            raise
        return self._process.returncode

    def send(self, sign: signal.Signals) -> int:
        """Send a signal and wait for the end."""
        if sign is signal.SIGKILL:
            os.killpg(self._process.pid, sign)
        else:
            self._process.send_signal(sign)
        return self.wait()

    @property
    def going(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until ``condition()`` holds. Raises ``TimeoutError``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.02)
