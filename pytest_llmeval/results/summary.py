"""From records to results: counts, averages and latencies per model and benchmark."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_llmeval.analysis.conditions import EvalConditions, JudgeModel
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
from pytest_llmeval.results.judge_usage import Agreement, JudgeUsage, agreement
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.tally import Tally
from pytest_llmeval.results.task_scores import TaskScores


@dataclass(frozen=True, slots=True)
class BenchmarkInfo:
    """What a run knows about a benchmark besides its questions.

    ``subjects`` maps the keys of all declared subjects, in the benchmark's order, to their English
    and Chinese names ("" where there is none); ``groups`` maps names to subject keys. ``total`` is
    the number of questions in the split by subject, without subjects that have no data. ``planned``
    is the number of questions selected for each model (the most, where models differ). ``threshold`` is
    the least score that counts as correct, None where the ``metric`` only knows right and wrong.
    """

    name: str
    subjects: Mapping[str, tuple[str, str]]
    groups: Mapping[str, tuple[str, ...]]
    conditions: EvalConditions
    total: Mapping[str, int]
    planned: int
    metric: str = "choice"
    threshold: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As a worker of xdist sends it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> BenchmarkInfo:
        """From ``to_json``, by way of JSON."""
        conditions = content["conditions"]
        return cls(
            **{
                **content,
                "subjects": {subject: tuple(names) for subject, names in content["subjects"].items()},
                "groups": {group: tuple(members) for group, members in content["groups"].items()},
                "conditions": EvalConditions(
                    **{**conditions, "judge": JudgeModel.from_json(conditions["judge"])}
                ),
            }
        )


@dataclass(frozen=True, slots=True)
class Circular:
    """What the rotations of choices tell beside how many questions are right in all of them.

    ``accuracies`` are of each order by itself, ``mean_accuracy`` of all, over questions with a gold answer
    and without errors; empty and None where there are none. ``places`` are shares of the answers that were
    read by where they stood among the choices: without a preference of the model all are alike.
    """

    accuracies: tuple[float, ...] = ()
    mean_accuracy: float | None = None
    places: tuple[float, ...] = ()

    @property
    def plain_accuracy(self) -> float | None:
        """That of the first order: a run without rotations has the same."""
        return self.accuracies[0] if self.accuracies else None


@dataclass(frozen=True, slots=True)
class Part:
    """A subject's result; latency in seconds, of the questions that were asked in this run.

    ``weight`` is (correct, scored) of as many independent questions as tell the same, where questions
    depend on each other (they share a cluster, or were asked several times); None where none do.
    ``mean_score`` is over all that were scored by a graded metric, what could not be read as 0.
    ``circular`` is None where each question was asked in one order of its choices.
    """

    counts: Counts
    latency_p50_s: float | None
    weight: tuple[float, float] | None = field(default=None, kw_only=True)
    mean_score: float | None = field(default=None, kw_only=True)
    circular: Circular | None = field(default=None, kw_only=True)

    @property
    def accuracy(self) -> float | None:
        """The mean over questions; None where nothing was scored."""
        return self.counts.accuracy

    @property
    def effective(self) -> tuple[float, float]:
        """(correct, scored) that intervals are made of."""
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
    """What came of asking every question ``times`` times; all over the questions that were scored.

    ``pass_at`` is the chance that one of k answers is correct, by k; ``majority`` the share whose most
    frequent answer is. ``flipped`` are the ids of those that were correct sometimes, but not always.
    """

    times: int
    pass_at: Mapping[int, float]
    majority: float | None
    flipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from a model taking a request to its answer; None where nothing was asked."""

    p50: float | None
    p95: float | None
    mean: float | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Sums over all questions; None where the backend tells of none.

    ``shared`` are prompt tokens that were read for another question already.
    """

    prompt: int | None
    completion: int | None
    shared: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One model on one benchmark.

    ``questions_per_s`` is over the wall time in which these questions were finished, loading the
    model included. ``cached`` is the number of answers that came from the store. ``task_scores`` are
    the numbers that lm-evaluation-harness would report of its tasks.
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
    judge_usage: JudgeUsage | None = None
    agreement: Agreement | None = None
    task_scores: TaskScores | None = None

    @property
    def benchmark(self) -> str:
        """The benchmark's name."""
        return self.info.name

    @property
    def accuracy(self) -> float | None:
        """The mean over questions; None where nothing was scored."""
        return self.counts.accuracy

    @property
    def effective(self) -> tuple[float, float]:
        """(correct, scored) that intervals are made of."""
        return self.whole.effective

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% interval of ``accuracy``."""
        return self.whole.interval

    @property
    def detectable_drop(self) -> float | None:
        """The smallest true drop that a run of as many other questions shows with a chance of 80%.

        None where none would be seen. A run of the same questions, compared with this one, sees less.
        """
        return detectable_difference(self.accuracy, self.effective[1]) if self.accuracy else None

    @property
    def whole(self) -> Group:
        """The benchmark seen as one group of all its subjects."""
        return Group(
            self.counts,
            self.latency.p50,
            self.macro_accuracy,
            weight=self.weight,
            macro_interval=self.macro_interval,
            mean_score=self.mean_score,
            circular=self.circular,
        )


def summarise(
    tally: Tally, infos: Mapping[str, BenchmarkInfo], identities: Mapping[str, str] | None = None
) -> tuple[Result, ...]:
    """The results, by benchmark in the order of ``infos``, then by model.

    ``identities`` (model -> what its answers depend on) also gives the order of the models.
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
            infos[benchmark],
            by_result[model, benchmark],
            tally.seconds(model, benchmark),
        )
        for model, benchmark in keys
    )


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
            circular=_circular(rows),
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
                circular=_circular(rows),
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
        circular=_circular(records),
        judge_usage=JudgeUsage.of(one for record in records for one in record.judgements),
        agreement=agreement(info.metric, records),
    )


def outline(subjects: Iterable[str], groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    """The order of tables: each group with the ``subjects`` that no earlier group has.

    A group whose subjects were all listed before has none; ``""`` at the end has the subjects without a
    group. Groups without any of the subjects are left out.
    """
    left = dict.fromkeys(subjects)
    present = frozenset(left)
    for name, members in groups.items():
        if present.isdisjoint(members):
            continue
        own = [key for key in left if key in frozenset(members)]
        for key in own:
            del left[key]
        yield name, own
    if left:
        yield "", list(left)


def _counts(records: Iterable[Record]) -> Counts:
    return Counts.of((outcome, record.gold) for record in records for outcome in record.outcomes)


def _weight(records: Sequence[Record]) -> tuple[float, float] | None:
    """The effective number of questions, of those that share a cluster or were asked several times."""
    if all(record.cluster is None and len(record.outcomes) == 1 for record in records):
        return None
    clusters: dict[str, list[Record]] = {}
    for record in records:
        key = f"question {record.id}" if record.cluster is None else f"cluster {record.cluster}"
        clusters.setdefault(key, []).append(record)
    counts = [_counts(rows) for rows in clusters.values()]
    return effective((of.correct, of.scored) for of in counts)


def _repeats(records: Sequence[Record]) -> Repeats | None:
    times = max((len(record.outcomes) for record in records), default=1)
    if times == 1:
        return None
    scored = [(record, of) for record in records if (of := _counts([record])).scored]
    passed = {}
    for k in range(1, times + 1):
        # an error leaves a question with fewer answers than it was asked for
        rates = [pass_at(k, of.correct, of.scored) for _, of in scored if of.scored >= k]
        if rates:
            passed[k] = math.fsum(rates) / len(rates)
    return Repeats(
        times=times,
        pass_at=passed,
        majority=mean(float(record.outcome is Outcome.CORRECT) for record, _ in scored),
        flipped=tuple(record.id for record, of in scored if 0 < of.correct < of.scored),
    )


def _mean_score(records: Iterable[Record]) -> float | None:
    return mean(record.score for record in records if record.score is not None)


def _circular(records: Sequence[Record]) -> Circular | None:
    circles = [(record.gold, circle) for record in records for circle in record.circles]
    if not circles:
        return None
    whole = [
        [rotation.outcome is Outcome.CORRECT for rotation in circle]
        for gold, circle in circles
        if gold and all(rotation.outcome is not Outcome.ERROR for rotation in circle)
    ]
    given = Counter(rotation.place for _, circle in circles for rotation in circle)
    del given[None]
    orders = range(max(len(circle) for _, circle in circles))
    each = [mean(float(right[at]) for right in whole if at < len(right)) for at in orders]
    return Circular(
        accuracies=tuple(accuracy for accuracy in each if accuracy is not None),
        mean_accuracy=mean(sum(right) / len(right) for right in whole),
        places=tuple(given[place] / given.total() for place in orders) if given else (),
    )


def _total(parts: Iterable[Part]) -> Counts:
    return sum((part.counts for part in parts), Counts())


def _macro(parts: Iterable[Part]) -> float | None:
    return mean(accuracy for part in parts if (accuracy := part.accuracy) is not None)


def _latencies(records: Iterable[Record]) -> list[float]:
    return [latency for record in records for latency in record.latencies_s if math.isfinite(latency)]


def _known_sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
