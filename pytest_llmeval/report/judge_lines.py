"""What a run says of its judge, in lines for people."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llmeval.analysis.conditions import JudgeModel
from pytest_llmeval.analysis.stats import median
from pytest_llmeval.results.judge_usage import Agreement, JudgeUsage


def judge_line(judged: JudgeUsage | None, info: JudgeModel | None) -> str | None:
    """The judge in one line."""
    if info is None:
        return None
    found = judged or JudgeUsage()
    said = [f"{found.judgements:,} judgement{'' if found.judgements == 1 else 's'}"]
    if found.cached:
        said.append(f"{found.cached:,} of them stored")
    if found.asked_again:
        said.append(f"{found.asked_again:,} asked again for a verdict")
    if found.failed:
        said.append(f"{found.failed:,} failed")
    if found.tokens_in is not None:
        said.append(f"{found.tokens_in:,} prompt tokens")
    if found.tokens_out is not None:
        said.append(f"{found.tokens_out:,} written")
    if (middle := median(found.latencies_s)) is not None:
        said.append(f"median {middle:.3g} s")
    if (cost := found.cost(info)) is not None:
        said.append(f"cost {cost:.4g}")
    return f"judge {info.model}: {', '.join(said)}"


def agreement_lines(found: Agreement | None) -> Sequence[str]:
    """The agreement in a few lines."""
    if found is None:
        return ()
    if found.kappa is None:
        why = "all labels and verdicts are the same" if found.any_read else "no verdict could be read"
        said = f"Cohen's kappa: not defined ({why})"
    else:
        low, high = found.kappa_interval or (found.kappa, found.kappa)
        said = f"Cohen's kappa {found.kappa:.3f} (95% interval {low:.3f} to {high:.3f})"
    pairs = "; ".join(
        f"label {label}, verdict {verdict}: {number:,}"
        for (label, verdict), number in found.confusion.items()
    )
    wrongly = []
    if {"C", "I"} & set(found.labels):
        wrongly = [
            f"wrongly let pass: {found.lenient:,}, wrongly marked down: {found.strict:,}, "
            f"no verdict: {found.unread:,}"
        ]
    return (f"agreement with the labels: {said}", *wrongly, pairs)
