"""A badge for a README: the accuracy of a run at a glance, in the form that badges have."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.report import svg
from pytest_llmeval.report.figures import percent
from pytest_llmeval.report.text import clean
from pytest_llmeval.results.summary import Result

_MOST = 3
_PASSED, _FAILED, _PLAIN, _INCOMPLETE, _NAME = "#2c8a57", "#c8372d", "#2f5fc4", "#7a6a2e", "#4a4f57"
_FONT = "Verdana,Geneva,DejaVu Sans,sans-serif"


def badge(complete: bool, results: Sequence[Result], verdicts: Sequence[GateResult] = ()) -> str:
    """The SVG. Its colour is the gates' word: green where they passed, red where one failed, blue
    where there are none; whether a rate is good nobody else can say.
    """
    label, value = words(complete, results)
    judged = [verdict for verdict in verdicts if verdict.verdict != "not_run"]
    if any(verdict.failed for verdict in judged):
        colour = _FAILED
    elif not complete:
        colour = _INCOMPLETE
    else:
        colour = _PASSED if any(verdict.verdict == "pass" for verdict in judged) else _PLAIN
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


def words(complete: bool, results: Sequence[Result]) -> tuple[str, str]:
    """What stands left and right: names are left out where there is but one."""
    benchmarks = list(dict.fromkeys(result.benchmark for result in results))
    models = list(dict.fromkeys(result.model for result in results))
    label = benchmarks[0] if len(benchmarks) == 1 else "llmeval"
    pieces = []
    for result in results[:_MOST]:
        names = [result.benchmark] * (len(benchmarks) > 1) + [result.model] * (len(models) > 1)
        pieces.append(" ".join([*names, percent(result.accuracy)]))
    if len(results) > _MOST:
        pieces.append("…")
    value = " · ".join(pieces) or "no result"
    return clean(label, limit=40), clean(value, limit=120) + ("" if complete else " (incomplete)")
