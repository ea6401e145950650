"""Find and read a benchmark's files. Data files are untrusted input."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

from pytest_llmeval.core.errors import DataMissing, UserError, one_line
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
from pytest_llmeval.suites.data_cache import cache_folder
from pytest_llmeval.suites.formats import columns_of, read_rows
from pytest_llmeval.suites.gold_styles import Style, find_style
from pytest_llmeval.suites.messages import asked_turns
from pytest_llmeval.suites.positions import gold_label
from pytest_llmeval.suites.row_choices import gold_problem, marked_choices, row_choices
from pytest_llmeval.suites.spec import Benchmark, DataSpec
from pytest_llmeval.suites.subject_keys import subject_keys
from pytest_llmeval.suites.tables import Table, has_tables, open_tables

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_WHOLE = re.compile(r"[0-9]{1,9}")
#: a file with this share of rows with problems has one problem itself, unless they are few
_UNUSABLE_SHARE = 0.9
_FEW = 10


@dataclass(frozen=True, slots=True)
class FileLayout:
    """Where a benchmark's files are: ``template`` is an entry of ``paths``, relative to ``root``."""

    root: Path
    template: str

    def path(self, split: str, subject: str) -> Path:
        """The file of one subject in a split."""
        return self.root / self.template.format(split=split, subject=subject)


@dataclass(frozen=True, slots=True)
class Split:
    """The rows of a split; ``sha256`` covers the bytes of all files read.

    ``unused_columns`` have cells that nothing is made from. ``subject_names`` maps the keys of subjects that
    the benchmark does not declare to what the rows call them.
    """

    questions: tuple[Question, ...]
    sha256: str
    missing_subjects: tuple[str, ...]
    unused_columns: tuple[str, ...] = ()
    subject_names: Mapping[str, str] = field(default_factory=dict)


def locate(benchmark: Benchmark, split: str, data_dir: Path | None, cache_dir: Path) -> FileLayout:
    """Find the first folder that has a file of the split.

    A benchmark that ships its data is read from its own folder. Others are searched for in ``data_dir``,
    its subfolders ``data`` and ``NAME`` (the benchmark's), and the cache. Raises ``DataMissing``, which says
    how to get the data.
    """
    roots = search_roots(benchmark, data_dir, cache_dir)
    for root in roots:
        for template in benchmark.data.paths:
            layout = FileLayout(root, template)
            if any(has_tables(layout.path(split, subject)) for subject in _file_subjects(benchmark)):
                return layout
    places = " or ".join(str(root) for root in roots)
    example = benchmark.data.paths[0].format(split=split, subject=next(iter(_file_subjects(benchmark))))
    if benchmark.data.inside:
        raise UserError(f"{benchmark.name}: no data for split {split}: expected {benchmark.folder / example}")
    raise DataMissing(
        f"{benchmark.name}: no data for split {split} in {places} (expected files such as {example}); "
        "give the folder with --llm-data-dir or LLMEVAL_DATA"
    )


def search_roots(benchmark: Benchmark, data_dir: Path | None, cache_dir: Path) -> list[Path]:
    """The folders from which the paths of a benchmark's files start, in order."""
    if benchmark.data.inside:
        return [benchmark.folder]
    local = [] if data_dir is None else [data_dir, data_dir / "data", data_dir / benchmark.name]
    return [*local, cache_folder(benchmark, cache_dir)]


def _file_subjects(benchmark: Benchmark) -> Sequence[str]:
    """The values of ``{subject}`` in file names."""
    return list(benchmark.subjects) or [benchmark.name]


def load_questions(benchmark: Benchmark, layout: FileLayout, split: str) -> Split:
    """Load all questions of a split, with subjects in the benchmark's order and rows in file order.

    Raises ``UserError`` if a file is not a table. A single bad row becomes a question with a ``problem``.
    """
    digest = hashlib.sha256()
    questions: list[Question] = []
    missing = []
    columns: dict[str, None] = {}  # those with a filled cell, in the order of the file
    subject_names: dict[str, str] = {}
    answers_due = benchmark.metric.needs_gold and split not in benchmark.data.unanswered_splits
    for subject, path in _files(benchmark, layout, split).items():
        if not has_tables(path):
            missing.append(subject)
            continue
        tables = open_tables(path)
        for table in tables:
            digest.update(f"{table.subject or subject}\0{len(table.raw)}\0".encode() + table.raw)
        rows_of = _rows_of(tables, benchmark)
        chosen = partial(_is_asked, benchmark.data)
        questions += _questions(tables, rows_of, path, benchmark, subject, answers_due, chosen)
        for _, fields, _ in itertools.chain(*rows_of):
            columns.update(dict.fromkeys(name for name, cell in fields.items() if cell))
        keys = _subject_keys(itertools.chain(*rows_of), benchmark)
        subject_names |= {key: name.strip() for name, key in keys.items() if key not in benchmark.subjects}
    if not questions and benchmark.data.where is not None and len(missing) < len(_file_subjects(benchmark)):
        raise UserError(
            f"{benchmark.name}: no row of {layout.path(split, '*')} satisfies where ({benchmark.data.where})"
        )
    _check_usable(questions, benchmark)
    spec = benchmark.data
    named = {*spec.asked_columns, *spec.shot_columns, spec.answer, *benchmark.metric.columns}
    used = named | {column.partition(".")[0] for column in named}
    unused = tuple(name for name in columns if name not in used)
    return Split(tuple(questions), digest.hexdigest(), tuple(missing), unused, subject_names)


def load_shots(
    benchmark: Benchmark, layout: FileLayout, subjects: Iterable[str], count: int
) -> dict[str, tuple[Question, ...]]:
    """Load the first ``count`` examples of each subject.

    Raises ``UserError`` if a subject has fewer examples, or one of these is bad.
    """
    split = benchmark.shots_split
    if "{split}" not in layout.template and benchmark.data.shots_where is None:
        raise UserError(
            f"{benchmark.name}: no few-shot examples: {layout.path(split, '')} holds the questions; "
            f"put examples into a separate file, select them with shots_where, or give --llm-shots=0"
        )
    examples: dict[str, list[Question]] = {subject: [] for subject in subjects}
    for subject, path in _files(benchmark, layout, split).items():
        if benchmark.data.subject is None and subject not in examples:
            continue
        if not has_tables(path):
            which = "few-shot examples" if subject == benchmark.name else f"examples for subject {subject}"
            raise UserError(f"{benchmark.name}: no {which}: {path} is missing; add it, or give --llm-shots=0")
        tables, chosen = open_tables(path), partial(_is_shot, benchmark.data)
        rows_of = _rows_of(tables, benchmark)
        for row in _questions(tables, rows_of, path, benchmark, subject, True, chosen):
            if row.subject in examples:
                examples[row.subject].append(row)
            elif row.subject == subject and row.problem is not None:  # the subject of a bad row is unknown
                raise UserError(f"{path}: an example cannot be used: {row.problem}")
    for subject, rows in examples.items():
        if len(rows) < count:
            raise UserError(
                f"{layout.path(split, subject)}: {len(rows)} examples for subject {subject}, but {count} "
                f"are needed; add some, or give --llm-shots={len(rows)}"
            )
        for row in rows[:count]:
            if row.problem is not None:
                raise UserError(f"{layout.path(split, subject)}: an example cannot be used: {row.problem}")
    return {subject: tuple(rows[:count]) for subject, rows in examples.items()}


def _files(benchmark: Benchmark, layout: FileLayout, split: str) -> dict[str, Path]:
    """Map subjects to files; a file shared by all subjects is listed under the benchmark's name."""
    if "{subject}" not in layout.template:
        return {benchmark.name: layout.path(split, "")}
    return {subject: layout.path(split, subject) for subject in _file_subjects(benchmark)}


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
    rows_of = _rows_of(tables, benchmark)
    return _questions(tables, rows_of, path, benchmark, subject, answers_due)


def _rows_of(tables: Sequence[Table], benchmark: Benchmark) -> list[list[Row]]:
    """The rows of each table, with cells for dotted names of columns. Raises ``UserError``."""
    spec = benchmark.data
    rows_of = [
        with_aliases(
            read_rows(table.raw, table.path, _format(table, spec, len(tables)), spec.header, spec.rows),
            spec.aliases,
        )
        for table in tables
    ]
    columns = (*spec.asked_columns, *spec.shot_columns, spec.answer, *benchmark.metric.columns)
    if dotted := [column for column in columns if "." in column]:
        rows_of = [[with_nested(row, dotted) for row in rows] for rows in rows_of]
    for table, rows in zip(tables, rows_of, strict=True):
        if not rows:
            raise UserError(f"{table.path}: no rows; the file is empty or has only a header")
    return rows_of


def _questions(
    tables: Sequence[Table],
    rows_of: Sequence[Sequence[Row]],
    path: Path,
    benchmark: Benchmark,
    subject: str,
    answers_due: bool,
    chosen: Callable[[Mapping[str, str]], bool] = lambda fields: True,
) -> list[Question]:
    """The questions of the rows that are ``chosen``, which raises ``ValueError`` for cells it cannot read."""
    _check_columns(columns_of(list(itertools.chain(*rows_of))), benchmark.data, path, answers_due)
    entries = [
        (fields, row_subject, key, problem, f"{table.path.name}, line {line}")
        for table, rows in zip(tables, rows_of, strict=True)
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


def _is_asked(spec: DataSpec, fields: Mapping[str, str]) -> bool:
    """Whether a row is a question; examples of the same file are none. Raises ``ValueError``."""
    if spec.where is not None and not spec.where.holds(fields):
        return False
    return spec.shots_where is None or not spec.shots_where.holds(fields)


def _is_shot(spec: DataSpec, fields: Mapping[str, str]) -> bool:
    """Whether a row is an example. Raises ``ValueError``."""
    return spec.shots_where is None or spec.shots_where.holds(fields)


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


def _check_usable(questions: Sequence[Question], benchmark: Benchmark) -> None:
    """Raise ``UserError`` if nearly all rows have problems, which is one problem of the file."""
    bad = [question for question in questions if question.problem is not None]
    if len(bad) >= _FEW and len(bad) > _UNUSABLE_SHARE * len(questions):
        raise UserError(
            f"{benchmark.name}: {len(bad):,} of {len(questions):,} rows cannot be used, such as "
            f"{bad[0].problem}"
        )


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
    subject_of = _subject_keys(rows, benchmark)
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


def _subject_keys(rows: Iterable[Row], benchmark: Benchmark) -> dict[str, str]:
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
