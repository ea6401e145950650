"""The keys of benchmark.toml for data: where the files are, and which column is what."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_llmeval.config.declare import (
    COMPUTED,
    REQUIRED,
    toml_key,
    toml_table,
)
from pytest_llmeval.config.kinds import ANY_TEXT, ANY_TEXTS, FLAG, Kind, matching, one_of, whole_number
from pytest_llmeval.suites.formats import FORMATS
from pytest_llmeval.suites.where import WHERE, Where


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


def _aliases(value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ValueError("a table of columns and their other names")
    return {name: ANY_TEXTS.convert(others) for name, others in value.items()}


def _fixed_choices(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError('a table of labels and texts, as in {A = "Yes", B = "No"}')
    return value


_FIXED_CHOICES: Kind[Mapping[str, str]] = Kind(
    _fixed_choices, {"type": "object", "additionalProperties": {"type": "string"}}
)

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
    fixed_choices: Mapping[str, str] = toml_key(
        {}, _FIXED_CHOICES, "the choices of every row, label and text, in place of columns with choices"
    )
    choice_list: str | None = toml_key(
        None,
        ANY_TEXT,
        "column with a list of the choices, in place of a column for each: a JSON list of texts "
        "(labelled A, B, C, ...), or an object with labels and texts",
    )
    fewest_choices: int = toml_key(
        2,
        whole_number(1, text=False),
        "the fewest choices that choice_list may have in a row; a row with fewer is an error",
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
    answer_separator: str | None = toml_key(
        None, ANY_TEXT, "text between several right answers in the column of the gold answer, such as |"
    )
    messages: str | None = toml_key(None, ANY_TEXT, "column with chat turns, sent unchanged")
    aliases: Mapping[str, tuple[str, ...]] = toml_key(
        COMPUTED, _ALIASES, "columns by other names that they have in other layouts of the same data"
    )

    @property
    def has_choices(self) -> bool:
        """Whether the questions have choices."""
        apart = (self.labels, self.fixed_choices, self.choice_list, self.distractors)
        return bool(self.choices or any(apart))

    @property
    def asked_columns(self) -> tuple[str, ...]:
        """The columns that requests are made from; those with None are left out."""
        question = (self.messages or self.question, *self.choice_columns, *self.distractors, *self.columns)
        more = (self.choice_list, self.context, self.input, self.id, self.subject, self.cluster)
        filters = (where.columns for where in (self.where, self.shots_where) if where is not None)
        columns = (*question, *more, *itertools.chain(*filters))
        return tuple(dict.fromkeys(column for column in columns if column is not None))
