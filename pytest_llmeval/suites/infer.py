"""A user's own questions: what a benchmark.toml leaves open is told by the names of the columns.

Columns with the usual names need no benchmark.toml: question and A, B, ... and answer; question and answer;
messages and target.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.suites.formats import FORMATS, columns_of, read_rows
from pytest_llmeval.suites.spec import FILE_NAME

_QUESTION = ("question", "prompt", "input", "problem", "问题", "题目")
_ANSWER = ("answer", "target", "expected", "gold", "答案")
_MESSAGES = ("messages",)
_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_EXACT_USER = "{{ question }}\nAnswer with the answer alone, without an explanation."


def is_table(path: Path) -> bool:
    """Whether this is a file of questions, by its name."""
    return path.suffix.lower().removeprefix(".") in FORMATS and os.path.isfile(path)


def table_in(folder: Path) -> Path | None:
    """The one file of questions in a folder without a benchmark.toml. Raises ``UserError`` for several."""
    try:
        tables = sorted(path for path in folder.iterdir() if is_table(path))
    except OSError:
        return None
    if len(tables) > 1:
        names = one_line(", ".join(path.name for path in tables), 120)
        raise UserError(
            f"{folder}: {len(tables)} files of questions ({names}) and no {FILE_NAME}; "
            f"give one of them, or write a {FILE_NAME}"
        )
    return tables[0] if tables else None


def benchmark_name(path: Path) -> str:
    """A benchmark's name from its file's."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem).strip("_-") or "questions"


def completed(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The content of a benchmark.toml for the questions in ``path``, over what ``table`` says already.

    Raises ``UserError`` for a file that is no table, or whose columns tell nothing.
    """
    told = dict(table)
    data = dict(told.get("data", {})) if isinstance(told.get("data", {}), dict) else {}
    data.setdefault("format", path.suffix.lower().removeprefix("."))
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    found = list(read_rows(raw, path, data["format"]))
    if not found:
        raise UserError(f"{path}: no rows; the file is empty or has only a header")
    columns = columns_of(found)
    rows = [fields for _, fields, problem in found if problem is None]
    labelled = _labelled(columns, data, told)
    if labelled is not None:
        told["metric"], data["answer"] = labelled
        data["choices"] = []
    data.setdefault("paths", [path.name])
    data.setdefault("inside", True)
    if not {"question", "messages"} & data.keys():
        messages, question = _named(_MESSAGES, columns), _named(_QUESTION, columns)
        if messages is not None and question is None:
            data["messages"] = messages
        elif question is not None:
            data["question"] = question
        else:
            raise _no_column("question", _QUESTION, columns, path)
    if "answer" not in data:
        answer = _named(_ANSWER, columns)
        if answer is None and _does_without(told.get("metric")):
            answer = _ANSWER[0]
        if answer is None:
            raise _no_column("answer", _ANSWER, columns, path)
        data["answer"] = answer
    if "choices" not in data:
        labels = [label for label in _LABELS if label in columns]
        data["choices"] = labels if len(labels) > 1 and "messages" not in data else []
    if "subject" not in data and "subject" in columns and _are_keys(row.get("subject", "") for row in rows):
        data["subject"] = "subject"
    if "id" not in data and "id" in columns and _are_ids(rows):
        data["id"] = "id"
    told["data"] = data
    told.setdefault("name", benchmark_name(path))
    if "metric" not in told and "extractor" not in told:
        told["metric"] = _metric(data, rows)
    if told.get("metric") == "exact" and "prompts" not in told:
        told["prompts"] = {"generate": {"user": _EXACT_USER}}
    elif not data["choices"] and "prompts" not in told:
        told["prompts"] = {"generate": {"user": "{{ question }}"}}
    return told


def _labelled(
    columns: Sequence[str], data: Mapping[str, Any], told: Mapping[str, Any]
) -> tuple[dict[str, Any], str] | None:
    """The metric and the column of labels, where rows hold responses that people have labelled."""
    from pytest_llmeval.scoring.metrics import agreement

    metric = {"name": agreement.NAME}
    if "metric" in told:
        given = told["metric"]
        metric = {"name": given} if isinstance(given, str) else given
    if not isinstance(metric, dict) or metric.get("name") != agreement.NAME:
        return None
    label = data.get("answer") or _named(agreement.LABEL, columns)
    found = {
        key: name
        for key, usual in agreement.COLUMNS.items()
        if (name := _named([one for one in usual if one != label], columns)) is not None
    }
    if "metric" not in told and (label is None or "response" not in found or "answer" in data):
        return None
    if label is None:
        return None
    return {"columns": found, **metric}, label


def _does_without(metric: object) -> bool:
    """Whether a metric is a judge that is given no gold answers."""
    return isinstance(metric, dict) and metric.get("name") == "judge" and metric.get("reference") is False


def _metric(data: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> str:
    from pytest_llmeval.scoring.extract.numbers import value

    if data["choices"]:
        return "choice"
    golds = [gold for row in rows if (gold := row.get(data["answer"], "").strip())]
    bare = all(re.fullmatch(r"[-$€£¥]{0,2}[\d.,/]+%?", gold) and value(gold) is not None for gold in golds)
    return "number" if golds and bare else "exact"


def _named(usual: Sequence[str], columns: Sequence[str]) -> str | None:
    folded = {column.casefold(): column for column in columns}
    return next((folded[name] for name in usual if name in folded), None)


def _no_column(what: str, usual: Sequence[str], columns: Sequence[str], path: Path) -> UserError:
    import difflib

    there = one_line(", ".join(map(repr, columns[:12])), 120)
    near = [(name, close[0]) for name in usual if (close := difflib.get_close_matches(name, columns, n=1))]
    mend = (
        f"is {one_line(repr(near[0][1]), 60)} meant as {near[0][0]!r}? Rename it"
        if near
        else f"rename one to {what!r}"
    )
    return UserError(
        f"{path}: no column {what!r}; there are {there}; {mend}, or name it in {FILE_NAME}: "
        f'[data] {what} = "COLUMN"'
    )


def _are_keys(values: Iterable[str]) -> bool:
    return all(_KEY.fullmatch(value) for value in values)


def _are_ids(rows: Sequence[Mapping[str, str]]) -> bool:
    keys = [(row.get("subject", ""), row.get("id", "").strip()) for row in rows]
    return len(set(keys)) == len(keys) and _are_keys(key for _, key in keys)
