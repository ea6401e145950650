"""The rules of published results."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping

import pytest

from pytest_llmeval.scoring.extract.official import (
    evalscope,
    first_label,
    gsm8k_flexible,
    gsm8k_opencompass,
    gsm8k_strict,
    mmlu_pro,
    mmlu_pro_lm_eval,
    opencompass_answer,
    simple_evals,
)
from tests.support.paths import REAL_DATA

CHOICES = dict.fromkeys("ABCDEFGHIJ", "")
OUTPUTS = sorted((REAL_DATA / "outputs/mmlu_pro").glob("*.jsonl.gz"))


@pytest.mark.parametrize(
    ("rule", "text", "answer"),
    [
        (mmlu_pro, "The answer is (C). No, the answer is D.", "C"),
        (mmlu_pro, "Answer: A or Answer: B", "B"),
        (mmlu_pro, "Answer: A\nAnswer: B", "A"),
        (mmlu_pro, "I would take F", "F"),
        (mmlu_pro, "none", None),
        (mmlu_pro_lm_eval, "The answer is (C). No, the answer is D.", "C"),
        (mmlu_pro_lm_eval, "Answer: B", None),
        (opencompass_answer, "Answer: b\nANSWER:\n C", "B"),
        (opencompass_answer, "the answer is B", None),
        (opencompass_answer, "ANSWER: P", None),
        (first_label, "The best is B, not A", "B"),
        (first_label, "none", None),
        (evalscope, "ANSWER: [LETTER]\nANSWER: B, not C", "B"),
        (evalscope, "ANSWER: **(D)**", "D"),
        (evalscope, "ANSWER: A\nANSWER: the second", "A"),
        (evalscope, "ANSWER: A, B", None),
        (evalscope, "It must be C!", "C"),
        (evalscope, "I choose Z", None),
        (simple_evals, "Answer: b. Answer: C", "B"),
        (simple_evals, "answer:$D$", "D"),
        (simple_evals, "The answer is B", None),
        (gsm8k_strict, "so 3\n#### 1,234.", "1234"),
        (gsm8k_strict, "so 3", None),
        (gsm8k_flexible, "It costs $18.00, not 3.", "3"),
        (gsm8k_flexible, "$1,800", "1800"),
        (gsm8k_flexible, "none", None),
        (gsm8k_opencompass, "It is 7.5.\n\nQuestion: what is 3?", "7.5"),
        (gsm8k_opencompass, "none", None),
    ],
)
def test_rules(rule: Callable[[str, Mapping[str, str]], str | None], text: str, answer: str | None) -> None:
    assert rule(text, CHOICES) == answer


@pytest.mark.skipif(not OUTPUTS, reason="needs the outputs of real models")
@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.name)
def test_mmlu_pro_equals_the_published_predictions(path) -> None:  # type: ignore[no-untyped-def]
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        answer = mmlu_pro(row["text"], dict.fromkeys("ABCDEFGHIJ"[: len(row["options"])], ""))
        if answer is not None and row["pred"] is not None:
            assert answer == row["pred"]
