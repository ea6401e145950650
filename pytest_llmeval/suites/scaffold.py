"""``--llm-new-benchmark``: create a folder with a starter benchmark."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.suites.spec import FILE_NAME

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_TOML = """\
title = "{name}"
source = ""                # where the questions come from
licence = ""

# How an answer is compared with the gold answer: choice, exact, number, math, contains, json, f1, ...
metric = "choice"
max_tokens = 256

[data]
paths = ["questions.csv"]  # csv, jsonl or parquet
question = "question"      # column names
choices = ["A", "B", "C"]
answer = "answer"

# The prompt: {{{{ COLUMN }}}} inserts the value of a column
[prompts.generate]
user = \"\"\"
{{{{ question }}}}
A. {{{{ A }}}}
B. {{{{ B }}}}
C. {{{{ C }}}}
Answer with the letter alone.\"\"\"
"""
_ROWS = """\
question,A,B,C,answer
Which of these is the largest?,A mouse,A whale,A cat,B
Which month has 28 days in most years?,February,May,August,A
"Which word in ""red, green, salt"" is not a colour?",Salt,Red,Green,A
"""


def write_benchmark(name: str, start: Path) -> list[str]:
    """Write a starter benchmark to the folder ``name``, and return the lines to print.

    ``name`` may be a path, whose last part is the benchmark's name. Raises ``UserError`` if the name is
    invalid or the folder is not empty.
    """
    folder = start / os.path.expanduser(name)
    if not _NAME.fullmatch(folder.name):
        raise UserError(
            f"--llm-new-benchmark={one_line(name, 60)}: a name has only ASCII letters, digits, - and _"
        )
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"--llm-new-benchmark: {folder} already exists; choose another name")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE_NAME).write_text(_TOML.format(name=folder.name), "utf-8")
        (folder / "questions.csv").write_text(_ROWS, "utf-8")
    except OSError as error:
        raise UserError(f"--llm-new-benchmark: {folder} cannot be written: {error.strerror}") from None
    return [
        f"wrote {os.path.join(name, FILE_NAME)} and {os.path.join(name, 'questions.csv')}; try it:",
        f"  pytest --llm-model=echo {shlex.quote(f'--llm-benchmark={name}')}",
    ]
