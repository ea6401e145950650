"""IFEval's verifiers equal the reference implementation, as lm-evaluation-harness has it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import pytest

from pytest_llmeval.scoring.instructions import INSTRUCTIONS
from pytest_llmeval.scoring.instructions.following import follow
from pytest_llmeval.scoring.instructions.instruction import parse
from pytest_llmeval.scoring.instructions.linguistics import LibraryLinguistics, missing
from tests.support.instruction_replies import TEXTS, replies
from tests.support.paths import REAL_DATA

PROMPTS = REAL_DATA / "ifeval/input_data.jsonl"


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reference; it downloads Punkt's data when it is imported, unless that is there."""
    for library in ("lm_eval", "immutabledict", "langdetect", "nltk"):
        pytest.importorskip(library)
    if (problem := missing(["sentences"], "punkt")) is not None:
        pytest.skip(problem)
    if not PROMPTS.is_file():
        pytest.skip(f"no {PROMPTS}")
    import langdetect
    from lm_eval.tasks.ifeval import instructions, utils

    monkeypatch.setattr(langdetect.DetectorFactory, "seed", 0)
    monkeypatch.setattr(instructions.logger, "disabled", True)
    return utils


def real_texts() -> list[str]:
    """Beginnings of what models really wrote to other questions, in English and Chinese."""
    texts = []
    for file in sorted((REAL_DATA / "outputs").glob("*/*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line, _ in zip(lines, range(25), strict=False)]
        texts += [row["text"][:3000] for row in rows if isinstance(row.get("text"), str)]
    return texts


@pytest.mark.parametrize(
    ("every", "count"),
    [pytest.param(20, 6, id="some"), pytest.param(1, 24, marks=pytest.mark.slow, id="all")],
)
def test_each_prompt_with_many_replies(reference: Any, every: int, count: int) -> None:
    prompts = [json.loads(line) for line in PROMPTS.read_text("utf-8").splitlines()]
    assert len(prompts) == 541
    texts, linguistics = [*TEXTS, *real_texts()], LibraryLinguistics()
    met, missed = Counter[str](), Counter[str]()
    for prompt in prompts[::every]:
        checks = parse(prompt["instruction_id_list"], prompt["kwargs"], INSTRUCTIONS)
        example = reference.InputExample(
            prompt["key"], prompt["instruction_id_list"], prompt["prompt"], prompt["kwargs"]
        )
        # the reference draws a letter at random where a prompt asks for the symbols # and !
        decided = [check.arguments.get("letter") not in ("#", "!") for check in checks]
        for reply in replies(prompt, texts, count):
            followed = follow(reply, checks, linguistics)
            strict = reference.test_instruction_following_strict(example, reply).follow_instruction_list
            loose = reference.test_instruction_following_loose(example, reply).follow_instruction_list
            for at, check in enumerate(checks):
                if decided[at]:
                    ours = followed.strict[at], followed.loose[at]
                    assert ours == (strict[at], loose[at]), (prompt["key"], check.id, reply)
                    (met if strict[at] else missed)[check.id] += 1

    if every == 1:
        assert set(met) == set(missed) == set(INSTRUCTIONS)
        assert min(met.values()) >= 20 and min(missed.values()) >= 20
