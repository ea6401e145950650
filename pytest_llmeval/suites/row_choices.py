"""The choices of a row, from columns or from a list in one column, and the gold answer among them.

Rows of one file may have different numbers of choices: a list has as many as it has, and the last columns of
a row may be empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.scoring.answer_sets import join_labels, split_labels
from pytest_llmeval.suites.benchmark import DataSpec

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FEWEST = 2


def row_choices(fields: Mapping[str, str], data: DataSpec) -> dict[str, str]:
    """Labels to texts, empty for open questions. Raises a descriptive ``ValueError``."""
    if data.choice_list is not None:
        return listed_choices(fields.get(data.choice_list, ""), data.choice_list)
    texts = [fields.get(label, "") for label in data.choices]
    while len(texts) > _FEWEST and not texts[-1].strip():
        texts.pop()
    return dict(zip(data.choices, texts, strict=False))


def listed_choices(cell: str, column: str) -> dict[str, str]:
    """The choices of a cell with JSON, by label.

    It has a list of texts, labelled A, B, C, ...; a list of objects with label and text; an object with the
    lists ``label`` and ``text``; or an object with a text for each label. Raises a descriptive
    ``ValueError``.
    """
    try:
        content = json.loads(cell)
    except (ValueError, RecursionError):
        raise ValueError(f'{column} must be a JSON list of choices, as in ["Yes", "No"]') from None
    labels: Sequence[object] = LETTERS
    texts: object = content
    if isinstance(content, dict) and content.keys() == {"label", "text"}:
        labels, texts = content["label"], content["text"]
    elif isinstance(content, dict):
        labels, texts = tuple(content), list(content.values())
    elif isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
        labels = [item.get("label", "") for item in content]
        texts = [item.get("text", "") for item in content]
    if not isinstance(labels, (list, tuple, str)) or not isinstance(texts, list) or len(texts) < _FEWEST:
        raise ValueError(f"{column} must have at least {_FEWEST} choices")
    if len(labels) < len(texts):
        raise ValueError(f"{column} has {len(texts)} choices, but {len(labels)} labels")
    if any(isinstance(text, (list, dict)) or text is None for text in texts):
        raise ValueError(f"each choice in {column} must be a text")
    choices = {
        str(label).strip(): text if isinstance(text, str) else json.dumps(text)
        for label, text in zip(labels, texts, strict=False)
    }
    if len(choices) < len(texts) or "" in choices:
        raise ValueError(f"the labels in {column} must differ from each other")
    return choices


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
    several = len(split_labels(answer, tuple(choices)) or ()) > 1
    advice = '; for questions with several right choices, set metric = "choices"' if several else ""
    return f"answer {shown} is not one of {labels}{advice}"
