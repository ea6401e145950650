"""Infer what a user's benchmark.toml omits from the column names of the questions.

A file with the usual column names needs no benchmark.toml: question, A, B, ... and answer; question and
answer; or messages and target.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.scoring.answer_sets import split_labels
from pytest_llmeval.suites.formats import columns_of, read_rows
from pytest_llmeval.suites.row_choices import LETTERS, listed_choices
from pytest_llmeval.suites.spec import FILE_NAME
from pytest_llmeval.suites.tables import Table, open_tables, tables_in

_QUESTION = ("question", "prompt", "input", "problem", "问题", "题目")
_ANSWER = ("answer", "target", "expected", "gold", "final_answer", "答案")
#: a column of worked solutions, whose last \boxed{} is the answer
_SOLUTION = ("solution",)
_MESSAGES = ("messages",)
_CHOICE_LIST = ("choices", "options", "选项")
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_EXACT_USER = "{{ question }}\nAnswer with the answer alone, without an explanation."
_MATH_USER = "{{ question }}\nReason step by step, and put the final answer within \\boxed{}."
#: the prompts of metrics that need an instruction
_USERS = {"exact": _EXACT_USER, "math": _MATH_USER}
#: LaTeX that an answer has if it is mathematics
_LATEX = re.compile(
    r"\\(?:[dt]?frac|sqrt|pi|infty|cup|pm|begin\{[bpv]?matrix\}|boxed|left|circ|cdot|times|binom|theta)(?![a-z])"
    r"|\$[^$]*[\\^_{][^$]*\$|\^\{|[A-Za-z)]\^\d"
)
#: of the answers have LaTeX in a file of mathematics; the others are numbers and words
_MATH_SHARE = 0.05
#: of the answers name several choices in a file of questions with several right choices; fewer are mistakes
_SETS_SHARE = 0.01


def table_in(folder: Path) -> Path | None:
    """The only file of questions in ``folder``, or None. Raises ``UserError`` if there are several."""
    tables = tables_in(folder)
    if len(tables) > 1:
        names = one_line(", ".join(path.name for path in tables), 120)
        raise UserError(
            f"{folder}: {len(tables)} files of questions ({names}); name one of them in {FILE_NAME}: "
            f'[data] paths = ["{tables[0].name}"]'
        )
    return tables[0] if tables else None


def benchmark_name(path: Path) -> str:
    """Derive a benchmark's name from its file name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem).strip("_-") or "questions"


def complete(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Complete ``table``, the content of a benchmark.toml, from the file of questions at ``path``.

    ``path`` may also be an archive or a folder with several files, each of which is a subject.

    Raises ``UserError`` if the file cannot be read as a table, or its columns cannot be identified.
    """
    spec = dict(table)
    data = dict(spec.get("data", {})) if isinstance(spec.get("data", {}), dict) else {}
    tables = open_tables(path)
    data.setdefault("format", tables[0].format)
    all_rows = [
        row for table in tables for row in read_rows(table.raw, table.path, table.format or data["format"])
    ]
    if not all_rows:
        raise UserError(f"{path}: no rows; the file is empty or has only a header")
    columns = columns_of(all_rows)
    rows = [fields for _, fields, problem in all_rows if problem is None]
    label_metric = _label_metric(columns, data, spec)
    if label_metric is not None:
        spec["metric"], data["answer"] = label_metric
        data["choices"] = []
    data.setdefault("paths", [path.name.replace("{", "{{").replace("}", "}}")])
    data.setdefault("inside", True)
    if not {"question", "messages"} & data.keys():
        messages, question = _find_column(_MESSAGES, columns), _find_column(_QUESTION, columns)
        if messages is not None and question is None:
            data["messages"] = messages
        elif question is not None:
            data["question"] = question
        else:
            raise _no_column("question", _QUESTION, columns, path)
    if "answer" not in data:
        answer = _find_column(_ANSWER, columns)
        if answer is None and _needs_no_gold(spec.get("metric")):
            answer = _ANSWER[0]
        if answer is None:
            answer = _boxed_solutions(columns, rows)
        if answer is None:
            raise _no_column("answer", _ANSWER, columns, path)
        data["answer"] = answer
    if not {"choices", "choice_list"} & data.keys():
        data |= {"choices": []} if "messages" in data else _choices(columns, rows)
    has_choices = bool(data.get("choices") or data.get("choice_list"))
    if len(tables) > 1:
        spec |= {"subjects": _subjects(tables), "shots": 0}
    elif "subject" not in data and "subject" in columns and _are_keys(row.get("subject", "") for row in rows):
        data["subject"] = "subject"
    if "id" not in data and "id" in columns and _are_ids(rows):
        data["id"] = "id"
    spec["data"] = data
    spec.setdefault("name", benchmark_name(path))
    if "metric" not in spec and "extractor" not in spec:
        spec["metric"] = _metric(data, rows)
    metric = spec.get("metric")
    if isinstance(metric, str) and metric in _USERS and "prompts" not in spec:
        spec["prompts"] = {"generate": {"user": _USERS[metric]}}
    elif not has_choices and "prompts" not in spec:
        spec["prompts"] = {"generate": {"user": "{{ question }}"}}
    return spec


def _label_metric(
    columns: Sequence[str], data: Mapping[str, Any], table: Mapping[str, Any]
) -> tuple[dict[str, Any], str] | None:
    """The metric and the label column, if the rows hold responses labelled by people; otherwise None."""
    from pytest_llmeval.scoring.metrics import agreement

    metric = {"name": agreement.NAME}
    if "metric" in table:
        metric = {"name": table["metric"]} if isinstance(table["metric"], str) else table["metric"]
    if not isinstance(metric, dict) or metric.get("name") != agreement.NAME:
        return None
    label = data.get("answer") or _find_column(agreement.LABEL, columns)
    inputs = {
        key: column
        for key, names in agreement.COLUMNS.items()
        if (column := _find_column([name for name in names if name != label], columns)) is not None
    }
    if "metric" not in table and (label is None or "response" not in inputs or "answer" in data):
        return None
    if label is None:
        return None
    return {"columns": inputs, **metric}, label


def _subjects(tables: Sequence[Table]) -> dict[str, dict[str, str]]:
    """The [subjects] of several tables: one for each."""
    return {
        str(table.subject): {"name": table.title, "zh": "" if table.title.isascii() else table.title}
        for table in tables
    }


def _needs_no_gold(metric: object) -> bool:
    """Whether ``metric`` is a judge that grades without gold answers."""
    return isinstance(metric, dict) and metric.get("name") == "judge" and metric.get("reference") is False


def _metric(data: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> str:
    from pytest_llmeval.scoring.extract.numbers import value

    if data.get("choices") or data.get("choice_list"):
        return _choice_metric(data, rows)
    golds = [gold for row in rows if (gold := row.get(data["answer"], "").strip())]
    numeric = all(re.fullmatch(r"[-$€£¥]{0,2}[\d.,/]+%?", gold) and value(gold) is not None for gold in golds)
    if golds and numeric:
        return "number"
    latex = sum(_LATEX.search(gold) is not None for gold in golds)
    return "math" if golds and latex >= _MATH_SHARE * len(golds) else "exact"


def _choice_metric(data: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> str:
    """``choices`` if some gold answers have several labels, else ``choice``."""
    sizes = []
    for row in rows:
        try:
            labels = _labels(data, row)
        except ValueError:  # reported when the row is read
            continue
        sizes.append(len(split_labels(row.get(data["answer"], ""), labels) or ()))
    several = sum(size > 1 for size in sizes)
    return "choices" if several and several >= _SETS_SHARE * len(sizes) else "choice"


def _labels(data: Mapping[str, Any], row: Mapping[str, str]) -> Sequence[str]:
    """The labels of a row's choices. Raises ``ValueError``."""
    if name := data.get("choice_list"):
        return tuple(listed_choices(row.get(name, ""), name))
    labels = data["choices"]
    return (labels,) if isinstance(labels, str) else tuple(map(str, labels))


def _choices(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The keys of [data] for the choices: columns A, B, ..., a column with lists, or none."""
    labels = [label for label in LETTERS if label in columns]
    if len(labels) > 1:
        return {"choices": labels}
    name = _find_column(_CHOICE_LIST, columns)
    cells = [row.get(name, "") for row in rows] if name is not None else []
    lists = sum(_is_choice_list(cell) for cell in cells)
    return {"choice_list": name} if lists * 2 > len(cells) else {"choices": []}


def _is_choice_list(cell: str) -> bool:
    try:
        return bool(listed_choices(cell, ""))
    except ValueError:
        return False


def _boxed_solutions(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str | None:
    """The column of solutions that all end in a boxed answer, or None."""
    name = _find_column(_SOLUTION, columns)
    if name is None or not rows or not all("\\boxed" in row.get(name, "") for row in rows):
        return None
    return name


def _find_column(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first column called one of ``names``, ignoring case."""
    by_name = {column.casefold(): column for column in columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _no_column(key: str, names: Sequence[str], columns: Sequence[str], path: Path) -> UserError:
    import difflib

    present = one_line(", ".join(map(repr, columns[:12])), 120)
    near = [(name, close[0]) for name in names if (close := difflib.get_close_matches(name, columns, n=1))]
    fix = (
        f"is {one_line(repr(near[0][1]), 60)} meant as {near[0][0]!r}? Rename it"
        if near
        else f"rename one to {key!r}"
    )
    return UserError(
        f"{path}: no column {key!r}; the columns are {present}; {fix}, or name it in {FILE_NAME}: "
        f'[data] {key} = "COLUMN"'
    )


def _are_keys(values: Iterable[str]) -> bool:
    return all(_KEY.fullmatch(value) for value in values)


def _are_ids(rows: Sequence[Mapping[str, str]]) -> bool:
    keys = [(row.get("subject", ""), row.get("id", "").strip()) for row in rows]
    return len(set(keys)) == len(keys) and _are_keys(key for _, key in keys)
