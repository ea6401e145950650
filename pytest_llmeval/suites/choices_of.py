"""Find the choices in the columns of a file, and the column of the gold answers that name them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.suites import columns as names
from pytest_llmeval.suites.benchmark import LETTERS
from pytest_llmeval.suites.columns import find_column, find_columns
from pytest_llmeval.suites.positions import Gold, first_position, gold_label, marked, positions
from pytest_llmeval.suites.row_choices import (
    marked_choices,
    marks_right,
    own_numbers,
    row_choices,
)
from pytest_llmeval.suites.spec import FILE_NAME

Rows: TypeAlias = Sequence[Mapping[str, str]]
#: keys of [data]
Keys: TypeAlias = dict[str, Any]
#: those that say where the choices are
KEYS = ("choices", "choice_columns", "choice_list", "distractors", "labels", "fixed_choices")


@dataclass(frozen=True, slots=True)
class _Choices:
    """Where choices are: see ``row_choices.ChoiceKeys``."""

    choices: tuple[str, ...] = ()
    choice_columns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    fixed_choices: Mapping[str, str] = field(default_factory=dict)
    choice_list: str | None = None
    distractors: tuple[str, ...] = ()
    fewest_choices: int = 2
    question: str = "question"
    answer: str = "answer"
    answer_index: int | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> _Choices:
        """Those of the keys in ``data``, which has texts for lists of one, as in a benchmark.toml."""
        columns = _texts(data.get("choice_columns", data.get("choices", ())))
        return cls(
            choices=_texts(data.get("choices", tuple(LETTERS[: len(columns)]))),
            choice_columns=columns,
            labels=_texts(data.get("labels", ())),
            fixed_choices=data.get("fixed_choices", {}),
            choice_list=data.get("choice_list"),
            distractors=_texts(data.get("distractors", ())),
            fewest_choices=data.get("fewest_choices", 2),
            question=data.get("question", "question"),
            answer=data.get("answer", "answer"),
            answer_index=data.get("answer_index"),
        )


def _texts(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def find_choices(columns: Sequence[str], rows: Rows, data: Mapping[str, Any], path: Path) -> Keys:
    """The keys of [data] for the choices and the gold answers; ``choices = []`` if there are none.

    ``data`` has the keys that are known; those of choices are kept. The choices are columns with a choice
    each, a column with lists, or columns of wrong choices beside the right one. Raises ``UserError`` if a
    column of choices cannot be read, or if it is not certain which choices the gold answers mean.
    """
    # the column of the gold answers, or of clusters, may also be one of the choices
    used = [value for key, value in data.items() if key not in ("answer", "cluster")]
    others = [column for column in columns if column not in used]
    if known := {key: data[key] for key in KEYS if key in data}:
        return _with_known(known, others, rows, data, path)
    if "messages" in data:
        return {"choices": []}
    for find in (_by_columns, _by_list, _by_distractors, _by_answer_columns):
        found = find(others, rows, data, path)
        if found is not None:
            return found
    return {"choices": []}


def _with_known(known: Keys, columns: Sequence[str], rows: Rows, data: Mapping[str, Any], path: Path) -> Keys:
    """The keys of [data] for choices that ``known`` keys find, with those of the gold answers."""
    keys: Keys = {key: value if key == "choice_list" else _texts(value) for key, value in known.items()}
    if not any(keys.values()):
        return known
    if keys.get("distractors"):
        right = data.get("answer") or find_column((*_RIGHT, *names.ANSWER, *names.CHOSEN), columns)
        return known if right is None else {**known, "answer": right}
    shape = _Shape(keys, columns, rows)
    marking = "choice_list" in keys and _marks_right(keys["choice_list"], shape)
    if marking and "answer" not in data and shape.gold_column() is None:
        return {**known, "answer": keys["choice_list"]}
    return {**_with_gold(shape, data, path), **known}


def gold_labels(data: Mapping[str, Any], rows: Rows) -> list[tuple[str, tuple[str, ...]]]:
    """The labels that each row's gold answer names, as one text, and all labels of the row."""
    spec = _Choices.of(data)
    found = []
    for row in rows:
        try:
            choices = row_choices(row, spec)
            gold = marked_choices(row, spec, choices)
        except ValueError:  # reported when the row is read
            continue
        if gold is None:
            gold = gold_label(row.get(spec.answer, "").strip(), choices, spec.answer_index, sets=True)
        found.append((gold or "", tuple(choices)))
    return found


@dataclass(frozen=True)
class _Shape:
    """Choices as ``keys`` of [data] find them, in each of the rows."""

    keys: Keys
    columns: Sequence[str]
    rows: Rows

    @cached_property
    def choices(self) -> list[Mapping[str, str]]:
        """Each row's choices; none if they cannot be read, which is reported when the row is read."""
        where = _Choices.of(self.keys)
        return [_choices_or_none(row, where) for row in self.rows]

    @cached_property
    def own_numbers(self) -> list[tuple[str, ...]]:
        """Each row's own labels of its choices, if these are numbers."""
        column = self.keys.get("choice_list")
        return [own_numbers(row.get(column, "")) if column else () for row in self.rows]

    def gold_column(self) -> str | None:
        """The first column whose answers name choices in most rows."""
        for column in self.gold_columns():
            golds = self.golds(column)
            if golds and sum(_names_choice(*gold) for gold in golds) * 2 > len(golds):
                return column
        return None

    def gold_columns(self) -> list[str]:
        """The columns that may have gold answers, by name."""
        where = _Choices.of(self.keys)
        taken = {*where.choice_columns, where.choice_list}
        others = [column for column in self.columns if column not in taken]
        return find_columns((*names.ANSWER, *names.CHOSEN), others)

    def golds(self, column: str) -> list[Gold]:
        """The answers in ``column`` with the choices of their rows, without rows that lack one of them.

        If the choices are numbered and all answers have such a number, their letters replace the numbers.
        """
        answers = [row.get(column, "").strip() for row in self.rows]
        asked = [place for place, answer in enumerate(answers) if answer and self.choices[place]]
        golds = [(answers[place], self.choices[place]) for place in asked]
        if all(positions(answer) is None for answer, _ in golds):
            return golds
        lettered: list[Gold] = []
        for place, (answer, choices) in zip(asked, golds, strict=True):
            numbers = self.own_numbers[place]
            if answer in numbers:
                lettered.append((LETTERS[numbers.index(answer)], choices))
            elif positions(answer) is None:
                lettered.append((answer, choices))
            else:
                return golds
        return lettered


def _choices_or_none(row: Mapping[str, str], where: _Choices) -> dict[str, str]:
    try:
        return row_choices(row, where)
    except ValueError:
        return {}


def _by_columns(columns: Sequence[str], rows: Rows, data: Mapping[str, Any], path: Path) -> Keys | None:
    series = names.choice_columns(columns, answers=False)
    return _with_gold(_Shape(_column_keys(series), columns, rows), data, path) if series else None


def _by_answer_columns(
    columns: Sequence[str], rows: Rows, data: Mapping[str, Any], path: Path
) -> Keys | None:
    """Columns such as ``answerA`` and ``sol1``, if another column names one of them."""
    series = names.choice_columns(columns, answers=True)
    shape = _Shape(_column_keys(series), columns, rows)
    return _with_gold(shape, data, path) if series and shape.gold_column() is not None else None


def _by_list(columns: Sequence[str], rows: Rows, data: Mapping[str, Any], path: Path) -> Keys | None:
    for column in find_columns(names.CHOICE_LIST, columns):
        shape = _Shape({"choice_list": column}, columns, rows)
        if sum(map(bool, shape.choices)) * 2 <= len(rows):
            _check_list(column, shape, path)
            continue
        if shape.gold_column() is None:
            if _marks_right(column, shape):
                return {**shape.keys, "answer": column}
            if find_column(names.ANSWER, [column]) is not None:
                continue  # answers to an open question
        return _with_gold(shape, data, path)
    return None


def _marks_right(column: str, shape: _Shape) -> bool:
    """Whether most lists in ``column`` mark the right choices."""
    return sum(marks_right(row.get(column, "")) for row in shape.rows) * 2 > len(shape.rows)


def _check_list(column: str, shape: _Shape, path: Path) -> None:
    """Raise ``UserError`` if a column is called choices, but most of its cells are texts of another kind."""
    cells = [row.get(column, "").strip() for row in shape.rows]
    others = [cell for cell, choices in zip(cells, shape.choices, strict=True) if cell and not choices]
    if names.canonical(column) in _CERTAIN and others and sum(map(bool, cells)) * 2 > len(cells):
        shown = one_line(repr(others[0]), 60)
        raise UserError(
            f"{path}: the cells of {column!r} are no lists of choices, as {shown}; write them as "
            f'["Rome", "Paris"], or ask without them: [data] choices = [] in {FILE_NAME}'
        )


def _by_distractors(columns: Sequence[str], rows: Rows, data: Mapping[str, Any], path: Path) -> Keys | None:
    wrong = names.distractor_columns(columns)
    right = data.get("answer") or find_column((*_RIGHT, *names.ANSWER, *names.CHOSEN), columns)
    return {"distractors": wrong, "answer": right} if wrong and right is not None else None


#: names that are used for lists of choices and nothing else
_CERTAIN = {"choices", "options", "endings", "answerchoices", "answeroptions", "选项"}
#: of columns beside wrong choices, those of the right one before others
_RIGHT = ("correct_answer", "right_answer", "best_answer", "正确答案")


def _column_keys(series: Sequence[str]) -> Keys:
    labels = list(LETTERS[: len(series)])
    return (
        {"choices": labels} if list(series) == labels else {"choices": labels, "choice_columns": list(series)}
    )


def _with_gold(shape: _Shape, data: Mapping[str, Any], path: Path) -> Keys:
    """The shape's keys with the column of the gold answers, and what its whole numbers count from, if any."""
    keys = shape.keys
    answer = data.get("answer") or shape.gold_column() or next(iter(shape.gold_columns()), None)
    if answer is None:
        return keys
    found = {**keys, "answer": answer}
    if "answer_index" in data or "answer_pattern" in data:
        return found
    try:
        first = first_position(shape.golds(answer), _conventional(keys, answer))
    except ValueError as error:
        raise UserError(
            f"{path}: {answer!r}: {error}; say which in {FILE_NAME}: [data] answer_index = 0, or 1, or write "
            "labels such as A"
        ) from None
    return found if first is None else {**found, "answer_index": first}


def _conventional(keys: Mapping[str, Any], answer: str) -> int | None:
    """The number that positions count from by the names of the columns, or None."""
    series = keys.get("choice_columns")
    if series:
        number = names.first_number(series[0])
        return number if number == 0 or names.canonical(series[0]) == "1" else None
    by_name = names.COUNTED_FROM_ZERO.fullmatch(names.canonical(answer))
    return 0 if by_name and "choice_list" in keys else None


def _names_choice(answer: str, choices: Mapping[str, str]) -> bool:
    """Whether an answer may name a choice, however it is written."""
    numbers = positions(answer)
    if numbers is not None and all(0 <= number <= len(choices) for number in numbers):
        return True
    if marked(answer, choices) is not None or gold_label(answer, choices, None, sets=True) is not None:
        return True
    first = re.match(r"\W*(\w+)", answer)
    return first is not None and first[1].casefold() in map(str.casefold, choices)
