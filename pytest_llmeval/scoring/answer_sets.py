"""Answers of several choices: ``ACD`` as one text, in the order of the labels."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence

#: characters for each label, with its separator and quotes, times the label's length
_LONGEST = 8
_SEPARATOR = re.compile(r"\s*(?:[,;/|、，；&+]|\band\b|和)\s*|\s+")


def join_labels(labels: Collection[str], order: Sequence[str]) -> str:
    """``labels`` in ``order`` as one text; with commas if any label has several characters."""
    joint = "" if all(len(label) == 1 for label in order) else ","
    return joint.join(label for label in order if label in labels)


def split_labels(text: str, order: Sequence[str]) -> frozenset[str] | None:
    """The labels in a text such as ``ACD``, ``A, C``, ``A、C`` or ``["A", "C"]``.

    None for an empty text, or one with anything but labels of ``order``, each at most once.
    """
    text = text.strip()
    if len(text) > _LONGEST * max(map(len, order), default=0) * len(order):
        return None
    if text.startswith("["):
        try:
            parts = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            return None
    elif text in order:
        parts = [text]
    else:
        parts = [part for part in _SEPARATOR.split(text) if part]
        if len(parts) == 1 and all(len(label) == 1 for label in order):
            parts = list(text)
    known = {label.casefold(): label for label in order}
    labels = [known.get(part.strip().casefold()) for part in parts]
    if not labels or None in labels or len(set(labels)) < len(labels):
        return None
    return frozenset(label for label in labels if label is not None)


def relabel(answer: str, labels: Mapping[str, str], order: Sequence[str]) -> str:
    """An answer of one or several of the labels, each replaced by that in ``labels``; others stay.

    ``order`` has the labels of the result in their order.
    """
    if answer in labels:
        return labels[answer]
    parts = split_labels(answer, tuple(labels)) if labels else None
    return answer if parts is None else join_labels([labels[part] for part in parts], order)
