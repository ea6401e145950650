"""A judge's token usage and cost in a run, and its agreement with human labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_llmeval.analysis.conditions import JudgeModel
from pytest_llmeval.analysis.stats import kappa, mean, median
from pytest_llmeval.core.types import Judgement, Outcome
from pytest_llmeval.results.record import Record

_MILLION = 1_000_000
_NO_VERDICT = "none"


@dataclass(frozen=True, slots=True)
class JudgeUsage:
    """The usage of a run's judge.

    ``asked_again`` counts replies without a verdict, after which the judge was asked again; ``failed`` counts
    answers that never got a verdict. ``paid_in`` and ``paid_out`` count tokens used in this run, excluding
    cached replies; token counts are None if the backend does not report them. ``latencies_s`` covers
    the replies requested in this run.
    """

    judgements: int = 0
    cached: int = 0
    failed: int = 0
    asked_again: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    paid_in: int | None = None
    paid_out: int | None = None
    latencies_s: tuple[float, ...] = ()

    @classmethod
    def of(cls, judgements: Iterable[Judgement]) -> JudgeUsage | None:
        """The usage of these judgements; None if there are none."""
        judgements = list(judgements)
        if not judgements:
            return None
        requested = [judgement for judgement in judgements if not judgement.cached]
        return cls(
            len(judgements),
            len(judgements) - len(requested),
            sum(judgement.error is not None for judgement in judgements),
            sum(judgement.unread is not None for judgement in judgements),
            _known_sum(judgement.prompt_tokens for judgement in judgements),
            _known_sum(judgement.completion_tokens for judgement in judgements),
            _paid(judgement.prompt_tokens for judgement in requested),
            _paid(judgement.completion_tokens for judgement in requested),
            tuple(round(judgement.latency_s, 6) for judgement in requested if judgement.error is None),
        )

    def cost(self, judge: JudgeModel) -> float | None:
        """The cost of this run's judgements in the prices' currency; None without prices or token counts."""
        if judge.price_in is None and judge.price_out is None:
            return None
        if self.paid_in is None or self.paid_out is None:
            return None
        return (self.paid_in * (judge.price_in or 0.0) + self.paid_out * (judge.price_out or 0.0)) / _MILLION


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a judge's verdicts agree with human labels.

    ``confusion`` counts (label, verdict) pairs, with the verdict "none" for replies that could not be parsed;
    ``kappa`` is Cohen's, over the parsed verdicts.
    """

    confusion: Mapping[tuple[str, str], int]
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    labels: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str | None]]) -> Agreement | None:
        """The agreement of (label, verdict) pairs; None if there are none."""
        counts = Counter((label, verdict or _NO_VERDICT) for label, verdict in pairs)
        if not counts:
            return None
        labels = tuple(sorted({word for pair in counts for word in pair} - {_NO_VERDICT}))
        table = [[counts[label, verdict] for verdict in labels] for label in labels]
        estimate = kappa(table)
        value, interval = (None, None) if estimate is None else estimate
        return cls(dict(sorted(counts.items())), value, interval, labels)

    @property
    def has_verdicts(self) -> bool:
        """Whether any verdict could be parsed."""
        return self.without_verdict < sum(self.confusion.values())

    @property
    def without_verdict(self) -> int:
        """The number of replies without a verdict."""
        return sum(number for (_, verdict), number in self.confusion.items() if verdict == _NO_VERDICT)

    @property
    def lenient(self) -> int:
        """The number of answers labelled incorrect that the judge accepted."""
        return self.confusion.get(("I", "C"), 0)

    @property
    def strict(self) -> int:
        """The number of answers labelled correct that the judge rejected."""
        return self.confusion.get(("C", "I"), 0)


def _known_sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _paid(numbers: Iterable[int | None]) -> int | None:
    """The sum; None if any number is unknown, since the cost must not be underestimated."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def agreement(metric: str, records: Iterable[Record]) -> Agreement | None:
    """The agreement of verdicts with labels; None for a benchmark that does not test a judge."""
    if metric != "agreement":
        return None
    return Agreement.of(
        (record.target, record.answer if record.outcome is not Outcome.UNPARSED else None)
        for record in records
        if record.target is not None and record.outcome is not Outcome.ERROR
    )


def judge_json(usage: JudgeUsage | None, judge: JudgeModel | None) -> dict[str, Any] | None:
    """The ``judge`` field of a result in results.json."""
    if judge is None:
        return None
    usage = usage or JudgeUsage()
    return {
        **asdict(judge),
        "judgements": usage.judgements,
        "cached": usage.cached,
        "failed": usage.failed,
        "asked_again": usage.asked_again,
        "tokens": {"prompt": usage.tokens_in, "completion": usage.tokens_out},
        "latency_s": {
            "p50": median(usage.latencies_s),
            "mean": mean(usage.latencies_s),
            "sum": sum(usage.latencies_s),
        },
        "cost": usage.cost(judge),
    }


def agreement_json(agreement: Agreement | None) -> dict[str, Any] | None:
    """The ``agreement`` field of a result in results.json."""
    if agreement is None:
        return None
    return {
        "kappa": agreement.kappa,
        "kappa_interval": agreement.kappa_interval,
        "judged_correct_labelled_incorrect": agreement.lenient,
        "judged_incorrect_labelled_correct": agreement.strict,
        "unread": agreement.without_verdict,
        "confusion": [
            {"label": label, "verdict": verdict, "number": number}
            for (label, verdict), number in agreement.confusion.items()
        ],
    }
