"""Turn the rows of a benchmark's tables into questions. Data files are untrusted input."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring import registry
from pytest_llmeval.suites.aliases import with_aliases
from pytest_llmeval.suites.cells import (
    JsonCell,
    Row,
    cell_value,
    gold_part,
    gold_text,
    plain_text,
    separated,
    with_nested,
)
from pytest_llmeval.suites.formats import columns_of, read_rows
from pytest_llmeval.suites.gold_styles import Style, find_style
from pytest_llmeval.suites.messages import asked_turns
from pytest_llmeval.suites.positions import gold_label
from pytest_llmeval.suites.row_choices import gold_problem, marked_choices, row_choices
from pytest_llmeval.suites.spec import Benchmark, DataSpec
from pytest_llmeval.suites.subject_keys import subject_keys
from pytest_llmeval.suites.tables import Table

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_WHOLE = re.compile(r"[0-9]{1,9}")


def read_table(
    raw: bytes, path: Path, benchmark: Benchmark, subject: str, answers_due: bool
) -> list[Question]:
    """Parse the questions of one file; a bad row becomes a question with a ``problem``.

    Raises ``UserError`` with the file, the line and a fix.
    """
    return read_tables([Table(path, raw)], path, benchmark, subject, answers_due)


def read_tables(
    tables: Sequence[Table], path: Path, benchmark: Benchmark, subject: str, answers_due: bool
) -> list[Question]:
    """Parse the questions of the tables at ``path``; those of several tables may lack columns of others.

    Raises ``UserError`` with the file, the line and a fix.
    """
    table_rows = rows_of(tables, benchmark)
    return questions_of(tables, table_rows, path, benchmark, subject, answers_due)


def rows_of(tables: Sequence[Table], benchmark: Benchmark) -> list[list[Row]]:
    """The rows of each table, with cells for dotted names of columns. Raises ``UserError``."""
    spec = benchmark.data
    table_rows = [
        with_aliases(
            read_rows(table.raw, table.path, _format(table, spec, len(tables)), spec.header, spec.rows),
            spec.aliases,
        )
        for table in tables
    ]
    columns = (*spec.asked_columns, *spec.shot_columns, spec.answer, *benchmark.metric.columns)
    if dotted := [column for column in columns if "." in column]:
        table_rows = [[with_nested(row, dotted) for row in rows] for rows in table_rows]
    for table, rows in zip(tables, table_rows, strict=True):
        if not rows:
            raise UserError(f"{table.path}: no rows; the file is empty or has only a header")
    return table_rows


def questions_of(
    tables: Sequence[Table],
    table_rows: Sequence[Sequence[Row]],
    path: Path,
    benchmark: Benchmark,
    subject: str,
    answers_due: bool,
    chosen: Callable[[Mapping[str, str]], bool] = lambda fields: True,
) -> list[Question]:
    """The questions of the rows that are ``chosen``, which raises ``ValueError`` for cells it cannot read."""
    _check_columns(columns_of(list(itertools.chain(*table_rows))), benchmark.data, path, answers_due)
    entries = [
        (fields, row_subject, key, problem, f"{table.path.name}, line {line}")
        for table, rows in zip(tables, table_rows, strict=True)
        for (line, fields, _), (row_subject, key, problem) in zip(
            rows, _keys(rows, table.path, benchmark, table.subject or subject), strict=True
        )
    ]
    entries = list(filter(None, (_chosen_entry(entry, chosen) for entry in entries)))

    def make(style: Style | None) -> list[Question]:
        return [
            _question(fields, benchmark, row_subject, key, answers_due, problem, where, style)
            for fields, row_subject, key, problem, where in entries
        ]

    questions = make(None)
    if (style := _style(questions, benchmark)) is not None:
        questions = make(style)
    return questions


#: cells, subject, key, problem, place
_Entry: TypeAlias = tuple[Mapping[str, str], str, str, str | None, str]


def _chosen_entry(entry: _Entry, chosen: Callable[[Mapping[str, str]], bool]) -> _Entry | None:
    """The entry if it is chosen; with the problem if a cell cannot be read; else None."""
    fields, subject, key, problem, place = entry
    try:
        return entry if problem is not None or chosen(fields) else None
    except ValueError as error:
        return fields, subject, key, str(error), place


def _style(questions: Sequence[Question], benchmark: Benchmark) -> Style | None:
    """The way in which gold answers are written that name no choice as they are; None if they name one."""
    if benchmark.data.answer_pattern is not None or not any(map(_names_none, questions)):
        return None
    golds = [(q.fields["answer_text"].strip(), q.choices) for q in questions if q.choices]
    sets = registry.metrics()[benchmark.metric.name].sets
    return find_style([gold for gold in golds if gold[0]], sets=sets)


def _names_none(question: Question) -> bool:
    """Whether a question has choices, and a gold answer that names none of them."""
    return bool(question.choices and question.answer is None and question.fields["answer_text"].strip())


def _format(table: Table, spec: DataSpec, tables: int) -> str:
    """The format of a table: that of a single file is known, those of several files may differ."""
    return table.format or spec.format if tables > 1 else spec.format


def _keys(
    rows: Sequence[Row], path: Path, benchmark: Benchmark, subject: str
) -> list[tuple[str, str, str | None]]:
    """The subject, key and problem of each row.

    A row with a problem keeps its id and subject if they are valid; otherwise its position and the file's
    subject replace them. Raises ``UserError`` for a duplicate id, or if most ids or subjects are invalid.
    """
    spec = benchmark.data
    keys: list[tuple[str, str, str | None]] = []
    lines: dict[tuple[str, str], int] = {}
    invalid = []
    subject_of = row_subject_keys(rows, benchmark)
    for position, (line, fields, problem) in enumerate(rows):
        row_subject = subject_of.get(fields.get(spec.subject, ""), "") if spec.subject else subject
        key = fields.get(spec.id, "").strip() if spec.id is not None else str(position)
        if problem is None:
            problem = _key_problem("id", key, spec.ids) or _key_problem("subject", row_subject, "text")
            if problem is not None:
                invalid.append(f"{path}, line {line}: {problem}")
            elif (first := lines.get((row_subject, key))) is not None:
                raise UserError(
                    f"{path}, line {line}: id {key} occurs twice (first in line {first}); "
                    "each id must be unique"
                )
            else:
                lines[row_subject, key] = line
        keys.append((row_subject, key, problem))
    if len(invalid) * 2 > len(rows):
        raise UserError(invalid[0])
    subjects = {row_subject for row_subject, _ in lines} | set(benchmark.subjects)
    for position, (row_subject, key, problem) in enumerate(keys):
        if problem is not None:
            row_subject = row_subject if row_subject in subjects or spec.subject is None else subject
            if (row_subject, key) in lines or _key_problem("id", key, spec.ids):
                positions = (str(number) for number in itertools.count(position, len(rows)))
                key = next(number for number in positions if (row_subject, number) not in lines)
            lines[row_subject, key] = rows[position][0]
            keys[position] = row_subject, key, problem
    return keys


def row_subject_keys(rows: Iterable[Row], benchmark: Benchmark) -> dict[str, str]:
    """The key of each subject that the rows name."""
    column = benchmark.data.subject
    if column is None:
        return {}
    return subject_keys((fields.get(column, "") for _, fields, _ in rows), benchmark.subjects)


def _check_columns(header: Sequence[str], spec: DataSpec, path: Path, answers_due: bool) -> None:
    required = [*spec.asked_columns, *([spec.answer] if answers_due else [])]
    for column in required:
        if column not in header:
            present = one_line(", ".join(repr(name) for name in header[:12]), 120)
            near = difflib.get_close_matches(column, [name for name in header if name not in required], n=1)
            hint = f"; if it is {one_line(repr(near[0]), 60)}, rename that column" if near else ""
            raise UserError(f"{path}: column {column!r} is missing; the columns are {present}{hint}")


def _key_problem(field: str, key: str, kind: str) -> str | None:
    if (_WHOLE if kind == "number" else _KEY).fullmatch(key):
        return None
    rule = "a whole number" if kind == "number" else "1 to 80 ASCII letters, digits, . _ or -"
    return f"{field} {one_line(repr(key), 60)} must be {rule}"


def _question(
    fields: Mapping[str, str],
    benchmark: Benchmark,
    subject: str,
    key: str,
    answers_due: bool,
    problem: str | None,
    where: str,
    style: Style | None,
) -> Question:
    spec = benchmark.data
    metric = registry.metrics()[benchmark.metric.name]
    sets = metric.sets
    question, choices, reply, right = "", dict[str, str](), None, None
    try:
        question, reply = _asked(fields, spec)
        choices = row_choices(fields, spec)
        right = marked_choices(fields, spec, choices)
    except ValueError as error:
        problem = problem or str(error)
    row = {
        **dict.fromkeys([*spec.columns, *spec.shot_columns, *spec.choices], ""),
        **fields,
        **choices,
        "question": question,
        "answer_text": fields.get(spec.answer, "") if reply is None else reply,
    }
    answer = row["answer_text"].strip()
    if not spec.has_choices and not metric.whole_gold:
        answer = gold_text(row["answer_text"]).strip()
    if spec.answer_pattern is not None and answer:
        answer = gold_part(spec.answer_pattern, answer)
    if spec.answer_separator is not None:
        answer = separated(answer, spec.answer_separator)
    if style is not None and answer not in choices:
        answer = style(answer, choices) or answer
    gold: str | None = answer
    if spec.has_choices and answer:
        gold = gold_label(answer, choices, spec.answer_index, sets=sets) if right is None else right
        gold = gold if gold is None or sets or gold in choices else None
    if problem is None:
        problem = _problem(question, {} if spec.labels else choices)
    if problem is None and answers_due and not answer:
        problem = "the answer is missing"
    if problem is None and gold is None:
        problem = gold_problem(answer, choices, sets=sets)
    if problem is None and answer:
        try:
            problem = registry.gold_problem(benchmark.metric.name, answer)
        except UserError as error:  # the gold answers of this file belong to another metric
            raise UserError(f"{where}: {error}") from None
    if problem is None:
        problem = registry.metrics()[benchmark.metric.name].row_problem(benchmark.metric.options, row)
    return Question(
        benchmark=benchmark.result_name,
        subject=subject,
        key=key,
        fields=row,
        choices=choices,
        answer=gold if gold or not benchmark.metric.needs_gold else None,
        problem=None if problem is None else f"{where}: {problem}",
        cluster=_cluster(fields.get(spec.cluster, ""), subject) if spec.cluster is not None else None,
    )


def _asked(fields: Mapping[str, str], spec: DataSpec) -> tuple[str, str | None]:
    """The text of a row's question, and the gold answer if the row's chat turns end with it.

    Raises a descriptive ``ValueError``.
    """
    if spec.messages is not None:
        try:
            turns, reply = asked_turns(fields, spec)
        except ValueError as error:
            raise ValueError(f"{spec.messages}: {error}") from None
        return turns[-1].content, reply
    question = _question_text(fields.get(spec.question, ""), spec.question)
    if not question.strip():
        return "", None
    before, after = (
        "" if column is None else plain_text(fields.get(column, "")).strip()
        for column in (spec.context, spec.input)
    )
    return "\n\n".join(filter(None, (before, question, after))), None


def _question_text(cell: str, column: str) -> str:
    """The text of a question's cell, which may be a list of one. Raises a descriptive ``ValueError``."""
    if not isinstance(cell, JsonCell):
        return cell
    content = cell_value(cell)
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], str):
        return content[0]
    what = f"a list of {len(content)}" if isinstance(content, list) else "an object"
    raise ValueError(f"{column} is {what}, not a text; only chat turns (role and content) may be a list")


def _cluster(value: str, subject: str) -> str | None:
    """The cluster name, distinct in each subject; a row without a value is its own cluster (None)."""
    return f"{subject}/{value.strip()}" if value.strip() else None


def _problem(question: str, choices: Mapping[str, str]) -> str | None:
    if not question.strip():
        return "the question is empty"
    return next((f"choice {label} is empty" for label, text in choices.items() if not text.strip()), None)
