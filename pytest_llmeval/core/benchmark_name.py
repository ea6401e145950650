"""The names of benchmarks: ``NAME[@VARIANT][:PART]``; NAME may be a path, PART is a group or subject."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pytest_llmeval.core.sources import prefix_of

#: the names of variants; they are in node ids, so they are ASCII
VARIANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SLASH = re.compile(r"[\\/]")


def _never(text: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class BenchmarkName:
    """A benchmark's name as the user writes it, in its parts.

    ``base`` is a name or a path, with the prefix of its source if it has one. ``variant`` and ``part`` are
    None where there is none; ``part`` is empty for a name that ends with a colon.

        >>> BenchmarkName.parse("mmlu_pro@lm-eval:physics")
        BenchmarkName(base='mmlu_pro', variant='lm-eval', part='physics')
        >>> BenchmarkName.parse("lm-eval:mmlu:mmlu_stem")
        BenchmarkName(base='lm-eval:mmlu', variant=None, part='mmlu_stem')
    """

    base: str
    variant: str | None = None
    part: str | None = None

    @classmethod
    def parse(cls, text: str, is_path: Callable[[str], bool] = _never) -> BenchmarkName:
        """Parse a name. ``is_path`` tells paths, whose ``@`` and ``:`` are their own."""
        text = text.strip()
        prefix = prefix_of(text)
        if prefix:
            task, colon, own = text[len(prefix) + 1 :].partition(":")
            return cls(f"{prefix}:{task.strip()}", None, own.strip() if colon else None)
        if is_path(text):
            return cls(text)
        base, part = _split_part(text, is_path)
        return cls(*_split_variant(base.strip(), is_path), part)

    @property
    def whole(self) -> str:
        """The name without its part."""
        return self.base if self.variant is None else f"{self.base}@{self.variant}"

    def __str__(self) -> str:
        return self.whole if self.part is None else f"{self.whole}:{self.part}"


def _split_part(text: str, is_path: Callable[[str], bool]) -> tuple[str, str | None]:
    """Split at the first colon after a path, or else at the first one; no part has a slash."""
    drive = 2 if _DRIVE.match(text) else 0
    colons = [at for at in range(drive, len(text)) if text[at] == ":" and not _SLASH.search(text, at)]
    if not colons:
        return text, None
    at = next((at for at in colons if is_path(text[:at])), colons[0])
    return text[:at], text[at + 1 :].strip()


def _split_variant(text: str, is_path: Callable[[str], bool]) -> tuple[str, str | None]:
    base, at, variant = text.rpartition("@")
    if is_path(text) or not (at and base.strip() and VARIANT.fullmatch(variant.strip())):
        return text, None
    return base.strip(), variant.strip()


def item_name(benchmark: str, subject: str, key: str) -> str:
    """The name of a question in node ids, which begins with the variant of its benchmark, if it is of one.

    ``benchmark`` may also be the name of a result, which has the test function after a slash.

    >>> item_name("ceval", "law", "0"), item_name("ceval@cot/test_short", "law", "0")
    ('law-0', 'cot-law-0')
    """
    variant = BenchmarkName.parse(benchmark.partition("/")[0]).variant
    return f"{subject}-{key}" if variant is None else f"{variant}-{subject}-{key}"
