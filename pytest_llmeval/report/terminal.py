"""The end-of-run tables and the running line, as lines of text; whoever calls writes them.

``paint(text, **markup)`` colours a piece of text (such as ``TerminalWriter.markup``); without it
the lines are plain. ``unicode`` says whether the stream can show more than ASCII (``can_draw``).
Tables keep within the terminal's width from 72 columns on (those without an answered column from 67,
without a graded metric's scores from 60); sentences (errors, gates, the running line) are one line each,
so that a log can be searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.analysis.stats import Counts
from pytest_llmeval.report.judge_lines import agreement_lines, judge_line
from pytest_llmeval.report.text import bar, can_draw, clean, left, right, width_of, wrap
from pytest_llmeval.results.summary import BenchmarkInfo, Circular, Part, Repeats, Result, outline

__all__ = ["can_draw", "comparison", "error_groups", "gate_lines", "status_line", "table"]

_RATE_FROM = 8
#: from this many columns on, headers are spelled out and rows end in a bar
WIDE = 100
_GAP = "  "
_LEAST_LABEL, _GOOD_LABEL = 8, 16
_HANG = 2
_MOST_FLIPPED = 20
_LEAST_BAR, _MOST_BAR = 10, 20
_MODEL_HEADER = 16


class Paint(Protocol):
    """Colours text without changing its width."""

    def __call__(self, text: str, **markup: bool) -> str: ...


def plain(text: str, **markup: bool) -> str:
    """No colours."""
    return text


@dataclass(frozen=True, slots=True)
class _Row:
    """One row: its label and its cells from left to right; ``share`` is drawn as a bar."""

    label: str
    cells: tuple[str, ...]
    indent: int = 0
    share: float | None = None
    bold: bool = False
    warn: Mapping[int, str] = field(default_factory=dict)


def table(
    result: Result,
    info: BenchmarkInfo,
    width: int,
    unicode: bool = True,
    paint: Paint = plain,
) -> list[str]:
    """One model on one benchmark: groups with their subjects, then both averages."""
    headers = _headers(result, width)
    rows = [_row(kind, label, part, headers, unicode) for kind, label, part in _parts(result, info, unicode)]
    blank = dict.fromkeys(headers, "")
    rows.append(_row("total", "mean over questions", result.whole, headers, unicode))
    macro = {**blank, "accuracy": _percent(result.macro_accuracy, unicode)}
    if result.macro_interval is not None:
        macro["interval"] = _interval(result.macro_interval, unicode)
    rows.append(_Row("mean over subjects", tuple(macro.values()), share=result.macro_accuracy, bold=True))
    title = _title(result.benchmark, clean(result.model, unicode=unicode), info, unicode)
    lines = [paint(line, bold=True) for line in _folded(title, width)]
    lines += _layout("subject", [text.split() for text in headers.values()], rows, width, unicode, paint)
    if result.mean_score is not None:
        score = f"mean score: {result.mean_score:.3f} ({info.metric}; correct from {info.threshold:g} on)"
        lines += _folded(score, width)
    if result.circular is not None:
        lines += _circular(result.circular, result.accuracy, width, unicode)
    for told in (judge_line(result.judged, info.judge), *agreement_lines(result.agreement)):
        lines += [] if told is None else _folded(clean(told, unicode=unicode, limit=2000), width)
    if result.repeats is not None:
        lines += _repeats(result.repeats, result.counts, width, unicode)
    if result.groups:
        means = [
            f"{clean(name, unicode=unicode)} {_percent(group.macro_accuracy, unicode)}"
            for name, group in result.groups.items()
        ]
        lines += _listed("groups, mean over subjects: ", means, width)
    return lines + _folded("speed: " + ", ".join(_speed(result)), width) if result.questions_per_s else lines


def comparison(
    results: Sequence[Result],
    info: BenchmarkInfo,
    width: int,
    unicode: bool = True,
    paint: Paint = plain,
) -> list[str]:
    """Several models on one benchmark, side by side: the accuracy of each on every subject.

    Models that do not fit into ``width`` go into a further table below.
    """
    columns = [wrap(clean(result.model, unicode=unicode), _MODEL_HEADER) for result in results]
    sizes = [max(8, *map(width_of, header)) + len(_GAP) for header in columns]
    room = width - _GOOD_LABEL - 8 - len(_GAP) - len(_GAP)
    blocks: list[list[int]] = [[]]
    for at, size in enumerate(sizes):
        if blocks[-1] and sum(sizes[i] for i in blocks[-1]) + size > room:
            blocks.append([])
        blocks[-1].append(at)
    title = _title(info.name, f"{len(results)} models", info, unicode)
    lines = [paint(line, bold=True) for line in _folded(title, width)]
    for block in blocks:
        rows = _compared_rows([results[i] for i in block], info, unicode)
        lines += _layout("subject", [["n"], *(columns[i] for i in block)], rows, width, unicode, paint)
    return lines


def status_line(
    name: str,
    done: int,
    planned: int,
    correct: int,
    scored: int,
    elapsed: float,
    ready: int = 0,
    *,
    interval: tuple[float, float] | None = None,
    stored: int = 0,
    errors: int = 0,
) -> str:
    """How far a run is: ``ceval 412/1346  acc 31.2% (26.9-35.9)  18.3 q/s  ETA 51 s  3 errors``.

    ``elapsed`` is in seconds; ``planned`` 0 where nobody knows yet. ``ready`` are answers that wait for
    their turn: they count for the rate. The first few answers tell none: they hold the loading of a
    model, or one batch. ``stored`` are answers that were not asked for anew.
    """
    pieces = [f"{clean(name)} {done}/{planned or '?'}"]
    if scored:
        ends = "" if interval is None else f" ({interval[0] * 100:.1f}-{interval[1] * 100:.1f})"
        pieces.append(f"acc {correct / scored:.1%}{ends}")
    answered = done + ready
    if answered >= _RATE_FROM and elapsed > 0:
        rate = answered / elapsed
        pieces.append(f"{rate:.1f} q/s" if rate >= 0.95 else f"{1 / rate:.1f} s/q")
        if planned > answered:
            pieces.append(f"ETA {_duration((planned - answered) / rate)}")
    if stored:
        pieces.append(f"{stored} from the store")
    if errors:
        pieces.append("1 error" if errors == 1 else f"{errors} errors")
    return _GAP.join(pieces)


def error_groups(
    errors: Iterable[tuple[str, str]],
    unicode: bool = True,
    paint: Paint = plain,
    most: int = 20,
) -> list[str]:
    """(id, message) pairs grouped by message, digits aside; the ``most`` frequent causes are shown."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for id, message in errors:
        text = clean(message, unicode=unicode) or "no message"
        groups.setdefault(re.sub(r"0x[0-9a-fA-F]+|\d+", "#", text), []).append((id, text))
    ordered = sorted(groups.values(), key=len, reverse=True)
    lines = []
    for found in ordered[:most]:
        ids = [clean(id, unicode=unicode) for id, _ in found[:3]]
        more = ", ..." if len(found) > 3 else ""
        head = f"{len(found)} {'×' if unicode else 'x'} {found[0][1]}"
        lines.append(f"{paint(head, red=True)} ({', '.join(ids)}{more})")
    rest = ordered[most:]
    if rest:
        lines.append(f"and {sum(map(len, rest))} more errors of {len(rest)} other causes")
    return lines


def gate_lines(verdicts: Iterable[GateResult], unicode: bool = True, paint: Paint = plain) -> list[str]:
    """One line a verdict: red where it makes the run fail, green where it passed."""
    lines = []
    for verdict in verdicts:
        of = None if "=" in verdict.expr else verdict.benchmark  # a bare value judges several
        who = ", ".join(name for name in (of, verdict.model) if name)
        word = verdict.verdict.replace("_", " ").upper()
        text = f"gate {verdict.expr}: {word}{f' [{who}]' if who else ''}: {verdict.reason}"
        colour = "red" if verdict.failed else "green" if verdict.verdict == "pass" else "yellow"
        lines.append(paint(clean(text, unicode=unicode), **{colour: True}))
    return lines


def _repeats(repeats: Repeats, counts: Counts, width: int, unicode: bool) -> list[str]:
    """What only several answers to each question tell."""
    ks = [k for k in repeats.pass_at if k in (1, 2, 5, 10, 20, 50, 100, repeats.times)]
    told = [f"pass@{k} {_percent(repeats.pass_at[k], unicode)}" for k in ks]
    told.append(f"majority vote {_percent(repeats.majority, unicode)}")
    lines = _listed(f"{repeats.times} answers a question: ", told, width)
    if repeats.flipped:
        ids = [clean(id, unicode=unicode) for id in repeats.flipped[:_MOST_FLIPPED]]
        ids += ["..."] if len(repeats.flipped) > _MOST_FLIPPED else []
        lines += _listed(f"{len(repeats.flipped)} flip between right and wrong: ", ids, width)
    return lines


def _circular(circular: Circular, accuracy: float | None, width: int, unicode: bool) -> list[str]:
    """What the rotations of the choices tell."""
    told = [
        f"right in all {_percent(accuracy, unicode)}",
        f"in the first {_percent(circular.plain_accuracy, unicode)}",
        f"mean of all orders {_percent(circular.mean_accuracy, unicode)}",
    ]
    lines = _listed("circular: ", told, width)
    for what, shares in (
        ("accuracy by rotation: ", circular.accuracies),
        ("answers given by place: ", circular.places),
    ):
        listed = [f"{place}. {_percent(share, unicode)}" for place, share in enumerate(shares, start=1)]
        lines += _listed(what, listed, width) if listed else []
    return lines


def _speed(result: Result) -> Iterable[str]:
    tokens, rate = result.tokens, result.questions_per_s or 0.0
    yield f"{rate:.1f} questions/s" if rate >= 0.95 else f"{1 / rate:.1f} s a question"
    if result.cached:
        yield f"{result.cached:,} of {result.counts.requested:,} answers from the store"
    if tokens.prompt:
        shared = f" ({tokens.shared / tokens.prompt:.0%} shared)" if tokens.shared else ""
        yield f"{tokens.prompt:,} prompt tokens{shared}"
    if tokens.completion:
        yield f"{tokens.completion:,} written"


def _title(benchmark: str, who: str, info: BenchmarkInfo, unicode: bool) -> str:
    shots = "1 shot" if info.shots == 1 else f"{info.shots} shots"
    how = ", ".join((info.mode, shots, clean(info.split, unicode=unicode), *info.orders))
    return (" · " if unicode else " - ").join((clean(benchmark, unicode=unicode), who, how))


def _headers(result: Result, width: int) -> dict[str, str]:
    """The columns that this result needs, by what they hold, and what is written above them."""
    wide = width >= WIDE
    headers = {"n": "n"}
    if result.counts.answered:
        headers["answered"] = "answered" if wide else "answ."
    headers["accuracy"] = "accuracy" if wide else "acc."
    headers["interval"] = "95% interval"
    if result.mean_score is not None:
        headers["score"] = "mean score"
    headers["unparsed"] = "unparsed" if wide else "unp."
    headers["error"] = "errors" if wide else "err."
    headers["latency"] = "median latency"
    return headers


def _label(key: str, info: BenchmarkInfo, unicode: bool) -> str:
    chinese = clean(info.subjects.get(key, ("", ""))[1]) if unicode else ""
    name = clean(key, unicode=unicode)
    return f"{name} {chinese}" if chinese and chinese != name else name


def _parts(result: Result, info: BenchmarkInfo, unicode: bool) -> Iterable[tuple[str, str, Part]]:
    for group, subjects in outline(result.subjects, info.groups):
        if group:
            yield "group", clean(group, unicode=unicode), result.groups[group]
        for key in subjects:
            yield "member" if group else "subject", _label(key, info, unicode), result.subjects[key]


def _row(kind: str, label: str, part: Part, headers: Iterable[str], unicode: bool) -> _Row:
    counts = part.counts
    cells = {
        "n": str(counts.requested),
        "answered": str(counts.answered),
        "accuracy": _percent(part.accuracy, unicode),
        "interval": _interval(part.interval, unicode),
        "score": _score(part.mean_score, unicode),
        "unparsed": str(counts.unparsed),
        "error": str(counts.error),
        "latency": _seconds(part.latency_p50_s, unicode),
    }
    names = list(headers)
    warn = {}
    if counts.unparsed:
        warn[names.index("unparsed")] = "yellow"
    if counts.error:
        warn[names.index("error")] = "red"
    return _Row(
        label=label,
        cells=tuple(cells[name] for name in names),
        indent=2 if kind == "member" else 0,
        share=part.accuracy,
        bold=kind in ("group", "total"),
        warn=warn,
    )


def _compared_rows(results: Sequence[Result], info: BenchmarkInfo, unicode: bool) -> list[_Row]:
    def numbers(of: Iterable[int]) -> str:
        different = dict.fromkeys(of)
        return "/".join(map(str, different)) if len(different) <= 2 else f"{min(different)}-{max(different)}"

    def row(label: str, parts: Sequence[Part | None], indent: int = 0, bold: bool = False) -> _Row:
        requested = numbers(part.counts.requested for part in parts if part is not None)
        shares = (_percent(part.accuracy if part else None, unicode) for part in parts)
        return _Row(label, (requested, *shares), indent=indent, bold=bold)

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
    macros = tuple(_percent(result.macro_accuracy, unicode) for result in results)
    rows.append(_Row("mean over subjects", ("", *macros), bold=True))
    if any(result.mean_score is not None for result in results):
        scores = (_score(result.mean_score, unicode) for result in results)
        rows.append(_Row("mean score", ("", *scores), bold=True))
    for outcome, colour in (("answered", ""), ("unparsed", "yellow"), ("error", "red")):
        found = [getattr(result.counts, outcome) for result in results]
        if outcome == "answered" and not any(found):
            continue
        warn = {at: colour for at, number in enumerate(found, start=1) if number and colour}
        label = "errors" if outcome == "error" else outcome
        rows.append(_Row(label, ("", *map(str, found)), warn=warn))
    latencies = (_seconds(result.latency.p50, unicode) for result in results)
    rows.append(_Row("median latency", ("", *latencies)))
    return rows


def _layout(
    corner: str,
    headers: Sequence[Sequence[str]],
    rows: Sequence[_Row],
    width: int,
    unicode: bool,
    paint: Paint,
) -> list[str]:
    """Header and rows, all lines of the same width; labels that are too long take several lines."""
    sizes = [
        max(*(width_of(line) for line in header), *(width_of(row.cells[at]) for row in rows), 0)
        for at, header in enumerate(headers)
    ]
    room = width - sum(sizes) - len(_GAP) * len(sizes)
    with_bars = width >= WIDE and any(row.share is not None for row in rows)
    if with_bars:
        room -= _LEAST_BAR + len(_GAP)
    natural = max(width_of(corner), *(row.indent + width_of(row.label) for row in rows))
    label_size = min(natural, max(room, _LEAST_LABEL))
    bar_size = min(_MOST_BAR, _LEAST_BAR + room - label_size) if with_bars else 0
    if bar_size < _LEAST_BAR:
        bar_size = 0

    lines = []
    height = max(map(len, headers))
    for at in range(height):
        texts = [[""] * (height - len(header)) + list(header) for header in headers]
        label = corner if at == height - 1 else ""
        cells = [right(text[at], size) for text, size in zip(texts, sizes, strict=True)]
        line = _GAP.join([left(label, label_size), *cells])
        lines.append(line + " " * (bar_size + len(_GAP) if bar_size else 0))
    for row in rows:
        lines += _row_lines(row, label_size, sizes, bar_size, unicode, paint)
    return lines


def _row_lines(
    row: _Row, label_size: int, sizes: Sequence[int], bar_size: int, unicode: bool, paint: Paint
) -> list[str]:
    label, *rest = wrap(row.label, label_size - row.indent, _HANG)
    style = {"bold": True} if row.bold else {}
    pieces = [paint(left(" " * row.indent + label, label_size), **style)]
    for at, (cell, size) in enumerate(zip(row.cells, sizes, strict=True)):
        colour = row.warn.get(at)
        pieces.append(paint(right(cell, size), **({colour: True} if colour else style)))
    if bar_size:
        pieces.append(bar(row.share or 0.0, bar_size, unicode=unicode))
    indent = " " * (row.indent + _HANG)
    blank = _GAP.join(" " * size for size in (*sizes, *([bar_size] if bar_size else [])))
    return [
        _GAP.join(pieces),
        *(_GAP.join((paint(left(indent + line, label_size), **style), blank)) for line in rest),
    ]


def _listed(head: str, items: Iterable[str], width: int) -> list[str]:
    """``head`` and the items, in as many lines as they need; only what fits into none is broken."""
    lines = [head]
    for at, item in enumerate(items):
        text = item if at == 0 else f", {item}"
        if at and width_of(lines[-1] + text) + 1 > width:
            lines[-1] += ","
            lines.append("  ")
            text = item
        lines[-1] += text
    folded = ([line] if width_of(line) <= width else _folded(line, width) for line in lines)
    return [line for of_one in folded for line in of_one]


def _folded(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` columns, the later ones indented."""
    first, *rest = wrap(text, width, _HANG)
    return [first, *(" " * _HANG + line for line in rest)]


def _percent(share: float | None, unicode: bool) -> str:
    return _none(unicode) if share is None else f"{share:.1%}"


def _score(score: float | None, unicode: bool) -> str:
    return _none(unicode) if score is None else f"{score:.3f}"


def _interval(interval: tuple[float, float] | None, unicode: bool) -> str:
    if interval is None:
        return _none(unicode)
    low, high = interval
    return f"{low * 100:.1f}{'–' if unicode else '-'}{high * 100:.1f}"


def _seconds(seconds: float | None, unicode: bool) -> str:
    if seconds is None:
        return _none(unicode)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 99.995 else f"{seconds:.0f} s"


def _none(unicode: bool) -> str:
    return "–" if unicode else "-"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"
