"""Write answers to questions without gold answers in the format of the official submission site."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.question_log import QUESTIONS, read_records
from pytest_llmeval.results.run_folder import safe_name, write_text, writing


def write_submission(
    folder: Path,
    model: str,
    benchmark: str,
    answers: Mapping[str, Mapping[str, str]],
    *,
    known_pairs: Iterable[tuple[str, str]] = (),
) -> Path:
    """Write ``{"accountant": {"0": "A", ...}, ...}``, the format of cevalbenchmark.com.

    ``known_pairs`` lists the run's (model, benchmark) pairs with a submission. A single one is written to
    submission.json; otherwise the file name includes the benchmark, the model or both.
    Raises ``LLMEvalError`` naming the folder.
    """
    path = folder / _submission_names({*known_pairs, (model, benchmark)})[model, benchmark]
    content = {subject: dict(by_key) for subject, by_key in answers.items()}
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return path


def _submission_names(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A unique file name for each (model, benchmark)."""
    ordered = sorted(keys)
    several_models = len({model for model, _ in ordered}) > 1
    several_benchmarks = len({benchmark for _, benchmark in ordered}) > 1
    names: dict[tuple[str, str], str] = {}
    used: set[str] = set()
    for model, benchmark in ordered:
        parts = ["submission"]
        parts += [safe_name(benchmark, "benchmark")] * several_benchmarks
        parts += [safe_name(model, "model")] * several_models
        stem = base = "-".join(parts)
        number = 1
        while stem.lower() in used:
            number += 1
            stem = f"{base}-{number}"
        used.add(stem.lower())
        names[model, benchmark] = f"{stem}.json"
    return names


def write_submissions(folder: Path) -> list[Path]:
    """Write submissions for all ``answered`` questions in the folder's questions.jsonl.

    Questions without an answer are skipped; for repeated questions the first answer is submitted.
    """
    answers: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    with writing(folder):
        for record in read_records(folder / QUESTIONS):
            if record.metrics:  # graded by its own suite
                continue
            if record.outcome is Outcome.ANSWERED and record.answer is not None:
                subjects = answers.setdefault((record.model, record.benchmark), {})
                key = record.id.removeprefix(f"{record.benchmark}/{record.subject}/")
                subjects.setdefault(record.subject, {}).setdefault(key, record.answer)
    return [
        write_submission(folder, model, benchmark, subjects, known_pairs=answers)
        for (model, benchmark), subjects in answers.items()
    ]
