"""``--llm-plot``: the page's charts as files, for a paper or a slide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from pytest_llmeval.report import charts, views
from pytest_llmeval.report.embed import Questions
from pytest_llmeval.report.figures import axis_count, axis_seconds
from pytest_llmeval.results.question_log import QUESTIONS
from pytest_llmeval.results.rerun import Rerun
from pytest_llmeval.results.run_folder import safe_name, write_text, writing
from pytest_llmeval.results.summary import Result


def write_plots(target: Path, folder: Path, results: Sequence[Result]) -> list[Path]:
    """Write overview.svg, and of each benchmark NAME-subjects.svg, NAME-groups.svg, NAME-latency.svg and
    NAME-tokens.svg, as far as there is anything to draw. Raises ``LLMEvalError`` naming the folder.
    """
    paths = []
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
    for name, drawn in _plots(folder, results):
        paths.append(target / f"{name}.svg")
        write_text(paths[-1], drawn + "\n")
    return paths


def _plots(folder: Path, results: Sequence[Result]) -> Iterator[tuple[str, Markup]]:
    series = views.series_of(results)
    yield "overview", views.overview_chart(results, series)
    seen = Questions(folder / QUESTIONS, results, Rerun()).seen
    for benchmark in dict.fromkeys(result.benchmark for result in results):
        own = [result for result in results if result.benchmark == benchmark]
        name = safe_name(benchmark, "benchmark")
        yield f"{name}-subjects", views.subject_chart(own, series)
        if (groups := views.group_chart(own, series)) is not None:
            yield f"{name}-groups", groups
        of = {
            result.model: seen[benchmark, result.model] for result in own if (benchmark, result.model) in seen
        }
        for what, label, values, axis in (
            ("latency", "latency of an answer", {m: one.latencies for m, one in of.items()}, axis_seconds),
            ("tokens", "tokens written", {m: one.completion_tokens for m, one in of.items()}, axis_count),
        ):
            if any(map(any, values.values())):
                title = f"{benchmark}: {label}"
                yield f"{name}-{what}", charts.histogram(values, series, axis, title, 760, titled=True)
