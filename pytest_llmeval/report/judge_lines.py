"""A judge model's work and its agreement with labels, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llmeval.analysis.conditions import JudgeModel
from pytest_llmeval.analysis.stats import median
from pytest_llmeval.results.judge_usage import Agreement, JudgeUsage


def judge_line(usage: JudgeUsage | None, judge: JudgeModel | None) -> str | None:
    """The judge, how often it was asked, and what that cost; None without a judge."""
    if judge is None:
        return None
    usage = usage or JudgeUsage()
    pieces = [f"{usage.judgements:,} judgement{'' if usage.judgements == 1 else 's'}"]
    if usage.cached:
        pieces.append(f"{usage.cached:,} from the store")
    if usage.asked_again:
        pieces.append(f"{usage.asked_again:,} retried for a verdict")
    if usage.failed:
        pieces.append(f"{usage.failed:,} failed")
    if usage.tokens_in is not None:
        pieces.append(f"{usage.tokens_in:,} prompt tokens")
    if usage.tokens_out is not None:
        pieces.append(f"{usage.tokens_out:,} completion tokens")
    if (latency := median(usage.latencies_s)) is not None:
        pieces.append(f"median {latency:.3g} s")
    if (cost := usage.cost(judge)) is not None:
        pieces.append(f"cost {cost:.4g}")
    return f"judge {judge.model}: {', '.join(pieces)}"


def agreement_lines(agreement: Agreement | None) -> Sequence[str]:
    """Cohen's kappa, wrong verdicts of either kind, and the confusion matrix."""
    if agreement is None:
        return ()
    if agreement.kappa is None:
        reason = (
            "all labels and verdicts are equal" if agreement.has_verdicts else "no verdict could be parsed"
        )
        kappa = f"Cohen's kappa undefined ({reason})"
    else:
        low, high = agreement.kappa_interval or (agreement.kappa, agreement.kappa)
        kappa = f"Cohen's kappa {agreement.kappa:.3f} (95% interval {low:.3f} to {high:.3f})"
    confusion = "; ".join(
        f"label {label}, verdict {verdict}: {number:,}"
        for (label, verdict), number in agreement.confusion.items()
    )
    mistakes = []
    if {"C", "I"} & set(agreement.labels):
        mistakes = [
            f"wrongly accepted: {agreement.lenient:,}, wrongly rejected: {agreement.strict:,}, "
            f"no verdict: {agreement.without_verdict:,}"
        ]
    return (f"agreement with the labels: {kappa}", *mistakes, confusion)
