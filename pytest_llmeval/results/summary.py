"""Summarise records as results: counts, averages and latencies per model and benchmark."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_llmeval.analysis.calibration import Calibration, calibration, forecast
from pytest_llmeval.analysis.stats import (
    Counts,
    detectable_difference,
    effective,
    macro_interval,
    mean,
    median,
    pass_at,
    percentile,
    wilson,
)
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.circular import Circular, circular
from pytest_llmeval.results.cut_off import CutOff
from pytest_llmeval.results.guessing import Guessing
from pytest_llmeval.results.judge_usage import Agreement, JudgeUsage, agreement
from pytest_llmeval.results.looser_metric import LooserMetric
from pytest_llmeval.results.numbers import mean_numbers
from pytest_llmeval.results.official import OfficialRule
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.tally import Tally
from pytest_llmeval.results.task_scores import TaskScores
from pytest_llmeval.results.unparsed import Reason, count_reasons


@dataclass(frozen=True, slots=True)
class Part:
    """A subject's result; the latency is in seconds, over the questions sent in this run.

    ``weight`` is the effective (correct, scored) number of independent questions if some questions depend on
    each other (they share a cluster or were repeated), else None. ``mean_score`` is the mean score of a
    graded metric, with unparsed answers as 0. ``circular`` is None if each question was asked in a single
    order of its choices. ``cut_off`` counts the answers that the token limit ended. ``metrics`` are the means
    of a metric's further numbers, and the figures computed from them.
    """

    counts: Counts
    latency_p50_s: float | None
    weight: tuple[float, float] | None = field(default=None, kw_only=True)
    mean_score: float | None = field(default=None, kw_only=True)
    circular: Circular | None = field(default=None, kw_only=True)
    cut_off: CutOff = field(default_factory=CutOff, kw_only=True)
    metrics: Mapping[str, float | None] = field(default_factory=dict, kw_only=True)

    @property
    def accuracy(self) -> float | None:
        """The mean over questions; None if nothing was scored."""
        return self.counts.accuracy

    @property
    def effective(self) -> tuple[float, float]:
        """The (correct, scored) numbers that intervals are computed from."""
        return (self.counts.correct, self.counts.scored) if self.weight is None else self.weight

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% interval of ``accuracy``."""
        return wilson(*self.effective) if self.counts.scored else None


@dataclass(frozen=True, slots=True)
class Group(Part):
    """A group's result; ``macro_accuracy`` is the mean over its subjects that have an accuracy."""

    macro_accuracy: float | None
    macro_interval: tuple[float, float] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Results of asking every question ``times`` times, over the scored questions.

    ``pass_at`` maps k to the probability that at least one of k answers is correct; ``majority`` is the share
    of questions whose most frequent answer is correct. ``flipped`` has the ids of questions that were
    correct in some repeats but not all.
    """

    times: int
    pass_at: Mapping[int, float]
    majority: float | None
    flipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from when a model takes a request to its answer; None if no request was sent."""

    p50: float | None
    p95: float | None
    mean: float | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Sums over all questions; None if the backend reports no usage.

    ``shared`` counts prompt tokens that were already computed for another question.
    """

    prompt: int | None
    completion: int | None
    shared: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One model on one benchmark.

    ``questions_per_s`` is over the wall time in which these questions finished, including model
    loading. ``cached`` is the number of answers from the store. ``task_scores`` has the numbers that
    lm-evaluation-harness would report for its tasks. ``calibration`` is there for choice scores,
    ``guessing`` for questions with one correct choice.
    ``unparsed`` counts unparsed answers by reason, ``served_models`` the answers of models that the server
    named instead of the model's name.
    """

    model: str
    identity: str
    info: BenchmarkInfo
    counts: Counts
    macro_accuracy: float | None
    subjects: Mapping[str, Part]
    groups: Mapping[str, Group]
    latency: Latency
    tokens: Tokens
    questions_per_s: float | None
    cached: int
    weight: tuple[float, float] | None = None
    macro_interval: tuple[float, float] | None = None
    repeats: Repeats | None = None
    mean_score: float | None = None
    circular: Circular | None = None
    cut_off: CutOff = field(default_factory=CutOff)
    official: OfficialRule | None = None
    looser_metric: LooserMetric | None = None
    judge_usage: JudgeUsage | None = None
    agreement: Agreement | None = None
    task_scores: TaskScores | None = None
    calibration: Calibration | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    guessing: Guessing | None = None
    unparsed: Mapping[Reason, int] = field(default_factory=dict)
    served_models: Mapping[str, int] = field(default_factory=dict)

    @property
    def benchmark(self) -> str:
        """The result's name: the benchmark's, with the test function if several asked it."""
        return self.info.name

    @property
    def base(self) -> str:
        """The benchmark's own name."""
        return self.info.benchmark

    @property
    def test(self) -> str | None:
        """The test function, if several asked the benchmark."""
        return None if self.info.name == self.info.benchmark else self.info.test

    @property
    def accuracy(self) -> float | None:
        """The mean over questions; None if nothing was scored."""
        return self.counts.accuracy

    @property
    def times(self) -> int:
        """How many times each question was asked."""
        return 1 if self.repeats is None else self.repeats.times

    @property
    def effective(self) -> tuple[float, float]:
        """The (correct, scored) numbers that intervals are computed from."""
        return self.whole.effective

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% interval of ``accuracy``."""
        return self.whole.interval

    @property
    def detectable_drop(self) -> float | None:
        """The smallest true drop that a run of equally many other questions detects with 80% power.

        None if no drop is detectable. A paired run of the same questions detects smaller drops.
        """
        return detectable_difference(self.accuracy, self.effective[1]) if self.accuracy else None

    @property
    def whole(self) -> Group:
        """The benchmark as a single group of all its subjects."""
        return Group(
            self.counts,
            self.latency.p50,
            self.macro_accuracy,
            weight=self.weight,
            macro_interval=self.macro_interval,
            mean_score=self.mean_score,
            circular=self.circular,
            cut_off=self.cut_off,
            metrics=self.metrics,
        )


def summarise(
    tally: Tally,
    infos: Mapping[str, BenchmarkInfo],
    identities: Mapping[str, str] | None = None,
    systems: Mapping[str, str | None] | None = None,
) -> tuple[Result, ...]:
    """Summarise the records of each model and benchmark, ordered by benchmark as in ``infos``, then by model.

    ``identities`` maps models to what their answers depend on; its order is the order of the models.
    ``systems`` maps models to their system prompts.
    Raises KeyError for a benchmark without info.
    """
    identities = identities or {}
    by_result: dict[tuple[str, str], dict[str, list[Record]]] = {}
    for record in tally:
        subjects = by_result.setdefault((record.model, record.benchmark), {})
        subjects.setdefault(record.subject, []).append(record)
    models = dict.fromkeys((*identities, *(model for model, _ in by_result)))
    model_order = {name: at for at, name in enumerate(models)}
    info_order = {name: at for at, name in enumerate(infos)}
    keys = sorted(by_result, key=lambda key: (info_order[key[1]], model_order[key[0]]))
    return tuple(
        _result(
            model,
            identities.get(model, ""),
            _with_system(infos[benchmark], (systems or {}).get(model)),
            by_result[model, benchmark],
            tally.seconds(model, benchmark),
        )
        for model, benchmark in keys
    )


def _with_system(info: BenchmarkInfo, system: str | None) -> BenchmarkInfo:
    """A copy of ``info`` with a model's system prompt among the conditions."""
    return info if system is None else replace(info, conditions=replace(info.conditions, system=system))


def _result(
    model: str,
    identity: str,
    info: BenchmarkInfo,
    records_by_subject: Mapping[str, Sequence[Record]],
    seconds: float,
) -> Result:
    order = {key: at for at, key in enumerate(info.subjects)}
    by_subject = {
        key: records_by_subject[key]
        for key in sorted(records_by_subject, key=lambda key: (order.get(key, len(order)), key))
    }
    subjects = {
        key: Part(
            _counts(rows),
            median(_latencies(rows)),
            weight=_weight(rows),
            mean_score=_mean_score(rows),
            circular=circular(rows),
            cut_off=CutOff.of(rows),
            metrics=mean_numbers(rows, info.totals),
        )
        for key, rows in by_subject.items()
    }
    groups = {}
    for name, members in info.groups.items():
        present = [key for key in members if key in subjects]
        if present:
            parts = [subjects[key] for key in present]
            rows = [record for key in present for record in by_subject[key]]
            groups[name] = Group(
                _total(parts),
                median(_latencies(rows)),
                _macro(parts),
                weight=_weight(rows),
                macro_interval=macro_interval(part.effective for part in parts),
                mean_score=_mean_score(rows),
                circular=circular(rows),
                cut_off=CutOff.of(rows),
                metrics=mean_numbers(rows, info.totals),
            )
    records = [record for rows in by_subject.values() for record in rows]
    latencies = _latencies(records)
    return Result(
        model=model,
        identity=identity,
        info=info,
        counts=_total(subjects.values()),
        macro_accuracy=_macro(subjects.values()),
        subjects=subjects,
        groups=groups,
        latency=Latency(median(latencies), percentile(latencies, 95), mean(latencies)),
        tokens=Tokens(
            _known_sum(record.completion.prompt_tokens for record in records),
            _known_sum(record.completion.completion_tokens for record in records),
            _known_sum(record.completion.shared_tokens for record in records),
        ),
        questions_per_s=len(records) / seconds if seconds > 0 else None,
        cached=sum(record.from_store for record in records),
        weight=_weight(records),
        macro_interval=macro_interval(part.effective for part in subjects.values()),
        repeats=_repeats(records),
        mean_score=_mean_score(records),
        circular=circular(records),
        cut_off=CutOff.of(records),
        official=OfficialRule.of(records),
        looser_metric=LooserMetric.of(records),
        judge_usage=JudgeUsage.of(judgement for record in records for judgement in record.judgements),
        agreement=agreement(info.metric, records),
        calibration=_calibration(records),
        metrics=mean_numbers(records, info.totals),
        guessing=Guessing.of(records, info.metric),
        unparsed=count_reasons(one.unparsed_reason for record in records for one in record.attempts),
        served_models=_served_models(records),
    )


def outline(subjects: Iterable[str], groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    """Yield groups in table order, each with those of its ``subjects`` that no earlier group has.

    A group whose subjects are all in earlier groups has an empty list; a final group ``""`` has the
    subjects without a group. Groups without any of the subjects are omitted.
    """
    remaining = dict.fromkeys(subjects)
    present = frozenset(remaining)
    for name, members in groups.items():
        if present.isdisjoint(members):
            continue
        new = [key for key in remaining if key in frozenset(members)]
        for key in new:
            del remaining[key]
        yield name, new
    if remaining:
        yield "", list(remaining)


def _counts(records: Iterable[Record]) -> Counts:
    return Counts.of((outcome, record.gold) for record in records for outcome in record.outcomes)


def _weight(records: Sequence[Record]) -> tuple[float, float] | None:
    """The effective (correct, scored), or None if no questions share a cluster or were repeated."""
    if all(record.cluster is None and len(record.outcomes) == 1 for record in records):
        return None
    clusters: dict[str, list[Record]] = {}
    for record in records:
        key = f"question {record.id}" if record.cluster is None else f"cluster {record.cluster}"
        clusters.setdefault(key, []).append(record)
    counts = [_counts(rows) for rows in clusters.values()]
    return effective((count.correct, count.scored) for count in counts)


def _repeats(records: Sequence[Record]) -> Repeats | None:
    times = max((len(record.outcomes) for record in records), default=1)
    if times == 1:
        return None
    scored = [(record, counts) for record in records if (counts := _counts([record])).scored]
    pass_rates = {}
    for k in range(1, times + 1):
        # a question has fewer answers than repeats if some were errors
        rates = [pass_at(k, counts.correct, counts.scored) for _, counts in scored if counts.scored >= k]
        if rates:
            pass_rates[k] = math.fsum(rates) / len(rates)
    return Repeats(
        times=times,
        pass_at=pass_rates,
        majority=mean(float(record.outcome is Outcome.CORRECT) for record, _ in scored),
        flipped=tuple(record.id for record, counts in scored if 0 < counts.correct < counts.scored),
    )


def _mean_score(records: Iterable[Record]) -> float | None:
    return mean(record.score for record in records if record.score is not None)


def _calibration(records: Iterable[Record]) -> Calibration | None:
    """Over all answers that were chosen by the scores of choices, each repeat and order by itself."""
    singles = (single for record in records for single in record.singles)
    scored = (one for one in singles if one.outcome in (Outcome.CORRECT, Outcome.WRONG))
    found = (forecast(one.completion.scores, one.answer, one.target) for one in scored)
    return calibration(one for one in found if one is not None)


def _served_models(records: Iterable[Record]) -> Mapping[str, int]:
    """The models that the server named instead of the model's name, the most frequent first."""
    names = (single.completion.served_model for record in records for single in record.singles)
    return dict(Counter(name for name in names if name).most_common())


def _total(parts: Iterable[Part]) -> Counts:
    return sum((part.counts for part in parts), Counts())


def _macro(parts: Iterable[Part]) -> float | None:
    return mean(accuracy for part in parts if (accuracy := part.accuracy) is not None)


def _latencies(records: Iterable[Record]) -> list[float]:
    return [latency for record in records for latency in record.latencies_s if math.isfinite(latency)]


def _known_sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
