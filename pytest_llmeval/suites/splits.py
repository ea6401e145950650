"""Find a benchmark's files, and load the questions and few-shot examples of a split."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pytest_llmeval.core.errors import DataMissing, UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.suites.data_cache import cache_folder
from pytest_llmeval.suites.questions import questions_of, row_subject_keys, rows_of
from pytest_llmeval.suites.spec import Benchmark, DataSpec
from pytest_llmeval.suites.tables import has_tables, open_tables

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
        table_rows = rows_of(tables, benchmark)
        chosen = partial(_is_asked, benchmark.data)
        questions += questions_of(tables, table_rows, path, benchmark, subject, answers_due, chosen)
        for _, fields, _ in itertools.chain(*table_rows):
            columns.update(dict.fromkeys(name for name, cell in fields.items() if cell))
        keys = row_subject_keys(itertools.chain(*table_rows), benchmark)
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
        table_rows = rows_of(tables, benchmark)
        for row in questions_of(tables, table_rows, path, benchmark, subject, True, chosen):
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


def _is_asked(spec: DataSpec, fields: Mapping[str, str]) -> bool:
    """Whether a row is a question; examples of the same file are none. Raises ``ValueError``."""
    if spec.where is not None and not spec.where.holds(fields):
        return False
    return spec.shots_where is None or not spec.shots_where.holds(fields)


def _is_shot(spec: DataSpec, fields: Mapping[str, str]) -> bool:
    """Whether a row is an example. Raises ``ValueError``."""
    return spec.shots_where is None or spec.shots_where.holds(fields)


def _check_usable(questions: Sequence[Question], benchmark: Benchmark) -> None:
    """Raise ``UserError`` if nearly all rows have problems, which is one problem of the file."""
    bad = [question for question in questions if question.problem is not None]
    if len(bad) >= _FEW and len(bad) > _UNUSABLE_SHARE * len(questions):
        raise UserError(
            f"{benchmark.name}: {len(bad):,} of {len(questions):,} rows cannot be used, such as "
            f"{bad[0].problem}"
        )
