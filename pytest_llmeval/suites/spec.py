"""Read a benchmark.toml: compute values that depend on others, and check what declarations cannot."""

from __future__ import annotations

import json
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_llmeval.config.declare import by_key, options_of, read_table
from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.types import Mode
from pytest_llmeval.suites.benchmark import (
    DEFAULT_USER,
    LETTERS,
    LIST_OF_CHOICES,
    SETS_USER,
    SUBJECT_KEY,
    Benchmark,
    ExtractorSpec,
    GeneratePrompt,
    LogprobPrompt,
    MetricSpec,
    Prompts,
    Protocol,
    Subject,
)
from pytest_llmeval.suites.data_keys import DataSpec, Hub
from pytest_llmeval.suites.formats import format_of
from pytest_llmeval.suites.hub_files import DEFAULT

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
    "read_data",
    "scoring",
    "template_fields",
]

FILE_NAME = "benchmark.toml"
#: the labels, and columns, of choices that a benchmark.toml does not name
_LABELS = ("A", "B", "C", "D")
#: the extractors of metrics that compare choices
_OF_CHOICES = ("choice", "choices")


def check_keys(table: Mapping[str, Any], path: Path, variant: str | None = None) -> None:
    """Check the keys of a benchmark.toml at ``path`` and the types of their values. Raises ``UserError``.

    ``table`` is that of a ``variant`` if ``variants.apply`` has made it.
    """
    read_data(_read(Benchmark, table, _where(path, variant)).get("data", {}), path, variant)


def read_data(table: Mapping[str, Any], path: Path, variant: str | None = None) -> dict[str, Any]:
    """The values of [data] by attribute, without those that it leaves out. Raises ``UserError``."""
    where = f"{_where(path, variant)} [data]"
    values = _read(DataSpec, table, where)
    _check_patterns(values, where)
    return values


def _where(path: Path, variant: str | None) -> str:
    return str(path) if variant is None else f"{path} [variants.{variant}]"


def parse(table: Mapping[str, Any], path: Path, variant: str | None = None) -> Benchmark:
    """The benchmark that the content of a benchmark.toml declares. Raises ``UserError``.

    ``table`` is that of a ``variant`` if ``variants.apply`` has made it; messages then name the variant.
    """
    where = _where(path, variant)
    values = _read(Benchmark, table, where)
    name = by_key(options_of(Benchmark))["name"].read(values.pop("name", path.parent.name), f"{where}: name")
    metric = _metric(values.pop("metric", {"name": "choice" if _has_choices(table) else "exact"}), where)
    extractor = _extractor(values.pop("extractor", {}), metric, where)
    from pytest_llmeval.scoring import registry

    official = values.get("official")
    if official is not None and official not in (extractors := registry.extractors()):
        raise unknown("extractor", official, extractors, where=f"{where} official")
    subjects = _subjects(values.pop("subjects", {}), where)
    protocol = values.pop("protocol", None)
    if protocol is not None:
        protocol = Protocol(**_read(Protocol, protocol, f"{where} [protocol]"))
    takes_choices = registry.metrics()[metric.name].extractor in _OF_CHOICES
    data = _data(values.pop("data", {}), where, takes_choices)
    sets = registry.metrics()[metric.name].sets
    if sets and not data.has_choices:
        raise UserError(
            f"{where}: metric {metric.name!r} needs choices; name their columns in [data] choices"
        )
    prompts = _prompts(values.pop("prompts", {}), where, data, sets=sets)
    if (system := values.get("system")) is not None:
        if prompts.generate.system is not None:
            raise UserError(f"{where}: system and [prompts.generate] system are the same; give one of them")
        prompts = replace(prompts, generate=replace(prompts.generate, system=system))
    split = values.pop("split", "test")
    splits = values.pop("splits", (split,))
    if split not in splits:
        raise unknown("split", split, splits, where=where)
    computed = {"title": name, "shots": 5 if subjects and not data.exemplars else 0}
    if values.get("shuffle_choices") is not None and (not data.has_choices or data.labels):
        raise UserError(f"{where}: shuffle_choices: the benchmark has no choices to reorder")
    benchmark = Benchmark(
        **{**computed, **values},
        name=name,
        protocol=protocol,
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
        variant=variant,
    )
    _check_templates(benchmark, where)
    return benchmark


def _format_of_first(paths: Sequence[str], default: str) -> str:
    """The format that the suffix of the first path tells."""
    return (format_of(Path(paths[0])) if paths else None) or default


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
        "data.labels": data.labels,
        "data.fixed_choices": data.fixed_choices or None,
        "data.choice_list": data.choice_list,
        "data.distractors": data.distractors,
        "data.answer": data.answer,
        "data.answer_index": data.answer_index,
        "data.answer_pattern": data.answer_pattern,
        "data.answer_separator": data.answer_separator,
        "data.header": data.header,
        "data.where": data.where,
        "data.shots_where": data.shots_where,
    }
    values: dict[str, object] = json.loads(json.dumps(keys, default=str))
    return {key: value for key, value in values.items() if value not in (None, [])}


#: keys of [data] for choices that have no column each
_CHOICES_ELSEWHERE = {"choice_list", "distractors", "labels", "fixed_choices"}


def _has_choices(table: Mapping[str, Any]) -> bool:
    """Whether a benchmark that sets no metric has choices: unless its keys say otherwise."""
    data = table.get("data")
    if not isinstance(data, dict) or _CHOICES_ELSEWHERE & data.keys() or "choice_columns" in data:
        return True
    if "choices" in data:
        return bool(data["choices"])
    header = data.get("header", _LABELS)
    return "messages" not in data and all(label in header for label in _LABELS)


def _metric(table: dict[str, Any], path: str) -> MetricSpec:
    """Raises ``UserError`` for an unknown metric or invalid options."""
    from pytest_llmeval.scoring import registry
    from pytest_llmeval.scoring.templates import check_expression

    metrics, where = registry.metrics(), f"{path} [metric]"
    own_options = by_key(options_of(MetricSpec))
    options = {key: value for key, value in table.items() if key not in own_options}
    values = read_table({key: table[key] for key in own_options if key in table}, own_options, where)
    if values["name"] not in metrics:
        raise unknown("metric", values["name"], metrics, where=path)
    metrics[values["name"]].make(options, where)
    for name, expression in values.get("totals", {}).items():
        check_expression(expression, f"{where}: totals: {name}")
    return MetricSpec(**values, options=options)


def _extractor(table: dict[str, Any], metric: MetricSpec, path: str) -> ExtractorSpec:
    """Raises ``UserError`` for an unknown extractor or an invalid pattern."""
    from pytest_llmeval.scoring import registry
    from pytest_llmeval.scoring.patterns import compile_pattern

    where = f"{path} [extractor]"
    values = {"name": registry.metrics()[metric.name].extractor, **_read(ExtractorSpec, table, where)}
    if values["name"] not in (extractors := registry.extractors()):
        raise unknown("extractor", values["name"], extractors, where=path)
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


def _subjects(table: Mapping[str, Any], path: str) -> dict[str, Subject]:
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


def _data(table: Mapping[str, Any], path: str, takes_choices: bool) -> DataSpec:
    """``takes_choices`` says whether the metric compares choices. Raises ``UserError``."""
    where = f"{path} [data]"
    values = _read(DataSpec, table, where)
    hub = _hub(values["hub"], path) if "hub" in values else None
    default_format = "csv" if hub is None or hub.files else "parquet"
    kind = values.setdefault("format", _format_of_first(values.get("paths", ()), default_format))
    computed = {
        "paths": default_paths(kind, hub),
        "inside": hub is None,
        "ids": "text" if "id" in values else "number",
        "choices": _default_labels(values, takes_choices),
        "aliases": {},
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
    for key, templates in (("paths", data.paths), ("exemplars", data.exemplars)):
        for template in templates:
            if not is_path(template):
                raise UserError(f"{where}: {key}: {template!r} may only use {{split}} and {{subject}}")
    for key, labels in (("choices", data.choices), ("labels", data.labels)):
        if len(set(labels)) < len(labels):
            raise UserError(f"{where}: {key}: a label occurs twice in {', '.join(labels)}")
    if data.labels and (data.choices or data.fixed_choices or data.choice_list or data.distractors):
        raise UserError(f"{where}: labels are for choices in the question's text, but columns have them here")
    if data.answer_separator is not None and (not data.answer_separator or data.has_choices):
        raise UserError(
            f"{where}: answer_separator must be a text between right answers, of questions without choices"
        )
    if data.rows is not None and data.format not in ("json", "jsonl"):
        raise UserError(f"{where}: rows names a list in a JSON file, but the format is {data.format}")
    _check_patterns(values, where)
    return data


def _check_patterns(data: Mapping[str, Any], where: str) -> None:
    """Raises ``UserError``."""
    from pytest_llmeval.scoring.patterns import compile_pattern

    for key in ("answer_pattern", "exemplars_pattern"):
        if data.get(key) is not None:
            compile_pattern(data[key], f"{where}: {key}")


def _hub(table: Mapping[str, Any], path: str) -> Hub:
    where = f"{path} [data.hub]"
    hub = Hub(**{"splits": {}, "sha256": {}, **_read(Hub, table, where)})
    if "file" in table and not hub.files:
        raise UserError(f"{where}: file: the list is empty; name a file, or leave out the key")
    if hub.files and (hub.config is not None or hub.splits):
        raise UserError(f"{where}: file and {'splits' if hub.splits else 'config'} exclude each other")
    return hub


def default_paths(format: str, hub: Hub | None = None) -> tuple[str, ...]:
    """The templates of the files of a benchmark that names none."""
    if hub is not None and not hub.files:
        return (f"{hub.config or DEFAULT}/{{split}}.{format}",)
    return f"data/{{split}}/{{subject}}.{format}", f"{{split}}.{format}", f"data.{format}"


def _default_labels(data: Mapping[str, Any], takes_choices: bool) -> tuple[str, ...]:
    if "choice_columns" in data:
        return tuple(LETTERS[: len(data["choice_columns"])])
    elsewhere = _CHOICES_ELSEWHERE & data.keys() or "messages" in data
    return _LABELS if takes_choices and not elsewhere else ()


def _prompts(table: Mapping[str, Any], path: str, data: DataSpec, *, sets: bool) -> Prompts:
    user, question = SETS_USER if sets else DEFAULT_USER, DEFAULT_USER
    if data.labels:  # the question has the choices
        user, question = (text.replace(LIST_OF_CHOICES, "") for text in (user, question))
    values = _read(Prompts, table, f"{path} [prompts]")
    generate = _read(GeneratePrompt, values.get("generate", {}), f"{path} [prompts.generate]")
    logprob = _read(LogprobPrompt, values.get("logprob", {}), f"{path} [prompts.logprob]")
    return Prompts(
        GeneratePrompt(**{"user": user, **generate}), LogprobPrompt(**{"question": question, **logprob})
    )


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
        "is_shot",
        "subject",
        "subject_name",
        "subject_zh",
        *data.choices,
        *(column.partition(".")[0] for column in (*data.columns, *data.shot_columns)),
        *(("exemplars",) if data.exemplars else ()),
    }


def _check_templates(benchmark: Benchmark, where: str) -> None:
    from pytest_llmeval.scoring.templates import check_template

    fields = template_fields(benchmark.data)
    # rendered once for all questions of a subject
    subject_fields = {"subject", "subject_name", "subject_zh"} | fields & {"exemplars"}
    for mode, prompt in (("generate", benchmark.generate), ("logprob", benchmark.logprob)):
        for key in prompt.__slots__:
            source = getattr(prompt, key)
            if source is not None and key not in ("separator", "shots_as", "normalise"):
                of_choice = mode == "logprob" and key in ("choice", "question")
                allowed = fields | {"label", "choice_text"} if of_choice else fields
                allowed = subject_fields if key == "description" else allowed
                check_template(source, allowed, f"{where} [prompts.{mode}] {key}")
