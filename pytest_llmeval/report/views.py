"""What the page shows of results, worked out for its template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from markupsafe import Markup

from pytest_llmeval.analysis.compare import Comparison, Moved
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.report import charts
from pytest_llmeval.report import comparison as compared
from pytest_llmeval.report.charts import Mark, Row
from pytest_llmeval.report.embed import Seen, Unit
from pytest_llmeval.report.figures import axis_count, axis_seconds
from pytest_llmeval.results.summary import BenchmarkInfo, Group, Part, Result, outline

_MOST_LETTERS = 10
_EXTREMES = 5
_SCORED = (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: a subject or group, with the part of each model that was asked."""

    key: str
    names: tuple[str, ...]
    group: str
    parts: tuple[Part | None, ...]
    chart: Markup

    @property
    def asked(self) -> list[Part]:
        """The parts that there are."""
        return [part for part in self.parts if part is not None]

    @property
    def number(self) -> int:
        """Questions of one model (the most, where models differ)."""
        return max(part.counts.requested for part in self.asked)

    def total(self, outcome: str) -> int:
        """Questions of all models with this outcome."""
        return sum(getattr(part.counts, outcome) for part in self.asked)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models on the questions that both were scored on; of repeats the majority counts."""

    first: str
    second: str
    both: int
    only_first: int
    only_second: int
    neither: int


@dataclass(frozen=True, slots=True)
class Changes:
    """One result against that of an earlier run; ``rows`` have their cells under ``header``."""

    title: str
    header: tuple[str, ...]
    rows: tuple[compared.Row, ...]
    remarks: tuple[str, ...]
    broken: Sequence[Moved]
    fixed: Sequence[Moved]


@dataclass(frozen=True, slots=True)
class Card:
    """The head of a result: what there is to see in the first ten seconds."""

    result: Result
    series: int
    chart: Markup
    stack: Markup
    weakest: tuple[Line, ...]
    strongest: tuple[Line, ...]
    unparsed: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its heading, and a word on how to read it."""

    title: str
    chart: Markup
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything of one benchmark."""

    info: BenchmarkInfo
    results: tuple[Result, ...]
    groups: tuple[Line, ...]
    subjects: tuple[Line, ...]
    pairs: tuple[Pair, ...]
    figures: tuple[Figure, ...]

    @property
    def graded(self) -> bool:
        """Whether the metric gives scores between right and wrong."""
        return any(result.mean_score is not None for result in self.results)

    @property
    def scored(self) -> bool:
        """Whether any question has a gold answer."""
        return any(result.accuracy is not None for result in self.results)


def cards(results: Sequence[Result], seen: Mapping[tuple[str, str], Seen]) -> list[Card]:
    """A card a result."""
    series = series_of(results)
    made = []
    for result in results:
        number = series[result.model]
        mark = Mark.of(result.accuracy, result.interval, number)
        weakest, strongest = _extremes(result)
        reasons = seen.get((result.benchmark, result.model), Seen()).unparsed.most_common()
        made.append(
            Card(
                result,
                number,
                charts.track(charts.known([mark]), 300),
                charts.stack(result.counts),
                weakest,
                strongest,
                tuple(reasons),
            )
        )
    return made


def changes(comparison: Comparison) -> Changes:
    """The section on a comparison."""
    return Changes(
        compared.title(comparison),
        compared.HEADER,
        tuple(compared.rows(comparison)),
        tuple(compared.remarks(comparison)),
        comparison.broken,
        comparison.fixed,
    )


def series_of(results: Iterable[Result]) -> dict[str, int]:
    """The number of each model: its colour and shape on the whole page."""
    return {name: at for at, name in enumerate(dict.fromkeys(result.model for result in results))}


def benches(
    results: Sequence[Result], units: Sequence[Unit], seen: Mapping[tuple[str, str], Seen]
) -> list[Bench]:
    """The benchmarks in order, each with its models side by side."""
    series = series_of(results)
    made = []
    for name in dict.fromkeys(result.benchmark for result in results):
        own = tuple(result for result in results if result.benchmark == name)
        groups, subjects = lines(own, series)
        of_this = [unit for unit in units if unit.benchmark == name]
        made.append(
            Bench(
                own[0].info,
                own,
                groups,
                subjects,
                tuple(pairs(of_this, [result.model for result in own])),
                tuple(figures(name, own, seen, series)),
            )
        )
    return made


def lines(results: Sequence[Result], series: Mapping[str, int]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The groups and the subjects of one benchmark; a subject names the group that lists it."""
    info = results[0].info
    whole = results[0].accuracy if len(results) == 1 else None
    order = [*info.subjects, *(key for result in results for key in result.subjects)]
    present = [key for key in dict.fromkeys(order) if any(key in result.subjects for result in results)]
    groups, subjects = [], []
    for group, keys in outline(present, info.groups):
        if group:
            parts: tuple[Part | None, ...] = tuple(result.groups.get(group) for result in results)
            groups.append(_line(group, (), "", parts, results, series, whole))
        for key in keys:
            parts = tuple(result.subjects.get(key) for result in results)
            names = _names(key, info.subjects.get(key, ("", "")))
            subjects.append(_line(key, names, group, parts, results, series, whole))
    return tuple(groups), tuple(subjects)


def _names(key: str, known: tuple[str, str]) -> tuple[str, ...]:
    """What else a subject is called: nothing that its key says already."""
    said = key.replace("_", " ").casefold()
    return tuple(name for name in dict.fromkeys(known) if name and name.casefold() != said)


def _line(
    key: str,
    names: tuple[str, ...],
    group: str,
    parts: tuple[Part | None, ...],
    results: Sequence[Result],
    series: Mapping[str, int],
    whole: float | None,
) -> Line:
    marks = marks_of(parts, [series[result.model] for result in results])
    return Line(key, names, group, parts, charts.track(marks, whole=whole))


def marks_of(parts: Iterable[Part | None], series: Iterable[int]) -> tuple[Mark, ...]:
    """The marks of parts side by side."""
    return charts.known(
        None if part is None else Mark.of(part.accuracy, part.interval, number)
        for part, number in zip(parts, series, strict=True)
    )


def _extremes(result: Result) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Where the model is surely weak and surely strong: by the upper and the lower end of the interval,
    for of few questions any rate may come by chance.
    """
    _, subjects = lines([result], {result.model: 0})
    scored = [(part.interval, line) for line in subjects for part in line.asked if part.interval]
    most = min(_EXTREMES, len(scored) // 2)
    weakest = sorted(scored, key=lambda one: one[0][1])[:most]
    others = [one for one in scored if one not in weakest]
    strongest = sorted(others, key=lambda one: -one[0][0])[:most]
    return tuple(line for _, line in weakest), tuple(line for _, line in strongest)


def pairs(units: Sequence[Unit], models: Sequence[str]) -> list[Pair]:
    """Each two models: who was right where."""
    found = []
    for first, second in combinations(models, 2):
        numbers = {(a, b): 0 for a in (True, False) for b in (True, False)}
        for unit in units:
            answers = unit.answers.get(first), unit.answers.get(second)
            one, other = (None if answer is None else answer.told.outcome for answer in answers)
            if one in _SCORED and other in _SCORED and unit.target is not None:
                numbers[one is Outcome.CORRECT, other is Outcome.CORRECT] += 1
        found.append(
            Pair(
                first,
                second,
                both=numbers[True, True],
                only_first=numbers[True, False],
                only_second=numbers[False, True],
                neither=numbers[False, False],
            )
        )
    return found


def figures(
    name: str,
    results: Sequence[Result],
    seen: Mapping[tuple[str, str], Seen],
    series: Mapping[str, int],
) -> Iterable[Figure]:
    """Latencies, tokens, and the answers that were given beside the right ones."""
    of = {result.model: seen.get((name, result.model), Seen()) for result in results}
    latencies = {model: one.latencies for model, one in of.items()}
    if any(map(any, latencies.values())):
        yield Figure(
            "Latency",
            charts.histogram(latencies, series, axis_seconds, "latency"),
            "of answers asked for in this run; logarithmic scale",
        )
    written = {model: one.completion_tokens for model, one in of.items()}
    if any(map(any, written.values())):
        yield Figure(
            "Tokens written", charts.histogram(written, series, axis_count, "tokens written"), "an answer"
        )
    prompts = {model: one.prompt_tokens for model, one in of.items()}
    if any(map(any, prompts.values())):
        yield Figure(
            "Prompt tokens", charts.histogram(prompts, series, axis_count, "prompt tokens"), "a question"
        )
    for model, one in of.items():
        if one.gold and len(one.gold) <= _MOST_LETTERS:
            given = {answer: number for answer, number in one.given.items() if answer in one.gold}
            yield Figure(
                f"Answers of {model}" if len(of) > 1 else "Answers",
                charts.letters(given, one.gold, series[model]),
                "filled: how often given; outlined: how often right",
            )


def subject_chart(results: Sequence[Result], series: Mapping[str, int]) -> Markup:
    """Groups and subjects of one benchmark as a chart for a paper or a slide."""
    groups, subjects = lines(results, series)
    rows = []
    headings = {line.key: line for line in groups}
    for key in dict.fromkeys(line.group for line in subjects):
        if key:
            rows.append(_row(headings[key], results, series, heading=True))
        rows += [_row(line, results, series) for line in subjects if line.group == key]
    rows.append(_whole_row(results, series))
    return charts.forest(title_of(results), rows, list(series), note=note_of(results))


def group_chart(results: Sequence[Result], series: Mapping[str, int]) -> Markup | None:
    """The groups of one benchmark, if it has any."""
    groups, _ = lines(results, series)
    if not groups:
        return None
    rows = [_row(line, results, series) for line in groups] + [_whole_row(results, series)]
    return charts.forest(title_of(results), rows, list(series), note=note_of(results))


def overview_chart(results: Sequence[Result], series: Mapping[str, int]) -> Markup:
    """A line a benchmark."""
    rows = []
    for name in dict.fromkeys(result.benchmark for result in results):
        own = [result for result in results if result.benchmark == name]
        rows.append(_whole_row(own, series, name))
    return charts.forest("Accuracy", rows, list(series), note="mean over questions, with 95% intervals")


def title_of(results: Sequence[Result]) -> str:
    """Benchmark and, where there is one, its model."""
    names = [results[0].benchmark, *([results[0].model] if len(results) == 1 else [])]
    return " · ".join(names)


def note_of(results: Sequence[Result]) -> str:
    """How it was asked."""
    info = results[0].info
    shots = "1 shot" if info.conditions.shots == 1 else f"{info.conditions.shots} shots"
    return f"{info.conditions.mode}, {shots}, {info.conditions.split}; accuracy with 95% intervals"


def _row(line: Line, results: Sequence[Result], series: Mapping[str, int], heading: bool = False) -> Row:
    label = " ".join((line.key, *line.names[-1:]))
    marks = marks_of(line.parts, [series[result.model] for result in results])
    return Row(label, marks, line.number, heading)


def _whole_row(results: Sequence[Result], series: Mapping[str, int], label: str = "all questions") -> Row:
    wholes: list[Group | None] = [result.whole for result in results]
    marks = marks_of(wholes, [series[result.model] for result in results])
    return Row(label, marks, max(result.counts.requested for result in results), True)


def sorted_value(number: float | None) -> str:
    """A number as a table's sorting reads it; nothing, which sorts last, where there is none."""
    return "" if number is None or not math.isfinite(number) else f"{number:.9g}"
