"""A benchmark as a session asks it: its selected questions, and how they are asked, read and scored."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pytest_llmeval.core.errors import DataMissing, UserError, unknown

if TYPE_CHECKING:
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.core.types import Completion, Order, Question, Request, Scored
    from pytest_llmeval.results.summary import BenchmarkInfo
    from pytest_llmeval.runtime.judge import Case
    from pytest_llmeval.scoring.metrics import Score
    from pytest_llmeval.scoring.metrics.agreement import LabelledPrompts
    from pytest_llmeval.scoring.metrics.judge import JudgePrompt
    from pytest_llmeval.suites.choice_order import Ordering
    from pytest_llmeval.suites.prompts import PromptBuilder
    from pytest_llmeval.suites.spec import Benchmark

#: what a benchmark that scores by itself makes of a completion; may raise anything
Scorer: TypeAlias = "Callable[[Question, Completion, ModelConfig], Scored]"


class Builder(Protocol):
    """Makes requests of questions; parameters that are None are left to the benchmark."""

    def request(
        self,
        question: Question,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: Sequence[str] = (),
    ) -> Request:
        """What a model is sent for ``question``. Raises ``UserError`` for one that cannot be asked."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A benchmark as this session asks it: its selected questions and how to ask and read them.

    ``grading`` is how a judge is asked about answers, where one is. ``judged_before`` tells that an earlier
    run's judgements hold. With a ``scorer`` it scores by itself, and nothing is extracted.
    """

    benchmark: Benchmark
    info: BenchmarkInfo
    questions: tuple[Question, ...]
    builder: Builder
    extract: Callable[[str, Mapping[str, str]], str | None]
    score: Score
    graded: bool
    threshold: float
    ordering: Ordering
    grading: JudgePrompt | None = None
    judged_before: bool = False

    def case(self, question: Question) -> Case | None:
        """What a judge is to know of a question; None where none is asked."""
        if self.grading is None:
            return None
        from pytest_llmeval.runtime.judge import Case
        from pytest_llmeval.suites.prompts import asked_text

        return Case(question, asked_text(self.benchmark, question), self.grading)

    scorer: Scorer | None = None

    def request(self, question: Question, model: ModelConfig, order: Order | None = None) -> Request:
        """What ``model`` is sent for ``question``, its choices in ``order`` (default: the file's)."""
        from pytest_llmeval.suites.choice_order import presented

        return self.builder.request(
            question if order is None else presented(question, order),
            max_tokens=model.max_tokens,
            temperature=model.temperature,
            stop=model.stop,
        )


def load_suite(
    folder: Path, settings: Settings, only: Collection[str] | None = None
) -> tuple[Suite, tuple[str, ...]]:
    """The suite in ``folder``, with the questions of ``only`` these ids if they are given, and what is to be
    said about it. Raises ``UserError``.
    """
    from pytest_llmeval.results.summary import BenchmarkInfo
    from pytest_llmeval.scoring import registry
    from pytest_llmeval.scoring.metrics.agreement import LabelledPrompts
    from pytest_llmeval.scoring.sandbox import runner
    from pytest_llmeval.suites import catalog, choice_order, download, prompts, questions
    from pytest_llmeval.suites.spec import scoring

    benchmark = catalog.load(folder)
    split = settings.split or benchmark.split
    if split not in benchmark.splits:
        raise unknown("split", split, benchmark.splits, where=f"benchmark {benchmark.name}")
    shots = benchmark.shots if settings.shots is None else settings.shots
    if shots and split == benchmark.shots_split:
        raise UserError(
            f"{benchmark.name}: the questions of split {split!r} are the shots; "
            "give --llm-shots=0 or another split"
        )
    try:
        located = questions.locate(benchmark, split, settings.data_dir, settings.cache_dir)
    except DataMissing:
        if benchmark.data.hub is None:
            raise
        download.fetch(benchmark, settings.cache_dir)
        located = questions.locate(benchmark, split, settings.data_dir, settings.cache_dir)
    table = questions.load_questions(benchmark, located, split)
    total = dict(Counter(question.subject for question in table.questions))
    examples = questions.load_shots(benchmark, located, total, shots) if shots else {}
    builder: PromptBuilder | LabelledPrompts = prompts.PromptBuilder(benchmark, settings.mode, examples)
    metric = registry.metrics()[benchmark.metric.name]
    if metric.runs_code and settings.models and not settings.show_prompts:
        if not settings.allow_code:
            raise UserError(
                f"{benchmark.name}: its answers are programs, which are run only with --llm-allow-code "
                "(in a sandbox without network: docs/code.md)"
            )
        runner.check(benchmark.name)
    judged = _judged(benchmark, settings)
    score = metric.make(benchmark.metric.options, f"{benchmark.file} [metric]")
    grading, extract = None, registry.extractors()[benchmark.extractor]
    selected = table.questions
    graded, least = metric.graded, metric.threshold
    if isinstance(judged, LabelledPrompts):
        builder, extract = judged, judged.extract
        selected = judged.labelled(selected)
    elif judged is not None:
        score, grading, graded, least = judged, judged, judged.graded, judged.threshold
    threshold = least if benchmark.metric.threshold is None else benchmark.metric.threshold
    ordering = choice_order.Ordering(settings.circular, settings.shuffle_choices)
    if not ordering.plain and (judged is not None or not benchmark.data.choices):
        option = "--llm-circular" if ordering.circular else "--llm-shuffle-choices"
        why = "has no choices to put in another order" if judged is None else "a judge sees the file's order"
        raise UserError(f"{benchmark.name}: {why}; ask it without {option}")
    info = BenchmarkInfo(
        name=benchmark.name,
        subjects={key: (subject.name, subject.zh) for key, subject in benchmark.subjects.items()},
        groups=benchmark.groups,
        mode=settings.mode,
        shots=shots,
        split=split,
        prompt_sha256=ordering.hashed(builder.sha256),
        data_sha256=table.sha256,
        total=total,
        planned=0,
        metric=benchmark.metric.name,
        threshold=threshold if graded else None,
        scoring=scoring(benchmark, settings.mode),
        circular=ordering.circular,
        shuffle_choices=ordering.seed,
    )
    notes: tuple[str, ...] = ()
    if missing := table.missing_subjects:
        count = f"{len(missing)} subject{'s' if len(missing) > 1 else ''}"
        notes = (f"{benchmark.name}: no {split} file for {count}, left out: {', '.join(missing)}",)
    selected = select(selected, settings)
    if only is not None:
        selected = tuple(question for question in selected if question.id in only)
    if not selected:
        notes += (f"{benchmark.name}: --llm-limit={settings.limit} selects no question",)
    return Suite(
        benchmark,
        info,
        selected,
        builder,
        extract,
        score,
        graded,
        threshold,
        ordering,
        grading,
    ), notes


def _judged(benchmark: Benchmark, settings: Settings) -> JudgePrompt | LabelledPrompts | None:
    """How a judge is asked, for a metric that asks one; [judge] says what the benchmark leaves open.

    Raises ``UserError``.
    """
    from pytest_llmeval.scoring.metrics import agreement, judge

    name, where = benchmark.metric.name, f"{benchmark.file} [metric]"
    if name not in (judge.NAME, agreement.NAME):
        return None
    if settings.mode != "generate":
        raise UserError(f"{benchmark.name}: a judge reads texts; ask without --llm-mode={settings.mode}")
    common = {}
    if settings.judge is not None:
        if settings.judge.prompt:
            judge.check_prompt(settings.judge.prompt, f"{settings.config_file} [judge]: prompt")
        common = {key: text for key in ("prompt", "rubric") if (text := getattr(settings.judge, key))}
    options = {**common, **benchmark.metric.options}
    return (
        judge.make_judge(options, where) if name == judge.NAME else agreement.labelled_prompts(options, where)
    )


def select(questions: Sequence[Question], settings: Settings) -> tuple[Question, ...]:
    """The questions that ``--llm-limit`` and ``--llm-seed`` leave of each subject, in file order."""
    limit = settings.limit
    if limit is None:
        return tuple(questions)
    subjects: dict[str, list[Question]] = {}
    for question in questions:
        subjects.setdefault(question.subject, []).append(question)
    chosen: list[Question] = []
    for subject, rows in subjects.items():
        if settings.seed is None:
            chosen += rows[limit.start : limit.stop]
        else:
            dice = random.Random(f"{settings.seed}/{rows[0].benchmark}/{subject}")
            picked = dice.sample(range(len(rows)), min(len(rows), limit.count or 0))
            chosen += [rows[index] for index in sorted(picked)]
    return tuple(chosen)
