"""The data in the page: an index of all questions, and their texts in compressed chunks.

The index is plain JSON with what the list, its filters and the charts need. The browser decompresses texts
when a question is opened or searched. A chunk holds some dozens of questions in the order of the index, as
JSON, deflated and in base64, so that a page with 15,000 questions opens at once. Text that the prompts of a
subject share is stored once per chunk.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_llmeval.core.benchmark_name import item_name
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.report.questions import Answer, ModelAnswers, Question, RunQuestions, as_text
from pytest_llmeval.results.question_log import parse_line
from pytest_llmeval.results.rerun import Rerun
from pytest_llmeval.results.run_folder import encode
from pytest_llmeval.results.summary import Result

_CHUNK_BYTES = 160_000
_CHUNK_QUESTIONS = 100
_MIN_PREFIX = 40
#: the letter for each outcome in the index
LETTERS = {
    Outcome.CORRECT: "c",
    Outcome.WRONG: "w",
    Outcome.UNPARSED: "u",
    Outcome.ANSWERED: "a",
    Outcome.ERROR: "e",
}
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def script_json(content: object) -> str:
    """``content`` as JSON that cannot end the ``script`` element around it."""
    text = _JSON.encode(content)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


# ---- the index


def index_json(run: RunQuestions, results: Sequence[Result], rerun: Rerun) -> dict[str, Any]:
    """The index: columns with a value for each question, and for each model a column of its answers."""
    names = {result.benchmark: result.info.subjects for result in results}
    benchmarks = {benchmark: number for number, benchmark in enumerate(run.subjects)}
    numbers = {
        (benchmark, subject): number
        for benchmark, subjects in run.subjects.items()
        for number, subject in enumerate(subjects)
    }
    return {
        "models": run.models,
        "benchmarks": [
            {
                "name": benchmark,
                "subjects": [[key, *names[benchmark].get(key, ("", ""))] for key in subjects],
                "commands": [rerun.head(benchmark, model) for model in run.models],
            }
            for benchmark, subjects in run.subjects.items()
        ],
        "benchmark": [benchmarks[question.benchmark] for question in run.questions],
        "subject": [numbers[question.benchmark, question.subject] for question in run.questions],
        "key": [question.key for question in run.questions],
        "target": [question.target for question in run.questions],
        "answers": [
            _model_column([question.answers.get(model) for question in run.questions]) for model in run.models
        ],
    }


def _model_column(answers: Sequence[ModelAnswers | None]) -> dict[str, Any]:
    """One model's answer to each question; a letter for each outcome, ``-`` where it was not asked."""
    majority = [None if model_answers is None else model_answers.majority for model_answers in answers]
    column: dict[str, Any] = {
        "outcome": "".join("-" if answer is None else LETTERS[answer.outcome] for answer in majority),
        "answer": [None if answer is None else answer.extracted for answer in majority],
        "ms": [None if model_answers is None else _ms(model_answers.latency_s) for model_answers in answers],
    }
    scores = [None if model_answers is None else model_answers.score for model_answers in answers]
    if any(score is not None for score in scores):
        column["score"] = [None if score is None else round(score, 4) for score in scores]
    if any(model_answers is not None and len(model_answers.by_repeat) > 1 for model_answers in answers):
        column["repeats"] = [
            ""
            if model_answers is None
            else "".join(LETTERS[answer.outcome] for answer in model_answers.in_order)
            for model_answers in answers
        ]
    return column


def _ms(latency_s: float | None) -> float | None:
    return None if latency_s is None else round(latency_s * 1000, 1)


# ---- the texts


def packed_chunks(run: RunQuestions, rerun: Rerun) -> Iterator[tuple[int, bytes]]:
    """The number of the first question in each chunk, and the chunk in base64."""
    details: list[dict[str, Any]] = []
    size, first = 0, 0
    prefixes: dict[tuple[str, str], str] = {}
    with run.path.open("rb") as file:
        for number, question in enumerate(run.questions):
            rows: dict[str, list[tuple[Answer, dict[str, Any]]]] = {}
            for model, answers in question.answers.items():
                for answer in answers.in_order:
                    file.seek(answer.start)
                    line = file.readline()
                    size += len(line)
                    if (row := parse_line(line)) is not None:
                        rows.setdefault(model, []).append((answer, row))
            details.append(_question_json(question, rows, run.models, rerun))
            full = size >= _CHUNK_BYTES or len(details) >= _CHUNK_QUESTIONS
            if full and not _splits_off_first(run.questions, number, first):
                yield first, _pack(details, run.questions[first : number + 1], prefixes)
                details, size, first = [], 0, number + 1
    if details:
        yield first, _pack(details, run.questions[first:], prefixes)


def _splits_off_first(questions: Sequence[Question], number: int, first: int) -> bool:
    """Whether question ``number`` is the only one of its subject in the chunk that starts at ``first``.

    If the chunk ended here, nothing would show what the subject's prompts share.
    """
    groups = [
        (question.benchmark, question.subject) for question in questions[max(first, number - 1) : number + 2]
    ]
    return len(groups) == 3 and groups[0] != groups[1] == groups[2]


def _question_json(
    question: Question,
    rows: Mapping[str, Sequence[tuple[Answer, Mapping[str, Any]]]],
    models: Sequence[str],
    rerun: Rerun,
) -> dict[str, Any]:
    """The texts of a question: its prompt, and each model's answers with the selector that reruns it."""
    prompts = [as_text(row.get("prompt")) or "" for answer_rows in rows.values() for _, row in answer_rows]
    prompt = prompts[0] if prompts else ""
    name = item_name(question.benchmark, question.subject, question.key)
    texts = (as_text(row.get("question")) for answer_rows in rows.values() for _, row in answer_rows)
    text = next(filter(None, texts), None)
    return {
        "prompt": prompt,
        **({} if text is None else {"question": text}),
        "models": {
            models.index(model): {
                "answers": [
                    _answer_json(row, prompt) | (_repeat_json(answer) if len(answer_rows) > 1 else {})
                    for answer, row in answer_rows
                ],
                "selector": rerun.selector(
                    question.benchmark, model, name, str(answer_rows[0][1].get("nodeid"))
                ),
            }
            for model, answer_rows in rows.items()
        },
    }


def _repeat_json(answer: Answer) -> dict[str, Any]:
    """The values that the index has only for the majority's answer."""
    score = {} if answer.score is None else {"score": round(answer.score, 4)}
    return {
        "outcome": LETTERS[answer.outcome],
        "answer": answer.extracted,
        "ms": _ms(answer.latency_s),
        **score,
    }


def _answer_json(row: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """The texts and facts of one answer, without empty ones; its prompt only if it is not ``prompt``."""
    own_prompt = as_text(row.get("prompt")) or ""
    content = {
        "text": row.get("text"),
        "reasoning": row.get("reasoning"),
        "finish": row.get("finish_reason"),
        "scores": row.get("scores"),
        "orders": [
            [
                "".join(map(str, rotation.get("order") or ())),
                str(rotation.get("outcome")),
                as_text(rotation.get("answer")),
            ]
            for rotation in row.get("rotations") or ()
        ],
        "metrics": _metric_lines(row.get("metrics")),
        "more_texts": _more_texts(row.get("parts")),
        "prompt_tokens": row.get("prompt_tokens"),
        "completion_tokens": row.get("completion_tokens"),
        "shared_tokens": row.get("shared_tokens"),
        "attempts": None if row.get("attempts") == 1 else row.get("attempts"),
        "cached": row.get("cached"),
        "first_token_s": row.get("first_token_s"),
        "notes": row.get("notes"),
        "error": row.get("error"),
        "judge": _judgement_json(row.get("judgement")),
        "prompt": own_prompt if own_prompt != prompt else None,
    }
    return {key: value for key, value in content.items() if value not in (None, "", [], {}, False)}


def _judgement_json(judgement: object) -> dict[str, str] | None:
    if not isinstance(judgement, Mapping):
        return None
    return {key: text for key in ("judge", "verdict", "text") if (text := as_text(judgement.get(key)))}


def _metric_lines(metrics: object) -> str | None:
    """The metrics of an lm-evaluation-harness task for one document: a line for each filter."""
    if not isinstance(metrics, dict):
        return None
    lines = [
        f"{filter}: " + ", ".join(f"{metric} {json.dumps(value)}" for metric, value in values.items())
        for filter, values in metrics.items()
        if isinstance(values, dict)
    ]
    return "\n".join(lines)


def _more_texts(parts: object) -> list[str] | None:
    """The texts after the first, of a question that took several requests."""
    if not isinstance(parts, list):
        return None
    return [str(part["text"]) for part in parts[1:] if isinstance(part, dict) and part.get("text")]


def _pack(
    details: Sequence[dict[str, Any]],
    questions: Sequence[Question],
    earlier_prefixes: dict[tuple[str, str], str],
) -> bytes:
    groups = [(question.benchmark, question.subject) for question in questions]
    content = {"prefixes": _share_prefixes(details, groups, earlier_prefixes), "questions": details}
    return base64.b64encode(zlib.compress(encode(_JSON.encode(content)), 6))


def _share_prefixes(
    details: Sequence[dict[str, Any]],
    groups: Sequence[tuple[str, str]],
    earlier_prefixes: dict[tuple[str, str], str],
) -> list[str]:
    """Replace the text that all prompts of a group begin with by its number in the list returned.

    The shared text ends at the end of a line. ``earlier_prefixes`` maps groups to their
    shared text in earlier chunks, for a last question that is alone in its chunk.
    """
    prefixes: list[str] = []
    members: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for group, detail in zip(groups, details, strict=True):
        members.setdefault(group, []).append(detail)
    for group, group_details in members.items():
        prompts = [detail["prompt"] for detail in group_details]
        shared = earlier_prefixes.get(group, "")
        if not (shared and all(prompt.startswith(shared) for prompt in prompts)):
            # what the first and the last in alphabetical order share, all share
            shared = _common_start(min(prompts), max(prompts)) if len(prompts) > 1 else ""
            shared = shared[: shared.rfind("\n") + 1]
        if len(shared) >= _MIN_PREFIX:
            earlier_prefixes[group] = shared
            for detail in group_details:
                detail["prompt"] = detail["prompt"][len(shared) :]
                detail["prefix"] = len(prefixes)
            prefixes.append(shared)
    return prefixes


def _common_start(first: str, second: str) -> str:
    for place, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return first[:place]
    return min(first, second, key=len)
