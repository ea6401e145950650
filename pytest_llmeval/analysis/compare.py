"""Compare two runs of the same questions: the changes and their certainty.

Questions are joined by id. Those that ended in an error in either run, that only one run asked, or that have
no gold answer are excluded from the pairs and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from pytest_llmeval.analysis.conditions import EvalConditions
from pytest_llmeval.analysis.paired import (
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
    """One question of one run.

    ``right`` is the fraction of its ``times`` scored answers that were correct; None if it ended in an error
    (``error``) or has no gold answer. Questions with the same ``cluster`` depend on each other.
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
        """A question's answer from the outcome of each repeat and whether there is a gold answer.

        Repeats that ended in an error do not count in ``right``; the question is an error if all did.
        """
        repeats = list(outcomes)
        correct = [
            outcome is Outcome.CORRECT
            for outcome, gold in repeats
            if gold and outcome not in (Outcome.ERROR, Outcome.ANSWERED)
        ]
        is_error = bool(repeats) and all(outcome is Outcome.ERROR for outcome, _ in repeats)
        right = sum(correct) / len(correct) if correct else None
        return cls(id, subject, nodeid, right, is_error, cluster, max(1, len(correct)))


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
    """The change between two runs over ``pairs`` questions.

    ``before`` and ``after`` are accuracies over these questions. ``fixed`` and ``broken`` are numbers of
    questions (fractional if each was asked several times). ``interval`` is Tango's 95% interval for the
    change; ``p`` is the exact p-value of no change (McNemar's test), or that of the score test if questions
    depend on each other.
    """

    pairs: int
    before: float
    after: float
    fixed: float
    broken: float
    interval: tuple[float, float]
    p: float
    #: fixed, broken and pairs in effective (independent) questions
    effective: tuple[float, float, float]

    @property
    def change(self) -> float:
        """after - before; negative values are worse."""
        return (self.fixed - self.broken) / self.pairs


@dataclass(frozen=True, slots=True)
class MacroChange:
    """The change of the mean of the subjects' accuracies."""

    before: float
    after: float
    interval: tuple[float, float]

    @property
    def change(self) -> float:
        """after - before; negative values are worse."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class GroupChange(Change):
    """The change of several subjects together: over their questions and, as ``macro``, over subjects."""

    macro: MacroChange


@dataclass(frozen=True, slots=True)
class SubjectChange(Change):
    """The change of one subject; ``adjusted_p`` is corrected for the number of subjects (Holm's method)."""

    adjusted_p: float


@dataclass(frozen=True, slots=True)
class ChangedQuestion:
    """A question answered correctly in only one of the runs, with its node id in the later run."""

    id: str
    subject: str
    nodeid: str


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Numbers of questions excluded from the pairs, by reason; each counts for the first that applies."""

    errors_before: int = 0
    errors_after: int = 0
    only_before: int = 0
    only_after: int = 0
    unscored: int = 0

    def words(self) -> list[str]:
        """A phrase for each reason that applies."""
        reasons = (
            (self.errors_before, "ended in an error in the earlier run"),
            (self.errors_after, "ended in an error in the later run"),
            (self.only_before, "asked only in the earlier run"),
            (self.only_after, "asked only in the later run"),
            (self.unscored, "have no gold answer"),
        )
        return [f"{number} {reason}" for number, reason in reasons if number]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One model on one benchmark, in a run (``after``) and in an earlier one (``before``).

    ``whole`` is None if the runs share no question. ``differences`` lists the conditions that differ.
    ``detectable`` is the smallest true change that this number of pairs detects with a chance of 80%, given
    the fraction of questions that changed; None if none would be detected.
    """

    benchmark: str
    before: Side
    after: Side
    whole: GroupChange | None
    groups: Mapping[str, GroupChange]
    subjects: Mapping[str, SubjectChange]
    #: all groups with all their subjects
    members: Mapping[str, tuple[str, ...]]
    fixed: tuple[ChangedQuestion, ...]
    broken: tuple[ChangedQuestion, ...]
    exclusions: Exclusions
    #: by subject: the number of questions that only the later run asked
    unmatched: Mapping[str, int]
    #: by subject: the number of questions that ended in an error in the earlier run
    failed_before: Mapping[str, int]
    differences: tuple[str, ...]
    detectable: float | None

    def part(self, name: str | None) -> Change | None:
        """The change of a group or subject; that of the whole benchmark for None."""
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
    """The model of an earlier run to compare ``model`` with.

    It is the model of the same name, else the only model; None if there are several others.
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
    """Compare ``before`` with ``after``.

    ``groups`` maps names to subjects; ``subjects`` is their order, in which other subjects come last.
    """
    pairs, exclusions = _pairs(before.answers, after.answers)
    order = dict.fromkeys([*subjects, *(pair.subject for pair in pairs)])
    by_subject = {key: members for key in order if (members := [p for p in pairs if p.subject == key])}
    plain = {key: _change(members) for key, members in by_subject.items()}
    adjusted = holm([change.p for change in plain.values()])
    changed = [
        (ChangedQuestion(id, answer.subject, answer.nodeid), answer.right >= 0.5)
        for id, answer in after.answers.items()
        if answer.right is not None
        and (earlier := before.answers.get(id)) is not None
        and earlier.right is not None
        and (earlier.right >= 0.5) != (answer.right >= 0.5)
    ]
    whole = _group(plain, pairs) if pairs else None
    unmatched_answers = [a for id, a in after.answers.items() if id not in before.answers]
    failed_answers = [
        a for id, a in after.answers.items() if (b := before.answers.get(id)) is not None and b.error
    ]
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
        fixed=tuple(question for question, better in changed if better),
        broken=tuple(question for question, better in changed if not better),
        exclusions=exclusions,
        unmatched=_numbers(unmatched_answers),
        failed_before=_numbers(failed_answers),
        differences=before.conditions.differences(after.conditions),
        detectable=None if whole is None else _detectable(whole),
    )


def _numbers(answers: Iterable[Answer]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for answer in answers:
        numbers[answer.subject] = numbers.get(answer.subject, 0) + 1
    return numbers


def _pairs(before: Mapping[str, Answer], after: Mapping[str, Answer]) -> tuple[list[_Pair], Exclusions]:
    pairs = []
    errors_before = errors_after = only_after = unscored = 0
    for id, later in after.items():
        earlier = before.get(id)
        if earlier is None:
            only_after += 1
        elif earlier.error:
            errors_before += 1
        elif later.error:
            errors_after += 1
        elif earlier.right is None or later.right is None:
            unscored += 1
        else:
            times = min(earlier.times, later.times)
            cluster = f"cluster {later.cluster}" if later.cluster else f"question {id}"
            pairs.append(_Pair(later.subject, cluster, earlier.right, later.right, times))
    only_before = sum(id not in after for id in before)
    return pairs, Exclusions(errors_before, errors_after, only_before, only_after, unscored)


def _change(pairs: Sequence[_Pair]) -> Change:
    number = len(pairs)
    fixed, broken = sum(pair.fixed for pair in pairs), sum(pair.broken for pair in pairs)
    clusters: dict[str, list[float]] = {}
    for pair in pairs:
        sums = clusters.setdefault(pair.cluster, [0.0, 0.0, 0.0])
        sums[0] += pair.fixed * pair.times
        sums[1] += pair.broken * pair.times
        sums[2] += pair.times
    if len(clusters) == number and all(pair.times == 1 for pair in pairs):
        effective = (fixed, broken, float(number))
        p = mcnemar(round(fixed), round(broken))
    else:
        effective = effective_pairs((fixes, breaks, size) for fixes, breaks, size in clusters.values())
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
    assert interval is not None  # each subject has pairs
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
