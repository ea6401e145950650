"""summary.md: the results of a run as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.core.errors import one_line
from pytest_llmeval.report import figures, suite_tables, task_scores
from pytest_llmeval.report.answer_lines import answer_lines
from pytest_llmeval.report.cut_off import cut_off_line
from pytest_llmeval.report.judge_lines import agreement_lines, judge_line
from pytest_llmeval.report.looser_metric import looser_metric_line
from pytest_llmeval.report.metrics_line import metrics_line
from pytest_llmeval.report.official import official_line
from pytest_llmeval.report.status import error_groups
from pytest_llmeval.results.circular import Circular
from pytest_llmeval.results.suite_average import SuiteResult
from pytest_llmeval.results.summary import Group, Part, Repeats, Result, outline

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Comparison

_MAX_IDS = 20
_HEADER = (
    "subject", "n", "correct", "wrong", "unparsed", "answered", "errors",
    "accuracy", "95% interval", "mean over subjects", "median latency",
)  # fmt: skip


def summary_markdown(
    name: str,
    complete: bool,
    results: Sequence[Result],
    gates: Iterable[GateResult],
    errors: Iterable[tuple[str, str]],
    comparisons: Iterable[Comparison] = (),
    suites: Iterable[SuiteResult] = (),
) -> str:
    """The whole file: a section for each suite, result and comparison, then gates, then errors by cause.

    ``errors`` are (question id, message).
    """
    lines = [f"# {escape(name)}", ""]
    if not complete:
        lines += ["**This run is incomplete.**", ""]
    if not results:
        lines += ["No questions were asked.", ""]
    for suite in suites:
        lines += [*_suite_section(suite), ""]
    for result in results:
        lines += [*_result_section(result), ""]
    for comparison in comparisons:
        lines += [*_comparison_section(comparison), ""]
    verdicts = list(gates)
    if verdicts:
        header = ("gate", "benchmark, model", "verdict", "reason")
        lines += ["## Gates", "", *_table(header, "llll", map(_verdict_cells, verdicts)), ""]
    causes = error_groups(errors)
    if causes:
        lines += ["## Errors", "", *(f"- {escape(cause)}" for cause in causes), ""]
    return "\n".join(lines)


def escape(text: str) -> str:
    """``text`` on one line, with everything escaped that Markdown or HTML would interpret."""
    flat = one_line(text)
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # GitHub leaves underscores within words alone, and most keys have some
    flat = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", re.sub(r"([\\`*\[\]|~#!])", r"\\\1", flat))
    # GitHub links mentions and addresses; a zero-width space prevents that
    flat = flat.replace("@", "@\u200b").replace("://", ":\u200b//")
    return re.sub(r"(?i)\b(www)\.", "\\1\u200b.", flat)


def _result_section(result: Result) -> list[str]:
    info, tokens, latency = result.info, result.tokens, result.latency
    title = f"{result.benchmark} · {result.model} · {figures.conditions(info)}"
    rows = []
    for group, subjects in outline(result.subjects, info.groups):
        if group:
            rows.append(_row(f"**{escape(group)}**", result.groups[group], result))
        rows += [_row(_subject(key, result), result.subjects[key], result) for key in subjects]
    rows.append(_row("**all**", result.whole, result))
    speed = f", {result.questions_per_s:.1f} questions/s" if result.questions_per_s is not None else ""
    header = _header(result)
    return [
        f"## {escape(title)}",
        "",
        f"- mean over questions: {_accuracy(result.accuracy, result.interval)}",
        f"- mean over subjects: {_accuracy(result.macro_accuracy, result.macro_interval)}",
        *_mean_score_lines(result),
        *([f"- {escape(metrics_line(result.metrics))}"] if result.metrics else []),
        *([] if result.official is None else [f"- {escape(official_line(result.official))}"]),
        *([f"- {escape(looser_metric_line(result.looser_metric))}"] if result.looser_metric else []),
        *([f"- {escape(cut_off_line(result.cut_off))}"] if result.cut_off.answers else []),
        *(f"- {escape(line)}" for line in answer_lines(result)),
        *_calibration_lines(result),
        *_circular_lines(result.circular, result.accuracy),
        *_judge_lines(result),
        *_repeat_lines(result.repeats),
        f"- model: {escape(result.identity) or figures.NONE}",
        f"- latency: median {_latency(latency.p50)}, 95th percentile {_latency(latency.p95)}, "
        f"mean {_latency(latency.mean)}{speed}",
        f"- tokens: {_number(tokens.prompt)} in prompts, {_number(tokens.completion)} in completions; "
        f"{result.cached} answers from the store",
        "",
        "The accuracy of a group, and of all, is the mean over its questions.",
        "",
        *_table(header, "l" + "r" * (len(header) - 1), rows),
        *_task_score_lines(result),
    ]


def _suite_section(suite: SuiteResult) -> list[str]:
    rows = [[escape(cell) for cell in cells] for cells in suite_tables.suite_cells(suite)]
    if suite.average is not None:
        rows[-1] = [f"**{cell}**" if cell else "" for cell in rows[-1]]
    header = suite_tables.HEADER
    return [
        f"## {escape(f'suite {suite.suite} · {suite.model}')}",
        "",
        *([escape(suite_tables.missing_line(suite)), ""] if suite.missing else []),
        *_table(header, "l" + "r" * (len(header) - 1), rows),
    ]


def _header(result: Result) -> list[str]:
    """The columns that this result needs."""
    header = list(_HEADER)
    if result.mean_score is not None:
        header.insert(header.index("median latency"), "mean score")
    if result.cut_off.answers:
        header.insert(header.index("errors"), "cut off")
    return header


def _mean_score_lines(result: Result) -> list[str]:
    if result.mean_score is None:
        return []
    return [f"- mean score: {figures.graded_score(result.mean_score, result.info)}"]


def _calibration_lines(result: Result) -> list[str]:
    if result.calibration is None:
        return []
    return [f"- choice scores: {figures.calibration(result.calibration)}"]


def _circular_lines(circular: Circular | None, accuracy: float | None) -> list[str]:
    if circular is None:
        return []
    lines = [
        f"- circular: correct in all orders of the choices {figures.percent(accuracy)}, in the first order "
        f"{figures.percent(circular.plain_accuracy)}, mean over orders "
        f"{figures.percent(circular.mean_accuracy)}"
    ]
    for head, shares in (
        ("accuracy by rotation", circular.accuracies),
        ("answers by position", circular.places),
    ):
        if shares:
            numbered_shares = ", ".join(
                f"{number}. {figures.percent(share)}" for number, share in enumerate(shares, start=1)
            )
            lines.append(f"- {head}: {numbered_shares}")
    return lines


def _judge_lines(result: Result) -> list[str]:
    lines = [judge_line(result.judge_usage, result.info.conditions.judge), *agreement_lines(result.agreement)]
    return [f"- {escape(line)}" for line in lines if line is not None]


def _repeat_lines(repeats: Repeats | None) -> list[str]:
    if repeats is None:
        return []
    pass_rates = ", ".join(f"pass@{k} {figures.percent(share)}" for k, share in repeats.pass_at.items())
    majority = figures.percent(repeats.majority)
    lines = [f"- {repeats.times} answers per question: {pass_rates}; majority vote {majority}"]
    if repeats.flipped:
        number = len(repeats.flipped)
        lines.append(f"- {number} flip between correct and wrong: {_first_ids(repeats.flipped)}")
    return lines


def _task_score_lines(result: Result) -> list[str]:
    scores = result.task_scores
    if scores is None:
        return []
    cells = [[escape(cell) for cell in row.cells] for row in task_scores.task_rows(scores)]
    align = "l" * task_scores.NUMBERS_FROM + "r" * (len(task_scores.HEADER) - task_scores.NUMBERS_FROM)
    table = _table(task_scores.HEADER, align, cells)
    return ["", f"As lm-eval {escape(scores.library)} reports it:", "", *table]


def _comparison_section(comparison: Comparison) -> list[str]:
    from pytest_llmeval.report.comparison import HEADER, comparison_remarks, comparison_rows, comparison_title

    table = []
    for row in comparison_rows(comparison):
        label = escape(row.label)
        table.append([f"**{label}**" if row.level in ("group", "total") else label, *map(escape, row.cells)])
    lines = [f"## {escape(comparison_title(comparison))}", ""]
    if table:
        lines += [*_table(("", *HEADER), "l" + "r" * len(HEADER), table), ""]
    for word, questions in (("broken", comparison.broken), ("fixed", comparison.fixed)):
        if questions:
            ids = _first_ids([question.nodeid or question.id for question in questions])
            lines.append(f"- {word}: {len(questions)} ({ids})")
    return lines + [f"- {escape(line)}" for line in comparison_remarks(comparison)]


def _first_ids(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _MAX_IDS} more" if len(ids) > _MAX_IDS else ""
    return ", ".join(map(escape, ids[:_MAX_IDS])) + more


def _subject(key: str, result: Result) -> str:
    names = (escape(name) for name in (key, result.info.subjects.get(key, ("", ""))[1]))
    return " ".join(dict.fromkeys(name for name in names if name))


def _row(label: str, part: Part, result: Result) -> list[str]:
    counts = part.counts
    numbers = [counts.requested, counts.correct, counts.wrong, counts.unparsed, counts.answered]
    if result.cut_off.answers:
        numbers.append(part.cut_off.answers)
    macro = figures.percent(part.macro_accuracy) if isinstance(part, Group) else ""
    return [
        label,
        *map(str, (*numbers, counts.error)),
        figures.percent(part.accuracy),
        figures.interval(part.interval),
        macro,
        *([figures.score(part.mean_score)] if result.mean_score is not None else []),
        _latency(part.latency_p50_s),
    ]


def _verdict_cells(verdict: GateResult) -> list[str]:
    word = verdict.verdict.replace("_", " ")
    shown = f"**{word}**" if verdict.failed else word
    names = ", ".join(name for name in (verdict.benchmark, verdict.model) if name)
    return [escape(verdict.expr), escape(names), shown, escape(verdict.reason)]


def _table(header: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> list[str]:
    marks = ["---:" if side == "r" else "---" for side in align]
    return [f"| {' | '.join(cells)} |" for cells in (header, marks, *rows)]


def _accuracy(accuracy: float | None, interval: tuple[float, float] | None) -> str:
    if accuracy is None:
        return f"{figures.NONE} (no question with a gold answer was scored)"
    return f"{figures.percent(accuracy)} (95% interval {figures.interval(interval)})"


def _latency(seconds: float | None) -> str:
    return figures.NONE if seconds is None else f"{seconds:.3f} s"


def _number(number: int | None) -> str:
    return figures.NONE if number is None else str(number)
