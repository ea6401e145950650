"""A run's folder, and writing in it: every file but the growing question log is written beside its
place and moved there, so that a reader never sees half of one. What goes wrong on the disk is
raised as one line.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from pytest_llmeval.core.errors import LLMEvalError, UserError, one_line

LATEST = "latest"
RESULTS = "results.json"
#: a line a question; ``report/questions.py`` writes and reads it
QUESTIONS = "questions.jsonl"


def safe_name(text: str, default: str = "run") -> str:
    """``text`` as a file name of ASCII letters, digits, ``.``, ``_`` and ``-``, at most 80."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:80].strip("-.")
    return name or default


def new_run_folder(
    reports_dir: Path, name: str | None = None, *, model: str = "", now: datetime | None = None
) -> Path:
    """Make a new folder for a run: ``name``, or time and model as in ``20261123-224500-smollm2``.

    A name that is taken gets ``-2``, ``-3``, ... Raises ``UserError``.
    """
    if name is None:
        stamp = (now or datetime.now()).strftime("%Y%m%d-%H%M%S")
        wanted = safe_name(f"{stamp}-{safe_name(model, 'model')}")
    else:
        wanted = safe_name(name)
        if wanted.lower() == LATEST:
            raise UserError(
                f"--llm-run-name={one_line(name, 80)}: {LATEST!r} always points at the last run; "
                "choose another name"
            )
    try:
        reports_dir.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            folder = reports_dir / (wanted if number == 1 else f"{wanted}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise UserError(_refused(reports_dir, error)) from error
    raise UserError(f"{reports_dir} holds too many runs named {wanted!r}; choose another --llm-run-name")


def point_latest(reports_dir: Path, run_folder: Path) -> None:
    """Let ``reports_dir/latest`` point at ``run_folder``: a link, or a text file with its name.

    Raises ``LLMEvalError``.
    """
    latest = reports_dir / LATEST
    with writing(reports_dir):
        temporary = _beside(latest)
        try:
            temporary.symlink_to(run_folder.name, target_is_directory=True)
        except (OSError, NotImplementedError):
            write_text(latest, run_folder.name + "\n")
            return
        try:
            os.replace(temporary, latest)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def find_run(given: str, reports_dir: Path, start: Path, told: str) -> Path:
    """The folder of a run: ``given`` is that, its results.json, or the name of one in ``reports_dir``.

    ``told`` is how the user gave it, for messages. Raises ``UserError``.
    """
    path = start / os.path.expanduser(given)  # pathlib's raises for a user that there is not
    if path.name == RESULTS:
        path = path.parent
    for folder in (path, reports_dir / given):
        if os.path.isfile(folder / QUESTIONS):
            return folder.resolve()
        if folder.name == LATEST and os.path.isfile(folder):  # where there are no links it holds the name
            return folder.parent / folder.read_text("utf-8").strip()
    raise UserError(f"{told}: no run there ({QUESTIONS} is missing); give a run's folder or its name")


def write_text(path: Path, text: str) -> None:
    """Write a whole file in UTF-8, at once. Raises ``LLMEvalError`` naming its folder."""
    with writing(path.parent), replacing(path) as file:
        file.write(encode(text))


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` when all went well."""
    temporary = _beside(path)
    try:
        with temporary.open("xb") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}-{uuid.uuid4().hex}")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What the disk refuses becomes a ``LLMEvalError`` that names the folder."""
    try:
        yield
    except OSError as error:
        raise trouble(folder, error) from error


def trouble(folder: Path, error: OSError) -> LLMEvalError:
    """What the disk refused, as one line that names the folder."""
    return LLMEvalError(_refused(folder, error))


def _refused(folder: Path, error: OSError) -> str:
    why = error.strerror or type(error).__name__
    return one_line(f"cannot write results in {folder}: {why}; choose another folder with --llm-report-dir")


def encode(text: str) -> bytes:
    """UTF-8; a lone surrogate becomes its escape, which in a JSON string means the same."""
    return text.encode("utf-8", "backslashreplace")
