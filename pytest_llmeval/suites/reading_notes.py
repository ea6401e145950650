"""Notes on how a benchmark's own files were read, for what a user would otherwise not notice."""

from __future__ import annotations

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.scoring import registry
from pytest_llmeval.suites.benchmark import Benchmark
from pytest_llmeval.suites.splits import Split

#: fewer questions may have the same gold answer by chance
_FEWEST_ALIKE = 10


def reading_notes(benchmark: Benchmark, split: Split) -> tuple[str, ...]:
    """A line for each thing that columns alone do not tell: positions, drawn orders, unused columns."""
    data, name = benchmark.data, benchmark.result_name
    notes = []
    if data.answer_index is not None:
        where = one_line(repr(data.answer), 40)
        notes.append(f"{name}: whole numbers in {where} are positions of choices, from {data.answer_index}")
    else:
        notes += _other_golds(benchmark, split)
    if data.distractors:
        notes.append(f"{name}: the right choice is placed among the wrong ones by a hash of their texts")
    golds = [question.answer for question in split.questions if question.answer is not None]
    if data.has_choices and len(golds) >= _FEWEST_ALIKE and len(set(golds)) == 1:
        notes.append(
            f"{name}: every gold answer is {golds[0]}, so a preference for this label scores well; "
            "--llm-shuffle-choices=SEED asks in other orders"
        )
    if split.unused_columns:
        columns = one_line(", ".join(column or "(no name)" for column in split.unused_columns), 300)
        notes.append(f"{name}: columns not used: {columns}")
    return tuple(notes)


def _other_golds(benchmark: Benchmark, split: Split) -> list[str]:
    """A note on gold answers that are to be labels of choices but are not, with an example."""
    data = benchmark.data
    apart = data.distractors or data.answer_pattern is not None or data.choice_list == data.answer
    if not data.has_choices or apart or registry.metrics()[benchmark.metric.name].sets:
        return []
    golds = [question for question in split.questions if question.answer is not None]
    others = [question for question in golds if question.fields["answer_text"].strip() != question.answer]
    if not others:
        return []
    example = one_line(repr(others[0].fields["answer_text"].strip()), 60)
    return [
        f"{benchmark.result_name}: {len(others):,} of {len(golds):,} gold answers are not labels of choices; "
        f"{example} is taken as {others[0].answer}"
    ]
