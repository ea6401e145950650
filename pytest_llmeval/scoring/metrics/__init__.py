"""Metrics: how an answer is compared with the gold answer.

A metric turns its options (the ``[metric]`` table of benchmark.toml) into a function that scores an answer
from 0 (wrong) to 1 (right), and names the extractor that reads answers for it. See ``base.Metric``.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_llmeval.scoring.metrics import (
    agreement,
    choice_sets,
    code,
    distance,
    instructions,
    judge,
    likelihood,
    mathematics,
    overlap,
    program_tests,
    quantity,
    reading,
    texts,
)
from pytest_llmeval.scoring.metrics.base import Metric, Reasoned, Score, Scores

__all__ = ["METRICS", "Metric", "Reasoned", "Score", "Scores"]

METRICS: Mapping[str, Metric] = {
    "choice": Metric(texts.make_choice, "choice"),
    "choices": Metric(choice_sets.make_choices, "choices", graded=True, sets=True),
    "exact": Metric(texts.make_exact, "text", looser="contains"),
    "number": Metric(texts.make_number, "number", gold_problem=texts.number_problem),
    "math": Metric(mathematics.make_math, "math", gold_problem=mathematics.math_problem),
    "regex": Metric(texts.make_regex, "text", gold_problem=texts.pattern_problem),
    "contains": Metric(texts.make_contains, "text"),
    "json": Metric(texts.make_json, "json", gold_problem=texts.json_problem),
    "code": Metric(code.make_code, "code", gold_problem=program_tests.problem_of_tests, runs_code=True),
    "rouge_l": Metric(overlap.make_rouge_l, "text", graded=True, threshold=0.5),
    "judge": Metric(judge.make_judge, "text"),
    "agreement": Metric(agreement.make_agreement, "text"),
    "bleu": Metric(overlap.make_bleu, "text", graded=True, threshold=0.5),
    "quantity": Metric(quantity.make_quantity, "math", gold_problem=quantity.quantity_problem),
    "f1": Metric(reading.make_f1, "text", graded=True, threshold=0.5),
    "em": Metric(reading.make_em, "text", looser="contains"),
    "chrf": Metric(distance.make_chrf, "text", graded=True, threshold=0.5),
    "edit_similarity": Metric(distance.make_edit_similarity, "text", graded=True, threshold=0.5),
    "ifeval": Metric(
        instructions.make_ifeval,
        "verbatim",
        row_problem=instructions.row_problem,
        missing=instructions.missing_libraries,
        gold=False,
        scores_unparsed=True,
    ),
    "probability_mass": Metric(
        likelihood.make_probability_mass,
        "choice",
        graded=True,
        threshold=0.5,
        sets=True,
        likelihood=likelihood.probability_mass,
    ),
    "wer": Metric(distance.make_wer, "text", graded=True, threshold=0.5),
}
