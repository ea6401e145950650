"""summary.md: a run's results as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.core.errors import one_line
from pytest_llmeval.report import task_scores
from pytest_llmeval.report.judge_lines import agreement_lines, judge_line
from pytest_llmeval.report.terminal import error_groups
from pytest_llmeval.results.summary import Group, Part, Result, outline

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Comparison

_MOST_MOVED = 20
_HEADER = (
    "subject", "n", "correct", "wrong", "unparsed", "answered", "errors",
    "accuracy", "95% interval", "mean over subjects", "median latency",
)  # fmt: skip
_SCORE_AT = _HEADER.index("median latency")


def summary_markdown(
    name: str,
    complete: bool,
    results: Sequence[Result],
    gates: Iterable[GateResult],
    errors: Iterable[tuple[str, str]],
    comparisons: Iterable[Comparison] = (),
) -> str:
    """The whole file: a table a model and benchmark, comparisons, gates, and errors by cause."""
    lines = [f"# {escape(name)}", ""]
    if not complete:
        lines += ["**This run is incomplete.**", ""]
    if not results:
        lines += ["No question was asked.", ""]
    for result in results:
        lines += [*_result(result), ""]
    for comparison in comparisons:
        lines += [*_comparison(comparison), ""]
    verdicts = list(gates)
    if verdicts:
        header = ("gate", "of", "verdict", "why")
        lines += ["## Gates", "", *_table(header, "llll", map(_verdict, verdicts)), ""]
    causes = error_groups(errors)
    if causes:
        lines += ["## Errors", "", *(f"- {escape(cause)}" for cause in causes), ""]
    return "\n".join(lines)


def escape(text: str) -> str:
    """``text`` on one line, with nothing that Markdown or HTML would read as anything but text."""
    flat = one_line(text)
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # an underscore within a word is plain in GitHub's Markdown, and keys are full of them
    flat = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", re.sub(r"([\\`*\[\]|~#!])", r"\\\1", flat))
    # GitHub makes links of what looks like a mention or an address
    flat = flat.replace("@", "@\u200b").replace("://", ":\u200b//")
    return re.sub(r"(?i)\b(www)\.", "\\1\u200b.", flat)


def _result(result: Result) -> list[str]:
    info = result.info
    shots = "1 shot" if info.shots == 1 else f"{info.shots} shots"
    graded = result.mean_score is not None
    how = ", ".join((info.mode, shots, info.split, *info.orders))
    title = f"{result.benchmark} · {result.model} · {how}"
    rows = []
    for group, subjects in outline(result.subjects, info.groups):
        if group:
            rows.append(_row(f"**{escape(group)}**", result.groups[group], graded))
        rows += [_row(_subject(key, result), result.subjects[key], graded) for key in subjects]
    rows.append(_row("**all**", result.whole, graded))
    speed = f", {result.questions_per_s:.1f} questions/s" if result.questions_per_s is not None else ""
    header: tuple[str, ...] = _HEADER
    if graded:
        header = (*_HEADER[:_SCORE_AT], "mean score", *_HEADER[_SCORE_AT:])
    return [
        f"## {escape(title)}",
        "",
        f"- mean over questions: {_accuracy(result.accuracy, result.interval)}",
        f"- mean over subjects: {_accuracy(result.macro_accuracy, result.macro_interval)}",
        *_mean_score(result),
        *_circular(result),
        *_judge(result),
        *_repeats(result),
        f"- model: {escape(result.identity) or '–'}",
        f"- latency: median {_seconds(result.latency.p50)}, 95% below {_seconds(result.latency.p95)}, "
        f"mean {_seconds(result.latency.mean)}{speed}",
        f"- tokens: {_number(result.tokens.prompt)} in prompts, "
        f"{_number(result.tokens.completion)} in answers; {result.cached} answers from the store",
        "",
        "The accuracy of a group, and of all, is the mean over its questions.",
        "",
        *_table(header, "l" + "r" * (len(header) - 1), rows),
        *_task_scores(result),
    ]


def _circular(result: Result) -> list[str]:
    circular = result.circular
    if circular is None:
        return []
    lines = [
        f"- circular: right in all orders of the choices {_percent(result.accuracy)}, in the first "
        f"{_percent(circular.plain_accuracy)}, mean of all {_percent(circular.mean_accuracy)}"
    ]
    for what, shares in (
        ("accuracy by rotation", circular.accuracies),
        ("answers given by place", circular.places),
    ):
        if shares:
            listed = ", ".join(f"{place}. {share:.1%}" for place, share in enumerate(shares, start=1))
            lines.append(f"- {what}: {listed}")
    return lines


def _judge(result: Result) -> list[str]:
    told = [judge_line(result.judged, result.info.judge), *agreement_lines(result.agreement)]
    return [f"- {escape(line)}" for line in told if line is not None]


def _task_scores(result: Result) -> list[str]:
    """The numbers of lm-evaluation-harness' tasks."""
    given = result.task_scores
    if given is None:
        return []
    cells = [[escape(cell) for cell in row.cells] for row in task_scores.rows(given)]
    table = _table(task_scores.HEADER, "l" * (len(task_scores.HEADER) - 2) + "rr", cells)
    return ["", f"As lm-eval {escape(given.library)} reports it:", "", *table]


def _repeats(result: Result) -> list[str]:
    repeats = result.repeats
    if repeats is None:
        return []
    passed = ", ".join(f"pass@{k} {share:.1%}" for k, share in repeats.pass_at.items())
    flipped = ", ".join(map(escape, repeats.flipped[:_MOST_MOVED]))
    more = f" and {len(repeats.flipped) - _MOST_MOVED} more" if len(repeats.flipped) > _MOST_MOVED else ""
    lines = [f"- {repeats.times} answers a question: {passed}; majority vote {_percent(repeats.majority)}"]
    return lines + ([f"- {len(repeats.flipped)} flip: {flipped}{more}"] if flipped else [])


def _comparison(comparison: Comparison) -> list[str]:
    from pytest_llmeval.report.comparison import HEADER, remarks, rows, title

    table = []
    for row in rows(comparison):
        label = escape(row.label)
        table.append([f"**{label}**" if row.level in ("group", "total") else label, *map(escape, row.cells)])
    lines = [f"## {escape(title(comparison))}", ""]
    if table:
        lines += [*_table(("", *HEADER), "l" + "r" * len(HEADER), table), ""]
    for word, moved in (("broken", comparison.broken), ("fixed", comparison.fixed)):
        if moved:
            ids = ", ".join(escape(one.nodeid or one.id) for one in moved[:_MOST_MOVED])
            more = f" and {len(moved) - _MOST_MOVED} more" if len(moved) > _MOST_MOVED else ""
            lines.append(f"- {word}: {len(moved)} ({ids}{more})")
    return lines + [f"- {escape(line)}" for line in remarks(comparison)]


def _subject(key: str, result: Result) -> str:
    names = (escape(name) for name in (key, result.info.subjects.get(key, ("", ""))[1]))
    return " ".join(dict.fromkeys(name for name in names if name))


def _row(label: str, part: Part, graded: bool) -> list[str]:
    counts = part.counts
    numbers = (counts.requested, counts.correct, counts.wrong, counts.unparsed, counts.answered, counts.error)
    macro = _percent(part.macro_accuracy) if isinstance(part, Group) else ""
    return [
        label,
        *map(str, numbers),
        _percent(part.accuracy),
        _interval(part.interval),
        macro,
        *([_score(part.mean_score)] if graded else []),
        _seconds(part.latency_p50_s),
    ]


def _verdict(verdict: GateResult) -> list[str]:
    word = verdict.verdict.replace("_", " ")
    shown = f"**{word}**" if verdict.failed else word
    who = ", ".join(name for name in (verdict.benchmark, verdict.model) if name)
    return [escape(verdict.expr), escape(who), shown, escape(verdict.reason)]


def _table(header: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> list[str]:
    marks = ["---:" if side == "r" else "---" for side in align]
    return [f"| {' | '.join(cells)} |" for cells in (header, marks, *rows)]


def _accuracy(accuracy: float | None, interval: tuple[float, float] | None) -> str:
    if accuracy is None:
        return "– (no question with a gold answer was scored)"
    return f"{_percent(accuracy)} (95% interval {_interval(interval)})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _score(score: float | None) -> str:
    return "–" if score is None else f"{score:.3f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"{interval[0] * 100:.1f}–{interval[1] * 100:.1f}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.3f} s"


def _number(number: int | None) -> str:
    return "–" if number is None else str(number)


def _mean_score(result: Result) -> list[str]:
    """Of a graded metric; what counts as correct is a matter of its threshold."""
    if result.mean_score is None:
        return []
    info = result.info
    return [f"- mean score: {result.mean_score:.3f} ({info.metric}; correct from {info.threshold:g} on)"]
