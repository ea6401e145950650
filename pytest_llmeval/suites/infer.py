"""Infer what a user's benchmark.toml omits, key by key, from its file of questions.

A file with the usual column names needs no benchmark.toml: ``columns.py`` has the names, ``choices_of.py``
finds the choices and the gold answers that name them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.scoring.answer_sets import split_labels
from pytest_llmeval.suites import columns as names
from pytest_llmeval.suites.aliases import with_aliases
from pytest_llmeval.suites.benchmark import MetricSpec
from pytest_llmeval.suites.cells import JsonCell, Row, gold_part, gold_text, with_nested
from pytest_llmeval.suites.choices_of import KEYS as CHOICE_KEYS
from pytest_llmeval.suites.choices_of import Rows, find_choices, gold_labels
from pytest_llmeval.suites.columns import find_column
from pytest_llmeval.suites.formats import FORMATS, columns_of, read_rows, stem_of
from pytest_llmeval.suites.messages import parse_turns, split_reply
from pytest_llmeval.suites.spec import FILE_NAME, default_paths, is_path, read_data
from pytest_llmeval.suites.tables import Table, has_tables, open_tables, tables_in

#: a column of worked solutions, whose last \\boxed{} is the answer
_SOLUTION = ("solution",)
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_EXACT_USER = "{{ question }}\nAnswer with the answer alone, without an explanation."
_TRUTH_USER = "{{ question }}\nAnswer true or false, without an explanation."
_MATH_USER = "{{ question }}\nReason step by step, and put the final answer within \\boxed{}."
#: the prompts of metrics that need an instruction
_USERS = {"exact": _EXACT_USER, "math": _MATH_USER}
#: the keys of [data] that select rows
_CONDITIONS = ("where", "shots_where")
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
    return re.sub(r"[^A-Za-z0-9_-]+", "_", stem_of(path)).strip("_-") or "questions"


def locate(table: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[Path]]:
    """The content of the benchmark.toml in ``folder`` with its name and paths, and its files of questions.

    There are several files if each subject has its own, and none if they are elsewhere, as on a hub, or are
    missing. A folder may take the place of a file. Raises ``UserError`` if several files may be meant.
    """
    full: dict[str, Any] = {"name": folder.name, **table}
    data = full.get("data", {})
    if not data.get("inside", "hub" not in data):
        return full, []
    paths = [*texts(data["paths"])] if "paths" in data else []
    formats = [data["format"]] if "format" in data else FORMATS
    for templates in [paths] if paths else map(default_paths, formats):
        if files := _files_at(templates, full, folder):
            return {**full, "data": {**data, "paths": list(templates)}}, files
    only = None if paths else table_in(folder)
    return full, [] if only is None else [only]


def _files_at(templates: Iterable[str], table: Mapping[str, Any], folder: Path) -> list[Path]:
    """The files of the first template that has any, for the split and the subjects of ``table``."""
    split, subjects = table.get("split", "test"), list(table.get("subjects", {})) or [table["name"]]
    for template in filter(is_path, templates):
        paths = [folder / template.format(split=split, subject=subject) for subject in subjects]
        if found := [path for path in dict.fromkeys(paths) if has_tables(path)]:
            return found
    return []


def texts(value: str | Sequence[str]) -> list[str]:
    """The texts of a key of benchmark.toml that has a list, or one text."""
    return [value] if isinstance(value, str) else list(value)


def complete(table: Mapping[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    """Complete ``table``, the checked content of a benchmark.toml, from the files of questions at ``paths``.

    Several files have one form. A single one may also be an archive or a folder with several tables, each of
    which is a subject. What ``table`` says stays.

    Raises ``UserError`` if a file cannot be read as a table, or its columns cannot be identified.
    """
    spec = dict(table)
    data = dict(spec.get("data", {}))
    path = paths[0]
    tables = [one for path in paths for one in open_tables(path)]
    data.setdefault("format", tables[0].format or "csv")
    values = read_data(data, path)
    all_rows = [
        row
        for one in tables
        for row in _rows(one, one.format or data["format"] if one.subject else data["format"], values)
    ]
    if not all_rows:
        raise UserError(f"{path}: no rows; the file is empty or has only a header")
    columns = columns_of(all_rows)
    readable = [fields for _, fields, problem in all_rows if problem is None]
    rows = [fields for fields in readable if _is_used(fields, values)] or readable
    label_metric = _label_metric(columns, data, spec)
    if label_metric is not None:
        spec["metric"], data["answer"] = label_metric
        data["choices"] = []
    data.setdefault("paths", [path.name.replace("{", "{{").replace("}", "}}")])
    data.setdefault("inside", True)
    if not {"question", "messages"} & data.keys():
        data |= _question(columns, rows, path)
    if "messages" not in data:
        data |= _around(data, columns)
        _check_questions(data["question"], rows, path)
    data |= find_choices(columns, rows, data, path)
    if "answer" not in data:
        answered = spec.get("split", "test") not in texts(data.get("unanswered_splits", ()))
        data["answer"] = _answer(columns, rows, data, answered and not _needs_no_gold(spec), path)
    subject = find_column(names.SUBJECT, columns)
    if tables[0].subject is not None:
        spec = {"subjects": _subjects(tables), "shots": 0} | spec
    elif (
        "subject" not in data
        and subject is not None
        and not any("{subject}" in template for template in texts(data["paths"]))
        and _are_keys(row.get(subject, "") for row in readable)
    ):
        data["subject"] = subject
    id_column = find_column(names.ID, columns)
    if (
        not {"id", "ids"} & data.keys()
        and id_column is not None
        and _are_ids(readable, data.get("subject"), id_column)
    ):
        data["id"] = id_column
    spec["data"] = data
    spec.setdefault("name", benchmark_name(path))
    if "metric" not in spec:
        spec["metric"] = _metric(data, rows)
    user = _user(_metric_name(spec), data, rows)
    prompts = spec.get("prompts", {})
    if user is not None and "user" not in prompts.get("generate", {}):
        spec["prompts"] = {**prompts, "generate": {**prompts.get("generate", {}), "user": user}}
    return spec


def _rows(table: Table, format: str, values: Mapping[str, Any]) -> list[Row]:
    """The rows of a table, with columns named as the ``values`` of [data] have them. Raises ``UserError``."""
    rows = read_rows(table.raw, table.path, format, values.get("header", ()), values.get("rows"))
    dotted = _dotted_names(values)
    return [with_nested(row, dotted) for row in with_aliases(rows, values.get("aliases", {}))]


def _dotted_names(values: Mapping[str, Any]) -> list[str]:
    """The columns of [data] that may be inside an object: those with a dot."""
    conditions = (values.get(key) for key in _CONDITIONS)
    columns = [column for where in conditions if where is not None for column in where.columns]
    listed = [texts(value) for value in values.values() if isinstance(value, (str, tuple))]
    return [name for name in (*columns, *itertools.chain(*listed)) if "." in name]


def _is_used(fields: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Whether a row is a question or an example; cells that cannot be compared are reported later."""
    if values.get("where") is None:
        return True
    try:
        return any(where.holds(fields) for key in _CONDITIONS if (where := values.get(key)) is not None)
    except ValueError:
        return False


def _metric_name(table: Mapping[str, Any]) -> str | None:
    """The name of the metric that a benchmark.toml sets, if any."""
    metric = table.get("metric")
    return metric.get("name") if isinstance(metric, dict) else metric


def _user(metric: str | None, data: Mapping[str, Any], rows: Rows) -> str | None:
    """The template of the user turn, or None for the one of all benchmarks."""
    if metric == "exact" and _are_truths(row.get(data["answer"], "") for row in rows):
        return _TRUTH_USER
    if metric in _USERS:
        return _USERS[metric]
    return None if any(data.get(key) for key in CHOICE_KEYS) else "{{ question }}"


def _label_metric(
    columns: Sequence[str], data: Mapping[str, Any], table: Mapping[str, Any]
) -> tuple[dict[str, Any], str] | None:
    """The metric and the label column, if the rows hold responses labelled by people; otherwise None."""
    from pytest_llmeval.scoring.metrics import agreement

    metric = {"name": agreement.NAME}
    if "metric" in table:
        metric = {"name": table["metric"]} if isinstance(table["metric"], str) else table["metric"]
    if metric.get("name") != agreement.NAME:
        return None
    label = data.get("answer") or find_column(agreement.LABEL, columns)
    inputs = {
        key: column
        for key, names in agreement.COLUMNS.items()
        if (column := find_column([name for name in names if name != label], columns)) is not None
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


def _needs_no_gold(table: Mapping[str, Any]) -> bool:
    """Whether the metric of ``table`` scores without gold answers, as a judge may."""
    from pytest_llmeval.scoring import registry

    metric, name = table.get("metric"), _metric_name(table)
    if name is None or name not in registry.metrics():  # an unknown one is reported later
        return False
    return not MetricSpec(name=name, options=metric if isinstance(metric, dict) else {}).needs_gold


def _metric(data: Mapping[str, Any], rows: Rows) -> str:
    from pytest_llmeval.scoring.extract.numbers import value

    if any(data.get(key) for key in CHOICE_KEYS):
        return _choice_metric(data, rows)
    golds = [gold for row in rows if (gold := _gold(row, data))]
    numeric = all(re.fullmatch(r"[-$€£¥]{0,2}[\d.,/]+%?", gold) and value(gold) is not None for gold in golds)
    if golds and numeric:
        return "number"
    latex = sum(_LATEX.search(gold) is not None for gold in golds)
    return "math" if golds and latex >= _MATH_SHARE * len(golds) else "exact"


def _gold(row: Mapping[str, str], data: Mapping[str, Any]) -> str:
    """A row's gold answer, without choices."""
    gold = gold_text(row.get(data["answer"], "")).strip()
    return gold_part(data["answer_pattern"], gold) if "answer_pattern" in data else gold


def _choice_metric(data: Mapping[str, Any], rows: Rows) -> str:
    """``choices`` if some gold answers have several labels, else ``choice``."""
    sizes = [len(split_labels(gold, labels) or ()) for gold, labels in gold_labels(data, rows)]
    several = sum(size > 1 for size in sizes)
    return "choices" if several and several >= _SETS_SHARE * len(sizes) else "choice"


def _question(columns: Sequence[str], rows: Rows, path: Path) -> dict[str, str]:
    """The key of [data] for the question: a column of texts, or one of chat turns. Raises ``UserError``."""
    question = find_column(names.QUESTION, columns)
    if question is not None and not _most(_holds_turns(row.get(question, "")) for row in rows):
        return {"question": question}
    messages = question or find_column(names.MESSAGES, columns)
    if messages is not None:
        return {"messages": messages}
    # a file of texts with endings has no question apart from its text
    context = find_column(names.CONTEXT, columns)
    if context is None or not find_choices(columns, rows, {}, path).keys() & {
        "choice_columns",
        "choice_list",
    }:
        raise _no_column("question", names.QUESTION, columns, path)
    return {"question": context}


def _around(data: Mapping[str, Any], columns: Sequence[str]) -> dict[str, str]:
    """The keys of [data] for texts before and after the question."""
    shown = data.get("columns", ())  # by the benchmark's own templates
    taken = {*([shown] if isinstance(shown, str) else shown), *filter(_is_text, data.values())}
    others = [column for column in columns if column not in taken]
    found = {}
    if "context" not in data and (context := find_column(names.CONTEXT, others)) is not None:
        found["context"] = context
    is_task = names.canonical(data["question"]) in names.TASK
    if "input" not in data and is_task and (after := find_column(names.INPUT, others)) is not None:
        found["input"] = after
    return found


def _are_truths(golds: Iterable[str]) -> bool:
    """Whether gold answers are true and false, which a model would otherwise write as yes and no."""
    return {gold.strip().casefold() for gold in golds if gold.strip()} == {"true", "false"}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _check_questions(column: str, rows: Rows, path: Path) -> None:
    """Raise ``UserError`` if the questions are lists or objects, which are never sent as JSON."""
    cells = [row.get(column, "") for row in rows]
    if _most(isinstance(cell, JsonCell) and not _is_single_text(cell) for cell in cells):
        example = one_line(next(cell for cell in cells if isinstance(cell, JsonCell)), 60)
        raise UserError(
            f"{path}: the cells of {column!r} are lists or objects ({example}), not texts; name "
            f'the column of the question in {FILE_NAME}: [data] question = "COLUMN", or messages = "COLUMN" '
            "for chat turns with a role and a content each"
        )


def _is_single_text(cell: str) -> bool:
    from pytest_llmeval.suites.cells import cell_value

    content = cell_value(cell)
    return isinstance(content, list) and len(content) == 1 and isinstance(content[0], str)


def _holds_turns(cell: str) -> bool:
    return _succeeds(parse_turns, cell)


def _ends_with_reply(cell: str) -> bool:
    return _succeeds(split_reply, cell)


def _succeeds(read: Callable[[str], object], cell: str) -> bool:
    try:
        read(cell)
    except ValueError:
        return False
    return True


def _most(values: Iterable[bool]) -> bool:
    flags = list(values)
    return sum(flags) * 2 > len(flags)


def _answer(
    columns: Sequence[str],
    rows: Rows,
    data: Mapping[str, Any],
    is_due: bool,
    path: Path,
) -> str:
    """The column of the gold answers of a file without choices. Raises ``UserError``."""
    messages = data.get("messages")
    others = [column for column in columns if column not in (data.get("question"), messages)]
    answer = find_column(names.ANSWER, others)
    if (
        answer is None
        and messages is not None
        and _most(_ends_with_reply(row.get(messages, "")) for row in rows)
    ):
        answer = messages
    if answer is None:
        answer = _boxed_solutions(columns, rows)
    if answer is None and not is_due:
        answer = names.ANSWER[0]
    if answer is None:
        raise _no_column("answer", names.ANSWER, columns, path)
    return answer


def _boxed_solutions(columns: Sequence[str], rows: Rows) -> str | None:
    """The column of solutions that all end in a boxed answer, or None."""
    name = find_column(_SOLUTION, columns)
    if name is None or not rows or not all("\\boxed" in row.get(name, "") for row in rows):
        return None
    return name


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


def _are_ids(rows: Rows, subject: str | None, column: str) -> bool:
    keys = [(row.get(subject or "", ""), row.get(column, "").strip()) for row in rows]
    return len(set(keys)) == len(keys) and _are_keys(key for _, key in keys)
