"""Numbers and conditions of an evaluation as text, for the terminal, the page, its charts and the badge."""

from __future__ import annotations

from pytest_llmeval.analysis.calibration import Calibration
from pytest_llmeval.results.benchmark_info import BenchmarkInfo

#: shown where there is no value
NONE = "–"


def percent(share: float | None, digits: int = 1) -> str:
    """``0.624`` as ``62.4%``."""
    return NONE if share is None else f"{share:.{digits}%}"


def score(number: float | None) -> str:
    """The score of a graded metric, from 0 to 1: ``0.512``."""
    return NONE if number is None else f"{number:.3f}"


def graded_score(number: float, info: BenchmarkInfo) -> str:
    """A mean score with its metric: ``0.512 (rouge_l; threshold 0.5)``.

    An answer is correct if its score reaches the threshold.
    """
    return f"{score(number)} ({info.metric}; threshold {info.threshold:g})"


def calibration(numbers: Calibration) -> str:
    """``calibration error 4.2%, Brier score 0.412, mean confidence 61.0%``."""
    return (
        f"calibration error {percent(numbers.ece)}, Brier score {score(numbers.brier)}, "
        f"mean confidence {percent(numbers.confidence)}"
    )


def interval(ends: tuple[float, float] | None) -> str:
    """Both ends in percent: ``60.1–64.6``."""
    return NONE if ends is None else f"{ends[0] * 100:.1f}–{ends[1] * 100:.1f}"


def conditions(info: BenchmarkInfo) -> str:
    """How a benchmark was asked and graded: ``generate, 5 shots, val, circular, metric exact``.

    The metric ``choice`` goes without saying.
    """
    return ", ".join(
        (
            info.conditions.mode,
            shots(info.conditions.shots),
            info.conditions.split,
            *info.conditions.order_words,
            *([] if info.metric == "choice" else [f"metric {info.metric}"]),
        )
    )


def shots(number: int) -> str:
    """``1 shot`` or ``5 shots``."""
    return "1 shot" if number == 1 else f"{number} shots"


def seconds(number: float | None) -> str:
    """A duration with about three digits: ``12 ms``, ``1.25 s``."""
    if number is None:
        return NONE
    if number == 0:
        return "0 s"
    if number < 0.00995:
        return f"{number * 1000:.1f} ms"
    if number < 0.9995:
        return f"{number * 1000:.0f} ms"
    return f"{number:.2f} s" if number < 99.995 else f"{number:,.0f} s"


def duration(number: float) -> str:
    """How many seconds a run took: ``12.5 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if number < 100:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 100:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def count(number: float | None) -> str:
    """A whole number with thousands separators."""
    return NONE if number is None else f"{number:,.0f}"


def rate(per_second: float | None) -> str:
    """``18.3 questions/s``, or ``4.0 s per question`` if it is slower than one a second."""
    if not per_second:
        return NONE
    if per_second >= 0.95:
        return f"{per_second:,.1f} questions/s"
    return f"{1 / per_second:,.1f} s per question"


def axis_seconds(number: float) -> str:
    """A tick label for seconds: ``200 ms``, ``5 s``."""
    return f"{number * 1000:g} ms" if number < 1 else f"{number:g} s"


def axis_count(number: float) -> str:
    """A tick label for counts: ``500``, ``2k``."""
    return f"{number:g}" if number < 1000 else f"{number / 1000:g}k"
