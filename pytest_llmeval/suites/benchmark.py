"""The dataclasses of a benchmark: their fields are the keys of benchmark.toml.

``config.declare`` explains the declarations; ``spec.py`` reads a benchmark.toml.
"""

from __future__ import annotations

import itertools
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
from pytest_llmeval.config.kinds import ANY_TEXT, ANY_TEXTS, FLAG, Kind, matching, one_of, whole_number
from pytest_llmeval.config.schema import DIALECT
from pytest_llmeval.core.benchmark_name import VARIANT, BenchmarkName
from pytest_llmeval.scoring.extract.pattern import MATCHES
from pytest_llmeval.scoring.metrics.likelihood import NORMALISATIONS
from pytest_llmeval.suites.formats import FORMATS
from pytest_llmeval.suites.where import WHERE, Where

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


def _splits(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not value or not all(map(_is_split, (*value, *value.values()))):
        raise ValueError('a table of splits and their names on the hub, such as { dev = "validation" }')
    return dict(value)


def _is_split(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(_SPLIT_NAME, name) is not None


def _digests(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(digest, str) and re.fullmatch(_SHA256, digest) for digest in value.values()
    ):
        raise ValueError("a table of files of the repository and their SHA-256 (64 hexadecimal digits)")
    return dict(value)


_SPLIT_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_SHA256 = r"[0-9A-Fa-f]{64}"
_SPLITS: Kind[Mapping[str, str]] = Kind(
    _splits,
    {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{_SPLIT_NAME}$"},
        "additionalProperties": {"type": "string", "pattern": f"^{_SPLIT_NAME}$"},
    },
)
_DIGESTS: Kind[Mapping[str, str]] = Kind(
    _digests, {"type": "object", "additionalProperties": {"type": "string", "pattern": f"^{_SHA256}$"}}
)
_REPO = matching(re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)?"), "a data set's name, as in owner/name")
_CONFIG = matching(
    re.compile(r"(?:[A-Za-z0-9_.+ -]|\{subject\})+"), "a configuration's name, which may contain {subject}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A benchmark's files on the Hugging Face hub: named ``files``, or those of splits of a configuration.

    A configuration's splits become ``CONFIG/SPLIT.parquet`` in the cache, with the benchmark's own names of
    splits; the data set's default configuration is called ``default``.
    """

    repo: str = toml_key(REQUIRED, _REPO, "the data set's repository, as in owner/name")
    files: tuple[str, ...] = toml_key(
        (),
        ANY_TEXTS,
        "archives (zip or tar) or tables to download, in place of splits",
        key="file",
    )
    config: str | None = toml_key(
        None,
        _CONFIG,
        "configuration to download; {subject} is replaced by each subject's key "
        "(default: the data set's own default)",
    )
    splits: Mapping[str, str] = toml_key(
        COMPUTED, _SPLITS, "the benchmark's splits, and their names on the hub (default: the same names)"
    )
    revision: str | None = toml_key(
        None, ANY_TEXT, "commit to download; a branch or tag is possible, but may change (default: main)"
    )
    sha256: Mapping[str, str] = toml_key(
        COMPUTED, _DIGESTS, "SHA-256 of files, by their path in the repository; others are refused"
    )
    gated: bool = toml_key(
        False, FLAG, "whether terms must be accepted on the data set's page before a download"
    )
    bytes: int | None = toml_key(
        None, whole_number(1, text=False), "size of the download in bytes, which --llm-list shows"
    )


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


def _aliases(value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ValueError("a table of columns and their other names")
    return {name: ANY_TEXTS.convert(others) for name, others in value.items()}


_ALIASES: Kind[Mapping[str, tuple[str, ...]]] = Kind(
    _aliases, {"type": "object", "additionalProperties": ANY_TEXTS.schema}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """Where a benchmark's rows are, and how to read them.

    A column may be a dotted name of a value inside an object: ``question.stem``.

    The first group of ``answer_pattern`` is the gold answer in its column; templates see the whole column
    as ``answer_text``.
    """

    format: str = toml_key(
        "csv", one_of(FORMATS), "format of the data files (default: what the first of paths ends in)"
    )
    paths: tuple[str, ...] = toml_key(
        COMPUTED,
        ANY_TEXTS,
        "data files, tried in order; {split} and {subject} are replaced "
        "(default: data/{split}/{subject}.csv, {split}.csv, data.csv)",
    )
    inside: bool = toml_key(
        COMPUTED, FLAG, "whether paths start from the benchmark's folder (default: true without a hub)"
    )
    rows: str | None = toml_key(
        None,
        ANY_TEXT,
        "key of the list of rows in the object of a JSON file, with dots between nested keys (default: a "
        "usual one, such as data or examples)",
    )
    id: str | None = toml_key(None, ANY_TEXT, "column with the rows' ids (default: their position)")
    ids: str = toml_key(
        COMPUTED, one_of(("number", "text")), "how ids are written (default: text with id, otherwise number)"
    )
    question: str = toml_key("question", ANY_TEXT, "column with the question")
    choices: tuple[str, ...] = toml_key(
        COMPUTED,
        ANY_TEXTS,
        "columns with the choices, whose names are the labels (default: A, B, C, D; none with messages)",
    )
    choice_columns: tuple[str, ...] = toml_key(
        COMPUTED,
        ANY_TEXTS,
        "columns with the choices, one for each label in choices, where their names are no labels "
        "(choices is then A, B, C, ... by default)",
    )
    labels: tuple[str, ...] = toml_key(
        (),
        ANY_TEXTS,
        "labels of choices whose texts are part of the question, in place of columns with choices",
    )
    choice_list: str | None = toml_key(
        None,
        ANY_TEXT,
        "column with a list of the choices, in place of a column for each: a JSON list of texts "
        "(labelled A, B, C, ...), or an object with labels and texts",
    )
    distractors: tuple[str, ...] = toml_key(
        (),
        ANY_TEXTS,
        "columns with wrong choices (texts or lists), where the answer's column has the right one; their "
        "order is drawn from the texts",
    )
    answer: str = toml_key(
        "answer",
        ANY_TEXT,
        "column with the gold answer; that of choice_list if its choices are marked as right or wrong, and "
        "that of messages if the assistant's last turn is the gold answer",
    )
    answer_index: int | None = toml_key(
        None,
        one_of((0, 1)),
        "the number of the first choice, where whole numbers as gold answers are positions in the choices",
    )
    context: str | None = toml_key(
        None, ANY_TEXT, "column with a text that goes before the question, such as a passage"
    )
    input: str | None = toml_key(
        None, ANY_TEXT, "column with a text that goes after the question, such as an instruction's input"
    )
    subject: str | None = toml_key(None, ANY_TEXT, "column with the subject, if a file has several")
    cluster: str | None = toml_key(
        None, ANY_TEXT, "column whose equal values mark questions that depend on each other"
    )
    where: Where | None = toml_key(
        None,
        WHERE,
        'conditions on columns that select the questions, such as {date = [">=2024-08-01", "<2025-02-01"]}',
    )
    shots_where: Where | None = toml_key(
        None, WHERE, "conditions on columns that select the few-shot examples, which are no questions then"
    )
    columns: tuple[str, ...] = toml_key((), ANY_TEXTS, "more columns that prompt templates may use")
    shot_columns: tuple[str, ...] = toml_key(
        (), ANY_TEXTS, "columns that templates may use and only the few-shot examples need to have"
    )
    exemplars: tuple[str, ...] = toml_key(
        (),
        ANY_TEXTS,
        "text files with few-shot examples, tried in order, which templates use as exemplars; {subject} is "
        "replaced. They are looked for where the data is, and in the benchmark's folder",
    )
    exemplars_pattern: str | None = toml_key(
        None,
        ANY_TEXT,
        "regular expression whose first group is the part of those files to use (default: all of it)",
    )
    unanswered_splits: tuple[str, ...] = toml_key((), ANY_TEXTS, "splits without gold answers")
    hub: Hub | None = toml_table(Hub, "files to download from the Hugging Face hub")
    header: tuple[str, ...] = toml_key((), ANY_TEXTS, "column names, for CSV files without a header")
    answer_pattern: str | None = toml_key(
        None, ANY_TEXT, "regular expression whose first group is the gold answer in its column"
    )
    messages: str | None = toml_key(None, ANY_TEXT, "column with chat turns, sent unchanged")
    aliases: Mapping[str, tuple[str, ...]] = toml_key(
        COMPUTED, _ALIASES, "columns by other names that they have in other layouts of the same data"
    )

    @property
    def has_choices(self) -> bool:
        """Whether the questions have choices."""
        return bool(self.choices or self.labels or self.choice_list or self.distractors)

    @property
    def asked_columns(self) -> tuple[str, ...]:
        """The columns that requests are made from; those with None are left out."""
        question = (self.messages or self.question, *self.choice_columns, *self.distractors, *self.columns)
        more = (self.choice_list, self.context, self.input, self.id, self.subject, self.cluster)
        filters = (where.columns for where in (self.where, self.shots_where) if where is not None)
        columns = (*question, *more, *itertools.chain(*filters))
        return tuple(dict.fromkeys(column for column in columns if column is not None))


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
        "how often to ask each question in mode generate, unless --llm-repeats says otherwise",
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
