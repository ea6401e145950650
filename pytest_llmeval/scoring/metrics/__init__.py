"""Comparing an answer with the gold one: ``(answer, question) -> a score from 0 (nothing) to 1 (right)``.

A metric is made from its options (the ``[metric]`` table of benchmark.toml) and says which extractor reads
answers for it. One that is ``graded`` gives scores between 0 and 1: their mean is reported beside the
accuracy, for which an answer is correct from the ``threshold`` on.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_llmeval.scoring.metrics import agreement, code, judge, overlap, texts
from pytest_llmeval.scoring.metrics.base import Metric, Reasoned, Score

__all__ = ["METRICS", "Metric", "Reasoned", "Score"]

METRICS: Mapping[str, Metric] = {
    "choice": Metric(texts.make_choice, "choice"),
    "exact": Metric(texts.make_exact, "text"),
    "number": Metric(texts.make_number, "number", gold_problem=texts.no_number),
    "regex": Metric(texts.make_regex, "text", gold_problem=texts.no_pattern),
    "contains": Metric(texts.make_contains, "text"),
    "json": Metric(texts.make_json, "json", gold_problem=texts.no_json),
    "code": Metric(code.make_code, "code", gold_problem=code.no_tests, runs_code=True),
    "rouge_l": Metric(overlap.make_rouge_l, "text", graded=True, threshold=0.5),
    "judge": Metric(judge.make_judge, "text"),
    "agreement": Metric(agreement.make_agreement, "text"),
    "bleu": Metric(overlap.make_bleu, "text", graded=True, threshold=0.5),
}
