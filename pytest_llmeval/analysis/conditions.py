"""How a run asked a benchmark and scored its answers. Runs with equal conditions are comparable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_llmeval.core.errors import one_line


@dataclass(frozen=True, slots=True)
class JudgeModel:
    """The model that judged a benchmark's answers.

    ``identity`` describes what its replies depend on. ``prompt_sha256`` is a hash of its prompts and of how
    its replies are parsed. Prices are per million tokens, in any currency.
    """

    model: str
    identity: str
    prompt_sha256: str
    price_in: float | None = None
    price_out: float | None = None

    @property
    def description(self) -> str:
        """A text that is equal for two judges whose judgements are comparable."""
        return f"{self.identity}, its prompt {self.prompt_sha256[:12]}"

    def judges_like(self, other: JudgeModel | None) -> bool:
        """Whether judgements of both are comparable; prices do not matter."""
        return other is not None and self.description == other.description

    @classmethod
    def from_json(cls, content: object) -> JudgeModel | None:
        """The ``judge`` of a result in results.json; None without a judge."""
        if not isinstance(content, Mapping):
            return None
        return cls(
            str(content["model"]),
            str(content["identity"]),
            str(content["prompt_sha256"]),
            content.get("price_in"),
            content.get("price_out"),
        )


@dataclass(frozen=True, slots=True)
class EvalConditions:
    """How a benchmark was asked and scored.

    ``prompt_sha256`` is the hash of the prompts with their shots, ``data_sha256`` that of the data files.
    ``scoring`` maps the settings for extraction and comparison to their JSON values; None (a run that did
    not record them) equals any. ``version`` is that of the benchmark, which changes with its scores.
    ``circular`` and ``shuffle_choices`` (a seed) determine the order of choices. ``system`` is the model's
    system prompt, "" for none; None leaves the benchmark's own, which is part of the prompts.

        >>> asked = EvalConditions("generate", "test", 0, prompt_sha256="", data_sha256="")
        >>> asked.differences(EvalConditions("generate", "test", 5, prompt_sha256="", data_sha256=""))
        ('0 shots then, 5 now',)
    """

    mode: str
    split: str
    shots: int
    prompt_sha256: str
    data_sha256: str
    scoring: Mapping[str, object] | None = None
    circular: bool = False
    shuffle_choices: int | None = None
    judge: JudgeModel | None = None
    version: int = 1
    system: str | None = None

    @property
    def order_words(self) -> tuple[str, ...]:
        """The order of the choices, in words; empty for file order."""
        shuffled = () if self.shuffle_choices is None else (f"choices shuffled ({self.shuffle_choices})",)
        return (*shuffled, *(("circular",) if self.circular else ()))

    def differences(self, later: EvalConditions) -> tuple[str, ...]:
        """The differences, in words, without those that follow from another one."""
        words = []
        if self.version != later.version:
            words.append(f"version {self.version} of the benchmark then, {later.version} now")
        if self.mode != later.mode:
            words.append(f"mode {self.mode} then, {later.mode} now")
        if self.shots != later.shots:
            words.append(f"{self.shots} shots then, {later.shots} now")
        if self.circular != later.circular:
            words.append(f"circular evaluation {'then' if self.circular else 'now'} only")
        if self.shuffle_choices != later.shuffle_choices:
            before, after = (_order(conditions.shuffle_choices) for conditions in (self, later))
            words.append(f"choices {before} then, {after} now")
        if self.prompt_sha256 != later.prompt_sha256 and not words:
            words.append("different prompts (prompt_sha256)")
        if self.split != later.split:
            words.append(f"split {self.split} then, {later.split} now")
        elif self.data_sha256 != later.data_sha256:
            words.append("different data (data_sha256)")
        if self.system != later.system:
            words.append(f"{_system(self.system)} then, {_system(later.system)} now")
        before, after = (_judge(conditions.judge) for conditions in (self, later))
        if before != after:
            words.append(f"judged by {before} then, by {after} now")
        return (*words, *self.scoring_differences(later))

    def scoring_differences(self, later: EvalConditions) -> tuple[str, ...]:
        """The differences in how answers are extracted and compared, in words."""
        before, after = self.scoring, later.scoring
        if before is None or after is None:
            return ()
        names = dict.fromkeys((*before, *after))
        if self.mode != later.mode:  # only one of the two has an extractor
            names.pop("extractor", None)
        if before.get("metric") != after.get("metric"):  # each metric has its own options
            names = {name: None for name in names if not name.startswith("metric.")}
        return tuple(
            f"{name} {_value(before, name)} then, {_value(after, name)} now"
            for name in names
            if before.get(name) != after.get(name)
        )

    def to_json(self) -> dict[str, Any]:
        """These conditions as fields of a result in results.json.

        ``circular`` and ``judge`` are objects there, with more values; results_json.py writes them.
        """
        return {
            "version": self.version,
            "mode": self.mode,
            "shots": self.shots,
            "split": self.split,
            "prompt_sha256": self.prompt_sha256,
            "data_sha256": self.data_sha256,
            "scoring": None if self.scoring is None else dict(self.scoring),
            "shuffle_choices": self.shuffle_choices,
            "system": self.system,
        }

    @classmethod
    def from_json(cls, result: Mapping[str, Any]) -> EvalConditions:
        """The conditions of a result in results.json, of this version or an earlier one.

        Raises KeyError, TypeError, ValueError or AttributeError for other content.
        """
        scoring = result.get("scoring")
        return cls(
            mode=str(result["mode"]),
            split=str(result["split"]),
            shots=int(result["shots"]),
            prompt_sha256=str(result["prompt_sha256"]),
            data_sha256=str(result["data_sha256"]),
            scoring=None if scoring is None else dict(scoring.items()),
            circular=result.get("circular") is not None,
            shuffle_choices=result.get("shuffle_choices"),
            judge=JudgeModel.from_json(result.get("judge")),
            version=int(result.get("version", 1)),
            system=None if result.get("system") is None else str(result["system"]),
        )


def _value(scoring: Mapping[str, object], name: str) -> str:
    value = scoring.get(name, "unset")
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 60)


def _order(seed: int | None) -> str:
    return "in the file's order" if seed is None else f"shuffled with seed {seed}"


def _system(system: str | None) -> str:
    if system is None:
        return "the benchmark's system prompt"
    return f"system prompt {one_line(repr(system), 60)}"


def _judge(judge: JudgeModel | None) -> str:
    return "no model" if judge is None else judge.description
