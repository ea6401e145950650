"""questions.jsonl: a line a question, written at once; read again; an xdist run's parts merged."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from pytest_llmeval.core.types import Completion, Record
from pytest_llmeval.results.run_folder import QUESTIONS, encode, replacing, trouble, writing

__all__ = ["QUESTIONS", "QuestionLog", "merge", "read_questions", "record_json"]

_FLUSH_EVERY_S = 0.25
_BUFFER_BYTES = 1 << 18
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class QuestionLog:
    """questions.jsonl, or an xdist worker's part of it: a line a question, there within moments.

    Raises ``LLMEvalError`` naming the folder.
    """

    def __init__(self, path: Path, *, each_line: bool = False) -> None:
        """With ``each_line`` a line is there when ``write`` returns."""
        self._every_s = -1.0 if each_line else _FLUSH_EVERY_S
        self._folder = path.parent
        self._flushed = 0.0
        with writing(self._folder):
            torn = _is_torn(path)
            self._file = path.open("ab", _BUFFER_BYTES)
            if torn:
                self._file.write(b"\n")

    def write(self, record: Record) -> None:
        """Append the record's line; a killed process loses those of its last moment at most."""
        line = encode(_JSON.encode(record_json(record)))
        now = time.monotonic()
        try:
            self._file.write(line + b"\n")
            if now - self._flushed > self._every_s:
                self._file.flush()
                self._flushed = now
        except OSError as error:
            raise trouble(self._folder, error) from error

    def close(self) -> None:
        """No more lines."""
        with writing(self._folder):
            self._file.close()

    def __enter__(self) -> QuestionLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def record_json(record: Record) -> dict[str, Any]:
    """A record as its line in questions.jsonl; the prompt is the one that was really sent."""
    rarely: dict[str, Any] = {}  # not in each line of a run that has none of it
    if record.cluster is not None:
        rarely["cluster"] = record.cluster
    if record.repeat:
        rarely["repeat"] = record.repeat
    if record.score is not None:
        rarely["score"] = _finite(record.score)
    if record.rotations:
        rarely["rotations"] = [_answer_json(one) for one in record.rotations]
    if record.judgement is not None:
        told = asdict(record.judgement)
        rarely["judgement"] = {**told, "latency_s": _finite(round(record.judgement.latency_s, 6))}
    if record.metrics:
        rarely["metrics"] = record.metrics
    if record.completion.greedy:
        rarely["greedy"] = dict(record.completion.greedy)
    if record.completion.parts:
        rarely["parts"] = [_part_json(part) for part in record.completion.parts]
    return {
        "id": record.id,
        "nodeid": record.nodeid,
        "model": record.model,
        "benchmark": record.benchmark,
        "subject": record.subject,
        "target": record.target,
        **_answer_json(record),
        **rarely,
    }


def _answer_json(record: Record) -> dict[str, Any]:
    """What was asked and came back, in one order of the choices where there are several."""
    completion = record.completion
    return {
        "outcome": record.outcome.value,
        "answer": record.answer,
        **({} if record.order is None else {"order": list(record.order)}),
        "text": completion.text,
        "reasoning": completion.reasoning,
        "finish_reason": completion.finish_reason,
        "prompt": record.prompt if completion.prompt is None else completion.prompt,
        "scores": {label: _finite(score) for label, score in completion.scores.items()},
        "latency_s": _finite(round(completion.latency_s, 6)),
        "queue_s": _finite(round(completion.queue_s, 6)),
        "batch_s": None if completion.batch_s is None else _finite(round(completion.batch_s, 6)),
        "first_token_s": None
        if completion.first_token_s is None
        else _finite(round(completion.first_token_s, 6)),
        "prompt_tokens": completion.prompt_tokens,
        "shared_tokens": completion.shared_tokens,
        "completion_tokens": completion.completion_tokens,
        "attempts": completion.attempts,
        "cached": completion.cached,
        "dropped_shots": completion.dropped_shots,
        "notes": list(completion.notes),
        "error": completion.error,
    }


def _part_json(part: Completion) -> dict[str, Any]:
    """What of a part is not in the whole's sums."""
    return {
        "prompt": part.prompt,
        "text": part.text,
        "finish_reason": part.finish_reason,
        "scores": {label: _finite(score) for label, score in part.scores.items()},
        "greedy": dict(part.greedy),
    }


def _finite(number: float) -> float | None:
    """JSON has no infinity (the log-probability of what cannot be) and no NaN."""
    return number if math.isfinite(number) else None


def _is_torn(path: Path) -> bool:
    """Whether the file ends within a line, as a process that was killed leaves it."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except FileNotFoundError:
        return False


def read_questions(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a question log in order, without those that a crash cut off."""
    return (row for _, row in placed_questions(path))


def placed_questions(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a question log as ``read_questions`` gives them, each with the byte it begins at."""
    with path.open("rb") as file:
        start = 0
        for line in file:
            if (row := parse_line(line)) is not None:
                yield start, row
            start += len(line)


def parse_line(line: bytes) -> dict[str, Any] | None:
    """One line of a question log; None for what a crash left of it."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and "id" in row and "model" in row else None


def merge(parts: Iterable[Path], target: Path, order: Iterable[tuple[str, str]] | None = None) -> int:
    """Join question logs into ``target`` (which may be one of them); returns the number of lines.

    Of lines for the same question, model and repeat the last wins; a line that a crash cut off is
    left out. With an ``order`` of (id, model) only what it names is joined, in that order: a worker that
    is interrupted may have written what nobody counted.
    Only where the lines are is kept in memory. Raises ``LLMEvalError`` naming the target's folder.
    """
    with writing(target.parent):
        paths = [path for path in parts if path.exists()]
        where: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
        for number, path in enumerate(paths):
            for start, row in placed_questions(path):
                key = str(row["id"]), str(row["model"])
                where.setdefault(key, {})[row.get("repeat", 0)] = number, start
        keys = list(where if order is None else dict.fromkeys(key for key in order if key in where))
        files = [path.open("rb") for path in paths]
        try:
            with replacing(target) as out:
                for number, start in (place for key in keys for place in where[key].values()):
                    files[number].seek(start)
                    out.write(files[number].readline().rstrip(b"\r\n") + b"\n")
        finally:
            for file in files:
                file.close()
    return sum(len(where[key]) for key in keys)
