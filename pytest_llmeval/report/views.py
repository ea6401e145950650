"""The page's sections as values for its template, and the charts that are also written as files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from markupsafe import Markup

from pytest_llmeval.analysis.compare import ChangedQuestion, Comparison
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.report import charts, figures
from pytest_llmeval.report import comparison as comparison_table
from pytest_llmeval.report.charts import ForestRow, Mark
from pytest_llmeval.report.questions import AnswerStats, Question
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.summary import Group, Part, Result, outline

#: the largest number of different gold answers (such as numbers) for which there is a chart
_MAX_ANSWERS = 10
_MAX_EXTREMES = 5
_SCORED = (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED)


@dataclass(frozen=True, slots=True)
class PartRow:
    """A subject or group as a row of a table, with the part of each model (None if it was not asked)."""

    key: str
    names: tuple[str, ...]
    group: str
    parts: tuple[Part | None, ...]
    chart: Markup

    @property
    def present(self) -> list[Part]:
        """The parts that are not None."""
        return [part for part in self.parts if part is not None]

    @property
    def number(self) -> int:
        """The number of questions per model (the largest, where models differ)."""
        return max(part.counts.requested for part in self.present)

    def total(self, outcome: str) -> int:
        """The number of answers of all models with this outcome."""
        return sum(getattr(part.counts, outcome) for part in self.present)

    @property
    def cut_off(self) -> int:
        """The number of answers of all models that the token limit cut off."""
        return sum(part.cut_off.answers for part in self.present)


@dataclass(frozen=True, slots=True)
class ModelPair:
    """Two models on the questions both were scored on; with repeats, the majority counts."""

    first: str
    second: str
    both: int
    only_first: int
    only_second: int
    neither: int


@dataclass(frozen=True, slots=True)
class ComparisonSection:
    """A result compared with that of an earlier run; the cells of ``rows`` are under ``header``."""

    title: str
    header: tuple[str, ...]
    rows: tuple[comparison_table.Row, ...]
    remarks: tuple[str, ...]
    broken: Sequence[ChangedQuestion]
    fixed: Sequence[ChangedQuestion]


@dataclass(frozen=True, slots=True)
class ResultCard:
    """The overview of one result; ``unparsed`` has (reason, number), the most frequent first."""

    result: Result
    series: int
    chart: Markup
    outcomes: Markup
    weakest: tuple[PartRow, ...]
    strongest: tuple[PartRow, ...]
    unparsed: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its caption: a title and a note on how to read it."""

    title: str
    chart: Markup
    note: str = ""


@dataclass(frozen=True, slots=True)
class BenchmarkSection:
    """The section of one benchmark, with its models side by side."""

    info: BenchmarkInfo
    results: tuple[Result, ...]
    groups: tuple[PartRow, ...]
    subjects: tuple[PartRow, ...]
    pairs: tuple[ModelPair, ...]
    figures: tuple[Figure, ...]

    @property
    def graded(self) -> bool:
        """Whether the metric gives scores between right and wrong."""
        return any(result.mean_score is not None for result in self.results)

    @property
    def cut_off(self) -> int:
        """The number of answers that the token limit cut off."""
        return sum(result.cut_off.answers for result in self.results)


def series_of(results: Iterable[Result]) -> dict[str, int]:
    """The number of each model, which chooses its colour and shape on the whole page."""
    return {name: number for number, name in enumerate(dict.fromkeys(result.model for result in results))}


def result_cards(results: Sequence[Result], stats: Mapping[tuple[str, str], AnswerStats]) -> list[ResultCard]:
    """A card for each result."""
    series = series_of(results)
    cards = []
    for result in results:
        number = series[result.model]
        mark = Mark.of(result.accuracy, result.interval, number)
        weakest, strongest = _extremes(result)
        reasons = stats.get((result.benchmark, result.model), AnswerStats()).unparsed.most_common()
        cards.append(
            ResultCard(
                result,
                number,
                charts.interval_track(charts.present([mark]), 300),
                charts.outcome_bar(result.counts),
                weakest,
                strongest,
                tuple(reasons),
            )
        )
    return cards


def comparison_section(comparison: Comparison) -> ComparisonSection:
    """The section of one comparison."""
    return ComparisonSection(
        comparison_table.comparison_title(comparison),
        comparison_table.HEADER,
        tuple(comparison_table.comparison_rows(comparison)),
        tuple(comparison_table.comparison_remarks(comparison)),
        comparison.broken,
        comparison.fixed,
    )


def benchmark_sections(
    results: Sequence[Result], questions: Sequence[Question], stats: Mapping[tuple[str, str], AnswerStats]
) -> list[BenchmarkSection]:
    """A section for each benchmark, in order."""
    series = series_of(results)
    sections = []
    for name in dict.fromkeys(result.benchmark for result in results):
        benchmark_results = tuple(result for result in results if result.benchmark == name)
        groups, subjects = part_rows(benchmark_results, series)
        sections.append(
            BenchmarkSection(
                benchmark_results[0].info,
                benchmark_results,
                groups,
                subjects,
                tuple(
                    model_pairs(
                        [question for question in questions if question.benchmark == name],
                        [result.model for result in benchmark_results],
                    )
                ),
                tuple(answer_figures(name, benchmark_results, stats, series)),
            )
        )
    return sections


def part_rows(
    results: Sequence[Result], series: Mapping[str, int]
) -> tuple[tuple[PartRow, ...], tuple[PartRow, ...]]:
    """The rows of the groups and of the subjects of one benchmark; a subject's row names its first group."""
    info = results[0].info
    whole = results[0].accuracy if len(results) == 1 else None
    numbers = [series[result.model] for result in results]

    def row(key: str, names: tuple[str, ...], group: str, parts: tuple[Part | None, ...]) -> PartRow:
        return PartRow(key, names, group, parts, charts.interval_track(_marks(parts, numbers), whole=whole))

    order = [*info.subjects, *(key for result in results for key in result.subjects)]
    present = [key for key in dict.fromkeys(order) if any(key in result.subjects for result in results)]
    groups, subjects = [], []
    for group, keys in outline(present, info.groups):
        if group:
            groups.append(row(group, (), "", tuple(result.groups.get(group) for result in results)))
        for key in keys:
            names = _other_names(key, info.subjects.get(key, ("", "")))
            subjects.append(row(key, names, group, tuple(result.subjects.get(key) for result in results)))
    return tuple(groups), tuple(subjects)


def _other_names(key: str, names: tuple[str, str]) -> tuple[str, ...]:
    """The names of a subject that differ from its key."""
    plain = key.replace("_", " ").casefold()
    return tuple(name for name in dict.fromkeys(names) if name and name.casefold() != plain)


def _marks(parts: Iterable[Part | None], series: Iterable[int]) -> tuple[Mark, ...]:
    return charts.present(
        None if part is None else Mark.of(part.accuracy, part.interval, number)
        for part, number in zip(parts, series, strict=True)
    )


def _extremes(result: Result) -> tuple[tuple[PartRow, ...], tuple[PartRow, ...]]:
    """The subjects whose intervals lie below, and above, the accuracy over all questions.

    Others, such as ties and subjects with few questions, may differ from the whole by chance. They are
    ranked by the upper and the lower end of their intervals.
    """
    if result.accuracy is None:
        return (), ()
    _, subjects = part_rows([result], {result.model: 0})
    scored = [(*part.interval, row) for row in subjects for part in row.present if part.interval]
    weakest = sorted((high, at) for at, (_, high, _) in enumerate(scored) if high < result.accuracy)
    strongest = sorted((-low, at) for at, (low, _, _) in enumerate(scored) if low > result.accuracy)
    weak, strong = (
        tuple(scored[at][2] for _, at in ranked[:_MAX_EXTREMES]) for ranked in (weakest, strongest)
    )
    return weak, strong


def model_pairs(questions: Sequence[Question], models: Sequence[str]) -> list[ModelPair]:
    """For every two models, how many questions both, one or neither answered correctly."""
    pairs = []
    for first, second in combinations(models, 2):
        numbers = {(a, b): 0 for a in (True, False) for b in (True, False)}
        for question in questions:
            answers = question.answers.get(first), question.answers.get(second)
            a, b = (
                None if model_answers is None else model_answers.majority.outcome for model_answers in answers
            )
            if a in _SCORED and b in _SCORED and question.target is not None:
                numbers[a is Outcome.CORRECT, b is Outcome.CORRECT] += 1
        pairs.append(
            ModelPair(
                first,
                second,
                both=numbers[True, True],
                only_first=numbers[True, False],
                only_second=numbers[False, True],
                neither=numbers[False, False],
            )
        )
    return pairs


def answer_figures(
    benchmark: str,
    results: Sequence[Result],
    stats: Mapping[tuple[str, str], AnswerStats],
    series: Mapping[str, int],
) -> Iterable[Figure]:
    """Histograms of latencies and tokens, and counts of the answers; only where there are values."""
    by_model = {result.model: stats.get((benchmark, result.model), AnswerStats()) for result in results}
    for title, values, axis, note in (
        (
            "Latency",
            {model: model_stats.latencies for model, model_stats in by_model.items()},
            figures.axis_seconds,
            "answers requested in this run, logarithmic scale",
        ),
        (
            "Completion tokens",
            {model: model_stats.completion_tokens for model, model_stats in by_model.items()},
            figures.axis_count,
            "per answer",
        ),
        (
            "Prompt tokens",
            {model: model_stats.prompt_tokens for model, model_stats in by_model.items()},
            figures.axis_count,
            "per question",
        ),
    ):
        if any(map(any, values.values())):
            yield Figure(title, charts.histogram(values, series, axis, title.lower()), note)
    for model, model_stats in by_model.items():
        if model_stats.gold and len(model_stats.gold) <= _MAX_ANSWERS:
            extracted = {
                answer: number
                for answer, number in model_stats.extracted.items()
                if answer in model_stats.gold
            }
            yield Figure(
                f"Answers of {model}" if len(by_model) > 1 else "Answers",
                charts.answer_bars(extracted, model_stats.gold, series[model]),
                "filled: how often the model gave it; outlined: how often it is correct",
            )


# ---- charts as files


def overview_chart(results: Sequence[Result], series: Mapping[str, int]) -> Markup:
    """The accuracy on each benchmark."""
    rows = []
    for name in dict.fromkeys(result.benchmark for result in results):
        benchmark_results = [result for result in results if result.benchmark == name]
        rows.append(_whole_row(benchmark_results, series, name))
    note = "mean over questions, with 95% intervals"
    return charts.forest_plot("Accuracy", rows, list(series), note=note)


def subject_chart(results: Sequence[Result], series: Mapping[str, int]) -> Markup:
    """The accuracy on the groups and subjects of one benchmark."""
    groups, subjects = part_rows(results, series)
    headings = {row.key: row for row in groups}
    rows = []
    for group in dict.fromkeys(row.group for row in subjects):
        if group:
            rows.append(_forest_row(headings[group], results, series, heading=True))
        rows += [_forest_row(row, results, series) for row in subjects if row.group == group]
    return _forest([*rows, _whole_row(results, series)], results, series)


def group_chart(results: Sequence[Result], series: Mapping[str, int]) -> Markup | None:
    """The accuracy on the groups of one benchmark; None if it has no groups."""
    groups, _ = part_rows(results, series)
    if not groups:
        return None
    rows = [_forest_row(row, results, series) for row in groups]
    return _forest([*rows, _whole_row(results, series)], results, series)


def _forest(rows: Sequence[ForestRow], results: Sequence[Result], series: Mapping[str, int]) -> Markup:
    info = results[0].info
    title = " · ".join([info.name, *([results[0].model] if len(results) == 1 else [])])
    conditions = info.conditions
    shots = figures.shots(conditions.shots)
    note = f"{conditions.mode}, {shots}, {conditions.split}; accuracy with 95% intervals"
    return charts.forest_plot(title, rows, list(series), note=note)


def _forest_row(
    row: PartRow, results: Sequence[Result], series: Mapping[str, int], heading: bool = False
) -> ForestRow:
    label = " ".join((row.key, *row.names[-1:]))
    marks = _marks(row.parts, [series[result.model] for result in results])
    return ForestRow(label, marks, row.number, heading)


def _whole_row(
    results: Sequence[Result], series: Mapping[str, int], label: str = "all questions"
) -> ForestRow:
    wholes: list[Group | None] = [result.whole for result in results]
    marks = _marks(wholes, [series[result.model] for result in results])
    return ForestRow(label, marks, max(result.counts.requested for result in results), True)


def sorted_value(number: float | None) -> str:
    """A number as the page's table sorting reads it; empty, which sorts last, for None and NaN."""
    return "" if number is None or not math.isfinite(number) else f"{number:.9g}"
