"""Made-up records, tallies and results."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pytest_llmeval.analysis.conditions import EvalConditions
from pytest_llmeval.core.run_info import RunInfo
from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.question_log import QuestionLog
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.summary import Result, summarise
from pytest_llmeval.results.tally import Tally

#: a name that CSV, JSON, Markdown and terminals must escape
HOSTILE = 'a"b,c\n\x1b[31m|=1+1\r\\ud800\ud800\u2028注册'
SUBJECTS = {
    "maths": ("Mathematics", "数学"),
    "physics": ("Physics", "物理学"),
    "law": ("Law", "法学"),
    "loner": ("", ""),
}
GROUPS = {"stem": ("maths", "physics"), "other": ("law",), "hard": ("physics", "maths")}
RUN = RunInfo(
    name="20261123-224500-smollm2",
    started="2026-11-23T22:45:00+00:00",
    duration_s=12.5,
    complete=True,
    command="pytest --llm-model=smollm2",
    versions={"python": "3.11"},
    machine={"cpus": 2},
)


CONDITIONS = EvalConditions(
    mode="generate", shots=5, split="val", prompt_sha256="p" * 64, data_sha256="d" * 64
)


def make_info(name: str = "b", **changes: object) -> BenchmarkInfo:
    """A benchmark of four subjects; the last is in no group. Changes may be of its conditions too."""
    of_conditions = {key: changes.pop(key) for key in list(changes) if hasattr(CONDITIONS, key)}
    info = BenchmarkInfo(
        name=name,
        subjects=SUBJECTS,
        groups=GROUPS,
        conditions=dataclasses.replace(CONDITIONS, **of_conditions),  # type: ignore[arg-type]
        total=dict.fromkeys(SUBJECTS, 10),
        planned=40,
    )
    return dataclasses.replace(info, **changes)  # type: ignore[arg-type]


def counted(
    subject: str = "maths",
    key: object = 0,
    outcome: Outcome = Outcome.CORRECT,
    *,
    model: str = "m",
    of: str = "b",
    gold: bool | None = None,
    outcomes: Sequence[Outcome] = (),
    **more: Any,
) -> Record:
    """A record as the session counts it; an answered one has no gold answer, unless told.

    With ``outcomes`` the question was asked several times. What is no field of a record belongs to its
    completion; without a latency it has none that counts.
    """
    has_gold = outcome is not Outcome.ANSWERED if gold is None else gold
    fields = {name: more.pop(name) for name in list(more) if name in Record.__dataclass_fields__}
    if more.get("latency_s") is None:
        more["latency_s"] = math.nan
    record = Record(
        id=f"{of}/{subject}/{key}",
        model=model,
        benchmark=of,
        subject=subject,
        outcome=outcome,
        completion=Completion(**more),
        **{"nodeid": "", "target": "A" if has_gold else None, **fields},
    )
    repeats = [dataclasses.replace(record, outcome=one, repeat=at) for at, one in enumerate(outcomes)]
    return dataclasses.replace(record, repeats=tuple(repeats)) if repeats else record


def counted_all(
    numbers: Mapping[str, str], *, model: str = "m", of: str = "b", **more: object
) -> list[Record]:
    """Subject -> a letter a question: c(orrect), w(rong), u(nparsed), a(nswered), e(rror)."""
    outcomes = {outcome.value[0]: outcome for outcome in Outcome}
    return [
        counted(subject, key, outcomes[letter], model=model, of=of, **more)
        for subject, letters in numbers.items()
        for key, letter in enumerate(letters)
    ]


def tallied(entries: Iterable[Record], step: float = 1.0) -> Tally:
    """The entries, one every ``step`` seconds of a made-up clock."""
    ticks = itertools.count()
    tally = Tally(clock=lambda: next(ticks) * step)
    for entry in entries:
        tally.add(entry)
    return tally


def results_of(
    entries: Iterable[Record], *infos: BenchmarkInfo, identities: Mapping[str, str] | None = None
) -> tuple[Result, ...]:
    """The results of a run of these questions."""
    return summarise(tallied(entries), {info.name: info for info in infos or (make_info(),)}, identities)


def result_of(numbers: Mapping[str, str], info: BenchmarkInfo | None = None, **more: object) -> Result:
    """The one result of one model on one benchmark."""
    info = info or make_info()
    (result,) = results_of(counted_all(numbers, of=info.name, **more), info)  # type: ignore[arg-type]
    return result


@st.composite
def runs(draw: st.DrawFn) -> list[Record]:
    """Entries of up to two models on up to two benchmarks, no question twice."""
    keys = st.tuples(
        st.sampled_from(["m", "n"]),
        st.sampled_from(["b", "c"]),
        st.sampled_from([*SUBJECTS, "undeclared"]),
        st.integers(0, 5),
    )
    entries = []
    for model, name, subject, key in draw(st.lists(keys, unique=True, max_size=40)):
        outcome = draw(st.sampled_from(Outcome))
        gold = draw(st.booleans()) if outcome in (Outcome.UNPARSED, Outcome.ERROR) else None
        entries.append(
            counted(
                subject,
                key,
                outcome,
                model=model,
                of=name,
                gold=gold,
                latency_s=draw(st.none() | st.floats(0, 100)),
                prompt_tokens=draw(st.none() | st.integers(0, 5000)),
                completion_tokens=draw(st.none() | st.integers(0, 5000)),
                cached=draw(st.booleans()),
            )
        )
    return entries


INFOS = (make_info("b"), make_info("c"))


def make_record(key: object = 0, model: str = "m", *, subject: str = "law", **more: Any) -> Record:
    """An asked question; what is no field of a record belongs to its completion."""
    own = {name: more.pop(name) for name in ("outcome", "answer", "target", "prompt") if name in more}
    fields: dict[str, Any] = {
        "outcome": Outcome.CORRECT,
        "answer": "A",
        "target": "A",
        "prompt": "题目",
        **own,
    }
    id = f"b/{subject}/{key}"
    return Record(
        id, f"test_b.py::test_b[{id}]", model, "b", subject, completion=Completion(**more), **fields
    )


def written(path: Path, *records: Record) -> Path:
    with QuestionLog(path) as log:
        for record in records:
            log.write(record)
    return path
