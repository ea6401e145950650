"""The command ``python -m pytest_llmeval``."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_llmeval.__main__ import main
from pytest_llmeval.core.types import Completion
from pytest_llmeval.runtime.store import FILE_NAME, Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    notes: list[str] = []
    store = Store(tmp_path / FILE_NAME, notes.append)
    for number in range(3):
        store.put(bytes([number]) * 32, "openai:m at http://x/v1", Completion("A" * 50))
    store.put(b"x" * 32, "hf:/models/\x1b[31mbig dtype=auto", Completion("B" * 5000))
    store.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        old = time.time() - 10 * 86_400
        connection.execute("update completions set created=? where key=?", (old, b"x" * 32))
    assert notes == []
    return tmp_path


def test_cache_shows_what_is_stored_the_largest_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", f"--cache-dir={folder}"]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.startswith(f"{folder / FILE_NAME}: 4 answers, ") and head.endswith("kB")
    assert "hf:/models/" in first and "\x1b" not in first and first.split()[0] == "1"
    assert second.endswith("openai:m at http://x/v1") and second.split()[0] == "3"
    assert time.strftime("%Y-%m-%d") in second and time.strftime("%Y-%m-%d") not in first


def test_prune_deletes_what_is_older(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", f"--cache-dir={folder}", "--prune=5"]) == 0
    said = capsys.readouterr().out
    assert "deleted 1 answers older than 5 days" in said and "3 answers" in said and "hf:" not in said
    assert main(["cache", f"--cache-dir={folder}", "--prune=0"]) == 0
    assert "deleted 3 answers" in capsys.readouterr().out


def test_the_default_is_where_runs_store(own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"{own_cache / 'pytest-llmeval' / FILE_NAME}: no answers are stored\n"


def test_a_damaged_store_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / FILE_NAME).write_bytes(b"no database at all, " * 100)
    assert main(["cache", f"--cache-dir={folder}"]) == 4
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ") and "is damaged" in error and error.count("\n") == 1


@pytest.mark.parametrize("days", ["-1", "many", "nan", "inf"])
def test_days_that_are_none_are_refused(folder: Path, days: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["cache", f"--cache-dir={folder}", f"--prune={days}"])
    assert caught.value.code == 2


def test_it_is_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "pytest_llmeval", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "cache" in done.stdout
