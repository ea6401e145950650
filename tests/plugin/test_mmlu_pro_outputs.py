"""Public outputs of models on MMLU-Pro, replayed: the official rule gives the published accuracy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pytest_llmeval.scoring.extract.official import mmlu_pro
from tests.support.paths import REAL_DATA
from tests.support.tiny_benchmark import results

OUTPUTS = sorted((REAL_DATA / "outputs/mmlu_pro").glob("*.jsonl.gz"))
#: outputs that MMLU-Pro's later script read; the first one read no more than lm-evaluation-harness does
LATER = {"gemini-1.5-flash-002", "Meta-Llama-3_1-8B-Instruct"}


@pytest.mark.slow
@pytest.mark.skipif(not OUTPUTS, reason="needs the outputs of real models")
@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.name.split(".jsonl")[0])
def test_official_accuracy(pytester: pytest.Pytester, path: Path) -> None:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    (pytester.path / "mmlu_pro").mkdir()
    with (pytester.path / "mmlu_pro/test.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            fields = {key: row[key] for key in ("question_id", "options", "answer")}
            print(json.dumps({**fields, "question": "?", "category": "other"}), file=file)
    later = path.name.split(".jsonl")[0] in LATER
    done = pytester.runpytest(
        f"--llm-replay={path}",
        f"--llm-benchmark={'mmlu_pro' if later else 'mmlu_pro@lm-eval'}",
        "--llm-shots=0",
        "--llm-data-dir=.",
    )
    assert done.ret == 0
    (result,) = results(pytester)["results"]
    # the script draws a letter for a text without one, which is no reading of the text
    read = [row for row in rows if not later or mmlu_pro(row["text"], dict.fromkeys("ABCDEFGHIJ"))]
    correct = sum(row["pred"] == row["answer"] for row in read)
    assert result["official"]["accuracy"] == correct / len(rows)
