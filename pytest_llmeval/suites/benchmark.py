"""The dataclasses of a benchmark: their fields are the keys of benchmark.toml.

``config.declare`` explains the declarations; ``spec.py`` reads a benchmark.toml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_llmeval.config.declare import (
    COMPUTED,
    REQUIRED,
    options_of,
    table_schema,
    toml_key,
    toml_table,
    toml_tables,
)
from pytest_llmeval.config.kinds import ANY_TEXT, ANY_TEXTS, Kind, matching, one_of, whole_number
from pytest_llmeval.config.schema import DIALECT
from pytest_llmeval.core.benchmark_name import VARIANT, BenchmarkName
from pytest_llmeval.scoring.extract.pattern import MATCHES
from pytest_llmeval.scoring.metrics.likelihood import NORMALISATIONS
from pytest_llmeval.suites.data_keys import DataSpec

NAME = matching(re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*"), "a name of ASCII letters, digits, - and _")
SUBJECT_KEY = matching(
    re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"), "a key of ASCII letters, digits, . _ and -"
)
#: the labels of choices that have none of their own
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LIST_OF_CHOICES = "{% for label in choices %}{{ label }}. {{ choices[label] }}\n{% endfor %}"
DEFAULT_USER = f"{{{{ question }}}}\n{LIST_OF_CHOICES}Answer:"

#: the user turn of questions with several right choices
SETS_USER = DEFAULT_USER.removesuffix("Answer:") + (
    "One or more of these choices are right. Answer with the labels of all right choices.\nAnswer:"
)


def _name_or_table(value: object) -> dict[str, Any]:
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise ValueError("a name or a table")
    return dict(value)


def _threshold(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a number above 0 and at most 1")
    if not 0 < value <= 1:
        raise ValueError("a number above 0 and at most 1")
    return value


def _expressions(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("a table of expressions")
    return value


_EXPRESSIONS: Kind[Any] = Kind(_expressions, {"type": "object", "additionalProperties": {"type": "string"}})
_THRESHOLD = Kind(_threshold, {"type": "number", "exclusiveMinimum": 0, "maximum": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One subject. ``groups`` are the groups it belongs to, the main one first."""

    key: str
    name: str = toml_key(COMPUTED, ANY_TEXT, "the subject's name in English (default: its key)")
    zh: str = toml_key("", ANY_TEXT, "the subject's name in Chinese")
    groups: tuple[str, ...] = toml_key(
        (), ANY_TEXTS, "groups that the subject belongs to, the main one first"
    )


@dataclass(frozen=True, slots=True)
class Protocol:
    """Where a benchmark's prompts and scoring were taken from."""

    source: str = toml_key(REQUIRED, ANY_TEXT, "the repository or package")
    file: str = toml_key("", ANY_TEXT, "the file in it")
    commit: str = toml_key("", ANY_TEXT, "its commit or version")

    def __str__(self) -> str:
        version = f" at {self.commit}" if self.commit else ""
        return f"{self.source}{version}" + (f", {self.file}" if self.file else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """How an answer is compared with the gold answer: a metric's name and its options.

    ``threshold`` is None for the metric's default.
    """

    name: str = toml_key(REQUIRED, ANY_TEXT, "the metric's name")
    threshold: float | None = toml_key(None, _THRESHOLD, "lowest score that counts as correct")
    totals: Mapping[str, str] = toml_key(
        {},
        _EXPRESSIONS,
        "figures of the whole benchmark: expressions over the means of the metric's numbers, by name",
    )
    options: Mapping[str, object]

    @property
    def needs_gold(self) -> bool:
        """Whether a question must have a gold answer; a judge may do without, some metrics have none."""
        from pytest_llmeval.scoring import registry

        judged_without = self.name == "judge" and self.options.get("reference") is False
        return registry.metrics()[self.name].gold and not judged_without

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the metric's own options name."""
        columns = self.options.get("columns")
        return tuple(map(str, columns.values())) if isinstance(columns, dict) else ()


def _variants(value: object) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
        raise ValueError("tables, one a variant: [variants.NAME]")
    for name in value:
        if not VARIANT.fullmatch(name):
            raise ValueError(f"tables with names of ASCII letters, digits, - and _, which {name!r} is not")
    return value


#: the schema of a variant's keys is that of the benchmark's own; ``schema`` adds it
_VARIANTS: Kind[Any] = Kind(
    _variants,
    {"type": "object", "propertyNames": {"type": "string", "pattern": f"^{VARIANT.pattern}$"}},
)


def _peers(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(name, str) and name.strip() for name in value.values()
    ):
        raise ValueError('a table of harnesses and names, such as { lm-eval = "mmlu_pro" }')
    return dict(value)


def _languages(value: object) -> tuple[str, ...]:
    codes = ANY_TEXTS.convert(value)
    if not all(re.fullmatch(_LANGUAGE_CODE, code) for code in codes):
        raise ValueError("a list of language codes, such as en, zh or zh-Hant")
    return codes


_LANGUAGE_CODE = r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*"
_PEERS: Kind[Mapping[str, str]] = Kind(
    _peers, {"type": "object", "additionalProperties": {"type": "string", "pattern": r"\S"}}
)
_LANGUAGES: Kind[tuple[str, ...]] = Kind(
    _languages,
    {
        "anyOf": [
            {"type": "string", "pattern": f"^{_LANGUAGE_CODE}$"},
            {"type": "array", "items": {"type": "string", "pattern": f"^{_LANGUAGE_CODE}$"}},
        ]
    },
)

_METRIC: Kind[Any] = Kind(
    _name_or_table,
    {"anyOf": [{"type": "string"}, table_schema(options_of(MetricSpec)) | {"additionalProperties": True}]},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorSpec:
    """How an answer is read from a text: an extractor's name, and a pattern for the part that it reads."""

    name: str = toml_key(COMPUTED, ANY_TEXT, "the extractor's name (default: the metric's extractor)")
    pattern: str | None = toml_key(
        None, ANY_TEXT, "regular expression whose match, or first group, the extractor reads"
    )
    match: str = toml_key("last", one_of(MATCHES), "which match of the pattern to read")


_EXTRACTOR: Kind[Any] = Kind(
    _name_or_table, {"anyOf": [{"type": "string"}, table_schema(options_of(ExtractorSpec))]}
)


@dataclass(frozen=True, slots=True)
class GeneratePrompt:
    """Templates of the user turn and, for shots, the assistant turn after it."""

    user: str = toml_key(DEFAULT_USER, ANY_TEXT, "template of the user turn with the question")
    assistant: str = toml_key("{{ answer }}", ANY_TEXT, "template of the assistant turn of a shot")
    system: str | None = toml_key(None, ANY_TEXT, "template of the system message")
    description: str = toml_key(
        "", ANY_TEXT, "template of a text that begins the first turn after the system message"
    )
    shots_as: str = toml_key(
        "turns",
        one_of(("turns", "text")),
        "whether each shot is a user and an assistant turn, or all are part of the text of one user turn",
    )
    separator: str = toml_key("\n\n", ANY_TEXT, "text between shots, with shots_as = text")


@dataclass(frozen=True, slots=True)
class LogprobPrompt:
    """Templates of the plain text; in shots, ``answer`` follows ``question``."""

    description: str = toml_key("", ANY_TEXT, "template of the text before the shots")
    question: str = toml_key(DEFAULT_USER, ANY_TEXT, "template of a question")
    answer: str = toml_key(" {{ answer }}", ANY_TEXT, "template of a shot's answer")
    separator: str = toml_key("\n\n", ANY_TEXT, "text between shots")
    choice: str = toml_key(
        " {{ label }}",
        ANY_TEXT,
        "template of each continuation that is scored, with label and choice_text; a question's "
        "template with one of these gives each choice its own prompt (WinoGrande)",
    )
    normalise: str = toml_key(
        "none",
        one_of(NORMALISATIONS),
        "the length by which the log-probability of each choice is divided to find the likeliest",
    )


@dataclass(frozen=True, slots=True)
class Prompts:
    """The templates of each mode."""

    generate: GeneratePrompt = toml_table(GeneratePrompt, "jinja2 templates for mode generate")
    logprob: LogprobPrompt = toml_table(LogprobPrompt, "jinja2 templates for mode logprob")


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One benchmark.toml, or a variant that it declares.

    ``groups`` maps a group's name to its subjects' keys. ``file`` is the benchmark.toml, or the data file
    of a benchmark that has none. ``variant`` is None for the benchmark without a variant's changes.
    """

    name: str = toml_key(COMPUTED, NAME, "the benchmark's name (default: the folder's)")
    title: str = toml_key(COMPUTED, ANY_TEXT, "the name in tables and reports (default: the name)")
    summary: str = toml_key("", ANY_TEXT, "what it asks, in one sentence")
    languages: tuple[str, ...] = toml_key(
        (), _LANGUAGES, "languages of the questions, by their codes, such as en and zh"
    )
    peers: Mapping[str, str] = toml_key(
        {}, _PEERS, "what other harnesses call the same benchmark: a table of harnesses and names"
    )
    notes: tuple[str, ...] = toml_key(
        (),
        ANY_TEXTS,
        "what readers of results must know, a sentence each: known faults of the data, and which published "
        "figures the benchmark reproduces",
    )
    source: str = toml_key("", ANY_TEXT, "where the questions come from")
    licence: str = toml_key("", ANY_TEXT, "the licence of the questions")
    citation: str = toml_key("", ANY_TEXT, "the publication to cite")
    version: int = toml_key(
        1, whole_number(1, text=False), "raised when scores change; runs of two versions are not compared"
    )
    protocol: Protocol | None = toml_table(Protocol, "where prompts and scoring were taken from")
    repeats: int = toml_key(
        1,
        whole_number(1, text=False),
        "how often to ask each question in mode generate at a temperature above 0, unless --llm-repeats is "
        "set",
    )
    split: str = toml_key("test", ANY_TEXT, "split to use unless --llm-split names another")
    splits: tuple[str, ...] = toml_key(COMPUTED, ANY_TEXTS, "all splits (default: only split)")
    questions: int | None = toml_key(
        None, whole_number(1, text=False), "number of questions in split, which --llm-list shows"
    )
    shots: int = toml_key(
        COMPUTED,
        whole_number(0, text=False),
        "number of few-shot examples (default: 5 if there are subjects and no exemplars, otherwise 0)",
    )
    shuffle_choices: int | None = toml_key(
        None,
        whole_number(0, text=False),
        "seed for an order of the choices that is drawn for each question",
    )
    shots_split: str = toml_key("dev", ANY_TEXT, "split to take the few-shot examples from")
    max_tokens: int = toml_key(1024, whole_number(1, text=False), "maximum number of tokens in an answer")
    stop: tuple[str, ...] = toml_key((), ANY_TEXTS, "strings that end an answer")
    system: str | None = toml_key(
        None, ANY_TEXT, "template of the system message, the same as system in [prompts.generate]"
    )
    extractor: ExtractorSpec = toml_key(
        COMPUTED,
        _EXTRACTOR,
        "how to extract the answer, a name or a table (default: the metric's)",
    )
    official: str | None = toml_key(
        None, ANY_TEXT, "extractor whose readings are reported where they differ, such as the published rule"
    )
    metric: MetricSpec = toml_key(
        COMPUTED,
        _METRIC,
        "how an answer is compared with the gold answer: a metric's name, or a table with options",
    )
    data: DataSpec = toml_table(DataSpec, "where the rows are, and how to read them")
    prompts: Prompts = toml_table(Prompts, "templates of the prompts")
    subjects: Mapping[str, Subject] = toml_tables(Subject, SUBJECT_KEY, "the subjects, by key")
    variants: Mapping[str, Mapping[str, Any]] = toml_key(
        {},
        _VARIANTS,
        "other ways to ask, by name, for --llm-benchmark=NAME@VARIANT: the keys that differ, with tables "
        "merged into the benchmark's own",
    )
    folder: Path
    groups: Mapping[str, tuple[str, ...]]
    file: Path
    variant: str | None = None

    @property
    def result_name(self) -> str:
        """The name in results and question ids: ``mmlu_pro``, or ``mmlu_pro@lm-eval`` for a variant."""
        return str(BenchmarkName(self.name, self.variant))

    @property
    def generate(self) -> GeneratePrompt:
        """The templates of mode ``generate``."""
        return self.prompts.generate

    @property
    def logprob(self) -> LogprobPrompt:
        """The templates of mode ``logprob``."""
        return self.prompts.logprob


#: the keys that variants cannot change
NOT_OF_VARIANTS = ("name", "variants")


def schema() -> dict[str, Any]:
    """The JSON Schema of benchmark.toml; plugins may add to the metrics and extractors it names."""
    from pytest_llmeval.scoring import registry

    content = table_schema(options_of(Benchmark))
    content["properties"]["metric"]["examples"] = sorted(registry.metrics())
    for key in ("extractor", "official"):
        content["properties"][key]["examples"] = sorted(registry.extractors())
    variant = _optional({**content, "properties": {**content["properties"]}})
    for key in NOT_OF_VARIANTS:
        del variant["properties"][key]
    content["properties"]["variants"]["additionalProperties"] = variant
    return {"$schema": DIALECT, "title": "benchmark.toml of pytest-llmeval-harness", **content}


def _optional(content: Any) -> Any:
    """A schema in which no key is required: what a variant leaves out, the benchmark has."""
    if isinstance(content, list):
        return [_optional(item) for item in content]
    if not isinstance(content, dict):
        return content
    return {
        key: _optional(value)
        for key, value in content.items()
        if not (key == "required" and isinstance(value, list))
    }
