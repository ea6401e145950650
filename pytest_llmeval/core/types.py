"""The vocabulary: every value that flows between the modules, frozen, on one page."""

from __future__ import annotations

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
#: the file's labels of a question's choices, in the order in which their texts are shown
Order: TypeAlias = tuple[str, ...]


class Outcome(StrEnum):
    """What a question became; a run's counts of these add up to what was requested."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    ANSWERED = "answered"
    ERROR = "error"


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One row of a benchmark.

    ``choices`` maps labels to texts in the benchmark's order (empty for open questions);
    ``fields`` are all the row's columns; ``answer`` is the gold one, None where the split has
    none, empty where a judge does without; ``problem`` says what is wrong with a row that cannot be
    asked. Questions of the same ``cluster`` (a passage, a template) depend on each other.
    """

    benchmark: str
    subject: str
    key: str
    fields: Mapping[str, str] = field(repr=False)
    choices: Mapping[str, str] = field(repr=False)
    answer: str | None = field(repr=False)
    problem: str | None = field(default=None, repr=False)
    cluster: str | None = field(default=None, repr=False)
    #: ``benchmark/subject/key``: how runs are compared
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.benchmark}/{self.subject}/{self.key}")


@dataclass(frozen=True, slots=True)
class Message:
    """One chat turn; ``role`` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A prompt of chat turns, in the pieces that may be left out when it is too long."""

    question: tuple[Message, ...]
    shots: tuple[tuple[Message, ...], ...] = ()
    system: tuple[Message, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """All turns in order."""
        return (*self.system, *(turn for shot in self.shots for turn in shot), *self.question)

    @property
    def text(self) -> str:
        """The turns joined as plain text: what a model without a chat template reads."""
        return "\n".join(turn.content for turn in self.messages)

    def without_shots(self, dropped: int) -> ChatPrompt:
        """This prompt without its ``dropped`` earliest shots."""
        return replace(self, shots=self.shots[dropped:])


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """A plain-text prompt: description, then shots and question joined by ``separator``."""

    question: str
    shots: tuple[str, ...] = ()
    description: str = ""
    separator: str = "\n\n"

    @property
    def text(self) -> str:
        """The whole prompt."""
        return self.description + self.separator.join((*self.shots, self.question))

    def without_shots(self, dropped: int) -> TextPrompt:
        """This prompt without its ``dropped`` earliest shots."""
        return replace(self, shots=self.shots[dropped:])


Prompt: TypeAlias = ChatPrompt | TextPrompt


def shown(prompt: Prompt) -> str:
    """A prompt as a person reads it: chat turns under their roles."""
    if isinstance(prompt, ChatPrompt):
        return "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in prompt.messages)
    return prompt.text


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to a model.

    With ``choices`` (label -> continuation text, such as ``{"A": " A"}``) the model scores each
    continuation of the prompt; without, it generates up to ``max_tokens`` tokens.
    ``temperature`` 0 is greedy. ``stop`` strings end the text and are not part of it. ``repeat``
    tells apart requests that are alike and are each to have an answer of their own.

    ``lm_eval``: read as lm-evaluation-harness' own local model reads it, where that differs: what is too long
    is cut from the left, and only what the checkpoint itself calls an end ends a text. ``rolling``: the one
    choice is a whole text, scored from its first token on, in windows where it is longer than the context.

    With ``parts`` this is several requests in one: they are what is asked, in any order, and the completion
    has the completion of each in its ``parts``.
    """

    prompt: Prompt
    choices: Mapping[str, str] = field(default_factory=dict)
    max_tokens: int = 1024
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    repeat: int = 0
    lm_eval: bool = False
    rolling: bool = False
    parts: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one request.

    ``scores`` are log-probabilities (natural logarithm) of whole continuations by label; ``greedy`` says,
    where the backend tells, which of them the model would have written itself at temperature 0.
    ``latency_s`` (seconds) is from the moment the model took the request up to its answer; of a local
    model it is the request's own part of the time that was computed, and ``batch_s`` is how long the
    batches took that it was part of. ``queue_s`` is the wait before. ``shared_tokens`` of the prompt
    were computed for other requests too, and not for this one. ``first_token_s`` is the time from
    sending to the first of the answer, where it is streamed. Token counts are None where the backend
    does not tell.
    ``finish_reason`` is ``stop``, ``length``, ``content_filter``, ... as the API calls them, and
    ``scored`` for choice scores. ``prompt`` is the text as sent, when it is not the request's own
    (shots dropped, no chat template); ``notes`` say such things in words.
    With ``error`` there is no completion. ``parts`` are those of a request of several.
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


@dataclass(frozen=True, slots=True)
class Grade:
    """What a suite makes of a completion.

    ``answer`` is what was read from it, None where nothing could be; ``target`` is the gold answer and
    ``score`` from 0 to 1, both None where nothing is compared. ``correct`` is whether the score reaches the
    suite's threshold. ``graded`` marks a score between right and wrong, whose mean is reported. ``outcome``
    is there where the suite decides by itself what became of the question: else the test's assertion does.
    ``metrics`` are its values for this question by filter and then by name, as JSON can hold them.
    ``note`` is a line on how the score came about.
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
class Judgement:
    """What a judge model said of one answer.

    ``verdict`` is its grade, ``score`` what that is worth from 0 to 1; None where there is an ``error``.
    ``text`` is the reply that was read; ``unread`` an earlier one without a verdict, after which it was asked
    again. Tokens, latency (seconds) and attempts are those of all requests.
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
