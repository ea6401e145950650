"""What a run says of its judge: who it was, what it cost, and, on labelled answers, how far it is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_llmeval.analysis.stats import kappa, mean, median
from pytest_llmeval.core.types import Judgement, Outcome

_MILLION = 1_000_000
_UNREAD = "none"


@dataclass(frozen=True, slots=True)
class JudgeInfo:
    """The judge of a benchmark's answers: its name, what its replies depend on, and what it is asked.

    Prices are for a million tokens.
    """

    model: str
    identity: str
    prompt_sha256: str
    price_in: float | None = None
    price_out: float | None = None

    @property
    def way(self) -> str:
        """What two runs must have in common to be comparable, in words."""
        return f"{self.identity}, its prompt {self.prompt_sha256[:12]}"

    def same(self, other: JudgeInfo | None) -> bool:
        """Whether judgements of both are of the same kind."""
        return other is not None and self.way == other.way


@dataclass(frozen=True, slots=True)
class Judged:
    """One judgement, or the sum of many; ``latencies`` (seconds) of those that were asked for in this run.

    ``again`` is how often a reply had no verdict and the judge was asked again; ``failed`` how often there is
    no verdict in the end. ``paid_in`` and ``paid_out`` are tokens of this run, without those of stored
    replies; token counts are None where the backend does not tell.
    """

    number: int = 0
    cached: int = 0
    failed: int = 0
    again: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    paid_in: int | None = None
    paid_out: int | None = None
    latencies: tuple[float, ...] = ()

    @classmethod
    def of(cls, judgements: Iterable[Judgement]) -> Judged | None:
        """The sum; None of none."""
        known = list(judgements)
        if not known:
            return None
        asked = [one for one in known if not one.cached]
        return cls(
            len(known),
            len(known) - len(asked),
            sum(one.error is not None for one in known),
            sum(one.unread is not None for one in known),
            _known_sum(one.prompt_tokens for one in known),
            _known_sum(one.completion_tokens for one in known),
            _paid(one.prompt_tokens for one in asked),
            _paid(one.completion_tokens for one in asked),
            tuple(round(one.latency_s, 6) for one in asked if one.error is None),
        )

    @classmethod
    def total(cls, parts: Iterable[Judged | None]) -> Judged | None:
        """The sum; None of none."""
        known = [part for part in parts if part is not None]
        if not known:
            return None
        return cls(
            sum(part.number for part in known),
            sum(part.cached for part in known),
            sum(part.failed for part in known),
            sum(part.again for part in known),
            _known_sum(part.tokens_in for part in known),
            _known_sum(part.tokens_out for part in known),
            _paid(part.paid_in for part in known),
            _paid(part.paid_out for part in known),
            tuple(latency for part in known for latency in part.latencies),
        )

    def scalars(self) -> dict[str, Any]:
        """As it rides a report."""
        return asdict(self)

    @classmethod
    def read(cls, scalars: Mapping[str, Any] | None) -> Judged | None:
        """From ``scalars``."""
        if scalars is None:
            return None
        return cls(**{**scalars, "latencies": tuple(scalars["latencies"])})

    def cost(self, info: JudgeInfo) -> float | None:
        """What this run's judgements cost, in the currency of the prices; None without prices or tokens."""
        if info.price_in is None and info.price_out is None:
            return None
        if self.paid_in is None or self.paid_out is None:
            return None
        return (self.paid_in * (info.price_in or 0.0) + self.paid_out * (info.price_out or 0.0)) / _MILLION


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge's verdicts against people's labels.

    ``confusion`` counts by (label, verdict), where a verdict of "none" could not be read; kappa is Cohen's,
    of the verdicts that were read.
    """

    confusion: Mapping[tuple[str, str], int]
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    labels: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str | None]]) -> Agreement | None:
        """From labels and verdicts; None of none."""
        counted = Counter((label, verdict or _UNREAD) for label, verdict in pairs)
        if not counted:
            return None
        labels = tuple(sorted({word for pair in counted for word in pair} - {_UNREAD}))
        table = [[counted[label, verdict] for verdict in labels] for label in labels]
        found = kappa(table)
        value, interval = (None, None) if found is None else found
        return cls(dict(sorted(counted.items())), value, interval, labels)

    @property
    def any_read(self) -> bool:
        """Whether there is any verdict."""
        return self.unread < sum(self.confusion.values())

    @property
    def unread(self) -> int:
        """Replies without a verdict."""
        return sum(number for (_, verdict), number in self.confusion.items() if verdict == _UNREAD)

    @property
    def lenient(self) -> int:
        """Incorrect by the label, correct by the judge."""
        return self.confusion.get(("I", "C"), 0)

    @property
    def strict(self) -> int:
        """Correct by the label, not so by the judge."""
        return self.confusion.get(("C", "I"), 0)


def _known_sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _paid(numbers: Iterable[int | None]) -> int | None:
    """None where the tokens of any are not known: a bill must not be too small."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def agreement(benchmark_metric: str, entries: Iterable[Any]) -> Agreement | None:
    """The agreement of a benchmark's entries, if labels are what it is about."""
    if benchmark_metric != "agreement":
        return None
    return Agreement.of(
        (entry.target, entry.answer if entry.outcome is not Outcome.UNPARSED else None)
        for entry in entries
        if entry.target is not None and entry.outcome is not Outcome.ERROR
    )


def judge_json(judged: Judged | None, info: JudgeInfo | None) -> dict[str, Any] | None:
    """The judge in results.json."""
    if info is None:
        return None
    found = judged or Judged()
    return {
        **asdict(info),
        "judgements": found.number,
        "cached": found.cached,
        "failed": found.failed,
        "asked_again": found.again,
        "tokens": {"prompt": found.tokens_in, "completion": found.tokens_out},
        "latency_s": {
            "p50": median(found.latencies),
            "mean": mean(found.latencies),
            "sum": sum(found.latencies),
        },
        "cost": found.cost(info),
    }


def info_of(told: Mapping[str, Any] | None) -> JudgeInfo | None:
    """The judge that a results.json tells of."""
    if not isinstance(told, Mapping):
        return None
    return JudgeInfo(
        str(told["model"]),
        str(told["identity"]),
        str(told["prompt_sha256"]),
        told.get("price_in"),
        told.get("price_out"),
    )


def agreement_json(found: Agreement | None) -> dict[str, Any] | None:
    """The agreement in results.json."""
    if found is None:
        return None
    return {
        "kappa": found.kappa,
        "kappa_interval": found.kappa_interval,
        "judged_correct_labelled_incorrect": found.lenient,
        "judged_incorrect_labelled_correct": found.strict,
        "unread": found.unread,
        "confusion": [
            {"label": label, "verdict": verdict, "number": number}
            for (label, verdict), number in found.confusion.items()
        ],
    }
