"""Synthetic runs for the tests of reports: questions.jsonl and matching results."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_llmeval.analysis.conditions import EvalConditions
from pytest_llmeval.core.run_info import RunInfo
from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.question_log import QUESTIONS, QuestionLog
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.summary import Result, summarise
from pytest_llmeval.results.tally import Tally

SUBJECTS = {
    "agronomy": ("Agronomy", "农学"),
    "anatomy": ("Anatomy", "解剖学"),
    "ancient_chinese": ("Ancient Chinese", "古汉语"),
    "arts": ("Arts", "艺术学"),
    "astronomy": ("Astronomy", "天文学"),
    "college_law": ("College Law", "大学法律"),
    "genetics": ("Genetics", "遗传学"),
    "logical": ("Logical", "逻辑学"),
}
GROUPS = {
    "stem": ("anatomy", "astronomy", "genetics"),
    "humanities": ("ancient_chinese", "arts", "college_law"),
    "other": ("agronomy", "logical"),
}
_ERROR = "HTTP 503 from https://host/v1: the server is overloaded; sent 6 times"


@dataclass(frozen=True, slots=True)
class MadeUp:
    """The arguments of ``write_html``."""

    folder: Path
    run: RunInfo
    results: tuple[Result, ...]
    errors: tuple[tuple[str, str], ...]


def info(name: str, subjects: Mapping[str, tuple[str, str]], planned: int) -> BenchmarkInfo:
    """A benchmark with these subjects, in those of ``GROUPS`` that they belong to."""
    return BenchmarkInfo(
        name=name,
        subjects=subjects,
        groups={key: members for key, members in GROUPS.items() if set(members) & set(subjects)},
        conditions=EvalConditions(
            mode="generate", shots=5, split="test", prompt_sha256="3f" * 32, data_sha256="a7" * 32
        ),
        total=dict.fromkeys(subjects, planned // max(1, len(subjects))),
        planned=planned,
    )


def records(
    number: int, models: Sequence[str], subjects: Sequence[str], *, of: str = "cmmlu", words: int = 40
) -> list[Record]:
    """``number`` questions for each model, spread over the subjects; the same in every call."""
    dice = random.Random(7)
    made = []
    for skill, model in zip((0.62, 0.48, 0.3), models, strict=False):
        for place in range(number):
            subject = subjects[place * len(subjects) // number]
            key = place - -(-(subjects.index(subject) * number) // len(subjects))
            made.append(_record(dice, model, of, subject, key, skill, words))
    return made


def _record(
    dice: random.Random, model: str, of: str, subject: str, key: int, skill: float, words: int
) -> Record:
    english, chinese = SUBJECTS.get(subject, (subject, subject))
    shots = "\n\n".join(
        f"[user]\n以下是关于{chinese}的单项选择题，请直接给出正确答案的选项。\n"
        + f"题目：{english} 例题 {n}，下列说法正确的是？\n"
        + "\n".join(f"{label}. 第{n}题的选项{label}，{chinese}" for label in "ABCD")
        + f"\n\n[assistant]\n答案是: {'ABCD'[n % 4]}"
        for n in range(5)
    )
    own_dice = random.Random(ascii((subject, key)))  # the same question for every model
    target = own_dice.choice("ABCD")
    lot = dice.random()
    hard = skill - 0.25 * (subject in ("ancient_chinese", "college_law"))
    outcome = (
        Outcome.CORRECT if lot < hard else
        Outcome.ERROR if lot > 0.995 else
        Outcome.UNPARSED if lot > 0.97 else Outcome.WRONG
    )  # fmt: skip
    answer = target if outcome is Outcome.CORRECT else dice.choice([c for c in "ABCD" if c != target])
    talk = "".join(dice.choice("根据题意可知选项的描述与教材内容一致因此应当排除其他") for _ in range(words))
    text = f"答案是: {answer}。{talk}" if outcome in (Outcome.CORRECT, Outcome.WRONG) else talk
    error = _ERROR if outcome is Outcome.ERROR else None
    completion = Completion(
        text="" if error else text,
        finish_reason="" if error else "length" if outcome is Outcome.UNPARSED else "stop",
        prompt_tokens=None if error else 560 + dice.randrange(60),
        completion_tokens=None if error else max(1, len(text) * 2 // 3),
        latency_s=dice.lognormvariate(-1, 0.5),
        attempts=6 if error else 1,
        error=error,
    )
    own = f"题目：关于{chinese}的第 {key} 题（{own_dice.randrange(10**9)}），下列哪一项是正确的？"
    choices = "\n".join(f"{label}. {own_dice.randrange(10**6)} 号选项的内容" for label in "ABCD")
    return Record(
        id=f"{of}/{subject}/{key}",
        nodeid=f"benchmarks/{of}/test_{of}.py::test_{of}[{subject}-{key}]",
        model=model,
        benchmark=of,
        subject=subject,
        outcome=outcome,
        answer=answer if outcome in (Outcome.CORRECT, Outcome.WRONG) else None,
        target=target,
        completion=completion,
        prompt=f"{shots}\n\n[user]\n以下是关于{chinese}的单项选择题，请直接给出正确答案的选项。\n{own}\n{choices}",
    )


def made_up(
    folder: Path, found: Sequence[Record], *infos: BenchmarkInfo, complete: bool = True, name: str = ""
) -> MadeUp:
    """Write questions.jsonl into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with QuestionLog(folder / QUESTIONS) as log:
        for record in found:
            log.write(record)
    ticks = iter(range(len(found) + 1))
    tally = Tally(clock=lambda: next(ticks) * 0.02)
    of_question: dict[tuple[str, str], list[Record]] = {}
    for record in found:
        of_question.setdefault((record.id, record.model), []).append(record)
    for times in of_question.values():
        tally.add(Record.of_repeats(times))
    subjects = {key: SUBJECTS.get(key, ("", "")) for key in dict.fromkeys(one.subject for one in found)}
    if not infos:
        names = dict.fromkeys(record.benchmark for record in found)
        infos = tuple(info(one, subjects, len({r.id for r in found if r.benchmark == one})) for one in names)
    models = dict.fromkeys((record.model for record in found), "sha256 " + "0c" * 16)
    run = RunInfo(
        name=name or "20261125-081300-internlm2_5-1_8b-chat",
        started="2026-11-25T08:13:00+00:00",
        duration_s=312.4,
        complete=complete,
        command="pytest --llm-model=hf:/models/internlm2_5-1_8b-chat --llm-benchmark=cmmlu",
        versions={"python": "3.11.7", "pytest-llmeval-harness": "0.1.0", "torch": "2.13.0"},
        machine={"platform": "Linux-6.1-x86_64", "processor": "x86_64", "cpus": 2},
    )
    errors = tuple((one.id, one.completion.error) for one in found if one.completion.error is not None)
    return MadeUp(folder, run, summarise(tally, {one.name: one for one in infos}, models), errors)


def graded(found: Sequence[Record]) -> list[Record]:
    """The records with scores 0, 0.05, ... of a graded metric in turn; errors have none."""
    return [
        one if one.outcome is Outcome.ERROR else replace(one, score=(at % 21) / 20)
        for at, one in enumerate(found)
    ]


def repeated(record: Record, letters: str) -> list[Record]:
    """A record for each letter: the extracted answer, - for unparsed, ! for an error."""
    made = []
    for repeat, letter in enumerate(letters):
        error = "broken" if letter == "!" else None
        outcome = {"-": Outcome.UNPARSED, "!": Outcome.ERROR, record.target: Outcome.CORRECT}.get(letter)
        made.append(
            changed(
                record,
                repeat=repeat,
                outcome=outcome or Outcome.WRONG,
                answer=letter if letter.isalpha() else None,
                text="" if error else f"time {repeat} of {record.id}",
                finish_reason="stop",
                latency_s=9.0 if error else 1.0 + repeat,
                error=error,
            )
        )
    return made


def changed(record: Record, **changes: object) -> Record:
    """The record with other values in it or in its completion."""
    own = {key: value for key, value in changes.items() if key in Record.__dataclass_fields__}
    inner = {key: value for key, value in changes.items() if key not in own}
    completion = replace(record.completion, **inner)  # type: ignore[arg-type]
    return replace(record, **{"completion": completion, **own})  # type: ignore[arg-type]
