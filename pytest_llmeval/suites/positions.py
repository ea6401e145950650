"""Gold answers that are positions in the choices: whole numbers that count from 0 or from 1, or marks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pytest_llmeval.scoring.answer_sets import join_labels
from pytest_llmeval.suites.cells import cell_value
from pytest_llmeval.suites.row_choices import named_choices

#: a gold answer and the choices of its row
Gold: TypeAlias = tuple[str, Mapping[str, str]]

_WHOLE = re.compile(r"(\d{1,9})(?:\.0+)?")
#: a reading with this many times the misfits of another one is not what the file means
_CLEARLY_WORSE = 10


def gold_label(answer: str, choices: Mapping[str, str], first: int | None, *, sets: bool) -> str | None:
    """The label of the choice that a gold answer names: by position, mark, label or text.

    Several labels if it names several; None if it names none. ``first`` is the number that positions count
    from, or None if whole numbers are no positions; from 0, ``false`` and ``true`` are the first two.
    """
    if (label := marked(answer, choices)) is not None:
        return label
    if (items := _items(answer)) is not None and len(items) == 1 and isinstance(items[0], str):
        answer = items[0]
    if first is not None and positions(answer) is not None:
        return label_at(answer, choices, first)
    label = named_choices(answer, choices, sets=sets)
    if label is None and first == 0 and answer.lower() in ("false", "true"):
        return label_at(str(int(answer.lower() == "true")), choices, first)
    return label


def positions(answer: str) -> tuple[int, ...] | None:
    """The whole numbers of an answer such as ``2``, ``2.0`` or ``[0, 2]``; None if it is no such answer."""
    if match := _WHOLE.fullmatch(answer.strip()):
        return (int(match[1]),)
    items = _items(answer)
    if not items or len(set(map(str, items))) < len(items):
        return None
    numbers = tuple(item for item in items if type(item) is int)
    return numbers if len(numbers) == len(items) else None


def marked(answer: str, choices: Mapping[str, str]) -> str | None:
    """The labels that an answer such as ``[0, 1, 0]`` marks, with one mark for each choice, or None."""
    marks = _items(answer)
    if not marks or len(marks) != len(choices):
        return None
    if not all(isinstance(mark, (int, float)) and mark in (0, 1) for mark in marks) or not any(marks):
        return None
    chosen = [label for label, mark in zip(choices, marks, strict=True) if mark]
    return join_labels(chosen, tuple(choices))


def _items(answer: str) -> list[object] | None:
    """The items of an answer that is a list, or None."""
    if not answer.lstrip().startswith("["):
        return None
    try:
        items = cell_value(answer)
    except ValueError:
        return None
    return items if isinstance(items, list) else None


def label_at(answer: str, choices: Mapping[str, str], first: int) -> str | None:
    """The label or labels at the positions in ``answer``, counted from ``first``.

    The answer itself if it has no positions; None if a position is outside.
    """
    numbers = positions(answer)
    if numbers is None:
        return answer
    labels = tuple(choices)
    if not all(first <= number < first + len(labels) for number in numbers):
        return None
    return join_labels([labels[number - first] for number in numbers], labels)


def first_position(golds: Sequence[Gold], certain: int | None = None) -> int | None:
    """The number that the gold answers of a file count from, 0 or 1; None if they are no positions.

    A reading fits a file if nearly all of its answers are within their rows' choices. Where several readings
    fit and differ, ``certain`` is taken. Raises ``ValueError`` if there is no such number.
    """
    numbered = [gold for gold in golds if positions(gold[0]) is not None]
    if not numbered or all(answer in choices for answer, choices in numbered):
        return None
    readings: dict[int | None, list[str | None]] = {
        None: [named_choices(answer, choices, sets=False) for answer, choices in numbered],
        **{first: [label_at(*gold, first) for gold in numbered] for first in (0, 1)},
    }
    misfits = {first: labels.count(None) for first, labels in readings.items()}
    fewest = min(misfits.values())
    if len(numbered) < len(golds) and not misfits[None]:
        return None  # the other answers are texts of choices, or labels
    if fewest * 2 > len(numbered):
        return None  # no reading fits: each row has its own error
    fitting = [
        first
        for first, count in misfits.items()
        if count * 2 <= len(numbered) and count < max(1, _CLEARLY_WORSE * fewest)
    ]
    if all(readings[first] == readings[fitting[0]] for first in fitting):
        return fitting[0]
    if certain is not None and certain in fitting:
        return certain
    numbers = sorted({number for answer, _ in numbered for number in positions(answer) or ()})
    span = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    counts = " or from ".join(str(first) for first in fitting if first is not None)
    text = "be texts of choices or " if None in fitting else ""
    raise ValueError(f"the whole numbers ({span}) may {text}count the choices from {counts}")
