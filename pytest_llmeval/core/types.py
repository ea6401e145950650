"""The frozen value types that the modules exchange."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["generate", "logprob"]
MODES: tuple[Mode, ...] = ("generate", "logprob")
Api: TypeAlias = Literal["chat", "completions"]
APIS: tuple[Api, ...] = ("chat", "completions")
Policy: TypeAlias = Literal["pass", "fail"]
POLICIES: tuple[Policy, ...] = ("pass", "fail")
#: a setting of the temperature; ``none`` leaves it out of requests, so that the server's default applies
Temperature: TypeAlias = float | Literal["none"]
#: the name under which the numbers of a metric of several figures are in ``Grade.metrics``
NUMBERS = "numbers"
#: the choice labels of a question in its file, in the order in which their texts are shown
Order: TypeAlias = tuple[str, ...]


class Outcome(StrEnum):
    """The result of a question; the outcome counts of a run add up to the number of requested questions.

    >>> Outcome("wrong") is Outcome.WRONG
    True
    """

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    ANSWERED = "answered"
    ERROR = "error"


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One row of a benchmark.

    ``choices`` maps labels to texts in the benchmark's order (empty for open questions). ``fields`` holds all
    columns of the row. ``answer`` is the gold answer: None if there is none to compare with, empty if a judge
    needs none. ``problem`` explains why a bad row cannot be asked. Questions in the same ``cluster``
    (a passage, a template) depend on each other.

        >>> row = {"q": "Which is nearest?", "a": "Mars", "b": "Moon"}
    >>> question = Question("sky", "astronomy", "0", row, {"A": "Mars", "B": "Moon"}, "B")
        >>> question.id, question.choices[question.answer]
        ('sky/astronomy/0', 'Moon')
    """

    benchmark: str
    subject: str
    key: str
    fields: Mapping[str, str] = field(repr=False)
    choices: Mapping[str, str] = field(repr=False)
    answer: str | None = field(repr=False)
    problem: str | None = field(default=None, repr=False)
    cluster: str | None = field(default=None, repr=False)
    #: ``benchmark/subject/key``; matches questions between runs
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.benchmark}/{self.subject}/{self.key}")


@dataclass(frozen=True, slots=True)
class Message:
    """One chat turn; ``role`` is system, user or assistant.

    >>> Message("user", "Say hello.").role
    'user'
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A prompt of chat turns, divided into parts so that shots can be dropped if it is too long.

    With a ``separator``, shots and question are joined by it in one user turn. ``description`` begins the
    first turn after the system message.

    >>> shot = (Message("user", "1 + 1 = ?"), Message("assistant", "2"))
    >>> prompt = ChatPrompt((Message("user", "2 + 2 = ?"),), shots=(shot,))
    >>> len(prompt.messages), len(prompt.without_shots(1).messages)
    (3, 1)
    """

    question: tuple[Message, ...]
    shots: tuple[tuple[Message, ...], ...] = ()
    system: tuple[Message, ...] = ()
    description: str = ""
    separator: str | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """All turns in order."""
        parts = (*self.shots, self.question)
        turns = [turn for part in parts for turn in part]
        if self.separator is not None:
            texts = ("".join(turn.content for turn in part) for part in parts)
            turns = [Message("user", self.separator.join(texts))]
        if self.description and turns:
            turns[0] = replace(turns[0], content=self.description + turns[0].content)
        return (*self.system, *turns)

    @property
    def text(self) -> str:
        """The turns joined as plain text, for models without a chat template."""
        return "\n".join(turn.content for turn in self.messages)

    def without_shots(self, dropped: int) -> ChatPrompt:
        """A copy of this prompt without its first ``dropped`` shots."""
        return replace(self, shots=self.shots[dropped:])


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """A plain-text prompt: description, then shots and question joined by ``separator``.

    >>> TextPrompt("Q: 2 + 2 A:", shots=("Q: 1 + 1 A: 2",), separator="; ").text
    'Q: 1 + 1 A: 2; Q: 2 + 2 A:'
    """

    question: str
    shots: tuple[str, ...] = ()
    description: str = ""
    separator: str = "\n\n"

    @property
    def text(self) -> str:
        """The whole prompt."""
        return self.description + self.separator.join((*self.shots, self.question))

    def without_shots(self, dropped: int) -> TextPrompt:
        """A copy of this prompt without its first ``dropped`` shots."""
        return replace(self, shots=self.shots[dropped:])


#: A request's prompt: ``TextPrompt("2 + 2 =")``, or turns as in ``ChatPrompt((Message("user", "Hi"),))``.
Prompt: TypeAlias = ChatPrompt | TextPrompt


def shown(prompt: Prompt) -> str:
    """Format a prompt for people to read, with each chat turn under its role."""
    if isinstance(prompt, ChatPrompt):
        return "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in prompt.messages)
    return prompt.text


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a model.

    With ``choices`` (label -> continuation text, such as ``{"A": " A"}``) the model scores each continuation
    of the prompt. Without ``choices`` it generates up to ``max_tokens`` tokens. ``temperature`` 0 is greedy;
    None leaves it to the server, and is greedy for a local model.
    ``stop`` strings end the text and are excluded from it. ``repeat`` distinguishes otherwise equal requests
    that need separate answers.

    ``lm_eval`` handles the request as the local model of lm-evaluation-harness does: input that is too long
    is truncated from the left, and only the checkpoint's end tokens end a text. With ``rolling``, the only
    choice is a whole text, scored from its first token, in windows if it exceeds the context.

    With ``parts``, this request stands for several requests, which may be sent in any order. The ``parts`` of
    the completion hold their completions.

        >>> generate = Request(TextPrompt("The capital of France is"), max_tokens=4, stop=("\\n",))
        >>> score = Request(TextPrompt("Answer:"), choices={"A": " A", "B": " B"})
    """

    prompt: Prompt
    choices: Mapping[str, str] = field(default_factory=dict)
    max_tokens: int = 1024
    temperature: float | None = 0.0
    stop: tuple[str, ...] = ()
    repeat: int = 0
    lm_eval: bool = False
    rolling: bool = False
    parts: tuple[Request, ...] = ()

    def with_system(self, system: str | None) -> Request:
        """A copy whose chat begins with ``system`` in place of its own system turns; with none if it is "".

        Unchanged for None, and for a prompt of plain text, which has no turns.

            >>> chat = Request(ChatPrompt((Message("user", "Hi"),)))
            >>> chat.with_system("Be brief.").prompt.messages[0]
            Message(role='system', content='Be brief.')
        """
        if system is None or isinstance(self.prompt, TextPrompt):
            return self
        turns = (Message("system", system),) if system else ()
        return replace(self, prompt=replace(self.prompt, system=turns))


def request_temperature(setting: Temperature | None, default: float = 0.0) -> float | None:
    """A request's temperature for the user's ``setting``; None stands for the ``default``.

    >>> request_temperature(None), request_temperature(0.7), request_temperature("none")
    (0.0, 0.7, None)
    """
    if setting is None:
        return default
    return None if setting == "none" else setting


@dataclass(frozen=True, slots=True)
class Completion:
    """The result of one request.

    ``scores`` maps labels to log-probabilities (natural logarithm) of whole continuations. ``greedy`` marks
    the continuations the model would generate at temperature 0, if the backend reports it.

    ``latency_s`` is the time in seconds from when the model starts the request until its answer; for a local
    model, it is the request's share of the compute time, and ``batch_s`` is the time of the batches that
    contained it. ``queue_s`` is the wait before that. ``first_token_s`` is the time from sending a streamed
    request to the first token. ``shared_tokens`` counts prompt tokens reused from other requests instead of
    computed for this one. Token counts are None if the backend does not report them.

    ``finish_reason`` is OpenAI's word (``stop``, ``length``, ``content_filter``, ...), else the API's own, or
    ``scored`` for choice scores. ``served_model`` is the model that the server says answered, if it is
    another one than was named. ``prompt`` is the text as sent, if it differs from the request's (shots
    dropped, no chat template); ``notes`` describe such changes. If ``error`` is set, there is no completion.
    ``parts`` are the completions of a request with parts.

        >>> scored = Completion(scores={"A": -0.1, "B": -2.4}, finish_reason="scored")
        >>> max(scored.scores, key=scored.scores.get)
        'A'
    """

    text: str = ""
    reasoning: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    greedy: Mapping[str, bool] = field(default_factory=dict)
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float = 0.0
    queue_s: float = 0.0
    batch_s: float | None = None
    first_token_s: float | None = None
    shared_tokens: int | None = None
    attempts: int = 1
    cached: bool = False
    dropped_shots: int = 0
    prompt: str | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    parts: tuple[Completion, ...] = ()
    served_model: str = ""

    @property
    def scores_problem(self) -> str | None:
        """Why the scores cannot be compared; None if all of them are finite, also those of parts."""
        for label, score in self.scores.items():
            if not math.isfinite(score):
                return (
                    f"the log-probability of choice {label[:40]!r} is {score}, not a finite number: "
                    "the model's computation overflows, as in float16"
                )
        return next((problem for part in self.parts if (problem := part.scores_problem)), None)


@dataclass(frozen=True, slots=True)
class Grade:
    """A suite's grade for a completion.

    ``answer`` is the answer extracted from the completion, or None if there is none. ``target`` is the gold
    answer, and ``score`` is from 0 to 1; both are None if nothing is compared. ``correct`` is whether the
    score reaches the suite's threshold. ``graded`` marks scores on a scale instead of right or wrong; their
    mean is reported. ``outcome`` is set if the suite decides the outcome; otherwise the test's assertion
    does. ``metrics`` holds JSON values for this question by filter and then by name; those of a metric that
    returns ``Scores`` are under ``NUMBERS``, each a number or a numerator and a denominator. ``note``
    explains the score in one line.

        >>> Grade("B", target="B", score=1.0, correct=True).correct
        True
    """

    answer: str | None
    target: str | None = None
    score: float | None = None
    correct: bool = False
    graded: bool = False
    outcome: Outcome | None = None
    metrics: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class OfficialReading:
    """What a benchmark's official rule reads in a text, where that differs from its answer.

    ``rule`` is the name of an extractor, ``answer`` None if the rule reads nothing, ``correct`` whether the
    metric accepts its answer.
    """

    rule: str
    answer: str | None
    correct: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge model's grade for one answer.

    ``verdict`` is the judge's grade and ``score`` its value from 0 to 1; both are None if there is an
    ``error``. ``text`` is the reply that the verdict was parsed from. ``unread`` is an earlier reply without
    a verdict, after which the judge was asked again. Tokens, latency (seconds) and attempts cover all
    requests.

        >>> Judgement("judge-model", verdict="A", score=1.0, text="Verdict: A").score
        1.0
    """

    judge: str
    verdict: str | None = None
    score: float | None = None
    text: str = ""
    reasoning: str = ""
    unread: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float = 0.0
    attempts: int = 1
    cached: bool = False
    error: str | None = None
