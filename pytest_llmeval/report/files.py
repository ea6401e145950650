"""The files of a run's folder: results.json, questions.jsonl, the summaries, submissions.

Every file but the growing question log is written beside its place and moved there, so that a
reader never sees half of one. What goes wrong on the disk is raised as one line.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from pytest_llmeval.errors import LLMEvalError, UserError, one_line
from pytest_llmeval.gate import Verdict
from pytest_llmeval.report.markdown import summary_markdown
from pytest_llmeval.report.summary import Group, Part, Result, outline
from pytest_llmeval.types import Outcome, Record

SCHEMA = 1
LATEST = "latest"
QUESTIONS = "questions.jsonl"

_CSV_COLUMNS = (
    "level", "model", "benchmark", "name", "name_en", "name_zh",
    "requested", "correct", "wrong", "unparsed", "answered", "error",
    "accuracy", "macro_accuracy", "interval_low", "interval_high", "latency_p50_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What results.json says of the run as a whole; ``started`` in ISO 8601 with its time zone."""

    name: str
    started: str
    duration_s: float
    complete: bool
    command: str
    versions: Mapping[str, str]
    machine: Mapping[str, object]


# --- folders ---------------------------------------------------------------------------------


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
        raise UserError(_trouble(reports_dir, error)) from error
    raise UserError(f"{reports_dir} holds too many runs named {wanted!r}; choose another --llm-run-name")


def point_latest(reports_dir: Path, run_folder: Path) -> None:
    """Let ``reports_dir/latest`` point at ``run_folder``: a link, or a text file with its name.

    Raises ``LLMEvalError``.
    """
    latest = reports_dir / LATEST
    with _writing(reports_dir):
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


def write_text(path: Path, text: str) -> None:
    """Write a whole file in UTF-8, at once. Raises ``LLMEvalError`` naming its folder."""
    with _writing(path.parent), _replacing(path) as file:
        file.write(_encode(text))


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
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
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LLMEvalError(_trouble(folder, error)) from error


def _trouble(folder: Path, error: OSError) -> str:
    why = error.strerror or type(error).__name__
    return one_line(f"cannot write results in {folder}: {why}; choose another folder with --llm-report-dir")


def _encode(text: str) -> bytes:
    """UTF-8; a lone surrogate becomes its escape, which in a JSON string means the same."""
    return text.encode("utf-8", "backslashreplace")


# --- results ---------------------------------------------------------------------------------


def write_run(
    folder: Path,
    run: RunInfo,
    results: Sequence[Result],
    gates: Sequence[Verdict] = (),
    errors: Iterable[tuple[str, str]] = (),
) -> None:
    """Write results.json, summary.md and summary.csv; ``errors`` are (question id, message).

    Raises ``LLMEvalError`` naming the folder.
    """
    content = json.dumps(results_json(run, results, gates), ensure_ascii=False, indent=1)
    write_text(folder / "results.json", content + "\n")
    write_text(folder / "summary.md", summary_markdown(run.name, run.complete, results, gates, errors))
    write_text(folder / "summary.csv", summary_csv(results))


def results_json(run: RunInfo, results: Iterable[Result], gates: Iterable[Verdict]) -> dict[str, Any]:
    """The content of results.json, schema 1."""
    return {
        "schema": SCHEMA,
        "run": {
            "name": run.name,
            "started": run.started,
            "duration_s": run.duration_s,
            "complete": run.complete,
            "command": run.command,
            "versions": dict(run.versions),
            "machine": dict(run.machine),
        },
        "results": [_result_json(result) for result in results],
        "gates": [
            {
                "expr": verdict.expr,
                "verdict": verdict.verdict,
                "value": verdict.value,
                "threshold": verdict.threshold,
                "reason": verdict.reason,
                "model": verdict.model,
                "benchmark": verdict.benchmark,
                "part": verdict.part,
            }
            for verdict in gates
        ],
    }


def _result_json(result: Result) -> dict[str, Any]:
    info, latency, tokens = result.info, result.latency, result.tokens
    return {
        "model": result.model,
        "identity": result.identity,
        "benchmark": result.benchmark,
        "mode": info.mode,
        "shots": info.shots,
        "split": info.split,
        "prompt_sha256": info.prompt_sha256,
        "data_sha256": info.data_sha256,
        "planned": info.planned,
        "counts": result.counts.as_dict(),
        "accuracy": result.accuracy,
        "macro_accuracy": result.macro_accuracy,
        "interval": result.interval,
        "subjects": {key: _subject_json(key, part, result) for key, part in result.subjects.items()},
        "groups": {
            name: {**_part_json(group), "macro_accuracy": group.macro_accuracy}
            for name, group in result.groups.items()
        },
        "latency_s": {"p50": latency.p50, "p95": latency.p95, "mean": latency.mean},
        "tokens": {"prompt": tokens.prompt, "completion": tokens.completion},
        "questions_per_s": result.questions_per_s,
        "cached": result.cached,
    }


def _part_json(part: Part) -> dict[str, Any]:
    return {
        "counts": part.counts.as_dict(),
        "accuracy": part.accuracy,
        "interval": part.interval,
        "latency_p50_s": part.latency_p50_s,
    }


def _subject_json(key: str, part: Part, result: Result) -> dict[str, Any]:
    english, chinese = result.info.subjects.get(key, ("", ""))
    return {**_part_json(part), "total": result.info.total.get(key), "name_en": english, "name_zh": chinese}


def summary_csv(results: Iterable[Result]) -> str:
    """A line a subject, group and benchmark, told apart by ``level``.

    ``accuracy`` is the mean over questions, ``macro_accuracy`` the mean over subjects.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, _CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for result in results:
        for group, subjects in outline(result.subjects, result.info.groups):
            if group:
                writer.writerow(_csv_row("group", group, result, result.groups[group]))
            for key in subjects:
                writer.writerow(_csv_row("subject", key, result, result.subjects[key]))
        writer.writerow(_csv_row("benchmark", result.benchmark, result, result.whole))
    return out.getvalue()


def _csv_row(level: str, name: str, result: Result, part: Part) -> dict[str, object]:
    subject = level == "subject"
    english, chinese = result.info.subjects.get(name, ("", "")) if subject else ("", "")
    low, high = part.interval or (None, None)
    return {
        "level": level,
        "model": result.model,
        "benchmark": result.benchmark,
        "name": name,
        "name_en": english,
        "name_zh": chinese,
        **part.counts.as_dict(),
        "accuracy": part.accuracy,
        "macro_accuracy": part.macro_accuracy if isinstance(part, Group) else None,
        "interval_low": low,
        "interval_high": high,
        "latency_p50_s": part.latency_p50_s,
    }


# --- questions -------------------------------------------------------------------------------


class QuestionLog:
    """questions.jsonl, or an xdist worker's part of it: a line a question, there at once.

    Raises ``LLMEvalError`` naming the folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _writing(path.parent):
            torn = _is_torn(path)
            self._file = path.open("ab")
            if torn:
                self._file.write(b"\n")

    def write(self, record: Record) -> None:
        """Append the record's line; once this returns, a crash of the process cannot lose it."""
        line = json.dumps(record_json(record), ensure_ascii=False, allow_nan=False)
        with _writing(self._path.parent):
            self._file.write(_encode(line) + b"\n")
            self._file.flush()

    def close(self) -> None:
        """No more lines."""
        with _writing(self._path.parent):
            self._file.close()

    def __enter__(self) -> QuestionLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def record_json(record: Record) -> dict[str, Any]:
    """A record as its line in questions.jsonl; the prompt is the one that was really sent."""
    completion = record.completion
    return {
        "id": record.id,
        "nodeid": record.nodeid,
        "model": record.model,
        "benchmark": record.benchmark,
        "subject": record.subject,
        "outcome": record.outcome.value,
        "answer": record.answer,
        "target": record.target,
        "text": completion.text,
        "reasoning": completion.reasoning,
        "finish_reason": completion.finish_reason,
        "prompt": record.prompt if completion.prompt is None else completion.prompt,
        "scores": {label: _finite(score) for label, score in completion.scores.items()},
        "latency_s": _finite(round(completion.latency_s, 6)),
        "queue_s": _finite(round(completion.queue_s, 6)),
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "attempts": completion.attempts,
        "cached": completion.cached,
        "dropped_shots": completion.dropped_shots,
        "notes": list(completion.notes),
        "error": completion.error,
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
    with path.open("rb") as file:
        for line in file:
            if (row := _parse(line)) is not None:
                yield row


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and "id" in row and "model" in row else None


def merge(parts: Iterable[Path], target: Path, order: Iterable[tuple[str, str]] | None = None) -> int:
    """Join question logs into ``target`` (which may be one of them); returns the number of lines.

    Of lines for the same question and model the last wins; a line that a crash cut off is left
    out. Lines come in the ``order`` of (id, model), those it does not name after them as found.
    Only where the lines are is kept in memory. Raises ``LLMEvalError`` naming the target's folder.
    """
    with _writing(target.parent):
        paths = [path for path in parts if path.exists()]
        where: dict[tuple[str, str], tuple[int, int]] = {}
        for number, path in enumerate(paths):
            with path.open("rb") as file:
                start = 0
                for line in file:
                    row = _parse(line)
                    if row is not None:
                        where[str(row["id"]), str(row["model"])] = number, start
                    start += len(line)
        keys = dict.fromkeys(key for key in order or () if key in where) | dict.fromkeys(where)
        files = [path.open("rb") for path in paths]
        try:
            with _replacing(target) as out:
                for key in keys:
                    number, start = where[key]
                    files[number].seek(start)
                    out.write(files[number].readline().rstrip(b"\r\n") + b"\n")
        finally:
            for file in files:
                file.close()
    return len(where)


# --- submissions -----------------------------------------------------------------------------


def write_submission(
    folder: Path,
    model: str,
    benchmark: str,
    answers: Mapping[str, Mapping[str, str]],
    *,
    taken: Iterable[tuple[str, str]] = (),
) -> Path:
    """Write ``{"accountant": {"0": "A", ...}, ...}``, what cevalbenchmark.com takes.

    ``taken`` are all (model, benchmark) of the run that submit: alone the file is
    submission.json, else the name says which it is. Raises ``LLMEvalError`` naming the folder.
    """
    path = folder / _submission_names({*taken, (model, benchmark)})[model, benchmark]
    content = {subject: dict(of) for subject, of in answers.items()}
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return path


def _submission_names(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A file name for each (model, benchmark), none twice."""
    ordered = sorted(keys)
    several_models = len({model for model, _ in ordered}) > 1
    several_benchmarks = len({benchmark for _, benchmark in ordered}) > 1
    names: dict[tuple[str, str], str] = {}
    used: set[str] = set()
    for model, benchmark in ordered:
        parts = ["submission"]
        parts += [safe_name(benchmark, "benchmark")] * several_benchmarks
        parts += [safe_name(model, "model")] * several_models
        stem = wanted = "-".join(parts)
        number = 1
        while stem.lower() in used:
            number += 1
            stem = f"{wanted}-{number}"
        used.add(stem.lower())
        names[model, benchmark] = f"{stem}.json"
    return names


def write_submissions(folder: Path) -> list[Path]:
    """Write the submissions of all ``answered`` questions in the folder's questions.jsonl.

    What could not be read or asked has no answer to submit and is left out.
    """
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    with _writing(folder):
        for row in read_questions(folder / QUESTIONS):
            if row.get("outcome") == Outcome.ANSWERED.value and row.get("answer") is not None:
                subjects = found.setdefault((str(row["model"]), str(row["benchmark"])), {})
                key = str(row["id"]).removeprefix(f"{row['benchmark']}/{row['subject']}/")
                subjects.setdefault(str(row["subject"]), {})[key] = str(row["answer"])
    return [
        write_submission(folder, model, benchmark, answers, taken=found)
        for (model, benchmark), answers in found.items()
    ]
