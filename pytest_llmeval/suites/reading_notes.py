"""Notes on how a benchmark's own files were read, for what a user would otherwise not notice."""

from __future__ import annotations

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.suites.benchmark import Benchmark
from pytest_llmeval.suites.questions import Table

#: fewer questions may have the same gold answer by chance
_FEWEST_ALIKE = 10


def reading_notes(benchmark: Benchmark, table: Table) -> tuple[str, ...]:
    """A line for each thing that columns alone do not tell: positions, drawn orders, unused columns."""
    data, name = benchmark.data, benchmark.name
    notes = []
    if data.answer_index is not None:
        where = one_line(repr(data.answer), 40)
        notes.append(f"{name}: whole numbers in {where} are positions of choices, from {data.answer_index}")
    if data.distractors:
        notes.append(f"{name}: the right choice is placed among the wrong ones by a hash of their texts")
    golds = [question.answer for question in table.questions if question.answer is not None]
    if data.has_choices and len(golds) >= _FEWEST_ALIKE and len(set(golds)) == 1:
        notes.append(
            f"{name}: every gold answer is {golds[0]}, so a preference for this label scores well; "
            "--llm-shuffle-choices=SEED asks in other orders"
        )
    if table.unused_columns:
        columns = one_line(", ".join(column or "(no name)" for column in table.unused_columns), 300)
        notes.append(f"{name}: columns not used: {columns}")
    return tuple(notes)
