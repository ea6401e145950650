"""Outputs of another tool, in a JSONL file, as a run to replay.

Each line has ``id`` (a question's id, or its key within the benchmark) and ``text``; it may have ``model``
and ``finish_reason``. Lines with the same id and model are repeats of one question, in order.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.results.record import Record

#: other tools' names of the fields, in order of preference
_IDS = ("id", "question_id", "doc_id", "idx", "index", "key")
_TEXTS = ("text", "output", "model_output", "model_outputs", "response", "completion", "prediction")
_SUFFIXES = (".jsonl", ".jsonl.gz")


def is_outputs_file(path: Path) -> bool:
    """Whether a path is a JSONL file."""
    return path.name.endswith(_SUFFIXES) and path.is_file()


def read_outputs(path: Path) -> tuple[Mapping[str, list[Record]], str]:
    """The records of each model in a JSONL file, and the hash of its content. Raises ``UserError``.

    A record's benchmark and subject are empty; its id is that of the file.
    """
    records: dict[str, list[Record]] = {}
    repeats: dict[tuple[str, str], int] = {}
    digest = hashlib.sha256()
    for number, line in enumerate(_lines(path), start=1):
        digest.update(line)
        if not line.strip():
            continue
        id, model, completion = _output(line, f"--llm-replay: {path}, line {number}", path)
        repeat = repeats.get((model, id), 0)
        repeats[model, id] = repeat + 1
        record = Record(id, "", model, "", "", Outcome.ANSWERED, completion=completion, repeat=repeat)
        records.setdefault(model, []).append(record)
    if not records:
        raise UserError(f"--llm-replay: {path} has no lines")
    return records, digest.hexdigest()


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from file
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"--llm-replay: {path} cannot be read: {one_line(error, 120)}") from None


def _output(line: bytes, where: str, path: Path) -> tuple[str, str, Completion]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({one_line(error, 80)})") from None
    if not isinstance(row, dict):
        raise UserError(f'{where}: not an object such as {{"id": "0", "text": "The answer is B."}}')
    id = _field(row, _IDS, where)
    text = _field(row, _TEXTS, where)
    if not isinstance(text, str) or isinstance(id, bool) or not isinstance(id, (str, int)):
        raise UserError(f"{where}: the id must be a string or whole number, and the text a string")
    model = row.get("model")
    reason = row.get("finish_reason")
    return (
        str(id),
        one_line(model, 80) if isinstance(model, str) and model else path.name.split(".jsonl")[0],
        Completion(text=text, finish_reason=reason if isinstance(reason, str) else "", cached=True),
    )


def _field(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> Any:
    for name in names:
        if name in row:
            return row[name]
    known = ", ".join(map(repr, list(row)[:8])) or "nothing"
    raise UserError(f"{where}: no {names[0]!r} (nor {', '.join(names[1:])}); the line has {known}")
