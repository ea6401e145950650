"""Read a benchmark.toml: compute values that depend on others, and check what declarations cannot."""

from __future__ import annotations

import json
import string
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_llmeval.config.declare import by_key, options_of, read_table
from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.types import Mode
from pytest_llmeval.suites.benchmark import (
    LETTERS,
    SETS_USER,
    SUBJECT_KEY,
    Benchmark,
    DataSpec,
    ExtractorSpec,
    GeneratePrompt,
    Hub,
    LogprobPrompt,
    MetricSpec,
    Prompts,
    Subject,
)
from pytest_llmeval.suites.formats import format_of

__all__ = [
    "FILE_NAME",
    "Benchmark",
    "DataSpec",
    "ExtractorSpec",
    "Hub",
    "Subject",
    "check_keys",
    "default_paths",
    "is_path",
    "parse",
    "scoring",
    "template_fields",
]

FILE_NAME = "benchmark.toml"
#: the labels, and columns, of choices that a benchmark.toml does not name
_LABELS = ("A", "B", "C", "D")
#: the extractors of metrics that compare choices
_OF_CHOICES = ("choice", "choices")


def check_keys(table: Mapping[str, Any], path: Path) -> None:
    """Check the keys of a benchmark.toml at ``path`` and the types of their values. Raises ``UserError``."""
    where = f"{path} [data]"
    _check_pattern(_read(DataSpec, _read(Benchmark, table, str(path)).get("data", {}), where), where)


def parse(table: Mapping[str, Any], path: Path) -> Benchmark:
    """The benchmark that the content of a benchmark.toml declares. Raises ``UserError``."""

    values = _read(Benchmark, table, str(path))
    name = by_key(options_of(Benchmark))["name"].read(values.pop("name", path.parent.name), f"{path}: name")
    metric = _metric(values.pop("metric", {"name": "choice" if _has_choices(table) else "exact"}), path)
    extractor = _extractor(values.pop("extractor", {}), metric, path)
    from pytest_llmeval.scoring import registry

    official = values.get("official")
    if official is not None and official not in (extractors := registry.extractors()):
        raise unknown("extractor", official, extractors, where=f"{path} official")
    subjects = _subjects(values.pop("subjects", {}), path)
    takes_choices = registry.metrics()[metric.name].extractor in _OF_CHOICES
    data = _data(values.pop("data", {}), path, takes_choices)
    sets = registry.metrics()[metric.name].sets
    if sets and not data.has_choices:
        raise UserError(f"{path}: metric {metric.name!r} needs choices; name their columns in [data] choices")
    prompts = _prompts(values.pop("prompts", {}), path, {"user": SETS_USER} if sets else {})
    split = values.pop("split", "test")
    splits = values.pop("splits", (split,))
    if split not in splits:
        raise unknown("split", split, splits, where=str(path))
    computed = {"title": name, "shots": 5 if subjects else 0}
    benchmark = Benchmark(
        **{**computed, **values},
        name=name,
        metric=metric,
        extractor=extractor,
        split=split,
        splits=splits,
        data=data,
        prompts=prompts,
        subjects=subjects,
        groups=_groups(subjects.values()),
        folder=path.parent,
        file=path,
    )
    _check_templates(benchmark)
    return benchmark


def _format_of_first(paths: Sequence[str]) -> str:
    """The format that the suffix of the first path tells, else CSV."""
    return (format_of(Path(paths[0])) if paths else None) or "csv"


def _read(spec_class: type[Any], table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of a table by attribute. Raises ``UserError``."""
    options = by_key(options_of(spec_class))
    return {options[key].attribute: value for key, value in read_table(table, options, where).items()}


def scoring(benchmark: Benchmark, mode: Mode) -> dict[str, object]:
    """How answers and gold answers are read and compared: keys as in benchmark.toml, values as in JSON.

    In ``logprob`` mode nothing is extracted.
    """
    from pytest_llmeval.scoring import registry

    metric, data = benchmark.metric, benchmark.data
    default_threshold = registry.metrics()[metric.name].threshold
    keys: dict[str, object] = {
        "metric": metric.name,
        **{f"metric.{key}": value for key, value in metric.options.items()},
        "metric.threshold": default_threshold if metric.threshold is None else metric.threshold,
        **(_extractor_keys(benchmark.extractor) if mode == "generate" else {}),
        "data.messages": data.messages,
        "data.question": data.question if data.messages is None else None,
        "data.context": data.context,
        "data.input": data.input,
        "data.choices": data.choices,
        "data.choice_columns": data.choice_columns if data.choice_columns != data.choices else None,
        "data.choice_list": data.choice_list,
        "data.distractors": data.distractors,
        "data.answer": data.answer,
        "data.answer_index": data.answer_index,
        "data.answer_pattern": data.answer_pattern,
        "data.header": data.header,
    }
    values: dict[str, object] = json.loads(json.dumps(keys, default=str))
    return {key: value for key, value in values.items() if value not in (None, [])}


def _has_choices(table: Mapping[str, Any]) -> bool:
    """Whether a benchmark that sets no metric has choices: unless its keys say otherwise."""
    data = table.get("data")
    if not isinstance(data, dict) or {"choice_columns", "choice_list", "distractors"} & data.keys():
        return True
    if "choices" in data:
        return bool(data["choices"])
    header = data.get("header", _LABELS)
    return "messages" not in data and all(label in header for label in _LABELS)


def _metric(table: dict[str, Any], path: Path) -> MetricSpec:
    """Raises ``UserError`` for an unknown metric or invalid options."""
    from pytest_llmeval.scoring import registry

    metrics, where = registry.metrics(), f"{path} [metric]"
    own_options = by_key(options_of(MetricSpec))
    options = {key: value for key, value in table.items() if key not in own_options}
    values = read_table({key: table[key] for key in own_options if key in table}, own_options, where)
    if values["name"] not in metrics:
        raise unknown("metric", values["name"], metrics, where=str(path))
    metrics[values["name"]].make(options, where)
    return MetricSpec(**values, options=options)


def _extractor(table: dict[str, Any], metric: MetricSpec, path: Path) -> ExtractorSpec:
    """Raises ``UserError`` for an unknown extractor or an invalid pattern."""
    from pytest_llmeval.scoring import registry
    from pytest_llmeval.scoring.patterns import compile_pattern

    where = f"{path} [extractor]"
    values = {"name": registry.metrics()[metric.name].extractor, **_read(ExtractorSpec, table, where)}
    if values["name"] not in (extractors := registry.extractors()):
        raise unknown("extractor", values["name"], extractors, where=str(path))
    if values.get("pattern") is not None:
        compile_pattern(values["pattern"], f"{where}: pattern")
    return ExtractorSpec(**values)


def _extractor_keys(extractor: ExtractorSpec) -> dict[str, object]:
    keys: dict[str, object] = {"extractor": extractor.name}
    if extractor.pattern is not None:
        keys |= {"extractor.pattern": extractor.pattern, "extractor.match": extractor.match}
    return keys


def _groups(subjects: Collection[Subject]) -> dict[str, tuple[str, ...]]:
    """Groups to subjects' keys: first the main groups of subjects, then those that cut across."""
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
        try:
            SUBJECT_KEY.convert(key)
        except ValueError as error:
            raise UserError(f"{where}: not {error}") from None
        if not isinstance(row, dict):
            raise UserError(f"{where}: must be a table")
        subjects[key] = Subject(key=key, **{"name": key, **_read(Subject, row, where)})
    return subjects


def _data(table: Mapping[str, Any], path: Path, takes_choices: bool) -> DataSpec:
    """``takes_choices`` says whether the metric compares choices. Raises ``UserError``."""
    where = f"{path} [data]"
    values = _read(DataSpec, table, where)
    kind = values.setdefault("format", _format_of_first(values.get("paths", ())))
    hub = None
    if "hub" in values:
        hub = Hub(**_read(Hub, values["hub"], f"{path} [data.hub]"))
        if not hub.files:
            raise UserError(f"{path} [data.hub]: file is missing: the list is empty")
    computed = {
        "paths": default_paths(kind),
        "inside": hub is None,
        "ids": "text" if "id" in values else "number",
        "choices": _default_labels(values, takes_choices),
    }
    values = {**computed, **values, "hub": hub}
    data = DataSpec(**{"choice_columns": values["choices"], **values})
    if len(data.choice_columns) != len(data.choices):
        raise UserError(
            f"{where}: choice_columns: {len(data.choice_columns)} columns for {len(data.choices)} choices; "
            "name a column for each label"
        )
    if not data.paths:
        raise UserError(f"{where}: paths: the list is empty; name a file, or leave out the key")
    for template in data.paths:
        if not is_path(template):
            raise UserError(f"{where}: paths: {template!r} may only use {{split}} and {{subject}}")
    if len(set(data.choices)) < len(data.choices):
        raise UserError(f"{where}: choices: a label occurs twice in {', '.join(data.choices)}")
    _check_pattern(values, where)
    return data


def _check_pattern(data: Mapping[str, Any], where: str) -> None:
    """Raises ``UserError``."""
    from pytest_llmeval.scoring.patterns import compile_pattern

    if data.get("answer_pattern") is not None:
        compile_pattern(data["answer_pattern"], f"{where}: answer_pattern")


def default_paths(format: str) -> tuple[str, ...]:
    """The templates of the files of a benchmark that names none."""
    return (f"data/{{split}}/{{subject}}.{format}", f"{{split}}.{format}", f"data.{format}")


def _default_labels(data: Mapping[str, Any], takes_choices: bool) -> tuple[str, ...]:
    if "choice_columns" in data:
        return tuple(LETTERS[: len(data["choice_columns"])])
    elsewhere = {"messages", "choice_list", "distractors"} & data.keys()
    return _LABELS if takes_choices and not elsewhere else ()


def _prompts(table: Mapping[str, Any], path: Path, defaults: Mapping[str, Any]) -> Prompts:
    """``defaults`` are templates of mode ``generate``."""
    values = _read(Prompts, table, f"{path} [prompts]")
    generate = _read(GeneratePrompt, values.get("generate", {}), f"{path} [prompts.generate]")
    logprob = _read(LogprobPrompt, values.get("logprob", {}), f"{path} [prompts.logprob]")
    return Prompts(GeneratePrompt(**{**defaults, **generate}), LogprobPrompt(**logprob))


def is_path(template: str) -> bool:
    """Whether the template uses only {split} and {subject}, without format specifications."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        return False
    fields = [part[1:] for part in parts if part[1] is not None]
    return all(part in (("split", "", None), ("subject", "", None)) for part in fields)


def template_fields(data: DataSpec) -> set[str]:
    """The names that templates may use: the columns of every row, and what the harness adds."""
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
    subject_fields = {"subject", "subject_name", "subject_zh"}  # rendered once for all its questions
    for mode, prompt in (("generate", benchmark.generate), ("logprob", benchmark.logprob)):
        for key in prompt.__slots__:
            source = getattr(prompt, key)
            if source is not None and key != "separator":
                allowed = fields | {"label"} if key == "choice" else fields
                allowed = subject_fields if key in ("system", "description") else allowed
                check_template(source, allowed, f"{benchmark.file} [prompts.{mode}] {key}")
