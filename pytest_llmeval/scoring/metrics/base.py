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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.types import Question

#: Scores the answer to a question: ``score(answer, question)`` returns a number from 0 (wrong) to 1 (right).
#: ``answer`` is the text that the extractor read from the completion, ``question.answer`` the gold answer:
#: ``lambda answer, question: float(answer == question.answer)``.
Score: TypeAlias = Callable[[str, Question], float]


def _accept_any(answer: str) -> str | None:
    return None


def _accept_any_row(options: Mapping[str, object], fields: Mapping[str, str]) -> str | None:
    return None


def _need_nothing(options: Mapping[str, object]) -> str | None:
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

    ``missing(options)`` says in one line what the metric needs that is not on this machine, and how to get
    it, or returns None. It is called before the first question.

    Metrics without ``gold`` need no gold answers.

    The gold answers of metrics with ``sets`` are sets of choices, such as ``ACD``.

    ``looser`` is the name of a metric that also accepts texts around the gold answer. Reports count the wrong
    answers that it would accept.

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
    missing: Callable[[Mapping[str, object]], str | None] = _need_nothing
    gold: bool = True
    runs_code: bool = False
    sets: bool = False
    looser: str | None = None


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
