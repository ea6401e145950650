"""The rules by which published results were read, under their names, for parity with those results.

Each reads what the original reads, in linear time. They are no better than the originals: prefer ``choice``
and ``number`` for results of your own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ANSWER_IS = re.compile(r"answer is \(?([A-J])\)?")
_ANSWER_COLON = re.compile(r"[aA]nswer:\s*([A-J])")
_LONE_LETTER = re.compile(r"\b[A-J]\b")
_SIMPLE_ANSWER = re.compile(r"Answer[ \t]*:[ \t]*\$?([A-Z])\$?", re.I)
_STRICT_NUMBER = re.compile(r"#### (-?[0-9.,]+)")
_FLEXIBLE_NUMBER = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_IGNORED = re.compile(r"[,$]|\.$")
_PLAIN_NUMBER = re.compile(r"-?\d+\.\d+|-?\d+")


def mmlu_pro(text: str, choices: Mapping[str, str]) -> str | None:
    """MMLU-Pro's rule: the first ``answer is (X)``, else ``Answer: X``, else the last lone letter (A to J).

    Source: TIGER-AI-Lab/MMLU-Pro, ``extract_answer`` in ``evaluate_from_local.py`` (MIT). The original falls
    back to a random letter, this one to None.
    """
    if match := _ANSWER_IS.search(text):
        label = match[1]
    elif match := _ANSWER_COLON.search(text):
        # the original's greedy ".*" takes the last statement of the first line that has one
        line_end = text.find("\n", match.start())
        line_end = len(text) if line_end < 0 else line_end
        label = [m[1] for m in _ANSWER_COLON.finditer(text, match.start()) if m.start() < line_end][-1]
    else:
        label = ([match[0] for match in _LONE_LETTER.finditer(text)] or [""])[-1]
    return label if label in choices else None


def simple_evals(text: str, choices: Mapping[str, str]) -> str | None:
    """simple-evals' rule: the letter of the first ``Answer: X``, in any case.

    Source: openai/simple-evals, ``ANSWER_PATTERN_MULTICHOICE`` in ``common.py`` (MIT), with the labels of the
    question instead of A to D.
    """
    for match in _SIMPLE_ANSWER.finditer(text):
        if match[1].upper() in choices:
            return match[1].upper()
    return None


def livecodebench(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """LiveCodeBench's rule: what stands between the last two lines with three backticks.

    Source: LiveCodeBench/LiveCodeBench, ``extract_code`` in ``lcb_runner/utils/extraction_utils.py`` (MIT).
    """
    del choices
    lines = text.split("\n")
    fences = [at for at, line in enumerate(lines) if "```" in line][-2:]
    return "\n".join(lines[fences[0] + 1 : fences[1]]) if len(fences) == 2 else None


def gsm8k_strict(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """lm-evaluation-harness' ``strict-match`` for GSM8K: the number after the first ``####``.

    Source: EleutherAI/lm-evaluation-harness, ``lm_eval/tasks/gsm8k/gsm8k.yaml`` (MIT).
    """
    del choices
    match = _STRICT_NUMBER.search(text)
    return None if match is None else _IGNORED.sub("", match[1]) or None


def gsm8k_flexible(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """lm-evaluation-harness' ``flexible-extract`` for GSM8K: the last number.

    Source: EleutherAI/lm-evaluation-harness, ``lm_eval/tasks/gsm8k/gsm8k.yaml`` (MIT).
    """
    del choices
    last = None
    for last in _FLEXIBLE_NUMBER.finditer(text):  # noqa: B007
        pass
    return None if last is None else _IGNORED.sub("", last[0]) or None


def gsm8k_opencompass(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """OpenCompass' rule for GSM8K: the last number before another ``Question:``.

    Source: opencompass 0.5.4, ``opencompass/datasets/gsm8k.py``, ``gsm8k_postprocess`` (Apache-2.0).
    """
    del choices
    numbers = _PLAIN_NUMBER.findall(text.split("Question:")[0])
    return numbers[-1] if numbers else None
