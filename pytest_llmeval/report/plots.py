"""``--llm-plot``: charts as SVG files, for a paper or a slide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from pytest_llmeval.report import charts, views
from pytest_llmeval.report.figures import axis_count, axis_seconds
from pytest_llmeval.report.questions import RunQuestions
from pytest_llmeval.results.question_log import QUESTIONS
from pytest_llmeval.results.run_folder import safe_name, write_text, writing
from pytest_llmeval.results.summary import Result

_WIDTH = 760


def write_plots(target: Path, folder: Path, results: Sequence[Result]) -> list[Path]:
    """Write overview.svg, and for each benchmark NAME-subjects.svg, NAME-groups.svg, NAME-latency.svg and
    NAME-tokens.svg, if there are values to draw.

    ``folder`` is the run's. Raises ``LLMEvalError`` naming ``target``.
    """
    paths = []
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
    for name, chart in _plots(folder, results):
        paths.append(target / f"{name}.svg")
        write_text(paths[-1], chart + "\n")
    return paths


def _plots(folder: Path, results: Sequence[Result]) -> Iterator[tuple[str, Markup]]:
    """(file name without suffix, chart) of each plot."""
    series = views.series_of(results)
    yield "overview", views.overview_chart(results, series)
    stats = RunQuestions(folder / QUESTIONS, results).stats
    for benchmark in dict.fromkeys(result.benchmark for result in results):
        benchmark_results = [result for result in results if result.benchmark == benchmark]
        name = safe_name(benchmark, "benchmark")
        yield f"{name}-subjects", views.subject_chart(benchmark_results, series)
        if (groups := views.group_chart(benchmark_results, series)) is not None:
            yield f"{name}-groups", groups
        by_model = {
            result.model: stats[benchmark, result.model]
            for result in benchmark_results
            if (benchmark, result.model) in stats
        }
        latencies = {model: model_stats.latencies for model, model_stats in by_model.items()}
        tokens = {model: model_stats.completion_tokens for model, model_stats in by_model.items()}
        for kind, title, values, axis in (
            ("latency", "latency per answer", latencies, axis_seconds),
            ("tokens", "completion tokens per answer", tokens, axis_count),
        ):
            if any(map(any, values.values())):
                label = f"{benchmark}: {title}"
                yield f"{name}-{kind}", charts.histogram(values, series, axis, label, _WIDTH, with_title=True)
