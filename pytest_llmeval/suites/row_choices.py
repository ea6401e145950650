"""The choices of a row: from a column each, from a list in one column, or the right answer among wrong ones.

Rows of one file may have different numbers of choices: a list has as many as it has, and the last columns of
a row may be empty.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.scoring.answer_sets import join_labels, split_labels
from pytest_llmeval.suites.benchmark import LETTERS
from pytest_llmeval.suites.cells import JsonCell, cell_value

_FEWEST = 2
_TEXT_KEYS = ("text", "texts", "choices", "options", "content", "value", "answer", "choice", "option")
_LABEL_KEYS = ("label", "labels", "key", "keys", "letter", "id")
_RIGHT_KEYS = ("is_correct", "isCorrect", "correct", "is_right", "right", "score")
#: choices in one text: each after a label, at the start, on a line of its own, or after a separator
_LABELLED = re.compile(r"(?:^|[\n,;|])[ \t]*\(?([A-Za-z])[ \t]*[).:、．][ \t]*")
#: a label that repeats the choice's own, as in ``(A)19`` or ``B. Paris``
_OWN_LABEL = r"\s*(?:\(?{0}\s*[)）]|{0}\s*(?:[.:]\s|[、．：]))\s*"


class ChoiceKeys(Protocol):
    """The keys of [data] that say where a row's choices are."""

    @property
    def choices(self) -> tuple[str, ...]: ...

    @property
    def choice_columns(self) -> tuple[str, ...]: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def choice_list(self) -> str | None: ...

    @property
    def distractors(self) -> tuple[str, ...]: ...

    @property
    def question(self) -> str: ...

    @property
    def answer(self) -> str: ...

    @property
    def answer_index(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class _List:
    """A list of choices: their texts, their labels (None for letters), and whether each is right, if told."""

    texts: Sequence[object]
    labels: Sequence[object] | None = None
    right: Sequence[bool] = ()


def row_choices(fields: Mapping[str, str], data: ChoiceKeys) -> dict[str, str]:
    """Labels to texts, empty for open questions; the texts are empty if the question has them.

    Raises a descriptive ``ValueError``.
    """
    if data.choice_list is not None:
        return listed_choices(fields.get(data.choice_list, ""), data.choice_list)
    if data.distractors:
        return _mixed_choices(fields, data)
    if data.labels:
        return dict.fromkeys(data.labels, "")
    texts = [fields.get(column, "") for column in data.choice_columns]
    while len(texts) > _FEWEST and not texts[-1].strip():
        texts.pop()
    return dict(zip(data.choices, texts, strict=False))


def marked_choices(fields: Mapping[str, str], data: ChoiceKeys, choices: Mapping[str, str]) -> str | None:
    """The label or labels of the right choices, where the cells of the choices tell it; otherwise None.

    They do if they are marked, if the right one is in another column than the wrong ones, and if the answer
    is a number that they have for a label, unless such numbers are positions.
    """
    answer = fields.get(data.answer, "").strip()
    if data.distractors:
        return next((label for label, text in choices.items() if text == answer), "")
    if data.choice_list is None:
        return None
    if data.choice_list != data.answer:
        numbers = own_numbers(fields.get(data.choice_list, "")) if data.answer_index is None else ()
        return LETTERS[numbers.index(answer)] if answer in numbers else None
    listed = _listed(answer, data.choice_list)
    marked = [label for label, right in zip(choices, listed.right, strict=False) if right]
    return join_labels(marked, tuple(choices))


def own_numbers(cell: str) -> tuple[str, ...]:
    """The labels that a cell's choices have of their own, if these are numbers from 0 or 1."""
    try:
        labels = _listed(cell, "").labels
    except ValueError:
        return ()
    return tuple(str(label).strip() for label in labels) if labels and _are_numbers(labels) else ()


def listed_choices(cell: str, column: str) -> dict[str, str]:
    """The choices of a cell with a list, by label.

    It has a list of texts, labelled A, B, C, ...; a list of objects with label and text; an object with the
    lists ``label`` and ``text``; an object with a text for each label; or lines such as ``A. Paris``. The
    list is in JSON or as Python prints it. Labels that are numbers become letters, which are read with more
    certainty in a model's text. Raises a descriptive ``ValueError``.
    """
    listed = _listed(cell, column)
    texts = list(listed.texts)
    labels = listed.labels
    if labels is None or (len(labels) >= len(texts) and _are_numbers(labels)):
        labels = LETTERS
    while len(texts) > _FEWEST and (texts[-1] is None or texts[-1] == ""):
        texts.pop()
    if len(texts) < _FEWEST:
        raise ValueError(f"{column} must have at least {_FEWEST} choices")
    if len(labels) < len(texts):
        raise ValueError(f"{column} has {len(texts)} choices, but {len(labels)} labels")
    if any(isinstance(text, (list, dict)) or text is None for text in texts):
        raise ValueError(f"each choice in {column} must be a text")
    choices = {str(label).strip(): _choice_text(text) for label, text in zip(labels, texts, strict=False)}
    if len(choices) < len(texts) or "" in choices:
        raise ValueError(f"the labels in {column} must differ from each other")
    return _without_labels(choices)


def marks_right(cell: str) -> bool:
    """Whether a cell with choices says which of them are right."""
    try:
        return any(_listed(cell, "").right)
    except ValueError:
        return False


def _listed(cell: str, column: str) -> _List:
    try:
        content = cell_value(cell)
    except ValueError:
        content = _labelled_texts(cell)
    if isinstance(content, dict):
        return _from_object(content, column)
    if not isinstance(content, list):
        example = 'must be a JSON list of choices, as in ["Yes", "No"]'
        raise ValueError(
            f"{column} {example}" if content is None else f"{column} must have at least {_FEWEST} choices"
        )
    if not content or not all(isinstance(item, dict) for item in content):
        return _List(content)
    if all(len(item) == 1 and not {*item} & {*_TEXT_KEYS} for item in content):
        return _from_object({key: text for item in content for key, text in item.items()}, column)
    labels = [_first(item, _LABEL_KEYS) for item in content]
    right = [_first(item, _RIGHT_KEYS) for item in content]
    return _List(
        [_first(item, _TEXT_KEYS) for item in content],
        None
        if all(label is None for label in labels)
        else ["" if label is None else label for label in labels],
        _flags(right),
    )


def _from_object(content: Mapping[str, object], column: str) -> _List:
    texts, labels = _first(content, _TEXT_KEYS), _first(content, _LABEL_KEYS)
    if isinstance(texts, list) and isinstance(labels, list):
        right = _flags(labels)
        return _List(texts, None if right else labels, right)
    if {*content} == {"label", "text"}:
        raise ValueError(f"{column} must have at least {_FEWEST} choices")
    return _List(list(content.values()), list(content))


def _are_numbers(labels: Sequence[object]) -> bool:
    """Whether labels are the numbers of the choices, from 0 or 1."""
    numbers = [str(label).strip() for label in labels]
    return any(numbers == [str(first + place) for place in range(len(numbers))] for first in (0, 1))


def _first(item: Mapping[str, object], keys: Sequence[str]) -> object:
    return next((item[key] for key in keys if key in item), None)


def _flags(values: Sequence[object]) -> tuple[bool, ...]:
    """Whether each choice is right, from a mark for each; empty if the values are no marks."""
    marks = all(isinstance(value, (bool, int, float)) and value in (0, 1) for value in values)
    return tuple(map(bool, values)) if marks and any(values) and not all(values) else ()


def _labelled_texts(cell: str) -> dict[str, object] | None:
    """The choices of a text such as ``A. Rome`` and ``B. Paris`` on two lines; None if it has none."""
    text = cell.strip()
    found = list(_LABELLED.finditer(text))
    labels = "".join(match[1] for match in found).upper()
    if len(found) < _FEWEST or found[0].start() != 0 or not LETTERS.startswith(labels):
        return None
    ends = [*(match.start() for match in found[1:]), len(text)]
    return {
        label: text[match.end() : end].strip() for label, match, end in zip(labels, found, ends, strict=True)
    }


def _choice_text(text: object) -> str:
    return text if isinstance(text, str) else str(text).lower() if isinstance(text, bool) else str(text)


def _without_labels(choices: dict[str, str]) -> dict[str, str]:
    """The choices without a repetition of their labels in all of their texts."""
    texts = {}
    for label, text in choices.items():
        match = re.match(_OWN_LABEL.format(re.escape(label)), text, re.IGNORECASE)
        if match is None or match.end() == len(text):
            return choices
        texts[label] = text[match.end() :]
    return texts


def _mixed_choices(fields: Mapping[str, str], data: ChoiceKeys) -> dict[str, str]:
    """The right answer among the wrong ones, in an order that depends on their texts only."""
    right = fields.get(data.answer, "").strip()
    if not right:
        raise ValueError("the answer is missing")
    wrong = [text for column in data.distractors for text in _wrong_texts(fields.get(column, ""))]
    if not wrong:
        raise ValueError(f"{one_line(', '.join(data.distractors), 80)}: no wrong choice")
    if right in wrong:
        raise ValueError(f"the answer {one_line(repr(right), 40)} is among the wrong choices too")
    question = fields.get(data.question, "")
    texts = sorted({right, *wrong}, key=lambda text: hashlib.sha256(f"{question}\0{text}".encode()).digest())
    if len(texts) > len(LETTERS):
        raise ValueError(f"{len(texts)} choices, but {len(LETTERS)} labels")
    return dict(zip(LETTERS, texts, strict=False))


def _wrong_texts(cell: str) -> list[str]:
    if not cell.strip():
        return []
    try:
        content = cell_value(cell)
    except ValueError:
        return [cell.strip()]
    items = content if isinstance(content, list) else [content] if isinstance(cell, JsonCell) else [cell]
    if any(isinstance(item, (list, dict)) for item in items):
        raise ValueError("each wrong choice must be a text")
    return [text for item in items if item is not None and (text := _choice_text(item).strip())]


def named_choices(answer: str, choices: Mapping[str, str], *, sets: bool) -> str | None:
    """The label that a gold answer names, or whose text it is, or None; with ``sets`` several labels."""
    if answer in choices:
        return answer
    if sets and (chosen := split_labels(answer, tuple(choices))) is not None:
        return join_labels(chosen, tuple(choices))
    if answer.casefold() in map(str.casefold, choices):
        return None  # a label in the wrong case rather than a text
    same = [label for label, text in choices.items() if text.strip() == answer]
    return same[0] if len(same) == 1 else None


def gold_problem(answer: str, choices: Mapping[str, str], *, sets: bool) -> str:
    """Why a gold answer names no choice."""
    shown, labels = one_line(repr(answer), 40), one_line(", ".join(choices), 80)
    if sets:
        return f"answer {shown} is not a set of {labels}"
    return f"answer {shown} is not one of {labels}{_advice(answer, choices)}"


def _advice(answer: str, choices: Mapping[str, str]) -> str:
    if len(split_labels(answer, tuple(choices)) or ()) > 1:
        return '; for questions with several right choices, set metric = "choices"'
    if answer == "-1":
        return "; it marks rows without a gold answer: use another split, or name it in unanswered_splits"
    if answer.isascii() and answer.isdecimal() and len(answer) <= 2 and int(answer) <= len(choices):
        return "; if answers are positions, set answer_index to 0 or 1 under [data]"
    return ""
