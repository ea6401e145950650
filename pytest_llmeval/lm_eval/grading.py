"""Grade a document's responses with the task's own filters and ``process_results``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.core.types import Grade, Outcome
from pytest_llmeval.lm_eval.values import pack, with_source

#: the metrics that decide whether a document is correct; the first one present is used
_DECIDING = ("acc", "exact_match", "pass@1", "pass_at_1")
#: what the library's regex filter returns if nothing matches
_NO_MATCH = "[invalid]"
_MAX_TEXT = 200


def grade(
    task: Any, instances: Sequence[Any], responses: Sequence[Sequence[Any]], aggregations: Mapping[str, Any]
) -> Grade:
    """The outcome and all metrics of a document; ``aggregations`` are the task's before any grading.

    Filters see this document only. The first filter that has a metric of ``_DECIDING`` decides whether the
    document is correct; if none has, the outcome is ``ANSWERED``. Raises whatever the task raises, and
    TypeError for a metric value that cannot be stored.
    """
    completed = [
        replace(instance, resps=list(texts), filtered_resps={})
        for instance, texts in zip(instances, responses, strict=True)
    ]
    completed.sort(key=lambda instance: instance.idx)
    doc = completed[0].doc
    task._instances = completed  # apply_filters works on the task's instances
    task.apply_filters()
    values: dict[str, Mapping[str, Any]] = {}
    for name in completed[0].filtered_resps:
        values[name] = task.process_results(doc, [instance.filtered_resps[name] for instance in completed])
    sources = _sources(aggregations, task.aggregation())
    metrics = {
        name: {
            str(metric): with_source(pack(value), sources[metric]) if metric in sources else pack(value)
            for metric, value in by_metric.items()
        }
        for name, by_metric in values.items()
    }
    deciding = next(((name, key) for name in values for key in _DECIDING if key in values[name]), None)
    if deciding is None:
        text = _short_text(_answer(task, doc, completed, None))
        return Grade(text, correct=True, outcome=Outcome.ANSWERED, metrics=metrics)
    name, key = deciding
    answer = _answer(task, doc, completed, name)
    outcome = Outcome.CORRECT if values[name][key] == 1 else Outcome.WRONG
    if outcome is Outcome.WRONG and isinstance(answer, str) and answer.strip() in ("", _NO_MATCH):
        outcome, answer = Outcome.UNPARSED, None
    correct = outcome is Outcome.CORRECT
    return Grade(
        _short_text(answer),
        _short_text(_target(task, doc)) or "",
        float(correct),
        correct=correct,
        outcome=outcome,
        metrics=metrics,
    )


def _sources(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Map metrics that ``process_results`` derives (pass@1) to the metric they derive from (pass_at_k)."""
    by_function = {id(function): name for name, function in before.items()}
    return {
        name: by_function[id(function)]
        for name, function in after.items()
        if name not in before and id(function) in by_function
    }


def _answer(task: Any, doc: Any, instances: Sequence[Any], name: str | None) -> object:
    """The model's answer: the filtered text or the likeliest choice; None for other kinds of task."""
    first = instances[0]
    response = next(iter(first.filtered_resps.values())) if name is None else first.filtered_resps[name]
    if first.request_type == "generate_until":
        return response
    if task.OUTPUT_TYPE != "multiple_choice":
        return None
    choices = _choices(task, doc)
    scores = [instance.resps[0][0] for instance in instances[: len(choices)]]
    return choices[max(range(len(scores)), key=scores.__getitem__)] if scores else None


def _target(task: Any, doc: Any) -> object:
    """The gold answer, a choice as its text."""
    gold = task.doc_to_target(doc)
    if task.OUTPUT_TYPE != "multiple_choice":
        return gold
    choices = _choices(task, doc)
    if getattr(task, "multiple_input", 0):
        gold = task.doc_to_text(doc)
    golds = gold if isinstance(gold, list) else [gold]
    texts = [choices[gold] if isinstance(gold, int) and 0 <= gold < len(choices) else gold for gold in golds]
    return texts[0] if len(texts) == 1 else texts


def _choices(task: Any, doc: Any) -> Sequence[Any]:
    if not hasattr(task, "doc_to_choice"):  # a task with its own class
        return ()
    choices: Sequence[Any] = task.doc_to_choice(doc)
    return choices


def _short_text(value: object) -> str | None:
    return None if value is None else one_line(value, _MAX_TEXT)
