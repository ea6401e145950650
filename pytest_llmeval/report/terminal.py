"""The result tables at the end of a run, as lines of text; the caller writes them.

``paint(text, **markup)`` colours text (``TerminalWriter.markup``); without it the lines are plain.
``unicode`` tells whether the stream can show more than ASCII (``text.can_draw``). Tables fit a terminal of 72
columns (67 without the column for answered questions, 60 also without scores of a graded metric).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_llmeval.analysis.stats import Counts
from pytest_llmeval.report import figures
from pytest_llmeval.report.answer_lines import answer_lines
from pytest_llmeval.report.cut_off import cut_off_line
from pytest_llmeval.report.judge_lines import agreement_lines, judge_line
from pytest_llmeval.report.looser_metric import looser_metric_line
from pytest_llmeval.report.metrics_line import metrics_parts
from pytest_llmeval.report.official import official_line
from pytest_llmeval.report.table import GAP, WIDE, Paint, Row, fold, fold_list, layout_table, plain
from pytest_llmeval.report.text import clean, width_of, wrap
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.circular import Circular
from pytest_llmeval.results.cut_off import WARNING_SHARE
from pytest_llmeval.results.summary import Part, Repeats, Result, outline

_GOOD_LABEL = 16
_MODEL_HEADER = 16
_MAX_FLIPPED = 20
#: values of k for which pass@k is shown, besides the number of repeats
PASS_AT_SHOWN = (1, 2, 5, 10, 20, 50, 100)


def result_table(
    result: Result,
    info: BenchmarkInfo,
    width: int,
    unicode: bool = True,
    paint: Paint = plain,
) -> list[str]:
    """The table of one model on one benchmark: groups with their subjects, then both means."""
    headers = _headers(result, width)
    rows = [
        _row(level, label, part, headers, unicode) for level, label, part in _parts(result, info, unicode)
    ]
    rows.append(_row("total", "mean over questions", result.whole, headers, unicode))
    macro = {
        **dict.fromkeys(headers, ""),
        "accuracy": _draw(figures.percent(result.macro_accuracy), unicode),
    }
    if result.macro_interval is not None:
        macro["interval"] = _draw(figures.interval(result.macro_interval), unicode)
    rows.append(Row("mean over subjects", tuple(macro.values()), share=result.macro_accuracy, bold=True))
    title = _title(result.benchmark, clean(result.model, unicode=unicode), info, unicode)
    lines = [paint(line, bold=True) for line in fold(title, width)]
    lines += layout_table("subject", [text.split() for text in headers.values()], rows, width, unicode, paint)
    if result.mean_score is not None:
        score = f"mean score: {figures.graded_score(result.mean_score, info)}"
        lines += fold(score, width)
    if result.metrics:
        parts = [_draw(clean(part, unicode=unicode), unicode) for part in metrics_parts(result.metrics)]
        lines += fold_list("metrics: ", parts, width)
    if result.calibration is not None:
        lines += fold(f"choice scores: {figures.calibration(result.calibration)}", width)
    if result.circular is not None:
        lines += _circular_lines(result.circular, result.accuracy, width, unicode)
    if result.cut_off.answers:
        text = clean(cut_off_line(result.cut_off), unicode=unicode, limit=2000)
        colour = {"yellow": True} if result.cut_off.share > WARNING_SHARE else {}
        lines += [paint(line, **colour) for line in fold(_draw(text, unicode), width)]
    for text in answer_lines(result):
        lines += fold(_draw(clean(text, unicode=unicode, limit=2000), unicode), width)
    if result.official is not None:
        lines += fold(clean(official_line(result.official), unicode=unicode), width)
    if result.looser_metric is not None:
        lines += [paint(line, yellow=True) for line in fold(looser_metric_line(result.looser_metric), width)]
    for line in (judge_line(result.judge_usage, info.conditions.judge), *agreement_lines(result.agreement)):
        lines += [] if line is None else fold(clean(line, unicode=unicode, limit=2000), width)
    if result.repeats is not None:
        lines += _repeat_lines(result.repeats, width, unicode)
    if result.groups:
        means = [
            f"{clean(name, unicode=unicode)} {_draw(figures.percent(group.macro_accuracy), unicode)}"
            for name, group in result.groups.items()
        ]
        lines += fold_list("groups, mean over subjects: ", means, width)
    return lines + fold("speed: " + ", ".join(_speed(result)), width) if result.questions_per_s else lines


def models_table(
    results: Sequence[Result],
    info: BenchmarkInfo,
    width: int,
    unicode: bool = True,
    paint: Paint = plain,
) -> list[str]:
    """The accuracy of several models on one benchmark, side by side, for each subject.

    Models that do not fit into ``width`` go into another table below.
    """
    headers = [wrap(clean(result.model, unicode=unicode), _MODEL_HEADER) for result in results]
    sizes = [max(8, *map(width_of, header)) + len(GAP) for header in headers]
    room = width - _GOOD_LABEL - 8 - len(GAP) - len(GAP)
    blocks: list[list[int]] = [[]]
    for number, size in enumerate(sizes):
        if blocks[-1] and sum(sizes[i] for i in blocks[-1]) + size > room:
            blocks.append([])
        blocks[-1].append(number)
    title = _title(info.name, f"{len(results)} models", info, unicode)
    lines = [paint(line, bold=True) for line in fold(title, width)]
    for block in blocks:
        rows = _model_rows([results[i] for i in block], info, unicode)
        columns = [["n"], *(headers[i] for i in block)]
        lines += layout_table("subject", columns, rows, width, unicode, paint)
    return lines


def _repeat_lines(repeats: Repeats, width: int, unicode: bool) -> list[str]:
    ks = [k for k in repeats.pass_at if k in (*PASS_AT_SHOWN, repeats.times)]
    shares = [f"pass@{k} {figures.percent(repeats.pass_at[k])}" for k in ks]
    shares.append(f"majority vote {_draw(figures.percent(repeats.majority), unicode)}")
    lines = fold_list(f"{repeats.times} answers per question: ", shares, width)
    if repeats.flipped:
        ids = [clean(id, unicode=unicode) for id in repeats.flipped[:_MAX_FLIPPED]]
        ids += ["..."] if len(repeats.flipped) > _MAX_FLIPPED else []
        lines += fold_list(f"{len(repeats.flipped)} flip between correct and wrong: ", ids, width)
    return lines


def _circular_lines(circular: Circular, accuracy: float | None, width: int, unicode: bool) -> list[str]:
    shares = [
        f"correct in all orders {_draw(figures.percent(accuracy), unicode)}",
        f"in the first order {_draw(figures.percent(circular.plain_accuracy), unicode)}",
        f"mean over orders {_draw(figures.percent(circular.mean_accuracy), unicode)}",
    ]
    lines = fold_list("circular: ", shares, width)
    for head, values in (
        ("accuracy by rotation: ", circular.accuracies),
        ("answers by position: ", circular.places),
    ):
        numbered_shares = [
            f"{number}. {figures.percent(share)}" for number, share in enumerate(values, start=1)
        ]
        lines += fold_list(head, numbered_shares, width) if numbered_shares else []
    return lines


def _speed(result: Result) -> Iterable[str]:
    tokens, rate = result.tokens, result.questions_per_s or 0.0
    yield f"{rate:.1f} questions/s" if rate >= 0.95 else f"{1 / rate:.1f} s per question"
    if result.cached:
        yield f"{result.cached:,} of {result.counts.requested:,} answers from the store"
    if tokens.prompt:
        shared = f" ({tokens.shared / tokens.prompt:.0%} shared)" if tokens.shared else ""
        yield f"{tokens.prompt:,} prompt tokens{shared}"
    if tokens.completion:
        yield f"{tokens.completion:,} completion tokens"


def _title(benchmark: str, models: str, info: BenchmarkInfo, unicode: bool) -> str:
    conditions = clean(figures.conditions(info), unicode=unicode)
    return (" · " if unicode else " - ").join((clean(benchmark, unicode=unicode), models, conditions))


def _headers(result: Result, width: int) -> dict[str, str]:
    """The columns that this result needs: key -> header."""
    wide = width >= WIDE
    headers = {"n": "n"}
    if result.counts.answered:
        headers["answered"] = "answered" if wide else "answ."
    headers["accuracy"] = "accuracy" if wide else "acc."
    headers["interval"] = "95% interval"
    if result.mean_score is not None:
        headers["score"] = "mean score"
    headers["unparsed"] = "unparsed" if wide else "unp."
    if result.cut_off.answers:
        headers["cut off"] = "cut off"
    headers["error"] = "errors" if wide else "err."
    headers["latency"] = "median latency"
    return headers


def _label(key: str, info: BenchmarkInfo, unicode: bool) -> str:
    chinese = clean(info.subjects.get(key, ("", ""))[1]) if unicode else ""
    name = clean(key, unicode=unicode)
    return f"{name} {chinese}" if chinese and chinese != name else name


def _parts(result: Result, info: BenchmarkInfo, unicode: bool) -> Iterable[tuple[str, str, Part]]:
    """(level, label, part) of each group and subject, in the order of the table."""
    for group, subjects in outline(result.subjects, info.groups):
        if group:
            yield "group", clean(group, unicode=unicode), result.groups[group]
        for key in subjects:
            yield "member" if group else "subject", _label(key, info, unicode), result.subjects[key]


def _row(level: str, label: str, part: Part, columns: Iterable[str], unicode: bool) -> Row:
    counts = part.counts
    cells = {
        "n": str(counts.requested),
        "answered": str(counts.answered),
        "accuracy": _draw(figures.percent(part.accuracy), unicode),
        "interval": _draw(figures.interval(part.interval), unicode),
        "score": _draw(figures.score(part.mean_score), unicode),
        "unparsed": str(counts.unparsed),
        "cut off": str(part.cut_off.answers),
        "error": str(counts.error),
        "latency": _latency(part.latency_p50_s, unicode),
    }
    names = list(columns)
    colours = {}
    if counts.unparsed:
        colours[names.index("unparsed")] = "yellow"
    if counts.error:
        colours[names.index("error")] = "red"
    return Row(
        label=label,
        cells=tuple(cells[name] for name in names),
        indent=2 if level == "member" else 0,
        share=part.accuracy,
        bold=level in ("group", "total"),
        colours=colours,
    )


def _model_rows(results: Sequence[Result], info: BenchmarkInfo, unicode: bool) -> list[Row]:
    def row(label: str, parts: Sequence[Part | None], indent: int = 0, bold: bool = False) -> Row:
        requested = _number_range(part.counts.requested for part in parts if part is not None)
        shares = (_draw(figures.percent(part.accuracy if part else None), unicode) for part in parts)
        return Row(label, (requested, *shares), indent=indent, bold=bold)

    order = [*info.subjects, *(key for result in results for key in result.subjects)]
    present = [key for key in dict.fromkeys(order) if any(key in result.subjects for result in results)]
    rows = []
    for group, subjects in outline(present, info.groups):
        if group:
            name = clean(group, unicode=unicode)
            rows.append(row(name, [result.groups.get(group) for result in results], bold=True))
        for key in subjects:
            parts = [result.subjects.get(key) for result in results]
            rows.append(row(_label(key, info, unicode), parts, indent=2 if group else 0))
    rows.append(row("mean over questions", [result.whole for result in results], bold=True))
    macros = tuple(_draw(figures.percent(result.macro_accuracy), unicode) for result in results)
    rows.append(Row("mean over subjects", ("", *macros), bold=True))
    if any(result.mean_score is not None for result in results):
        scores = (_draw(figures.score(result.mean_score), unicode) for result in results)
        rows.append(Row("mean score", ("", *scores), bold=True))
    rows += _count_rows([result.counts for result in results])
    latencies = (_latency(result.latency.p50, unicode) for result in results)
    rows.append(Row("median latency", ("", *latencies)))
    return rows


def _count_rows(counts: Sequence[Counts]) -> Iterable[Row]:
    if any(model_counts.answered for model_counts in counts):
        yield Row("answered", ("", *(str(model_counts.answered) for model_counts in counts)))
    for label, colour, numbers in (
        ("unparsed", "yellow", [model_counts.unparsed for model_counts in counts]),
        ("errors", "red", [model_counts.error for model_counts in counts]),
    ):
        colours = {column: colour for column, number in enumerate(numbers, start=1) if number}
        yield Row(label, ("", *map(str, numbers)), colours=colours)


def _number_range(numbers: Iterable[int]) -> str:
    """``5``, ``5/6`` or, for more than two different numbers, ``5-9``."""
    different = dict.fromkeys(numbers)
    return "/".join(map(str, different)) if len(different) <= 2 else f"{min(different)}-{max(different)}"


def _latency(seconds: float | None, unicode: bool) -> str:
    """Without decimals below a second, so that the column stays narrow."""
    if seconds is None:
        return _draw(figures.NONE, unicode)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 99.995 else f"{seconds:.0f} s"


def _draw(figure: str, unicode: bool) -> str:
    """A figure, with a hyphen for a dash on an ASCII terminal."""
    return figure if unicode else figure.replace("–", "-")
