"""``--llm-new-benchmark``: create a folder with a starter benchmark."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.suites import catalog
from pytest_llmeval.suites.spec import FILE_NAME
from pytest_llmeval.suites.starters import Starter, starter

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_TOML = """\
title = "{name}"
source = ""                # where the questions come from
licence = ""
max_tokens = {max_tokens}          # most tokens of an answer

{metric}

[data]
paths = ["{file}"]  # csv, tsv, json, jsonl or parquet
question = "question"      # the names of columns
{choices}answer = "answer"          # {gold}

# The prompt: {{ COLUMN }} inserts the value of a column
[prompts.generate]
user = \"\"\"
{user}\"\"\"
"""


def write_benchmark(name: str, metric: str, start: Path) -> list[str]:
    """Write a starter benchmark for ``metric`` to the folder ``name``, and return the lines to print.

    ``name`` may be a path, whose last part is the benchmark's name. Raises ``UserError`` if the name is
    invalid or that of a packaged benchmark, if the folder is not empty, or if there is no such starter.
    """
    folder = start / os.path.expanduser(name)
    where = f"--llm-new-benchmark={one_line(name, 60)}"
    if not _NAME.fullmatch(folder.name):
        raise UserError(f"{where}: a name has only ASCII letters, digits, - and _")
    if folder.name in catalog.packaged():
        raise UserError(f"{where}: {folder.name} is a packaged benchmark; choose another name")
    content = starter(metric)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"--llm-new-benchmark: {folder} already exists; choose another name")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE_NAME).write_text(_toml(folder.name, content), "utf-8")
        (folder / content.file).write_text(content.rows, "utf-8")
    except OSError as error:
        raise UserError(f"--llm-new-benchmark: {folder} cannot be written: {error.strerror}") from None
    command = " ".join(filter(None, (shlex.quote(f"--llm-benchmark={name}"), content.options)))
    files = [os.path.join(name, file) for file in (FILE_NAME, content.file)]
    return [
        f"wrote {files[0]} and {files[1]}; try them without a model:",
        f"  pytest --llm-model=echo {command}",
        "print the prompts without sending them:",
        f"  pytest --llm-model=echo {command} --llm-show-prompts",
        f"then replace the questions in {files[1]}, and name a model (--llm-list shows how)",
        *([content.needs] if content.needs else []),
    ]


def _toml(name: str, content: Starter) -> str:
    labels = ", ".join(f'"{label}"' for label in content.choices)
    values = {
        "name": name,
        "max_tokens": "256 " if content.choices else "1024",
        "metric": content.metric,
        "file": content.file,
        "choices": f"choices = [{labels}]\n" if labels else "",
        "gold": content.gold,
        "user": content.user,
    }
    toml = _TOML
    for key, value in values.items():
        toml = toml.replace(f"{{{key}}}", value)
    return toml
