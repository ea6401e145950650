"""A benchmark is a folder with a benchmark.toml: what is in it, checked."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.types import Mode
from pytest_llmeval.suites.formats import FORMATS

FILE_NAME = "benchmark.toml"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_SUBJECT_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject: its English and Chinese names and the groups it belongs to."""

    key: str
    name: str
    zh: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hub:
    """A benchmark's files on the Hugging Face hub: one archive (zip or tar), or the tables themselves."""

    repo: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """How an answer is compared with the gold one: a metric's name and its options.

    ``threshold`` is the least score that counts as correct; None for the metric's own.
    """

    name: str
    options: Mapping[str, object]
    threshold: float | None

    @property
    def needs_gold(self) -> bool:
        """Whether a question must have a gold answer: a judge may do without."""
        return not (self.name == "judge" and self.options.get("reference") is False)


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Where rows are and how to read them.

    ``paths`` are templates with ``{split}`` and ``{subject}``, tried in this order; with ``inside``
    they are meant from the benchmark's own folder. ``ids`` is ``number`` (whole numbers) or
    ``text``; ``id`` the column with them (None: the row's place). ``subject`` names a column with
    the row's subject, for a file of several; ``columns`` are more columns that templates may name.
    ``cluster`` is the column whose equal values mark questions that depend on each other.
    ``header`` are the columns of CSV files that do not name them. ``answer_pattern`` finds the gold answer
    in its column (its first group), which templates have whole as ``answer_text``. ``messages`` is a column
    with chat turns, asked as they are.
    """

    format: str
    paths: tuple[str, ...]
    inside: bool
    id: str | None
    ids: str
    question: str
    choices: tuple[str, ...]
    answer: str
    subject: str | None
    cluster: str | None
    columns: tuple[str, ...]
    unanswered_splits: tuple[str, ...]
    hub: Hub | None
    header: tuple[str, ...] = ()
    answer_pattern: str | None = None
    messages: str | None = None


@dataclass(frozen=True, slots=True)
class GeneratePrompt:
    """Templates of the user turn and, for shots, the assistant turn after it."""

    user: str
    assistant: str
    system: str | None


@dataclass(frozen=True, slots=True)
class LogprobPrompt:
    """Templates of the plain text: ``question`` and its ``answer`` stand together in shots."""

    description: str
    question: str
    answer: str
    separator: str
    choice: str


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark.toml. ``groups`` maps a group's name to its subjects' keys."""

    name: str
    title: str
    folder: Path
    source: str
    licence: str
    citation: str
    split: str
    splits: tuple[str, ...]
    shots: int
    shots_split: str
    max_tokens: int
    stop: tuple[str, ...]
    extractor: str
    metric: MetricSpec
    data: DataSpec
    generate: GeneratePrompt
    logprob: LogprobPrompt
    subjects: Mapping[str, Subject]
    groups: Mapping[str, tuple[str, ...]]
    #: the benchmark.toml, or the table itself where there is none
    file: Path


_DEFAULT_USER = (
    "{{ question }}\n{% for label in choices %}{{ label }}. {{ choices[label] }}\n{% endfor %}Answer:"
)
_GENERATE = GeneratePrompt(_DEFAULT_USER, "{{ answer }}", None)
_LOGPROB = LogprobPrompt("", _DEFAULT_USER, " {{ answer }}", "\n\n", " {{ label }}")


class _Reader:
    """Typed look-ups in one table, with errors that name file, table and key."""

    def __init__(self, table: object, where: str, keys: Iterable[str] | None) -> None:
        if not isinstance(table, dict):
            raise UserError(f"{where}: must be a table")
        self._table: dict[str, Any] = table
        self._where = where
        if keys is not None:
            known = set(keys)
            for key in table:
                if key not in known:
                    raise unknown("key", key, known, where=where)

    def get(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        if key not in self._table:
            if default is ...:
                raise UserError(f"{self._where}: {key} is missing")
            return default
        value = self._table[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise UserError(f"{self._where}: {key}: {one_line(repr(value), 60)} is not {_WORDS[kind]}")
        return value

    def texts(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        values = self.get(key, (list, str), list(default))
        values = [values] if isinstance(values, str) else values
        if not all(isinstance(value, str) for value in values):
            raise UserError(f"{self._where}: {key} must be a list of texts")
        return tuple(values)

    def count(self, key: str, default: int, least: int = 0) -> int:
        value: int = self.get(key, int, default)
        if value < least:
            raise UserError(f"{self._where}: {key}: {value} is below {least}")
        return value


_WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
    (list, str): "a list of texts",
    (int, float): "a number",
    (dict, str): "a metric's name or a table",
}
_TOP = (
    "name",
    "title",
    "source",
    "licence",
    "citation",
    "split",
    "splits",
    "shots",
    "shots_split",
    "max_tokens",
    "stop",
    "extractor",
    "metric",
    "data",
    "prompts",
    "subjects",
)
_DATA = (
    "format",
    "paths",
    "inside",
    "id",
    "ids",
    "question",
    "choices",
    "answer",
    "subject",
    "cluster",
    "columns",
    "unanswered_splits",
    "hub",
    "header",
    "answer_pattern",
    "messages",
)
_SUBJECT = ("name", "zh", "groups")


def parse(table: Mapping[str, Any], path: Path) -> Benchmark:
    """The benchmark of a benchmark.toml's content. Raises ``UserError``."""
    from pytest_llmeval.scoring import registry

    extractors = registry.extractors()
    top = _Reader(table, str(path), _TOP)
    name = top.get("name", str, path.parent.name)
    if not _NAME.fullmatch(name):
        raise UserError(f"{path}: name: {one_line(repr(name), 60)} must be of ASCII letters, digits, - and _")
    metric = _metric(top.get("metric", (dict, str), "choice" if _has_choices(table) else "exact"), path)
    extractor = top.get("extractor", str, registry.metrics()[metric.name].extractor)
    if extractor not in extractors:
        raise unknown("extractor", extractor, extractors, where=str(path))
    split = top.get("split", str, "test")
    shots_split = top.get("shots_split", str, "dev")
    splits = top.texts("splits", [split])
    if split not in splits:
        raise unknown("split", split, splits, where=str(path))
    prompts = _Reader(top.get("prompts", dict, {}), f"{path} [prompts]", ("generate", "logprob"))
    subjects = _subjects(top.get("subjects", dict, {}), path)
    benchmark = Benchmark(
        name=name,
        title=top.get("title", str, name),
        folder=path.parent,
        source=top.get("source", str, ""),
        licence=top.get("licence", str, ""),
        citation=top.get("citation", str, ""),
        split=split,
        splits=splits,
        shots=top.count("shots", 0 if "shots" not in table and not subjects else 5),
        shots_split=shots_split,
        max_tokens=top.count("max_tokens", 1024, least=1),
        stop=top.texts("stop"),
        extractor=extractor,
        metric=metric,
        data=_data(top.get("data", dict, {}), path),
        generate=_generate(prompts.get("generate", dict, {}), path),
        logprob=_logprob(prompts.get("logprob", dict, {}), path),
        subjects=subjects,
        groups=_groups(subjects.values()),
        file=path,
    )
    _check_templates(benchmark)
    return benchmark


def scoring(benchmark: Benchmark, mode: Mode) -> dict[str, object]:
    """How answers, and the gold ones, are read and compared: names as in benchmark.toml, values as in JSON.

    Where ``mode`` is logprob nothing is extracted.
    """
    from pytest_llmeval.scoring import registry

    metric, data = benchmark.metric, benchmark.data
    usual = registry.metrics()[metric.name].threshold
    found: dict[str, object] = {
        "metric": metric.name,
        **{f"metric.{key}": value for key, value in metric.options.items()},
        "metric.threshold": usual if metric.threshold is None else metric.threshold,
        "extractor": benchmark.extractor if mode == "generate" else None,
        "data.messages": data.messages,
        "data.question": data.question if data.messages is None else None,
        "data.choices": data.choices,
        "data.answer": data.answer,
        "data.answer_pattern": data.answer_pattern,
        "data.header": data.header,
    }
    told: dict[str, object] = json.loads(json.dumps(found, default=str))
    return {key: value for key, value in told.items() if value not in (None, [])}


def _has_choices(table: Mapping[str, Any]) -> bool:
    data = table.get("data")
    return not isinstance(data, dict) or (data.get("choices") != [] and "messages" not in data)


def _metric(given: str | dict[str, Any], path: Path) -> MetricSpec:
    """The metric that is named, its options looked at. Raises ``UserError``."""
    from pytest_llmeval.scoring import registry

    metrics = registry.metrics()
    where = f"{path} [metric]"
    table = {"name": given} if isinstance(given, str) else dict(given)
    reader = _Reader(table, where, None)
    name = reader.get("name", str)
    if name not in metrics:
        raise unknown("metric", name, metrics, where=str(path))
    threshold = reader.get("threshold", (int, float), None)
    if threshold is not None and not 0 < threshold <= 1:
        raise UserError(f"{where}: threshold: {threshold} is not above 0 and at most 1")
    options = {key: value for key, value in table.items() if key not in ("name", "threshold")}
    metrics[name].make(options, where)
    return MetricSpec(name, options, threshold)


def _groups(subjects: Collection[Subject]) -> dict[str, tuple[str, ...]]:
    """Groups to subjects' keys: first those that are a subject's main one, then those that cut across."""
    main = [subject.groups[0] for subject in subjects if subject.groups]
    across = [group for subject in subjects for group in subject.groups[1:]]
    return {
        group: tuple(subject.key for subject in subjects if group in subject.groups)
        for group in dict.fromkeys([*main, *across])
    }


def _subjects(table: Mapping[str, Any], path: Path) -> dict[str, Subject]:
    subjects = {}
    for key, row in table.items():
        where = f"{path} [subjects] {one_line(key, 60)}"
        if not _SUBJECT_KEY.fullmatch(key):
            raise UserError(f"{where}: a subject's key must be of ASCII letters, digits, . _ and -")
        reader = _Reader(row, where, _SUBJECT)
        subjects[key] = Subject(
            key, reader.get("name", str, key), reader.get("zh", str, ""), reader.texts("groups")
        )
    return subjects


def _data(table: Mapping[str, Any], path: Path) -> DataSpec:
    where = f"{path} [data]"
    reader = _Reader(table, where, _DATA)
    kind = reader.get("format", str, "csv")
    if kind not in FORMATS:
        raise unknown("format", kind, FORMATS, where=where)
    ids = reader.get("ids", str, "text" if "id" in table else "number")
    if ids not in ("number", "text"):
        raise unknown("ids", ids, ("number", "text"), where=where)
    paths = reader.texts("paths", [f"data/{{split}}/{{subject}}.{kind}", f"{{split}}.{kind}", f"data.{kind}"])
    if not paths:
        raise UserError(f"{where}: paths: the list is empty; name a file, or leave the key out")
    for template in paths:
        if not _is_path(template):
            raise UserError(f"{where}: paths: {template!r} may only name {{split}} and {{subject}}")
    messages = reader.get("messages", str, None)
    choices = reader.texts("choices", () if messages is not None else ("A", "B", "C", "D"))
    if len(set(choices)) < len(choices):
        raise UserError(f"{where}: choices: a label is there twice in {', '.join(choices)}")
    hub = reader.get("hub", dict, None)
    if hub is not None:
        hub_reader = _Reader(hub, f"{path} [data.hub]", ("repo", "file"))
        hub = Hub(hub_reader.get("repo", str), hub_reader.texts("file"))
        if not hub.files:
            raise UserError(f"{path} [data.hub]: file is missing")
    pattern = reader.get("answer_pattern", str, None)
    if pattern is not None:
        from pytest_llmeval.scoring.metrics.base import compile_pattern

        compile_pattern(pattern, f"{where}: answer_pattern")
    return DataSpec(
        format=kind,
        paths=paths,
        inside=reader.get("inside", bool, hub is None),
        id=reader.get("id", str, None),
        ids=ids,
        question=reader.get("question", str, "question"),
        choices=choices,
        answer=reader.get("answer", str, "answer"),
        subject=reader.get("subject", str, None),
        cluster=reader.get("cluster", str, None),
        columns=reader.texts("columns"),
        unanswered_splits=reader.texts("unanswered_splits"),
        hub=hub,
        header=reader.texts("header"),
        answer_pattern=pattern,
        messages=messages,
    )


def _is_path(template: str) -> bool:
    """Whether all that the template names is {split} and {subject}, plainly."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        return False
    named = [part[1:] for part in parts if part[1] is not None]
    return all(part in (("split", "", None), ("subject", "", None)) for part in named)


def _generate(table: Mapping[str, Any], path: Path) -> GeneratePrompt:
    reader = _Reader(table, f"{path} [prompts.generate]", ("system", "user", "assistant"))
    return GeneratePrompt(
        reader.get("user", str, _GENERATE.user),
        reader.get("assistant", str, _GENERATE.assistant),
        reader.get("system", str, None),
    )


def _logprob(table: Mapping[str, Any], path: Path) -> LogprobPrompt:
    reader = _Reader(
        table, f"{path} [prompts.logprob]", ("description", "question", "answer", "separator", "choice")
    )
    default = _LOGPROB
    return LogprobPrompt(
        *(
            reader.get(key, str, getattr(default, key))
            for key in ("description", "question", "answer", "separator", "choice")
        )
    )


def template_fields(data: DataSpec) -> set[str]:
    """What templates may name: all that a row is sure to have, and what the harness adds."""
    return {
        "question",
        "answer",
        "answer_text",
        "choices",
        "subject",
        "subject_name",
        "subject_zh",
        *data.choices,
        *data.columns,
    }


def _check_templates(benchmark: Benchmark) -> None:
    from pytest_llmeval.scoring.templates import check_template

    fields = template_fields(benchmark.data)
    of_subject = {"subject", "subject_name", "subject_zh"}  # rendered once for all its questions
    for mode, prompt in (("generate", benchmark.generate), ("logprob", benchmark.logprob)):
        for key in prompt.__slots__:
            source = getattr(prompt, key)
            if source is not None and key != "separator":
                allowed = fields | {"label"} if key == "choice" else fields
                allowed = of_subject if key in ("system", "description") else allowed
                check_template(source, allowed, f"{benchmark.file} [prompts.{mode}] {key}")
