"""questions.jsonl as the page holds it: an index of all questions, and their texts in packed chunks.

The index is small, plain JSON: what the list, its filters and the charts need. Texts are read by
the browser only when a question is opened or searched. A chunk holds some dozens of questions in
the index' order, as JSON, deflated and in base64, so that 15,000 of them stay a file that opens
at once; the part that prompts of one subject share is in a chunk once.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_llmeval.analysis.majority import majority_index
from pytest_llmeval.analysis.stats import mean
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.question_log import parse_line, placed_questions
from pytest_llmeval.results.rerun import Rerun
from pytest_llmeval.results.run_folder import encode
from pytest_llmeval.results.summary import Result

_CHUNK_BYTES = 160_000
_CHUNK_QUESTIONS = 100
_LEAST_PREFIX = 40
#: a letter an outcome in the index
LETTERS = {Outcome.CORRECT: "c", Outcome.WRONG: "w", Outcome.UNPARSED: "u"} | {
    Outcome.ANSWERED: "a",
    Outcome.ERROR: "e",
}
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(slots=True)
class Seen:
    """What the charts need of one model on one benchmark; values of answers that were really asked for."""

    latencies: list[float] = field(default_factory=list)
    prompt_tokens: list[float] = field(default_factory=list)
    completion_tokens: list[float] = field(default_factory=list)
    given: Counter[str] = field(default_factory=Counter)
    gold: Counter[str] = field(default_factory=Counter)
    unparsed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Time:
    """One answer, as far as the index and the charts hold it; ``start`` is where its line begins.

    ``unparsed`` is why it could not be read, ``score`` a graded metric's.
    """

    start: int
    outcome: Outcome
    answer: str | None = None
    latency_s: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    cached: bool = False
    unparsed: str = ""
    score: float | None = None


@dataclass(slots=True)
class Answer:
    """What a model answered a question, by the number of the repeat: mostly there is but 0."""

    by_repeat: dict[int, Time] = field(default_factory=dict)

    @property
    def times(self) -> list[Time]:
        """In the order in which they were asked."""
        return [self.by_repeat[repeat] for repeat in sorted(self.by_repeat)]

    @property
    def told(self) -> Time:
        """The one that stands for all: the first with the most frequent answer."""
        times = self.times
        if len(times) == 1:
            return times[0]
        return times[majority_index([(time.outcome, time.answer) for time in times])]

    @property
    def latency_s(self) -> float | None:
        """The mean of what was answered, or of all where nothing was."""
        answered = [time for time in self.times if time.outcome is not Outcome.ERROR] or self.times
        return mean(time.latency_s for time in answered if time.latency_s is not None)

    @property
    def score(self) -> float | None:
        """The mean of a graded metric's scores."""
        return mean(time.score for time in self.times if time.score is not None)


@dataclass(slots=True)
class Unit:
    """One question, with the answers of all models that were asked."""

    id: str
    benchmark: str
    subject: str
    target: str | None
    answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The question's own part of its id."""
        return self.id.removeprefix(f"{self.benchmark}/{self.subject}/")


class Questions:
    """A run's questions, read once; their texts are read again when they are packed."""

    def __init__(self, path: Path, results: Sequence[Result], rerun: Rerun) -> None:
        self.path = path
        self._rerun = rerun
        self.models = list(dict.fromkeys(result.model for result in results))
        self.subjects = {result.benchmark: dict.fromkeys(result.subjects) for result in results}
        for result in results:
            self.subjects[result.benchmark].update(dict.fromkeys(result.subjects))
        units: dict[str, Unit] = {}
        for start, row in placed_questions(path):
            self._add(units, start, row)
        benchmarks = {name: place for place, name in enumerate(self.subjects)}
        places = {
            (name, subject): place
            for name, subjects in self.subjects.items()
            for place, subject in enumerate(subjects)
        }
        self.units = sorted(
            units.values(),
            key=lambda unit: (benchmarks[unit.benchmark], places[unit.benchmark, unit.subject]),
        )
        self.seen: dict[tuple[str, str], Seen] = {}
        for unit in self.units:
            for model, answer in unit.answers.items():
                seen = self.seen.setdefault((unit.benchmark, model), Seen())
                for time in answer.times:
                    _see(seen, time, unit.target)

    def _add(self, units: dict[str, Unit], start: int, row: Mapping[str, Any]) -> None:
        model, benchmark, subject = (str(row.get(key)) for key in ("model", "benchmark", "subject"))
        if model not in self.models or benchmark not in self.subjects:
            return
        self.subjects[benchmark].setdefault(subject)
        unit = units.get(str(row["id"]))
        if unit is None:
            unit = units[str(row["id"])] = Unit(str(row["id"]), benchmark, subject, _text(row.get("target")))
        # of several lines for the same time the last holds, as in the results
        unit.answers.setdefault(model, Answer()).by_repeat[row.get("repeat", 0)] = _time(start, row)

    def index(self, results: Sequence[Result]) -> dict[str, Any]:
        """What the page's list and filters work on."""
        names = {result.benchmark: result.info.subjects for result in results}
        benchmarks = list(self.subjects)
        return {
            "models": self.models,
            "benchmarks": [
                {
                    "name": name,
                    "subjects": [[key, *names[name].get(key, ("", ""))] for key in subjects],
                    "commands": [self._rerun.head(name, model) for model in self.models],
                }
                for name, subjects in self.subjects.items()
            ],
            "benchmark": [benchmarks.index(unit.benchmark) for unit in self.units],
            "subject": self._subject_numbers(),
            "key": [unit.key for unit in self.units],
            "target": [unit.target for unit in self.units],
            "answers": [self._column(model) for model in self.models],
        }

    def _subject_numbers(self) -> list[int]:
        places = {
            (name, subject): place
            for name, subjects in self.subjects.items()
            for place, subject in enumerate(subjects)
        }
        return [places[unit.benchmark, unit.subject] for unit in self.units]

    def _column(self, model: str) -> dict[str, Any]:
        answers = [unit.answers.get(model) for unit in self.units]
        told = [None if one is None else one.told for one in answers]
        latencies = [None if one is None else one.latency_s for one in answers]
        column: dict[str, Any] = {
            "outcome": "".join("-" if one is None else LETTERS[one.outcome] for one in told),
            "answer": [None if one is None else one.answer for one in told],
            "ms": [_ms(latency) for latency in latencies],
        }
        scores = [None if one is None else one.score for one in answers]
        if any(score is not None for score in scores):
            column["score"] = [None if score is None else round(score, 4) for score in scores]
        if any(one is not None and len(one.by_repeat) > 1 for one in answers):
            column["times"] = ["" if one is None else _letters(one) for one in answers]
        return column

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """The number of the first question of each chunk, and the chunk in base64."""
        details: list[dict[str, Any]] = []
        size, first = 0, 0
        prefixes: dict[tuple[str, str], str] = {}
        with self.path.open("rb") as file:
            for place, unit in enumerate(self.units):
                rows: dict[str, list[tuple[Time, dict[str, Any]]]] = {}
                for model, answer in unit.answers.items():
                    for time in answer.times:
                        file.seek(time.start)
                        line = file.readline()
                        size += len(line)
                        if (row := parse_line(line)) is not None:
                            rows.setdefault(model, []).append((time, row))
                details.append(self._detail(unit, rows))
                full = size >= _CHUNK_BYTES or len(details) >= _CHUNK_QUESTIONS
                if full and not self._begins_subject(place, first):
                    yield first, _packed(details, self.units[first : place + 1], prefixes)
                    details, size, first = [], 0, place + 1
        if details:
            yield first, _packed(details, self.units[first:], prefixes)

    def _begins_subject(self, place: int, first: int) -> bool:
        """Whether a chunk that ended here would hold but one of a subject's questions: what its prompts
        share would not be known.
        """
        groups = [(unit.benchmark, unit.subject) for unit in self.units[max(first, place - 1) : place + 2]]
        return len(groups) == 3 and groups[0] != groups[1] == groups[2]

    def _detail(
        self, unit: Unit, rows: Mapping[str, Sequence[tuple[Time, Mapping[str, Any]]]]
    ) -> dict[str, Any]:
        prompts = [_text(row.get("prompt")) or "" for times in rows.values() for _, row in times]
        prompt = prompts[0] if prompts else ""
        return {
            "prompt": prompt,
            "models": {
                self.models.index(model): {
                    "times": [
                        {**_detail_of(row, prompt), **(_told(time) if len(times) > 1 else {})}
                        for time, row in times
                    ],
                    "select": self._rerun.selector(
                        unit.benchmark, model, f"{unit.subject}-{unit.key}", str(times[0][1].get("nodeid"))
                    ),
                }
                for model, times in rows.items()
            },
        }


def _letters(answer: Answer) -> str:
    return "".join(LETTERS[time.outcome] for time in answer.times)


def _told(time: Time) -> dict[str, Any]:
    """What the index holds of a question that was asked but once."""
    score = {} if time.score is None else {"score": round(time.score, 4)}
    return {"outcome": LETTERS[time.outcome], "answer": time.answer, "ms": _ms(time.latency_s), **score}


def _ms(latency_s: float | None) -> float | None:
    return None if latency_s is None else round(latency_s * 1000, 1)


def _detail_of(row: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """What an opened question shows of one answer, without what is not there."""
    own = _text(row.get("prompt")) or ""
    found = {
        "text": row.get("text"),
        "reasoning": row.get("reasoning"),
        "finish": row.get("finish_reason"),
        "scores": row.get("scores"),
        "orders": [
            ["".join(map(str, one.get("order") or ())), str(one.get("outcome")), _text(one.get("answer"))]
            for one in row.get("rotations") or ()
        ],
        "metrics": _metrics(row.get("metrics")),
        "others": _other_texts(row.get("parts")),
        "prompt_tokens": row.get("prompt_tokens"),
        "completion_tokens": row.get("completion_tokens"),
        "shared_tokens": row.get("shared_tokens"),
        "attempts": None if row.get("attempts") == 1 else row.get("attempts"),
        "cached": row.get("cached"),
        "first_token_s": row.get("first_token_s"),
        "notes": row.get("notes"),
        "error": row.get("error"),
        "judge": _judgement(row.get("judgement")),
        "prompt": own if own != prompt else None,
    }
    return {key: value for key, value in found.items() if value not in (None, "", [], {}, False)}


def _judgement(told: object) -> dict[str, str] | None:
    """What an opened question shows of a judge's word on it."""
    if not isinstance(told, Mapping):
        return None
    return {key: text for key in ("judge", "verdict", "text") if (text := _text(told.get(key)))}


def _metrics(found: object) -> str | None:
    """What a task of lm-evaluation-harness gave one document: a line for each filter."""
    if not isinstance(found, dict):
        return None
    lines = [
        f"{filter}: " + ", ".join(f"{metric} {json.dumps(value)}" for metric, value in of_filter.items())
        for filter, of_filter in found.items()
        if isinstance(of_filter, dict)
    ]
    return "\n".join(lines)


def _other_texts(parts: object) -> list[str] | None:
    """The texts of a request that was asked several times, but for the first."""
    if not isinstance(parts, list):
        return None
    return [str(part["text"]) for part in parts[1:] if isinstance(part, dict) and part.get("text")]


def _packed(
    details: Sequence[dict[str, Any]], units: Sequence[Unit], known: dict[tuple[str, str], str]
) -> bytes:
    groups = [(unit.benchmark, unit.subject) for unit in units]
    content = {"prefixes": _share_prefixes(details, groups, known), "questions": details}
    return base64.b64encode(zlib.compress(encode(_JSON.encode(content)), 6))


def _share_prefixes(
    details: Sequence[dict[str, Any]], groups: Sequence[tuple[str, str]], known: dict[tuple[str, str], str]
) -> list[str]:
    """Take what the prompts of each group begin with, up to a line's end, out of them.

    ``known`` is what groups shared in chunks before: it serves their last question, alone in a chunk.
    """
    prefixes: list[str] = []
    members: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for group, detail in zip(groups, details, strict=True):
        members.setdefault(group, []).append(detail)
    for group, found in members.items():
        prompts = [detail["prompt"] for detail in found]
        shared = known.get(group, "")
        if not (shared and all(prompt.startswith(shared) for prompt in prompts)):
            # what these two share, all between them share
            shared = _common_start(min(prompts), max(prompts)) if len(prompts) > 1 else ""
            shared = shared[: shared.rfind("\n") + 1]
        if len(shared) >= _LEAST_PREFIX:
            known[group] = shared
            for detail in found:
                detail["prompt"] = detail["prompt"][len(shared) :]
                detail["prefix"] = len(prefixes)
            prefixes.append(shared)
    return prefixes


def _common_start(one: str, other: str) -> str:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return one[:place]
    return min(one, other, key=len)


def _time(start: int, row: Mapping[str, Any]) -> Time:
    outcome = Outcome(row["outcome"])
    return Time(
        start,
        outcome,
        _text(row.get("answer")),
        _number(row.get("latency_s")),
        _number(row.get("prompt_tokens")),
        _number(row.get("completion_tokens")),
        bool(row.get("cached")),
        _why_unparsed(row) if outcome is Outcome.UNPARSED else "",
        _number(row.get("score")),
    )


def _see(seen: Seen, time: Time, target: str | None) -> None:
    if time.outcome is Outcome.ERROR:
        return
    if time.latency_s is not None and not time.cached:
        seen.latencies.append(time.latency_s)
    if time.prompt_tokens is not None:
        seen.prompt_tokens.append(time.prompt_tokens)
    if time.completion_tokens is not None:
        seen.completion_tokens.append(time.completion_tokens)
    if time.answer is not None:
        seen.given[time.answer] += 1
    if target is not None:
        seen.gold[target] += 1
    if time.unparsed:
        seen.unparsed[time.unparsed] += 1


def _why_unparsed(row: Mapping[str, Any]) -> str:
    if row.get("finish_reason") == "length":
        return "cut off by the token limit (--llm-max-tokens)"
    if not str(row.get("text") or "").strip():
        return "an empty text"
    return "a text without an answer that can be read"


def _number(value: object) -> float | None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if ok else None  # type: ignore[arg-type]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def script_json(content: object) -> str:
    """``content`` as JSON that no HTML parser can be led out of a ``script`` element by."""
    text = _JSON.encode(content)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
