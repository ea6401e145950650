"""Suites from a benchmark's folder or a file of questions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_llmeval.analysis.conditions import EvalConditions
from pytest_llmeval.core.benchmark_name import BenchmarkName
from pytest_llmeval.core.errors import DataMissing, RequestFailed, UserError, one_line, unknown
from pytest_llmeval.core.types import (
    NUMBERS,
    Completion,
    Grade,
    Judgement,
    Mode,
    OfficialReading,
    Order,
    Question,
    Request,
    Temperature,
)
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.scoring import registry
from pytest_llmeval.scoring.answer_sets import split_labels
from pytest_llmeval.scoring.extract import FOR_CUT_OFF
from pytest_llmeval.scoring.extract.pattern import with_pattern
from pytest_llmeval.scoring.metrics import Score, agreement, judge
from pytest_llmeval.scoring.metrics.agreement import LabelledPrompts
from pytest_llmeval.scoring.metrics.base import numbers_of
from pytest_llmeval.scoring.metrics.judge import JudgePrompt
from pytest_llmeval.scoring.metrics.likelihood import likeliest
from pytest_llmeval.scoring.templates import template_names
from pytest_llmeval.suites import catalog, download
from pytest_llmeval.suites.choice_order import Ordering
from pytest_llmeval.suites.data_cache import read_manifest
from pytest_llmeval.suites.exemplars import load_exemplars
from pytest_llmeval.suites.programs import sandbox_condition
from pytest_llmeval.suites.prompts import PromptBuilder, judge_text
from pytest_llmeval.suites.reading_notes import reading_notes
from pytest_llmeval.suites.source import Source
from pytest_llmeval.suites.spec import FILE_NAME, Benchmark, ExtractorSpec, scoring
from pytest_llmeval.suites.splits import FileLayout, load_questions, load_shots, locate, search_roots
from pytest_llmeval.suites.suite import JudgeCase, Suite, select

if TYPE_CHECKING:
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.scoring.extract import Extractor


class Builder(Protocol):
    """Builds requests from questions; a parameter that is None has the benchmark's value."""

    @property
    def sha256(self) -> str:
        """A hash that changes whenever the requests for the same rows change."""

    def request(
        self,
        question: Question,
        *,
        max_tokens: int | None = None,
        temperature: Temperature | None = None,
        stop: Sequence[str] = (),
    ) -> Request:
        """The request for ``question``. Raises ``UserError`` if it cannot be built."""


@dataclass(frozen=True, slots=True)
class Grader:
    """How answers are read and compared: extractor, metric and threshold.

    ``extract_cut_off`` reads texts that the token limit cut off.
    ``threshold`` is the lowest score that counts as correct. ``graded`` metrics give scores between 0 and 1.
    With a ``judge_prompt`` a judge model scores. ``looser`` is the name and the scoring function of a metric
    that also accepts texts around the gold answer.
    """

    metric: str
    extract: Extractor
    extract_cut_off: Extractor
    score: Score
    graded: bool
    threshold: float
    judge_prompt: JudgePrompt | None = None
    looser: tuple[str, Score] | None = None
    scores_unparsed: bool = False
    likelihood: Callable[[Mapping[str, float], Question], float] | None = None

    def accepted_by(self, question: Question, answer: str) -> str | None:
        """The name of the looser metric if only that accepts the answer, else None."""
        if self.looser is None or question.answer is None or self.score(answer, question) >= self.threshold:
            return None
        name, score = self.looser
        return name if score(answer, question) >= 1 else None

    def accepts(self, question: Question, label: str) -> bool:
        """Whether a label is that of a right choice."""
        return label in (split_labels(question.answer or "", tuple(question.choices)) or (question.answer,))

    def grade(
        self,
        question: Question,
        answer: str | None,
        judgement: Judgement | None,
        scores: Mapping[str, float] | None = None,
    ) -> Grade:
        """The answer's grade; ``scores`` are the log-probabilities of choices by label, if there are any.

        Raises ``RequestFailed`` if the metric fails.
        """
        if question.answer is None:
            return Grade(answer)
        try:
            if scores and self.likelihood is not None:
                score = self.likelihood(scores, question)
            else:
                score = self._score(question, answer, judgement)
            numbers = numbers_of(score)
            if answer is None and self.scores_unparsed:
                numbers = numbers_of(self.score("", question))
            if not 0 <= score <= 1:
                raise ValueError(f"score {score} is not between 0 and 1")
        except RequestFailed as error:
            raise RequestFailed(f"metric {self.metric}: {error}") from None
        except Exception as error:  # a plugin's metric, or a library on hostile text
            message = f"metric {self.metric}: {type(error).__name__}: {one_line(error, 120)}"
            raise RequestFailed(message) from None
        reason = getattr(score, "reason", "")
        return Grade(
            answer,
            question.answer,
            float(score),
            correct=score >= self.threshold,
            graded=self.graded,
            metrics={NUMBERS: numbers} if numbers else {},
            note=f"{self.metric}: {reason}" if reason else "",
        )

    def _score(self, question: Question, answer: str | None, judgement: Judgement | None) -> float:
        if answer is None:
            return 0.0
        if self.judge_prompt is not None:
            return 0.0 if judgement is None else self.judge_prompt.scores(judgement)
        return self.score(answer, question)


class FolderSuite(Suite):
    """A benchmark described by a benchmark.toml or by the columns of a file of questions."""

    def __init__(
        self,
        benchmark: Benchmark,
        info: BenchmarkInfo,
        questions: Sequence[Question],
        builder: Builder,
        grader: Grader,
        ordering: Ordering,
    ) -> None:
        super().__init__(info, questions, (benchmark.folder, benchmark.file))
        self.benchmark = benchmark
        self.judge_prompt = grader.judge_prompt
        self.has_labels = isinstance(builder, LabelledPrompts)
        self._builder = builder
        self._grader = grader
        self._ordering = ordering
        most_choices = max((len(question.choices) for question in self.questions), default=0)
        self._most_orders = max(1, most_choices) if ordering.circular else 1

    @property
    def extractor(self) -> str:
        """The name of the extractor that reads answers."""
        return self.benchmark.extractor.name

    def with_extractor(self, name: str) -> FolderSuite:
        """A copy of this suite that reads answers with another extractor. Raises ``UserError``."""
        if name not in (extractors := registry.extractors()):
            raise unknown("extractor", name, extractors)
        benchmark = replace(self.benchmark, extractor=ExtractorSpec(name=name))
        extract, extract_cut_off = _extract(benchmark.extractor)
        grader = replace(self._grader, extract=extract, extract_cut_off=extract_cut_off)
        return FolderSuite(benchmark, self.info, self.questions, self._builder, grader, self._ordering)

    @property
    def reorders(self) -> bool:
        """See ``Suite``."""
        return not self._ordering.plain

    @property
    def most_orders(self) -> int:
        """See ``Suite``."""
        return self._most_orders

    def orders(self, question: Question) -> tuple[Order, ...]:
        """See ``Suite``."""
        return self._ordering.orders(question)

    def request(self, question: Question, model: ModelConfig) -> Request:
        """See ``Suite``."""
        request = self._builder.request(
            question, max_tokens=model.max_tokens, temperature=model.temperature, stop=model.stop
        )
        return request.with_system(model.system)

    def read(self, question: Question, completion: Completion) -> str | None:
        """See ``Suite``; if choices were scored, the label of the likeliest one."""
        if completion.scores:
            normalise = self.benchmark.logprob.normalise
            texts = {} if normalise == "none" else self._continuations(question)
            return likeliest(completion.scores, texts, normalise)
        grader = self._grader
        extract = grader.extract_cut_off if completion.finish_reason == "length" else grader.extract
        return extract(completion.text, question.choices)

    def official(
        self, question: Question, completion: Completion, answer: str | None
    ) -> OfficialReading | None:
        """See ``Suite``."""
        rule, grader = self.benchmark.official, self._grader
        if rule is None or completion.scores or grader.judge_prompt is not None:
            return None
        reading = registry.extractors()[rule](completion.text, question.choices)
        if reading == answer:
            return None
        return OfficialReading(rule, reading, grader.grade(question, reading, None).correct)

    def grade(
        self, question: Question, completion: Completion, model: ModelConfig, judgement: Judgement | None
    ) -> Grade:
        """See ``Suite``."""
        grade = self._grader.grade(
            question, self.read(question, completion), judgement, completion.scores or None
        )
        if not (completion.scores and question.answer is not None and self._scores_texts):
            return grade
        return replace(
            grade,
            metrics={NUMBERS: {**self._accuracies(question, completion), **grade.metrics.get(NUMBERS, {})}},
        )

    @property
    def _scores_texts(self) -> bool:
        """Whether the texts of choices are scored."""
        return isinstance(self._builder, PromptBuilder) and self._builder.scores_texts

    def _continuations(self, question: Question) -> Mapping[str, str]:
        builder = self._builder
        return builder.continuations(question) if isinstance(builder, PromptBuilder) else {}

    def _accuracies(self, question: Question, completion: Completion) -> dict[str, object]:
        """Whether the likeliest choice is right, by its log-probability and by that divided by its length.

        lm-evaluation-harness calls them ``acc``, ``acc_norm`` (characters) and ``acc_bytes``.
        """
        texts = self._continuations(question)
        return {
            name: float(self._grader.accepts(question, likeliest(completion.scores, texts, normalise)))
            for name, normalise in (("acc", "none"), ("acc_norm", "characters"), ("acc_bytes", "bytes"))
        }

    def accepted_by(self, question: Question, answer: str) -> str | None:
        """See ``Suite``."""
        return self._grader.accepted_by(question, answer)

    def judge_case(self, question: Question) -> JudgeCase | None:
        """See ``Suite``."""
        if self.judge_prompt is None:
            return None
        return JudgeCase(question, judge_text(self.benchmark, question), self.judge_prompt)


class FolderSource(Source):
    """Packaged benchmarks, a user's folders, and files of questions, with their variants."""

    def place(self, name: str, near: Path) -> Path:
        """See ``Source``."""
        return catalog.find(BenchmarkName.parse(name, lambda text: catalog.is_path(text, near)).base, near)

    def fetch(self, name: str, place: Path, settings: Settings) -> str:
        """See ``Source``."""
        return download.ensure(_load(name, place), settings.data_dir, settings.cache_dir)

    def result_name(self, name: str, place: Path) -> str:
        """See ``Source``."""
        return _load(name, place).result_name

    def outline(self, name: str, place: Path, settings: Settings) -> tuple[Sequence[str], Sequence[str]]:
        """See ``Source``."""
        benchmark = _load(name, place)
        return tuple(benchmark.groups), tuple(benchmark.subjects)

    def numbered_subjects(self, name: str, place: Path) -> Sequence[str] | None:
        """See ``Source``."""
        benchmark = _load(name, place)
        return tuple(benchmark.subjects) if benchmark.data.ids == "number" and benchmark.subjects else None

    def wants_judge(self, name: str, place: Path) -> bool:
        """See ``Source``."""
        return _load(name, place).metric.name == judge.NAME

    def test_files(self, place: Path) -> Sequence[Path]:
        """See ``Source``: the folder's own tests, if it has any; a folder of tables is one file to pytest."""
        if place.is_file() or not (place / FILE_NAME).is_file():
            return (place,)
        return sorted(place.glob("test_*.py")) or (place / FILE_NAME,)

    def tests(self, place: Path, names: Sequence[str]) -> Mapping[str, str]:
        """See ``Source``."""
        folder = place.parent if place.name == FILE_NAME else place
        name = catalog.load(folder).name
        benchmark = name if (folder / FILE_NAME).is_file() else str(place)
        return {f"test_{name.replace('-', '_')}": benchmark}

    def load(
        self, name: str, place: Path, settings: Settings, only: Collection[str] | None = None
    ) -> tuple[FolderSuite, tuple[str, ...]]:
        """See ``Source``."""
        benchmark = _load(name, place, settings.metric)
        split, shots = _split_and_shots(benchmark, settings)
        layout = _find_data(benchmark, split, settings)
        downloaded = read_manifest(layout.root)
        table = load_questions(benchmark, layout, split)
        total = dict(Counter(question.subject for question in table.questions))
        examples = load_shots(benchmark, layout, total, shots) if shots else {}
        roots = search_roots(benchmark, settings.data_dir, settings.cache_dir)
        exemplars = load_exemplars(benchmark, total, roots)
        builder: Builder = PromptBuilder(benchmark, settings.mode, examples, exemplars)
        questions = table.questions
        metric = registry.metrics()[benchmark.metric.name]
        sandbox = sandbox_condition(benchmark.result_name, settings) if metric.runs_code else {}
        if metric.likelihood is not None and settings.mode != "logprob":
            raise UserError(
                f"{benchmark.name}: metric {benchmark.metric.name} scores log-probabilities of choices; "
                "ask with --llm-mode=logprob"
            )
        if metric.sets and metric.likelihood is None and settings.mode != "generate":
            raise UserError(
                f"{benchmark.result_name}: several choices may be right, which the scores of single choices "
                f"cannot tell; ask without --llm-mode={settings.mode}"
            )
        judge_prompts = _judge_prompts(benchmark, settings)
        grader = make_grader(benchmark, judge_prompts)
        if isinstance(judge_prompts, LabelledPrompts):
            builder, questions = judge_prompts, judge_prompts.labelled(questions)
        seed = settings.shuffle_choices
        ordering = Ordering(settings.circular, benchmark.shuffle_choices if seed is None else seed)
        _check_ordering(benchmark, ordering, settings.mode, has_judge=judge_prompts is not None)
        repeats, repeat_notes = _repeats(benchmark, settings)
        info = BenchmarkInfo(
            name=benchmark.result_name,
            subjects={key: (subject.name, subject.zh) for key, subject in benchmark.subjects.items()}
            | {
                key: (name, "" if name.isascii() else name)
                for key, name in table.subject_names.items()
                if key != name
            },
            groups=benchmark.groups,
            conditions=EvalConditions(
                mode=settings.mode,
                split=split,
                shots=shots,
                prompt_sha256=ordering.prompt_hash(builder.sha256),
                data_sha256=table.sha256,
                scoring={**scoring(benchmark, settings.mode), **sandbox},
                circular=ordering.circular,
                shuffle_choices=ordering.seed,
                version=benchmark.version,
            ),
            total=total,
            planned=0,
            metric=benchmark.metric.name,
            threshold=grader.threshold if grader.graded else None,
            totals={**registry.metrics()[benchmark.metric.name].totals, **benchmark.metric.totals},
            data_source=None if downloaded is None else downloaded.source,
            repeats=repeats,
            protocol={} if benchmark.protocol is None else asdict(benchmark.protocol),
        )
        notes = (*(reading_notes(benchmark, table) if benchmark.data.inside else ()), *repeat_notes)
        if downloaded is not None and not downloaded.pinned:
            notes += (
                f"{benchmark.name}: its data is {downloaded.repo} at {downloaded.revision or 'main'}, which "
                f'may change; revision = "{downloaded.commit}" in [data.hub] keeps it',
            )
        if missing := table.missing_subjects:
            count = f"{len(missing)} subject{'s' if len(missing) > 1 else ''}"
            notes += (f"{benchmark.result_name}: no {split} file for {count}; skipped: {', '.join(missing)}",)
        columns = len(benchmark.data.choices)
        if fewer := [question for question in table.questions if len(question.choices) < columns]:
            notes += (
                f"{benchmark.result_name}: {len(fewer):,} of {len(table.questions):,} questions have fewer "
                f"choices than the file has columns ({columns}), such as {fewer[0].key}",
            )
        questions = select(questions, settings)
        if only is not None:
            questions = tuple(q for q in questions if q.id in only or q.key in only)
        _check_libraries(benchmark, questions, settings)
        if not questions:
            notes += (f"{benchmark.result_name}: --llm-limit={settings.limit} selects no question",)
        return FolderSuite(benchmark, info, questions, builder, grader, ordering), notes


def _load(name: str, place: Path, metric: str | None = None) -> Benchmark:
    """The benchmark of this name at ``place``, which is where ``catalog.find`` found it."""
    paths = (place.name, place.parent.name)
    variant = BenchmarkName.parse(name, lambda text: Path(text).name in paths).variant
    return catalog.load(place, metric, variant)


def row_subjects(benchmark: Benchmark, settings: Settings) -> Sequence[str] | None:
    """The subjects that the rows of a benchmark's data name; None if the data is not on this machine.

    Raises ``UserError`` if a file is not a table.
    """
    split, _ = _split_and_shots(benchmark, settings)
    try:
        layout = locate(benchmark, split, settings.data_dir, settings.cache_dir)
    except DataMissing:
        return None
    questions = load_questions(benchmark, layout, split).questions
    return tuple(dict.fromkeys(question.subject for question in questions))


def _split_and_shots(benchmark: Benchmark, settings: Settings) -> tuple[str, int]:
    split = settings.split or benchmark.split
    if split not in benchmark.splits:
        raise unknown("split", split, benchmark.splits, where=f"benchmark {benchmark.result_name}")
    shots = benchmark.shots if settings.shots is None else settings.shots
    if shots and split == benchmark.shots_split:
        raise UserError(
            f"{benchmark.result_name}: split {split!r} holds the few-shot examples; "
            "give --llm-shots=0 or another split"
        )
    return split, shots


def _find_data(benchmark: Benchmark, split: str, settings: Settings) -> FileLayout:
    try:
        return locate(benchmark, split, settings.data_dir, settings.cache_dir)
    except DataMissing:
        if benchmark.data.hub is None:
            raise
        download.fetch(benchmark, settings.cache_dir)
        return locate(benchmark, split, settings.data_dir, settings.cache_dir)


def _repeats(benchmark: Benchmark, settings: Settings) -> tuple[int, tuple[str, ...]]:
    """How often to ask each question unless the user says so, and a note if that is less than recommended.

    Without sampling, a model would give the same answer each time.
    """
    if benchmark.repeats == 1 or settings.mode != "generate":
        return 1, ()
    if any(model.temperature for model in settings.models):
        return benchmark.repeats, ()
    if not settings.models or settings.repeats is not None or settings.replay:
        return 1, ()
    return 1, (
        f"{benchmark.result_name}: its protocol samples {benchmark.repeats} answers to each question; at "
        "temperature 0 each question is asked once; set for example --llm-temperature=0.6",
    )


def _check_libraries(benchmark: Benchmark, questions: Sequence[Question], settings: Settings) -> None:
    """Raise ``UserError`` if the metric needs something for these questions that is not on this machine."""
    if settings.show_prompts or not settings.models:
        return
    metric = registry.metrics()[benchmark.metric.name]
    rows = (question.fields for question in questions if question.problem is None)
    if (problem := metric.missing(benchmark.metric.options, rows)) is not None:
        raise UserError(f"{benchmark.result_name}: its metric {benchmark.metric.name} {problem}")


def _judge_prompts(benchmark: Benchmark, settings: Settings) -> JudgePrompt | LabelledPrompts | None:
    """The prompts for a judge, or for measuring one; None for metrics without a judge.

    [judge] supplies what the benchmark does not set. Raises ``UserError``.
    """
    name, where = benchmark.metric.name, f"{benchmark.file} [metric]"
    if name not in (judge.NAME, agreement.NAME):
        return None
    if settings.mode != "generate":
        raise UserError(f"{benchmark.result_name}: a judge needs texts; leave out --llm-mode={settings.mode}")
    common = {}
    if settings.judge is not None:
        if settings.judge.prompt:
            judge.check_prompt(settings.judge.prompt, f"{settings.config_file} [judge]: prompt")
        common = {key: text for key in ("prompt", "rubric") if (text := getattr(settings.judge, key))}
    options = {**common, **benchmark.metric.options}
    if name == judge.NAME:
        return judge.make_judge(options, where)
    return agreement.labelled_prompts(options, where)


def make_grader(benchmark: Benchmark, judge_prompts: JudgePrompt | LabelledPrompts | None = None) -> Grader:
    """How the answers of a benchmark are graded, by a judge if there are prompts for one."""
    metric = registry.metrics()[benchmark.metric.name]
    score = metric.make(benchmark.metric.options, f"{benchmark.file} [metric]")
    extract, extract_cut_off = _extract(benchmark.extractor)
    graded, threshold, judge_prompt = metric.graded, metric.threshold, None
    if isinstance(judge_prompts, LabelledPrompts):
        extract = extract_cut_off = judge_prompts.extract
    elif judge_prompts is not None:
        graded, threshold, judge_prompt = judge_prompts.graded, judge_prompts.threshold, judge_prompts
    if benchmark.metric.threshold is not None:
        threshold = benchmark.metric.threshold
    looser = None
    if metric.looser is not None:
        looser = metric.looser, registry.metrics()[metric.looser].make({}, metric.looser)
    return Grader(
        benchmark.metric.name,
        extract,
        extract_cut_off,
        score,
        graded,
        threshold,
        judge_prompt,
        looser,
        metric.scores_unparsed,
        metric.likelihood,
    )


def _extract(spec: ExtractorSpec) -> tuple[Extractor, Extractor]:
    """The extractors of whole texts, and of texts that the token limit cut off."""
    extractors = registry.extractors()
    whole, cut_off = extractors[spec.name], extractors[FOR_CUT_OFF.get(spec.name, spec.name)]
    if spec.pattern is None:
        return whole, cut_off
    pattern = re.compile(spec.pattern)
    return with_pattern(whole, pattern, spec.match), with_pattern(cut_off, pattern, spec.match)


def _check_ordering(benchmark: Benchmark, ordering: Ordering, mode: Mode, *, has_judge: bool) -> None:
    if ordering.plain:
        return
    if has_judge:
        why = "its judge sees choices in file order"
    elif not benchmark.data.has_choices or benchmark.data.labels:
        why = "it has no choices to reorder"
    elif mode == "generate" and not _shows_choices(benchmark):
        why = "its prompts have the choices as the file has them"
    else:
        return
    option = "--llm-circular" if ordering.circular else "--llm-shuffle-choices, or shuffle_choices"
    raise UserError(f"{benchmark.result_name}: {why}; leave out {option}")


def _shows_choices(benchmark: Benchmark) -> bool:
    """Whether texts are generated from prompts that list the choices in the order of a question."""
    names = template_names(benchmark.generate.user)
    return not names.isdisjoint({"choices", *benchmark.data.choices}) or benchmark.data.messages is not None
