"""What a metric is, and helpers to check its options and to read its gold answers.

A plugin adds a metric with the hook ``pytest_llmeval_metrics``::

    from pytest_llmeval.metrics import Metric

    def make_length(options, where):
        longest = options.get("longest", 100)
        return lambda answer, question: float(len(answer) <= longest)

    def pytest_llmeval_metrics():
        return {"length": Metric(make_length, extractor="text")}

A benchmark then uses it with ``[metric]`` and ``name = "length"`` in its benchmark.toml.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.types import Question

#: Scores the answer to a question: ``score(answer, question)`` returns a number from 0 (wrong) to 1 (right).
#: ``answer`` is the text that the extractor read from the completion, ``question.answer`` the gold answer:
#: ``lambda answer, question: float(answer == question.answer)``.
Score: TypeAlias = Callable[[str, Question], float]


#: one of several numbers of an answer: a number, or a numerator and a denominator
Number: TypeAlias = float | tuple[float, float]


def _accept_any(answer: str) -> str | None:
    return None


def _accept_any_row(options: Mapping[str, object], fields: Mapping[str, str]) -> str | None:
    return None


def _need_nothing(options: Mapping[str, object], rows: Iterable[Mapping[str, str]]) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: how a benchmark scores the answers to its questions.

    ``make(options, where)`` returns the scoring function. ``options`` is the ``[metric]`` table of
    benchmark.toml without ``name`` and ``threshold``; ``where`` names that table and begins error messages.
    ``make`` raises ``UserError`` for wrong options or a missing library.

    ``extractor`` is the name of the extractor that reads answers by default, such as ``text`` or ``number``.

    ``graded`` metrics give scores between 0 and 1, whose mean is reported beside the accuracy. An answer is
    correct if its score is at least ``threshold`` (0 to 1), unless the benchmark sets another threshold.

    ``gold_problem(answer)`` says in one line why the metric cannot compare with a gold answer, or returns
    None. That question becomes an error. If the gold answer belongs to another metric, it raises ``Misfit``,
    which refuses the whole file.

    ``row_problem(options, fields)`` says in one line why the metric cannot score the answers to a row, whose
    cells are ``fields``, or returns None. That question becomes an error before it is asked.

    ``missing(options, rows)`` says in one line what the metric needs for these rows that is not on this
    machine, and how to get it, or returns None. It is called before the first question.

    Metrics without ``gold`` need no gold answers.

    The gold answers of metrics with ``sets`` are sets of choices, such as ``ACD``.

    ``looser`` is the name of a metric that also accepts texts around the gold answer. Reports count the wrong
    answers that it would accept.

    ``totals`` maps names of figures of a whole benchmark to expressions over the means of the numbers of
    ``Scores``: ``{"f1": "2 * correct / (1 + correct + incorrect)"}``. With ``scores_unparsed`` the numbers of
    an answer that could not be read are those of an empty text; otherwise they are 0.

    Metrics with ``likelihood`` score the log-probabilities of choices by label instead of texts:
    ``likelihood(scores, question)`` returns a number from 0 to 1.

    Metrics with ``runs_code`` run programs that a model wrote: they need ``--llm-allow-code`` and a sandbox.

    Example::

        Metric(make_length, extractor="text")
        Metric(make_similarity, extractor="text", graded=True, threshold=0.5)
    """

    make: Callable[[Mapping[str, object], str], Score]
    extractor: str
    graded: bool = False
    threshold: float = 1.0
    gold_problem: Callable[[str], str | None] = _accept_any
    row_problem: Callable[[Mapping[str, object], Mapping[str, str]], str | None] = _accept_any_row
    missing: Callable[[Mapping[str, object], Iterable[Mapping[str, str]]], str | None] = _need_nothing
    gold: bool = True
    runs_code: bool = False
    sets: bool = False
    looser: str | None = None
    totals: Mapping[str, str] = field(default_factory=dict)
    scores_unparsed: bool = False
    likelihood: Callable[[Mapping[str, float], Question], float] | None = None


class Misfit(UserError):
    """A gold answer that this metric cannot hold as a whole, but ``metric``, the name of another one, can."""

    def __init__(self, problem: str, metric: str) -> None:
        super().__init__(f'{problem}; use metric = "{metric}", which can compare it')
        self.metric = metric


class Reasoned(float):
    """A score with a reason on one line, which becomes a note of the answer in reports.

    Example::

        def score(answer, question):
            if len(answer) > 100:
                return Reasoned(0.0, f"{len(answer)} characters")
            return 1.0
    """

    reason: str

    def __new__(cls, score: float, reason: str = "") -> Reasoned:
        """``score`` is a number from 0 (wrong) to 1 (right)."""
        made = super().__new__(cls, score)
        made.reason = reason
        return made


class Scores(float):
    """The score that decides whether an answer is correct, with further numbers of the same answer.

    Each of ``numbers`` is averaged over a benchmark's answers. A pair is a numerator and a denominator, such
    as (2, 3) for two of three instructions: their sums are divided, so that each instruction counts the same.

    Example::

        def score(answer, question):
            followed = [check(answer) for check in checks_of(question)]
            return Scores(float(all(followed)), {"instruction": (sum(followed), len(followed))})
    """

    numbers: Mapping[str, Number]
    reason: str

    def __new__(cls, score: float, numbers: Mapping[str, Number], reason: str = "") -> Scores:
        """``score`` is a number from 0 (wrong) to 1 (right); ``reason`` is a note, as of ``Reasoned``."""
        made = super().__new__(cls, score)
        made.numbers = dict(numbers)
        made.reason = reason
        return made


def numbers_of(score: float) -> dict[str, object]:
    """The numbers of ``Scores`` as JSON has them; none of another score.

    Raises ``ValueError`` for a number that is not finite, or a pair without a positive denominator.
    """
    numbers: dict[str, object] = {}
    for name, number in getattr(score, "numbers", {}).items():
        pair = tuple(map(float, number)) if isinstance(number, (tuple, list)) else (float(number), 1.0)
        if len(pair) != 2 or not all(map(math.isfinite, pair)) or pair[1] <= 0:
            raise ValueError(
                f"number {name!r} is {number!r}, not a number or a pair with a denominator above 0"
            )
        numbers[str(name)] = list(pair) if isinstance(number, (tuple, list)) else pair[0]
    return numbers


def checked(options: Mapping[str, object], defaults: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``defaults`` updated with ``options``.

    Each option must be among the defaults and have the type of its default. Raises ``UserError``.
    """
    for key, value in options.items():
        if key not in defaults:
            raise unknown("key", key, ["name", "threshold", *defaults], where=where)
        default = defaults[key]
        numeric = isinstance(default, float) and type(value) in (int, float)
        if not numeric and type(value) is not type(default):
            raise UserError(
                f"{where}: {key}: {one_line(repr(value), 60)} must be as in {key} = {json.dumps(default)}"
            )
    return {**defaults, **options}


def references(question: Question) -> list[str]:
    """The gold answers of a question: one text, or the texts of a JSON list."""
    gold = question.answer or ""
    if gold.startswith("["):
        try:
            texts = json.loads(gold)
        except (ValueError, RecursionError):
            return [gold]
        if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
            return texts
    return [gold]
