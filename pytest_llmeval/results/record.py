"""The record of one question, as it is written, sent between processes, counted and read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pytest_llmeval.analysis.majority import majority_index
from pytest_llmeval.core.types import NUMBERS, Completion, Judgement, OfficialReading, Order, Outcome
from pytest_llmeval.results import record_fields
from pytest_llmeval.results.benchmark_info import base_name
from pytest_llmeval.results.unparsed import CUT_OFF, Reason, reason_of
from pytest_llmeval.scoring.answer_sets import split_labels

_PREFIX = "llm_"
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
#: keys of one record among several on a report: enough for counts and intervals, without texts
_REPORTED_KEYS = (
    *("outcome", "answer", "order", "latency_s", "cached", "score", "judgement", "scores"),
    "served_model",
)


@dataclass(frozen=True, slots=True)
class Record:
    """One model's answer to one question: a line of questions.jsonl, from which everything is counted.

    ``answer`` was extracted from the completion, ``target`` is the gold answer (None: nothing to compare).
    Both, and choice scores, use the labels of the file, even if the choices were shown in another ``order``
    (None: file order). ``score`` is a graded metric's, from 0 to 1; ``metrics`` are those of a self-graded
    suite, by filter and name. ``prompt`` is the text that was sent, ``question`` that of the file alone, and
    ``choices`` maps its labels to their texts, in file order; both are empty in suites without a file of
    questions. ``judgement`` is None without a judge. ``repeat`` counts from 0.

    If the question was asked in several orders of its choices, ``rotations`` has the record of each order,
    and this record is that of the order that decided. ``official`` is the reading of the benchmark's official
    rule, if it differs. ``test`` is the test function, if several asked the benchmark; it is then part of
    ``id`` and ``benchmark``. ``reported_reason`` is the ``unparsed_reason`` of a record that a report carried
    without its texts. ``accepted_by`` is the name of a looser metric that accepts this wrong answer. If the
    question was repeated, ``repeats`` has the record of each repeat, and this record is that of the
    majority's answer, with sums over all repeats.

        >>> node = "test_sky.py::test[astronomy-0]"
        >>> record = Record("sky/astronomy/0", node, "mine", "sky", "astronomy", Outcome.CORRECT)
        >>> Record.from_json(record.to_json()).outcome
        <Outcome.CORRECT: 'correct'>
    """

    id: str
    nodeid: str
    model: str
    benchmark: str
    subject: str
    outcome: Outcome
    answer: str | None = None
    target: str | None = None
    completion: Completion = field(default_factory=Completion)
    prompt: str = ""
    cluster: str | None = None
    repeat: int = 0
    score: float | None = None
    order: Order | None = None
    rotations: tuple[Record, ...] = ()
    judgement: Judgement | None = None
    metrics: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    repeats: tuple[Record, ...] = ()
    official: OfficialReading | None = None
    test: str | None = None
    reported_reason: Reason | None = None
    accepted_by: str | None = None
    question: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_rotations(cls, records: Sequence[Record]) -> Record:
        """The record of a question that was asked in several orders of its choices.

        It is correct only if it is correct in all orders: the first wrong order decides, else the first
        unparsed one. An error takes precedence, since a question without an answer in every order has no
        result. Without a gold answer the first order represents all.
        """
        if len(records) == 1:
            return records[0]
        deciding = [Outcome.ERROR]
        if records[0].target is not None:
            deciding += [Outcome.WRONG, Outcome.UNPARSED]
        for outcome in deciding:
            for record in records:
                if record.outcome is outcome:
                    return replace(record, rotations=tuple(records))
        return replace(records[0], rotations=tuple(records))

    @classmethod
    def majority(cls, records: Sequence[Record]) -> Record:
        """The record that represents all repeats: the first with the most frequent answer."""
        return records[majority_index([(record.outcome, record.answer) for record in records])]

    @classmethod
    def of_repeats(cls, records: Sequence[Record]) -> Record:
        """The record of a question from those of its repeats: the first with the majority's answer.

        Its completion has the tokens and attempts of all repeats and rotations, and their mean latency (in
        seconds); its score is the mean.
        """
        majority = cls.majority(records)
        completions = [single.completion for record in records for single in record.rotations or (record,)]
        if len(completions) == 1:
            return majority
        scores = [record.score for record in records if record.score is not None]
        return replace(
            majority,
            completion=record_fields.sum_completions(completions),
            score=sum(scores) / len(scores) if scores else None,
            repeats=tuple(records),
        )

    def merged(self, later: Record) -> Record:
        """The record of a question from this one and ``later``, of other repeats of the same question.

        A repeat of ``later`` replaces one of the same number.
        """
        repeats = {record.repeat: record for record in (*self.attempts, *later.attempts)}
        if len(repeats) == len(later.attempts):
            return later
        records = [repeats[number] for number in sorted(repeats)]
        combined = Record.of_repeats(records)
        # the repeats of a report have no tokens of their own
        sums = record_fields.sum_completions([self.completion, later.completion])
        return replace(combined, completion=replace(sums, latency_s=combined.completion.latency_s))

    @property
    def question_id(self) -> str:
        """The question's id without the test function."""
        return base_name(self.benchmark, self.test) + self.id.removeprefix(self.benchmark)

    @property
    def numbers(self) -> Mapping[str, object]:
        """The numbers of a metric that returns ``Scores``: a number, or a numerator and a denominator."""
        return self.metrics.get(NUMBERS, {})

    @property
    def gold(self) -> bool:
        """Whether there is a gold answer to compare with."""
        return self.target is not None

    @property
    def attempts(self) -> tuple[Record, ...]:
        """The records of all repeats; only this record if there are none."""
        return self.repeats or (self,)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcome of each repeat."""
        return tuple(record.outcome for record in self.repeats) if self.repeats else (self.outcome,)

    @property
    def from_store(self) -> int:
        """How many repeats were answered from the store alone."""
        if not self.repeats:
            return int(self.completion.cached)
        return sum(all(single.completion.cached for single in record.singles) for record in self.repeats)

    @property
    def singles(self) -> tuple[Record, ...]:
        """The records of single requests: each order of each repeat."""
        if not self.repeats:
            return self.rotations or (self,)
        return tuple(single for record in self.repeats for single in record.singles)

    @property
    def latencies_s(self) -> list[float]:
        """The latency of each answered request of this run; errors are excluded, since they are timeouts."""
        return [
            single.completion.latency_s
            for single in self.singles
            if single.outcome is not Outcome.ERROR and not single.completion.cached
        ]

    @property
    def cut_off(self) -> bool:
        """Whether the token limit ended an answer; of a record without repeats."""
        return self.outcome is not Outcome.ERROR and any(
            single.completion.finish_reason == CUT_OFF for single in self.singles
        )

    @property
    def unparsed_reason(self) -> Reason | None:
        """Why nothing could be read; None if the answer is not unparsed. Of a record without repeats."""
        if self.outcome is not Outcome.UNPARSED:
            return None
        return self.reported_reason or reason_of(self.completion)

    @property
    def circles(self) -> tuple[tuple[Record, ...], ...]:
        """The records of all orders, for each repeat; empty if there is only one order."""
        if not any(record.rotations for record in self.attempts):
            return ()
        return tuple(record.singles for record in self.attempts)

    @property
    def judgements(self) -> list[Judgement]:
        """The judgement of each repeat."""
        return [record.judgement for record in self.attempts if record.judgement is not None]

    @property
    def places(self) -> tuple[int, ...]:
        """The positions of the answer's choices as shown, from 0; none without an order or a choice."""
        chosen = split_labels(self.answer, self.order) if self.answer and self.order else None
        return tuple(place for place, label in enumerate(self.order or ()) if chosen and label in chosen)

    def to_json(self) -> dict[str, Any]:
        """This record as its line in questions.jsonl; each of ``repeats`` has its own line."""
        content: dict[str, Any] = {
            "id": self.id,
            "nodeid": self.nodeid,
            "model": self.model,
            "benchmark": self.benchmark,
            "subject": self.subject,
            "target": self.target,
            **self._answer_json(),
        }
        # keys that some runs do not need are omitted
        if self.question:
            content["question"] = self.question
        if self.choices:
            content["choices"] = dict(self.choices)
        if self.test is not None:
            content["test"] = self.test
        if self.cluster is not None:
            content["cluster"] = self.cluster
        if self.repeat:
            content["repeat"] = self.repeat
        if self.score is not None:
            content["score"] = record_fields.finite(self.score)
        if self.official is not None:
            content["official"] = asdict(self.official)
        if self.accepted_by is not None:
            content["accepted_by"] = self.accepted_by
        if self.rotations:
            content["rotations"] = [record._answer_json() for record in self.rotations]
        if self.judgement is not None:
            latency = record_fields.finite(round(self.judgement.latency_s, 6))
            content["judgement"] = {**asdict(self.judgement), "latency_s": latency}
        if self.metrics:
            content["metrics"] = self.metrics
        if self.completion.greedy:
            content["greedy"] = dict(self.completion.greedy)
        if self.completion.parts:
            content["parts"] = [record_fields.part_json(part) for part in self.completion.parts]
        return content

    def _answer_json(self) -> dict[str, Any]:
        """The prompt and answer in one order of the choices."""
        completion = self.completion
        batch_s, first_token_s = completion.batch_s, completion.first_token_s
        return {
            "outcome": self.outcome.value,
            "answer": self.answer,
            **({} if self.order is None else {"order": list(self.order)}),
            "text": completion.text,
            "reasoning": completion.reasoning,
            "finish_reason": completion.finish_reason,
            "prompt": self.prompt if completion.prompt is None else completion.prompt,
            "scores": record_fields.scores_json(completion.scores),
            "latency_s": record_fields.finite(round(completion.latency_s, 6)),
            "queue_s": record_fields.finite(round(completion.queue_s, 6)),
            "batch_s": None if batch_s is None else record_fields.finite(round(batch_s, 6)),
            "first_token_s": None if first_token_s is None else record_fields.finite(round(first_token_s, 6)),
            "prompt_tokens": completion.prompt_tokens,
            "shared_tokens": completion.shared_tokens,
            "completion_tokens": completion.completion_tokens,
            "attempts": completion.attempts,
            "cached": completion.cached,
            "dropped_shots": completion.dropped_shots,
            "notes": list(completion.notes),
            "error": completion.error,
            **({"served_model": completion.served_model} if completion.served_model else {}),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Record:
        """The record of a line in questions.jsonl, of this version or an earlier one.

        A null score stands for minus infinity, which JSON cannot represent. Raises KeyError, TypeError,
        ValueError or AttributeError for a line that is not a record.
        """
        cluster, score, judgement = row.get("cluster"), row.get("score"), row.get("judgement")
        record = cls(
            id=str(row["id"]),
            nodeid=str(row.get("nodeid", "")),
            model=str(row["model"]),
            benchmark=str(row["benchmark"]),
            subject=str(row["subject"]),
            outcome=Outcome(row["outcome"]),
            answer=record_fields.text(row.get("answer")),
            target=record_fields.text(row.get("target")),
            completion=record_fields.completion(row),
            prompt=record_fields.text(row.get("prompt")) or "",
            cluster=None if cluster is None else str(cluster),
            repeat=int(row.get("repeat") or 0),
            score=None if score is None else float(score),
            order=record_fields.order(row),
            judgement=None if judgement is None else record_fields.judgement(judgement),
            metrics=row.get("metrics") or {},
            official=record_fields.official(row),
            test=record_fields.text(row.get("test")),
            accepted_by=record_fields.text(row.get("accepted_by")),
            question=record_fields.text(row.get("question")) or "",
            choices={str(label): str(text) for label, text in (row.get("choices") or {}).items()},
        )
        rotations = row.get("rotations") or ()
        return replace(record, rotations=record._rotations(rotations)) if rotations else record

    def _rotations(self, rows: Iterable[Mapping[str, Any]]) -> tuple[Record, ...]:
        """The records of all orders, which differ from this one only in their answers."""
        return tuple(
            replace(
                self,
                outcome=Outcome(row["outcome"]),
                answer=record_fields.text(row.get("answer")),
                completion=record_fields.completion(row),
                prompt=record_fields.text(row.get("prompt")) or "",
                order=record_fields.order(row),
                score=None,
                judgement=None,
            )
            for row in rows
        )

    def with_error(self, message: str) -> Record:
        """A copy of this record as an error, whatever the answer was."""
        return replace(self, outcome=Outcome.ERROR, completion=replace(self.completion, error=message))

    def to_report(self) -> list[tuple[str, object]]:
        """The user properties that carry this record on its item's report.

        They are scalars without any text from a model. If the question was repeated, ``llm_repeats`` has the
        figures of all repeats as JSON.
        """
        completion = self.completion
        pairs: list[tuple[str, object]] = [
            (_PREFIX + "id", self.id),
            (_PREFIX + "model", self.model),
            (_PREFIX + "benchmark", self.benchmark),
            (_PREFIX + "subject", self.subject),
            (_PREFIX + "outcome", self.outcome.value),
            (_PREFIX + "answer", self.answer),
            (_PREFIX + "target", self.target),
            (_PREFIX + "latency_s", round(completion.latency_s, 6)),
            (_PREFIX + "prompt_tokens", completion.prompt_tokens),
            (_PREFIX + "completion_tokens", completion.completion_tokens),
            (_PREFIX + "attempts", completion.attempts),
        ]
        if completion.shared_tokens is not None:
            pairs.append((_PREFIX + "shared_tokens", completion.shared_tokens))
        if self.test is not None:
            pairs.append((_PREFIX + "test", self.test))
        if self.repeat:
            pairs.append((_PREFIX + "repeat", self.repeat))
        if self.cluster is not None:
            pairs.append((_PREFIX + "cluster", self.cluster))
        if self.score is not None:
            pairs.append((_PREFIX + "score", self.score))
        if completion.scores and not self.repeats:
            pairs.append((_PREFIX + "scores", _JSON.encode(record_fields.scores_json(completion.scores))))
        if self.numbers and not self.repeats:
            pairs.append((_PREFIX + NUMBERS, _JSON.encode(self.numbers)))
        if self.official is not None and not self.repeats:
            pairs.append((_PREFIX + "official", _JSON.encode(asdict(self.official))))
        if self.accepted_by is not None and not self.repeats:
            pairs.append((_PREFIX + "accepted_by", self.accepted_by))
        if self.choices:
            pairs.append((_PREFIX + "choices", _JSON.encode(list(self.choices))))
        if completion.cached:
            pairs.append((_PREFIX + "cached", True))
        if completion.finish_reason == CUT_OFF:
            pairs.append((_PREFIX + "cut_off", True))
        if self.unparsed_reason is not None:
            pairs.append((_PREFIX + "unparsed_reason", self.unparsed_reason.value))
        if completion.served_model and not self.repeats:
            pairs.append((_PREFIX + "served_model", completion.served_model))
        if completion.error is not None:
            pairs.append((_PREFIX + "error", completion.error))
        if self.repeats:
            repeats = [{"repeat": record.repeat, **record._figures()} for record in self.repeats]
            pairs.append((_PREFIX + "repeats", _JSON.encode(repeats)))
        elif self.judgement is not None:
            pairs.append(
                (_PREFIX + "judgement", _JSON.encode(record_fields.judgement_figures(self.judgement)))
            )
        return pairs

    def _figures(self) -> dict[str, Any]:
        """The part of one record among several that a report carries."""
        row = self._answer_json() | {"score": self.score}
        content = {key: row[key] for key in _REPORTED_KEYS if row.get(key) not in (None, False, {})}
        if self.completion.finish_reason == CUT_OFF:
            content["cut_off"] = True
        if self.unparsed_reason is not None:
            content["unparsed_reason"] = self.unparsed_reason.value
        if self.numbers:
            content[NUMBERS] = dict(self.numbers)
        if self.official is not None:
            content["official"] = asdict(self.official)
        if self.accepted_by is not None:
            content["accepted_by"] = self.accepted_by
        if self.judgement is not None:
            content["judgement"] = record_fields.judgement_figures(self.judgement)
        if self.rotations:
            content["rotations"] = [record._figures() for record in self.rotations]
        return content

    @classmethod
    def from_report(cls, properties: Iterable[tuple[str, object]], nodeid: str) -> Record | None:
        """The record that a report's user properties carry, without texts; None for other reports."""
        values: dict[str, Any] = {
            name.removeprefix(_PREFIX): value for name, value in properties if name.startswith(_PREFIX)
        }
        if "outcome" not in values:
            return None
        record = cls(
            id=values["id"],
            nodeid=nodeid,
            model=values["model"],
            benchmark=values["benchmark"],
            subject=values["subject"],
            outcome=Outcome(values["outcome"]),
            answer=values.get("answer"),
            target=values.get("target"),
            completion=Completion(
                latency_s=values.get("latency_s", 0.0),
                prompt_tokens=values.get("prompt_tokens"),
                completion_tokens=values.get("completion_tokens"),
                shared_tokens=values.get("shared_tokens"),
                attempts=values.get("attempts", 1),
                cached=values.get("cached", False),
                finish_reason=CUT_OFF if values.get("cut_off") else "",
                error=values.get("error"),
                scores=record_fields.scores(json.loads(values.get("scores", "{}"))),
                served_model=values.get("served_model", ""),
            ),
            cluster=values.get("cluster"),
            repeat=values.get("repeat", 0),
            test=values.get("test"),
            score=values.get("score"),
            official=record_fields.official({"official": json.loads(values.get("official", "null"))}),
            reported_reason=_reason(values),
            accepted_by=values.get("accepted_by"),
            metrics=_metrics(json.loads(values.get(NUMBERS, "{}"))),
            choices=dict.fromkeys(json.loads(values.get("choices", "[]")), ""),
        )
        if "judgement" in values:
            return replace(record, judgement=record_fields.judgement(json.loads(values["judgement"])))
        if "repeats" not in values:
            return record
        repeats = [
            record._from_figures(figures, figures["repeat"]) for figures in json.loads(values["repeats"])
        ]
        return replace(record, repeats=tuple(repeats))

    def _from_figures(self, figures: Mapping[str, Any], repeat: int) -> Record:
        judgement = figures.get("judgement")
        record = replace(
            self,
            outcome=Outcome(figures["outcome"]),
            answer=figures.get("answer"),
            completion=Completion(
                latency_s=figures.get("latency_s", 0.0),
                cached=figures.get("cached", False),
                finish_reason=CUT_OFF if figures.get("cut_off") else "",
                scores=record_fields.scores(figures.get("scores") or {}),
                served_model=figures.get("served_model", ""),
            ),
            order=record_fields.order(figures),
            score=figures.get("score"),
            repeat=repeat,
            judgement=None if judgement is None else record_fields.judgement(judgement),
            official=record_fields.official(figures),
            reported_reason=_reason(figures),
            accepted_by=figures.get("accepted_by"),
            metrics=_metrics(figures.get(NUMBERS, {})),
        )
        rotations = [record._from_figures(rotation, repeat) for rotation in figures.get("rotations", ())]
        return replace(record, rotations=tuple(rotations))


def other_properties(properties: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    """The user properties of an item that are not part of a record."""
    return [pair for pair in properties if not pair[0].startswith(_PREFIX)]


def _metrics(numbers: Mapping[str, object]) -> Mapping[str, Mapping[str, object]]:
    return {NUMBERS: numbers} if numbers else {}


def _reason(values: Mapping[str, Any]) -> Reason | None:
    return Reason(values["unparsed_reason"]) if "unparsed_reason" in values else None


def outcome_property(properties: Iterable[tuple[str, object]]) -> Outcome | None:
    """The outcome on an item's report; None for reports of other tests."""
    for name, value in properties:
        if name == _PREFIX + "outcome":
            return Outcome(str(value))
    return None
