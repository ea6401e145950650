"""Two runs of the same questions: what changed, and how sure that is.

Questions are joined by id. Those that ended in an error in either run, that only one run asked, or
that have no gold answer are left out of the pairs, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from pytest_llmeval.analysis.conditions import EvalConditions
from pytest_llmeval.analysis.stats import (
    detectable_change,
    effective_pairs,
    holm,
    macro_change_interval,
    mcnemar,
    paired_interval,
    paired_score,
)
from pytest_llmeval.core.types import Outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """One question of one run. ``right`` is the share of its ``times`` answers that were correct.

    None where it ended in an error (``error``) or has no gold answer. ``cluster`` names the questions
    that it belongs with.
    """

    id: str
    subject: str
    nodeid: str
    right: float | None
    error: bool = False
    cluster: str | None = None
    times: int = 1

    @classmethod
    def of(
        cls, id: str, subject: str, nodeid: str, outcomes: Iterable[tuple[Outcome, bool]], cluster: str | None
    ) -> Answer:
        """A question's answer, given each time's outcome and whether there is a gold answer.

        A time that ended in an error is left out of ``right``; the question is an error when all did.
        """
        known = list(outcomes)
        scored = [
            outcome is Outcome.CORRECT
            for outcome, gold in known
            if gold and outcome not in (Outcome.ERROR, Outcome.ANSWERED)
        ]
        failed = bool(known) and all(outcome is Outcome.ERROR for outcome, _ in known)
        right = sum(scored) / len(scored) if scored else None
        return cls(id, subject, nodeid, right, failed, cluster, max(1, len(scored)))


@dataclass(frozen=True, slots=True)
class Side:
    """One model's answers to a benchmark in one run, by question id."""

    run: str
    model: str
    identity: str
    conditions: EvalConditions
    answers: Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Change:
    """What changed between two runs over ``pairs`` questions.

    ``before`` and ``after`` are shares correct, over these questions. ``fixed`` and ``broken`` are
    numbers of questions (fractions where each was asked several times). ``interval`` holds the true
    change in 95% of all comparisons (Tango's); ``p`` is the exact p-value of no change (McNemar's), or
    the score test's where questions depend on each other.
    """

    pairs: int
    before: float
    after: float
    fixed: float
    broken: float
    interval: tuple[float, float]
    p: float
    #: as many independent questions as tell the same: fixed, broken, pairs
    effective: tuple[float, float, float]

    @property
    def change(self) -> float:
        """after - before: below 0 is worse."""
        return (self.fixed - self.broken) / self.pairs


@dataclass(frozen=True, slots=True)
class MacroChange:
    """The change of the mean over subjects."""

    before: float
    after: float
    interval: tuple[float, float]

    @property
    def change(self) -> float:
        """after - before: below 0 is worse."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class GroupChange(Change):
    """The change of several subjects together: over their questions, and (``macro``) over subjects."""

    macro: MacroChange


@dataclass(frozen=True, slots=True)
class SubjectChange(Change):
    """The change of one subject; ``adjusted_p`` is corrected (Holm's) for how many were looked at."""

    adjusted_p: float


@dataclass(frozen=True, slots=True)
class Moved:
    """A question that is right in only one of the runs, with its node id in the later one."""

    id: str
    subject: str
    nodeid: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Questions that are in no pair, and why; each is counted once, in this order."""

    errors_before: int = 0
    errors_after: int = 0
    only_before: int = 0
    only_after: int = 0
    unscored: int = 0

    def words(self) -> list[str]:
        """What there is to say of them."""
        said = (
            (self.errors_before, "ended in an error in the earlier run"),
            (self.errors_after, "ended in an error in the later run"),
            (self.only_before, "only the earlier run asked"),
            (self.only_after, "only the later run asked"),
            (self.unscored, "have no gold answer"),
        )
        return [f"{number} {why}" for number, why in said if number]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One model on one benchmark, in a run (``after``) and in an earlier one (``before``).

    ``whole`` is None where no question is in both. ``differences`` say what is not comparable, where
    it was compared all the same. ``detectable`` is the smallest true change that so many pairs, of
    which as many change as did, show with a chance of 80%; None where none would be seen.
    """

    benchmark: str
    before: Side
    after: Side
    whole: GroupChange | None
    groups: Mapping[str, GroupChange]
    subjects: Mapping[str, SubjectChange]
    #: all groups, with all their subjects
    members: Mapping[str, tuple[str, ...]]
    fixed: tuple[Moved, ...]
    broken: tuple[Moved, ...]
    left_out: LeftOut
    #: questions by subject that were asked now and are in no pair for want of an answer before
    unmatched: Mapping[str, int]
    failed_before: Mapping[str, int]
    differences: tuple[str, ...]
    detectable: float | None

    def part(self, name: str | None) -> Change | None:
        """The change of a group or subject (as gates name them), or of the whole for None."""
        if name is None:
            return self.whole
        return self.groups.get(name) or self.subjects.get(name)


@dataclass(frozen=True, slots=True)
class _Pair:
    subject: str
    cluster: str
    before: float
    after: float
    times: int

    @property
    def fixed(self) -> float:
        return self.after * (1 - self.before)

    @property
    def broken(self) -> float:
        return self.before * (1 - self.after)


def counterpart(model: str, models: Sequence[str]) -> str | None:
    """The one of an earlier run's models that ``model`` is to be compared with.

    The one of the same name, else the only one there is; None where that is not clear.
    """
    if model in models:
        return model
    return models[0] if len(models) == 1 else None


def compare(
    benchmark: str,
    before: Side,
    after: Side,
    groups: Mapping[str, Sequence[str]],
    subjects: Sequence[str] = (),
) -> Comparison:
    """What changed from ``before`` to ``after``.

    ``groups`` maps names to subjects; ``subjects`` gives the order, those not in it come after.
    """
    pairs, left_out = _pairs(before.answers, after.answers)
    order = dict.fromkeys([*subjects, *(pair.subject for pair in pairs)])
    by_subject = {key: found for key in order if (found := [p for p in pairs if p.subject == key])}
    plain = {key: _change(of) for key, of in by_subject.items()}
    adjusted = holm([change.p for change in plain.values()])
    moved = [
        (Moved(id, answer.subject, answer.nodeid), answer.right >= 0.5)
        for id, answer in after.answers.items()
        if answer.right is not None
        and (was := before.answers.get(id)) is not None
        and was.right is not None
        and (was.right >= 0.5) != (answer.right >= 0.5)
    ]
    whole = _group(plain, pairs) if pairs else None
    missing = [a for id, a in after.answers.items() if id not in before.answers]
    failed = [a for id, a in after.answers.items() if (b := before.answers.get(id)) is not None and b.error]
    return Comparison(
        benchmark=benchmark,
        before=before,
        after=after,
        whole=whole,
        groups={
            name: _group(
                {key: plain[key] for key in members if key in plain},
                [pair for key in members for pair in by_subject.get(key, ())],
            )
            for name, members in groups.items()
            if any(key in plain for key in members)
        },
        subjects={
            key: SubjectChange(**{**_values(change), "adjusted_p": p})
            for (key, change), p in zip(plain.items(), adjusted, strict=True)
        },
        members={name: tuple(keys) for name, keys in groups.items()},
        fixed=tuple(one for one, better in moved if better),
        broken=tuple(one for one, better in moved if not better),
        left_out=left_out,
        unmatched=_numbers(missing),
        failed_before=_numbers(failed),
        differences=before.conditions.differences(after.conditions),
        detectable=None if whole is None else _detectable(whole),
    )


def _numbers(answers: Iterable[Answer]) -> dict[str, int]:
    found: dict[str, int] = {}
    for answer in answers:
        found[answer.subject] = found.get(answer.subject, 0) + 1
    return found


def _pairs(before: Mapping[str, Answer], after: Mapping[str, Answer]) -> tuple[list[_Pair], LeftOut]:
    pairs = []
    errors_before = errors_after = only_after = unscored = 0
    for id, now in after.items():
        was = before.get(id)
        if was is None:
            only_after += 1
        elif was.error:
            errors_before += 1
        elif now.error:
            errors_after += 1
        elif was.right is None or now.right is None:
            unscored += 1
        else:
            times = min(was.times, now.times)
            cluster = f"cluster {now.cluster}" if now.cluster else f"question {id}"
            pairs.append(_Pair(now.subject, cluster, was.right, now.right, times))
    only_before = sum(id not in after for id in before)
    return pairs, LeftOut(errors_before, errors_after, only_before, only_after, unscored)


def _change(pairs: Sequence[_Pair]) -> Change:
    number = len(pairs)
    fixed, broken = sum(pair.fixed for pair in pairs), sum(pair.broken for pair in pairs)
    clusters: dict[str, list[float]] = {}
    for pair in pairs:
        sums = clusters.setdefault(pair.cluster, [0.0, 0.0, 0.0])
        for at, one in enumerate((pair.fixed * pair.times, pair.broken * pair.times, float(pair.times))):
            sums[at] += one
    if len(clusters) == number and all(pair.times == 1 for pair in pairs):
        effective = (fixed, broken, float(number))
        p = mcnemar(round(fixed), round(broken))
    else:
        effective = effective_pairs((one, two, three) for one, two, three in clusters.values())
        p = 2 * NormalDist().cdf(-abs(paired_score(*effective, 0.0)))
    return Change(
        pairs=number,
        before=sum(pair.before for pair in pairs) / number,
        after=sum(pair.after for pair in pairs) / number,
        fixed=fixed,
        broken=broken,
        interval=paired_interval(*effective),
        p=p,
        effective=effective,
    )


def _group(subjects: Mapping[str, Change], pairs: Sequence[_Pair]) -> GroupChange:
    number = len(subjects)
    interval = macro_change_interval(change.effective for change in subjects.values())
    assert interval is not None  # a subject is here only with pairs
    macro = MacroChange(
        before=sum(change.before for change in subjects.values()) / number,
        after=sum(change.after for change in subjects.values()) / number,
        interval=interval,
    )
    return GroupChange(**{**_values(_change(pairs)), "macro": macro})


def _values(change: Change) -> dict[str, Any]:
    return {name: getattr(change, name) for name in Change.__slots__}


def _detectable(change: Change) -> float | None:
    fixed, broken, pairs = change.effective
    return detectable_change(pairs, min(1.0, (fixed + broken) / pairs))
