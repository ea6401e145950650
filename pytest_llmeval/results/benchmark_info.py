"""The facts about a benchmark, besides its questions, that results need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_llmeval.analysis.conditions import EvalConditions, JudgeModel


def base_name(name: str, test: str | None) -> str:
    """The benchmark's own name, from a result's name and its test function.

    >>> base_name("mini/test_short", "test_short"), base_name("mini", None)
    ('mini', 'mini')
    """
    return name if test is None else name.removesuffix(f"/{test}")


@dataclass(frozen=True, slots=True)
class BenchmarkInfo:
    """The facts about a benchmark, besides its questions, that results need.

    ``subjects`` maps the key of every declared subject, in the benchmark's order, to its English and Chinese
    names ("" if missing); ``groups`` maps names to subject keys. ``total`` is the number of questions
    in the split by subject, excluding subjects without data. ``planned`` is the number of questions
    selected for each model (the maximum if models differ). ``test`` is the test function that asked it, which
    is part of the ``name`` if several did: ``mini/test_short``. ``threshold`` is the lowest score that counts
    as correct, or None if the ``metric`` is not graded. ``repeats`` is how often a test asks each question.
    ``totals`` maps figures of the whole benchmark to expressions over the means of its metric's numbers.
    ``protocol`` says where prompts and scoring were taken from: ``source``, ``file`` and ``commit``.
    ``data_source`` is the data set on the Hugging Face hub that the questions were downloaded from, as in
    ``owner/name@commit``; None for files from elsewhere.

        >>> asked = EvalConditions("generate", "test", 0, prompt_sha256="", data_sha256="")
        >>> subjects = {"astronomy": ("Astronomy", "")}
        >>> BenchmarkInfo("sky", subjects, {}, asked, {"astronomy": 8}, planned=8).metric
        'choice'
    """

    name: str
    subjects: Mapping[str, tuple[str, str]]
    groups: Mapping[str, tuple[str, ...]]
    conditions: EvalConditions
    total: Mapping[str, int]
    planned: int
    metric: str = "choice"
    threshold: float | None = None
    test: str | None = None
    repeats: int = 1
    totals: Mapping[str, str] = field(default_factory=dict)
    protocol: Mapping[str, str] = field(default_factory=dict)
    data_source: str | None = None

    @property
    def benchmark(self) -> str:
        """The benchmark's own name."""
        return base_name(self.name, self.test)

    def is_called(self, name: str) -> bool:
        """Whether ``name`` is that of this result, of its benchmark, or of its benchmark and test."""
        function = (self.test or "").partition("[")[0]
        return name in (
            *(self.name, self.benchmark),
            *(f"{self.benchmark}/{test}" for test in (self.test, function) if test),
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON form, which xdist workers send."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> BenchmarkInfo:
        """The inverse of ``to_json``, after a round trip through JSON."""
        conditions = content["conditions"]
        return cls(
            **{
                **content,
                "subjects": {subject: tuple(names) for subject, names in content["subjects"].items()},
                "groups": {group: tuple(members) for group, members in content["groups"].items()},
                "conditions": EvalConditions(
                    **{**conditions, "judge": JudgeModel.from_json(conditions["judge"])}
                ),
            }
        )
