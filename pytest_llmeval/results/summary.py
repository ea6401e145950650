"""From finished questions to results: counts, averages and latencies per model and benchmark."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
from pytest_llmeval.core.types import Mode, Outcome, Rotation
from pytest_llmeval.results.judge_usage import Agreement, Judged, JudgeInfo, agreement
from pytest_llmeval.results.task_scores import TaskScores


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished question, reduced to the few scalars that results are made of.

    ``gold`` is whether the question has a gold answer. ``latency_s`` is None where nothing was
    asked; token counts where the backend does not tell. ``cluster`` names the questions that it
    belongs with. Where it was asked several times ``outcomes`` are those of each time, ``outcome`` is
    that of the answer given most often, latency and ``score`` (a graded metric's) the mean;
    ``latencies`` are those of the answers that were really asked for, ``stored`` the number of the others.
    ``circles`` are, of each time, what became of every order in which its choices were shown; empty where
    that is one. ``judged`` is what a judge did for it; ``answer`` is what was read, ``target`` the gold one.
    """

    id: str
    model: str
    benchmark: str
    subject: str
    outcome: Outcome
    gold: bool
    latency_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    shared_tokens: int | None = None
    attempts: int = 1
    cached: bool = False
    nodeid: str = ""
    cluster: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    score: float | None = None
    latencies: tuple[float, ...] = ()
    stored: int = 0
    circles: tuple[tuple[Rotation, ...], ...] = ()
    judged: Judged | None = None
    answer: str | None = None
    target: str | None = None

    @property
    def from_store(self) -> int:
        """How many of its answers were not asked for anew."""
        return self.stored if self.outcomes else int(self.cached)

    @property
    def asked_s(self) -> tuple[float, ...]:
        """Latencies of what was really asked; an error's is a timeout's, a stored answer's another run's."""
        if self.outcomes or self.circles:
            return self.latencies
        if self.latency_s is None or self.cached or self.outcome is Outcome.ERROR:
            return ()
        return (self.latency_s,)

    @property
    def times(self) -> tuple[Outcome, ...]:
        """What became of it each time it was asked."""
        return self.outcomes or (self.outcome,)


@dataclass(frozen=True, slots=True)
class BenchmarkInfo:
    """What a run knows about a benchmark besides its questions.

    ``subjects`` maps the keys of all declared subjects, in the benchmark's order, to their English
    and Chinese names ("" where there is none); ``groups`` maps names to subject keys. ``total`` is
    the number of questions in the split by subject, without those that have no data. ``planned``
    is the number of questions selected for each model (the most, where models differ). ``threshold`` is
    the least score that counts as correct, None where the ``metric`` only knows right and wrong;
    ``scoring`` is all that answers are read and compared by, None where nobody told.
    ``circular`` and ``shuffle_choices`` (a seed) say in which orders choices are shown.
    """

    name: str
    subjects: Mapping[str, tuple[str, str]]
    groups: Mapping[str, tuple[str, ...]]
    mode: Mode
    shots: int
    split: str
    prompt_sha256: str
    data_sha256: str
    total: Mapping[str, int]
    planned: int
    metric: str = "choice"
    threshold: float | None = None
    scoring: Mapping[str, object] | None = None
    circular: bool = False
    shuffle_choices: int | None = None
    judge: JudgeInfo | None = None

    @property
    def orders(self) -> tuple[str, ...]:
        """In which orders choices are shown, in words; empty for the file's."""
        shuffled = () if self.shuffle_choices is None else (f"choices shuffled ({self.shuffle_choices})",)
        return (*shuffled, *(("circular",) if self.circular else ()))


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
    model included. ``cached`` is the number of answers that were not asked for anew. ``task_scores`` are
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
    judged: Judged | None = None
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


@dataclass(slots=True)
class _Live:
    """What is known at any time of one model on one benchmark, without looking at all entries."""

    started: float
    ended: float
    numbers: Counter[tuple[Outcome, bool]]
    stored: int = 0


class Tally:
    """The finished questions of a run, a few hundred bytes each; counts are ready at any time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last = clock()
        self._entries: dict[str, dict[str, Entry]] = {}
        self._live: dict[tuple[str, str], _Live] = {}

    def add(self, entry: Entry) -> None:
        """Count one finished question; one with the same id and model as before replaces that."""
        now = self._clock()
        live = self._live.get((entry.model, entry.benchmark))
        if live is None:
            live = _Live(self._last, now, Counter())
            self._live[entry.model, entry.benchmark] = live
        entries = self._entries.setdefault(entry.model, {})
        before = entries.get(entry.id)
        if before is not None:
            last = self._live[before.model, before.benchmark]
            last.numbers.subtract((outcome, before.gold) for outcome in before.times)
            last.stored -= before.from_store
        for outcome in entry.times:
            live.numbers[outcome, entry.gold] += 1
        live.stored += entry.from_store
        live.ended = self._last = now
        entries[entry.id] = entry

    def __iter__(self) -> Iterator[Entry]:
        for entries in self._entries.values():
            yield from entries.values()

    def counts(self, *, model: str | None = None, benchmark: str | None = None) -> Counts:
        """The counts so far, of all or of one model or benchmark; cheap enough for a live display."""
        total = Counts()
        for (of_model, of_benchmark), live in self._live.items():
            if model in (None, of_model) and benchmark in (None, of_benchmark):
                total += Counts.summed(live.numbers)
        return total

    def stored(self, model: str, benchmark: str) -> int:
        """Answers so far that were not asked for anew."""
        return self._live[model, benchmark].stored

    def seconds(self, model: str, benchmark: str) -> float:
        """Wall time from the entry before the first of these (or the start) to the last of these."""
        live = self._live[model, benchmark]
        return live.ended - live.started


def summarise(
    tally: Tally, infos: Mapping[str, BenchmarkInfo], identities: Mapping[str, str] | None = None
) -> tuple[Result, ...]:
    """The results, by benchmark in the order of ``infos``, then by model.

    ``identities`` (model -> what its answers depend on) also gives the order of the models.
    Raises KeyError for a benchmark without info.
    """
    identities = identities or {}
    sorted_out: dict[tuple[str, str], dict[str, list[Entry]]] = {}
    for entry in tally:
        subjects = sorted_out.setdefault((entry.model, entry.benchmark), {})
        subjects.setdefault(entry.subject, []).append(entry)
    models = dict.fromkeys((*identities, *(model for model, _ in sorted_out)))
    model_order = {name: at for at, name in enumerate(models)}
    info_order = {name: at for at, name in enumerate(infos)}
    keys = sorted(sorted_out, key=lambda key: (info_order[key[1]], model_order[key[0]]))
    return tuple(
        _result(
            model,
            identities.get(model, ""),
            infos[benchmark],
            sorted_out[model, benchmark],
            tally.seconds(model, benchmark),
        )
        for model, benchmark in keys
    )


def _result(
    model: str, identity: str, info: BenchmarkInfo, found: Mapping[str, Sequence[Entry]], seconds: float
) -> Result:
    order = {key: at for at, key in enumerate(info.subjects)}
    by_subject = {key: found[key] for key in sorted(found, key=lambda key: (order.get(key, len(order)), key))}
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
            rows = [entry for key in present for entry in by_subject[key]]
            groups[name] = Group(
                _total(parts),
                median(_latencies(rows)),
                _macro(parts),
                weight=_weight(rows),
                macro_interval=macro_interval(part.effective for part in parts),
                mean_score=_mean_score(rows),
                circular=_circular(rows),
            )
    entries = [entry for rows in by_subject.values() for entry in rows]
    latencies = _latencies(entries)
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
            _known_sum(entry.prompt_tokens for entry in entries),
            _known_sum(entry.completion_tokens for entry in entries),
            _known_sum(entry.shared_tokens for entry in entries),
        ),
        questions_per_s=len(entries) / seconds if seconds > 0 else None,
        cached=sum(entry.from_store for entry in entries),
        weight=_weight(entries),
        macro_interval=macro_interval(part.effective for part in subjects.values()),
        repeats=_repeats(entries),
        mean_score=_mean_score(entries),
        circular=_circular(entries),
        judged=Judged.total(entry.judged for entry in entries),
        agreement=agreement(info.metric, entries),
    )


def outline(subjects: Iterable[str], groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    """How tables are ordered: each group with those of ``subjects`` that no group before it has.

    A group whose subjects are all listed before comes with none; at the end ``""`` comes with the
    subjects of no group. Groups without any of the subjects are left out.
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


def _counts(entries: Iterable[Entry]) -> Counts:
    return Counts.of((outcome, entry.gold) for entry in entries for outcome in entry.times)


def _weight(entries: Sequence[Entry]) -> tuple[float, float] | None:
    """The effective number of questions, of those that share a cluster or were asked several times."""
    if all(entry.cluster is None and len(entry.times) == 1 for entry in entries):
        return None
    clusters: dict[str, list[Entry]] = {}
    for entry in entries:
        key = f"question {entry.id}" if entry.cluster is None else f"cluster {entry.cluster}"
        clusters.setdefault(key, []).append(entry)
    counts = [_counts(rows) for rows in clusters.values()]
    return effective((of.correct, of.scored) for of in counts)


def _repeats(entries: Sequence[Entry]) -> Repeats | None:
    times = max((len(entry.times) for entry in entries), default=1)
    if times == 1:
        return None
    scored = [(entry, of) for entry in entries if (of := _counts([entry])).scored]
    passed = {}
    for k in range(1, times + 1):
        # an error leaves a question with fewer answers than it was asked for
        rates = [pass_at(k, of.correct, of.scored) for _, of in scored if of.scored >= k]
        if rates:
            passed[k] = math.fsum(rates) / len(rates)
    return Repeats(
        times=times,
        pass_at=passed,
        majority=mean(float(entry.outcome is Outcome.CORRECT) for entry, _ in scored),
        flipped=tuple(entry.id for entry, of in scored if 0 < of.correct < of.scored),
    )


def _mean_score(entries: Iterable[Entry]) -> float | None:
    return mean(entry.score for entry in entries if entry.score is not None)


def _circular(entries: Sequence[Entry]) -> Circular | None:
    circles = [(entry.gold, circle) for entry in entries for circle in entry.circles]
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


def _latencies(entries: Iterable[Entry]) -> list[float]:
    return [latency for entry in entries for latency in entry.asked_s if math.isfinite(latency)]


def _known_sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
