"""A badge for a README with the accuracy of a run."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.report import svg
from pytest_llmeval.report.figures import percent
from pytest_llmeval.report.text import clean
from pytest_llmeval.results.summary import Result

_MAX_RESULTS = 3
_PASSED, _FAILED, _PLAIN, _INCOMPLETE, _NAME = "#2c8a57", "#c8372d", "#2f5fc4", "#7a6a2e", "#4a4f57"
_FONT = "Verdana,Geneva,DejaVu Sans,sans-serif"


def badge_svg(complete: bool, results: Sequence[Result], verdicts: Sequence[GateResult] = ()) -> str:
    """The badge as SVG: green if gates passed, red if one failed, blue without gates.

    Only gates decide which accuracy is good.
    """
    label, value = badge_texts(complete, results)
    evaluated = [verdict for verdict in verdicts if verdict.verdict != "not_run"]
    if any(verdict.failed for verdict in evaluated):
        colour = _FAILED
    elif not complete:
        colour = _INCOMPLETE
    else:
        colour = _PASSED if any(verdict.verdict == "pass" for verdict in evaluated) else _PLAIN
    left, right = (svg.text_width(text, 11) + 14 for text in (label, value))
    parts: list[Markup] = [
        svg.element("title", f"{label}: {value}"),
        svg.rect(0, 0, left + right, 20, rx=3, fill=_NAME),
        svg.rect(left, 0, right, 20, rx=3, fill=colour),
        svg.rect(left, 0, 4, 20, fill=colour),
    ]
    for x, width, text in ((left / 2, left, label), (left + right / 2, right, value)):
        parts.append(
            svg.text(
                x, 14, text, anchor="middle", fill="#ffffff", class_=None,
                textLength=width - 14, lengthAdjust="spacingAndGlyphs",
            )
        )  # fmt: skip
    return svg.drawing(left + right, 20, f"{label}: {value}", *parts, font_family=_FONT, font_size=11) + "\n"


def badge_texts(complete: bool, results: Sequence[Result]) -> tuple[str, str]:
    """The texts on the left and the right; a benchmark or model is named only if there are several."""
    benchmarks = list(dict.fromkeys(result.benchmark for result in results))
    models = list(dict.fromkeys(result.model for result in results))
    label = benchmarks[0] if len(benchmarks) == 1 else "llmeval"
    pieces = []
    for result in results[:_MAX_RESULTS]:
        names = [result.benchmark] * (len(benchmarks) > 1) + [result.model] * (len(models) > 1)
        pieces.append(" ".join([*names, percent(result.accuracy)]))
    if len(results) > _MAX_RESULTS:
        pieces.append("…")
    value = " · ".join(pieces) or "no results"
    return clean(label, limit=40), clean(value, limit=120) + ("" if complete else " (incomplete)")
