"""Create, find and write run folders.

Except for the growing question log, files are written to a temporary name and then renamed, so readers
never see a partial file. Disk errors are raised as one-line messages.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from pytest_llmeval.core.errors import LLMEvalError, UserError, one_line

LATEST = "latest"
RESULTS = "results.json"
#: of results.json
SCHEMA = 1
#: one line per question; see ``results/question_log.py``
QUESTIONS = "questions.jsonl"


def safe_name(text: str, default: str = "run") -> str:
    """Convert ``text`` to a file name of at most 80 ASCII letters, digits, ``.``, ``_`` and ``-``."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:80].strip("-.")
    return name or default


def new_run_folder(
    reports_dir: Path, name: str | None = None, *, model: str = "", now: datetime | None = None
) -> Path:
    """Create a run's folder, called ``name`` or by time and model, as in ``20261123-224500-smollm2``.

    If the name is taken, appends ``-2``, ``-3``, ... Raises ``UserError``.
    """
    if name is None:
        stamp = (now or datetime.now()).strftime("%Y%m%d-%H%M%S")
        base_name = safe_name(f"{stamp}-{safe_name(model, 'model')}")
    else:
        base_name = safe_name(name)
        if base_name.lower() == LATEST:
            raise UserError(
                f"--llm-run-name={one_line(name, 80)}: {LATEST!r} always points at the last run; "
                "choose another name"
            )
    try:
        reports_dir.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            folder = reports_dir / (base_name if number == 1 else f"{base_name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise UserError(_failure(reports_dir, error)) from error
    raise UserError(f"{reports_dir} holds too many runs named {base_name!r}; choose another --llm-run-name")


def point_latest(reports_dir: Path, run_folder: Path) -> None:
    """Point ``reports_dir/latest`` at ``run_folder``, with a symlink or else a text file with its name.

    Raises ``LLMEvalError``.
    """
    latest = reports_dir / LATEST
    if latest.is_dir() and not latest.is_symlink():
        raise LLMEvalError(
            f"cannot write results in {latest}: it is a folder, no link to the last run; rename or remove it"
        )
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


def find_run(name: str, reports_dir: Path, start: Path, source: str) -> Path:
    """Find a run's folder; ``name`` is the folder, its results.json, or a run's name in ``reports_dir``.

    ``source`` is the option as the user typed it, for messages. Raises ``UserError``.
    """
    path = start / os.path.expanduser(name)  # unlike pathlib's, does not raise for an unknown user
    if path.name == RESULTS:
        path = path.parent
    for folder in (path, reports_dir / name):
        if os.path.isfile(folder / QUESTIONS):
            return folder.resolve()
        if folder.name == LATEST and os.path.isfile(folder):  # without symlinks the file contains the name
            return folder.parent / folder.read_text("utf-8").strip()
    raise UserError(f"{source}: not a run ({QUESTIONS} is missing); give a run's folder or name")


def read_results(folder: Path, source: str) -> dict[str, Any]:
    """The content of a run's results.json. Raises ``UserError`` for another file or a later schema.

    ``source`` is the option as the user typed it, for messages.
    """
    path = folder / RESULTS
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        schema = content.get("schema", SCHEMA)
        if isinstance(schema, int) and schema > SCHEMA:
            raise UserError(
                f"{source}: {path} has schema {schema}, and this version of pytest-llmeval-harness reads "
                f"schema {SCHEMA}; update it: pip install -U pytest-llmeval-harness"
            )
        content["results"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise unreadable(path, source, error) from None
    return content


def unreadable(path: Path, source: str, error: Exception) -> UserError:
    """The error for a results.json that is none."""
    return UserError(f"{source}: {path} cannot be read ({type(error).__name__}); is it a finished run?")


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8 atomically. Raises ``LLMEvalError`` naming its folder."""
    with writing(path.parent), replacing(path) as file:
        file.write(encode(text))


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces ``path`` if the block succeeds."""
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
    """Convert an OSError to an ``LLMEvalError`` that names the folder."""
    try:
        yield
    except OSError as error:
        raise trouble(folder, error) from error


def trouble(folder: Path, error: OSError) -> LLMEvalError:
    """The error for a failed write, in one line that names the folder."""
    return LLMEvalError(_failure(folder, error))


def _failure(folder: Path, error: OSError) -> str:
    cause = error.strerror or type(error).__name__
    return one_line(f"cannot write results in {folder}: {cause}; choose another folder with --llm-report-dir")


def encode(text: str) -> bytes:
    """Encode as UTF-8; a lone surrogate becomes its escape, which is equivalent in a JSON string."""
    return text.encode("utf-8", "backslashreplace")
