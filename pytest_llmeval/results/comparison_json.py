"""A comparison of two runs as JSON: an item of ``comparisons`` in results.json, and ``compare --json``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_llmeval.analysis.compare import Change, ChangedQuestion, Comparison, GroupChange, SubjectChange


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """One of the ``comparisons`` of results.json."""
    whole = comparison.whole
    return {
        "benchmark": comparison.benchmark,
        "model": comparison.after.model,
        "baseline": {
            "run": comparison.before.run,
            "model": comparison.before.model,
            "identity": comparison.before.identity,
        },
        "differences": list(comparison.differences),
        "left_out": {name: getattr(comparison.exclusions, name) for name in comparison.exclusions.__slots__},
        "detectable": comparison.detectable,
        **({} if whole is None else _change_json(whole)),
        "groups": {name: _change_json(change) for name, change in comparison.groups.items()},
        "subjects": {name: _change_json(change) for name, change in comparison.subjects.items()},
        "fixed_questions": _questions_json(comparison.fixed),
        "broken_questions": _questions_json(comparison.broken),
    }


def _change_json(change: Change) -> dict[str, Any]:
    content: dict[str, Any] = {
        "pairs": change.pairs,
        "before": change.before,
        "after": change.after,
        "change": change.change,
        "interval": change.interval,
        "fixed": change.fixed,
        "broken": change.broken,
        "p": change.p,
    }
    if isinstance(change, SubjectChange):
        content["adjusted_p"] = change.adjusted_p
    if isinstance(change, GroupChange):
        macro = change.macro
        content["macro"] = {
            "before": macro.before,
            "after": macro.after,
            "change": macro.change,
            "interval": macro.interval,
        }
    return content


def _questions_json(questions: Iterable[ChangedQuestion]) -> list[dict[str, str]]:
    return [{"id": question.id, "nodeid": question.nodeid} for question in questions]
