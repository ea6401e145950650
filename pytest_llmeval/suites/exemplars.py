"""Few-shot examples that a benchmark publishes as text, a file for each subject or one for all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.decoding import decode
from pytest_llmeval.suites.spec import Benchmark


def load_exemplars(benchmark: Benchmark, subjects: Iterable[str], roots: Sequence[Path]) -> dict[str, str]:
    """The text of each subject from the first of its files in ``roots`` or the benchmark's folder.

    Empty if the benchmark has no such files. Raises ``UserError`` if a file is missing or the pattern does
    not match.
    """
    if not benchmark.data.exemplars:
        return {}
    return {subject: _text(benchmark, subject, (*roots, benchmark.folder)) for subject in subjects}


def _text(benchmark: Benchmark, subject: str, roots: Sequence[Path]) -> str:
    names = [template.format(subject=subject, split="") for template in benchmark.data.exemplars]
    path = next((root / name for root in roots for name in names if (root / name).is_file()), None)
    if path is None:
        places = " or ".join(dict.fromkeys(map(str, roots)))
        raise UserError(
            f"{benchmark.name}: no exemplars for subject {subject}: {names[0]} is not in {places}"
        )
    try:
        text = decode(path.read_bytes(), path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    pattern = benchmark.data.exemplars_pattern
    if pattern is None:
        return text
    match = re.search(pattern, text)
    if match is None:
        raise UserError(f"{path}: exemplars_pattern does not match")
    return match[match.re.groups and 1] or ""
