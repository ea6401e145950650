"""What a document's responses are worth: the task's own filters and ``process_results``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.core.types import Grade, Outcome
from pytest_llmeval.lm_eval.values import named, pack

#: metrics of one document by which it is right or wrong; the first that there is
_DECIDING = ("acc", "exact_match")
#: what the library's regex filter gives where nothing matches
_UNREAD = "[invalid]"
_SHOWN = 200


def grade(
    task: Any, instances: Sequence[Any], responses: Sequence[Sequence[Any]], known: Mapping[str, Any]
) -> Grade:
    """The outcome and all metrics of one document; ``known`` are the task's aggregations before the first.

    Filters are applied to the document by itself. Right or wrong is what the first filter's ``acc``, or else
    ``exact_match``, says; without either nothing is compared and the document is answered. Raises whatever
    the task raises, TypeError for a metric's value that cannot be kept.
    """
    answered = [
        replace(instance, resps=list(of_one), filtered_resps={})
        for instance, of_one in zip(instances, responses, strict=True)
    ]
    answered.sort(key=lambda instance: instance.idx)
    doc = answered[0].doc
    task._instances = answered  # the library filters what a task holds
    task.apply_filters()
    values: dict[str, Mapping[str, Any]] = {}
    for name in answered[0].filtered_resps:
        values[name] = task.process_results(doc, [one.filtered_resps[name] for one in answered])
    sources = _sources(known, task.aggregation())
    metrics = {
        name: {
            str(metric): named(pack(value), sources[metric]) if metric in sources else pack(value)
            for metric, value in of_filter.items()
        }
        for name, of_filter in values.items()
    }
    decided = next(((name, key) for name in values for key in _DECIDING if key in values[name]), None)
    if decided is None:
        text = _shown(_answer(task, doc, answered, None))
        return Grade(text, correct=True, outcome=Outcome.ANSWERED, metrics=metrics)
    name, key = decided
    answer = _answer(task, doc, answered, name)
    outcome = Outcome.CORRECT if values[name][key] == 1 else Outcome.WRONG
    if outcome is Outcome.WRONG and isinstance(answer, str) and answer.strip() in ("", _UNREAD):
        outcome, answer = Outcome.UNPARSED, None
    correct = outcome is Outcome.CORRECT
    return Grade(
        _shown(answer),
        _shown(_target(task, doc)) or "",
        float(correct),
        correct=correct,
        outcome=outcome,
        metrics=metrics,
    )


def _sources(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """The metrics that ``process_results`` made of another one (pass@1 of pass_at_k), with that one."""
    by_function = {id(function): name for name, function in before.items()}
    return {
        name: by_function[id(function)]
        for name, function in after.items()
        if name not in before and id(function) in by_function
    }


def _answer(task: Any, doc: Any, instances: Sequence[Any], name: str | None) -> object:
    """What the model said, as far as it is one thing: a text as filtered, the likeliest choice."""
    first = instances[0]
    response = next(iter(first.filtered_resps.values())) if name is None else first.filtered_resps[name]
    if first.request_type == "generate_until":
        return response
    if task.OUTPUT_TYPE != "multiple_choice":
        return None
    choices = _choices(task, doc)
    scores = [one.resps[0][0] for one in instances[: len(choices)]]
    return choices[max(range(len(scores)), key=scores.__getitem__)] if scores else None


def _target(task: Any, doc: Any) -> object:
    """The gold answer; a choice by its text."""
    gold = task.doc_to_target(doc)
    if task.OUTPUT_TYPE != "multiple_choice":
        return gold
    choices = _choices(task, doc)
    if getattr(task, "multiple_input", 0):
        gold = task.doc_to_text(doc)
    several = gold if isinstance(gold, list) else [gold]
    told = [choices[one] if isinstance(one, int) and 0 <= one < len(choices) else one for one in several]
    return told[0] if len(told) == 1 else told


def _choices(task: Any, doc: Any) -> Sequence[Any]:
    if not hasattr(task, "doc_to_choice"):  # of a task that is a class of its own
        return ()
    choices: Sequence[Any] = task.doc_to_choice(doc)
    return choices


def _shown(value: object) -> str | None:
    return None if value is None else one_line(value, _SHOWN)
