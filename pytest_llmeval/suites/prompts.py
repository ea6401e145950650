"""Build requests from questions with compiled templates; shots are rendered once per subject."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import (
    ChatPrompt,
    Message,
    Mode,
    Question,
    Request,
    Temperature,
    TextPrompt,
    request_temperature,
    shown,
)
from pytest_llmeval.scoring.templates import compiled, template_names
from pytest_llmeval.suites.cells import template_value
from pytest_llmeval.suites.messages import asked_turns
from pytest_llmeval.suites.spec import Benchmark

#: keys of later versions with their defaults, which leave the hash of prompts as it was
_LATER_KEYS: Mapping[Mode, Mapping[str, object]] = {
    "generate": {"description": "", "shots_as": "turns", "separator": "\n\n"},
    "logprob": {"normalise": "none"},
}


#: fields of templates that differ between the choices of a question
_OF_CHOICE = {"label", "choice_text"}


class PromptBuilder:
    """Build the prompts of a benchmark in one mode; ``shots`` are each subject's few-shot examples.

    ``exemplars`` are the texts of examples that a benchmark publishes as text, by subject.

    Raises ``UserError`` if the mode is ``logprob`` and the benchmark has no choices to score.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        mode: Mode,
        shots: Mapping[str, Sequence[Question]],
        exemplars: Mapping[str, str] | None = None,
    ) -> None:
        if mode == "logprob" and not benchmark.data.has_choices:
            raise UserError(
                f"{benchmark.name}: it has no choices to score; use --llm-mode=generate "
                f"(or name choice columns in {benchmark.file} [data])"
            )
        self._benchmark = benchmark
        self._mode = mode
        self._shots = shots
        self._exemplars = exemplars or {}
        data = benchmark.data
        #: columns that templates use, whose cells may be lists or objects
        self._structured = {column.partition(".")[0] for column in (*data.columns, *data.shot_columns)}
        self._heads: dict[str, ChatPrompt] = {}
        self._text_heads: dict[str, tuple[str, tuple[str, ...]]] = {}

    @property
    def sha256(self) -> str:
        """Hash of all prompt inputs except the questions: templates, mode, shots and subject names."""
        prompts = self._benchmark.generate if self._mode == "generate" else self._benchmark.logprob
        later = _LATER_KEYS[self._mode]
        values = {key: getattr(prompts, key) for key in prompts.__slots__}
        parts = {key: value for key, value in values.items() if key not in later or value != later[key]}
        name = self._benchmark.name  # the same prompts have the same hash in every variant
        shots = {
            subject: [[f"{name}/{q.subject}/{q.key}", dict(q.fields)] for q in rows]
            for subject, rows in self._shots.items()
        }
        names = {key: [subject.name, subject.zh] for key, subject in self._benchmark.subjects.items()}
        content_parts = [self._mode, parts, shots, names, *([self._exemplars] if self._exemplars else [])]
        content = json.dumps(content_parts, ensure_ascii=True, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def request(
        self,
        question: Question,
        *,
        max_tokens: int | None = None,
        temperature: Temperature | None = None,
        stop: Sequence[str] = (),
    ) -> Request:
        """Build the request for ``question``; the default temperature is 0.

        Raises ``UserError`` if a template cannot be rendered with this row.
        """
        try:
            return self._request(question, max_tokens, request_temperature(temperature), stop)
        except Exception as error:  # a template expression can raise anything
            mode = f"{self._benchmark.file} [prompts.{self._mode}]"
            raise UserError(
                f"{mode}: a template fails for {question.id}: {type(error).__name__}: {one_line(error, 120)}"
            ) from None

    def _request(
        self, question: Question, max_tokens: int | None, temperature: float | None, stop: Sequence[str]
    ) -> Request:
        benchmark = self._benchmark
        if self._mode == "logprob":
            choices = self.continuations(question)
            if not self._asks_each_choice:
                return Request(self._text(question), choices=choices)
            parts = tuple(
                Request(self._text(question, label), choices={label: text}) for label, text in choices.items()
            )
            return Request(parts[0].prompt, parts=parts)
        return Request(
            self._chat(question),
            max_tokens=max_tokens or benchmark.max_tokens,
            temperature=temperature,
            stop=(*benchmark.stop, *stop),
        )

    def _chat(self, question: Question) -> ChatPrompt:
        if self._benchmark.data.messages is not None:
            turns, _ = asked_turns(question.fields, self._benchmark.data)
            lead = sum(1 for _ in itertools.takewhile(lambda turn: turn.role == "system", turns))
            return ChatPrompt(turns[lead:], system=turns[:lead] or self._system(question))
        templates = self._benchmark.generate
        user, assistant = compiled(templates.user), compiled(templates.assistant)
        if question.subject not in self._heads:
            system = self._system(question)
            shots: tuple[tuple[Message, ...], ...] = tuple(
                (Message("user", user.render(fields)), Message("assistant", assistant.render(fields)))
                for fields in map(self._fields, self._shots.get(question.subject, ()))
            )
            description = compiled(templates.description).render(self._fields(question))
            separator = templates.separator if templates.shots_as == "text" else None
            self._heads[question.subject] = ChatPrompt((), shots, system, description, separator)
        turn = Message("user", user.render(self._fields(question)))
        return replace(self._heads[question.subject], question=(turn,))

    def _system(self, question: Question) -> tuple[Message, ...]:
        template = self._benchmark.generate.system
        if not template:  # a variant removes the benchmark's with an empty one
            return ()
        return (Message("system", compiled(template).render(self._fields(question))),)

    @property
    def _asks_each_choice(self) -> bool:
        """Whether each choice has its own prompt."""
        return not _OF_CHOICE.isdisjoint(template_names(self._benchmark.logprob.question))

    @property
    def scores_texts(self) -> bool:
        """Whether the texts of choices are scored, rather than their labels."""
        names = template_names(self._benchmark.logprob.choice)
        return self._mode == "logprob" and not names.isdisjoint({"choice_text", "choices"})

    def continuations(self, question: Question) -> dict[str, str]:
        """The text that is scored for each choice, by label."""
        template = compiled(self._benchmark.logprob.choice)
        fields = self._fields(question)
        return {label: template.render(_with_choice(fields, question, label)) for label in question.choices}

    def _text(self, question: Question, label: str | None = None) -> TextPrompt:
        templates = self._benchmark.logprob
        question_template, answer_template = compiled(templates.question), compiled(templates.answer)
        if question.subject not in self._text_heads:
            description = compiled(templates.description).render(self._fields(question))
            shots = tuple(
                question_template.render(_with_choice(self._fields(shot), shot, shot.answer))
                + answer_template.render(self._fields(shot))
                for shot in self._shots.get(question.subject, ())
            )
            self._text_heads[question.subject] = description, shots
        description, shots = self._text_heads[question.subject]
        text = question_template.render(_with_choice(self._fields(question), question, label))
        return TextPrompt(text, shots, description, templates.separator)

    def _fields(self, question: Question) -> dict[str, object]:
        subject = self._benchmark.subjects.get(question.subject)
        fields: dict[str, object] = dict(question.fields)
        for column in self._structured:
            fields[column] = template_value(question.fields.get(column, ""))
        fields.update(
            choices=question.choices,
            answer=question.answer,
            subject=question.subject,
            exemplars=self._exemplars.get(question.subject, ""),
            subject_name=subject.name if subject else self._subject_in_row(question),
            subject_zh=(subject.zh or subject.name) if subject else question.subject,
        )
        return fields

    def _subject_in_row(self, question: Question) -> str:
        """The name of a question's subject as its row has it."""
        column = self._benchmark.data.subject
        return question.subject if column is None else question.fields.get(column, question.subject)


def _with_choice(fields: Mapping[str, object], question: Question, label: str | None) -> Mapping[str, object]:
    """The fields of a question with one of its choices as label and choice_text."""
    if label is None:
        return fields
    return {**fields, "label": label, "choice_text": question.choices.get(label, "")}


def judge_text(benchmark: Benchmark, question: Question) -> str:
    """The text of a question that a judge reads: the question and its choices, or the conversation."""
    if benchmark.data.messages is not None:
        turns, _ = asked_turns(question.fields, benchmark.data)
        return shown(ChatPrompt(turns)) if len(turns) > 1 else turns[0].content
    lines = [f"{label}. {text}" for label, text in question.choices.items()]
    return "\n".join([question.fields["question"], *lines])
