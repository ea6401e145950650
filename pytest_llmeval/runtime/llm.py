"""The ``llm`` fixture: a model as tests see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import (
    ChatPrompt,
    Completion,
    Message,
    Question,
    Request,
    TextPrompt,
    request_temperature,
)

if TYPE_CHECKING:
    from pytest_llmeval.runtime.asker import Asker

_MAX_TOKENS = 1024


class LLM:
    """A model as tests see it.

        @pytest.mark.llmeval("ceval")
        def test_ceval(question, llm):
            assert llm.answer(question) == question.answer

        def test_greeting(llm):
            assert "hello" in llm.generate("Say hello.").text.lower()

    All methods wait for the model. They raise ``RequestFailed`` if a request has no completion; this counts
    as an error of the question, not as a wrong answer.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def __repr__(self) -> str:
        return f"llm({self.name})"

    @property
    def name(self) -> str:
        """The model's name in results."""
        return self._asker.name

    def answer(self, question: Question) -> str | None:
        """The answer that the benchmark's extractor finds in the completion; None if it finds none.

        In logprob mode, the label of the most likely choice.
        """
        return self._asker.respond(question, self._asker.attempt, extract=True).answer

    def score(self, question: Question) -> float | None:
        """The score of the answer by the benchmark's metric, from 0 to 1; 0 if no answer was found.

        None if the question has no gold answer. Raises ``RequestFailed`` also if the metric fails.
        """
        grade = self._asker.respond_graded(question, self._asker.attempt).grade
        return None if grade is None else grade.score

    def correct(self, question: Question) -> bool:
        """Whether the score reaches the metric's threshold.

        For a suite without gold answers: whether there is an answer.
        """
        grade = self._asker.respond_graded(question, self._asker.attempt).grade
        return grade is not None and grade.correct

    def complete(self, question: Question) -> Completion:
        """The model's completion, for tests that extract the answer themselves.

        Its text uses the labels of ``shown(question)``: those of the benchmark's file, unless choices are
        reordered (``--llm-circular``, ``--llm-shuffle-choices``). Its scores use the labels of the file.
        """
        return self._asker.respond(question, self._asker.attempt, extract=False).completion

    def shown(self, question: Question) -> Question:
        """A copy of ``question`` with choices and answer in the order that the model sees in this attempt."""
        return self._asker.shown(question, self._asker.attempt)

    def generate(
        self,
        prompt: str | Sequence[Message | Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: Sequence[str] = (),
    ) -> Completion:
        """Generate a completion of a text (sent as one user turn) or of chat messages.

            llm.generate("What is 2 + 2?", max_tokens=8).text
            llm.generate([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])

        A parameter that is None defaults to the model's setting. The model's system prompt comes first,
        unless the messages have one.
        """
        if isinstance(prompt, str):
            turns = [Message("user", prompt)]
        else:
            turns = [
                turn if isinstance(turn, Message) else Message(turn["role"], turn["content"])
                for turn in prompt
            ]
        config = self._asker.config
        request = Request(
            ChatPrompt(tuple(turns)),
            max_tokens=max_tokens or config.max_tokens or _MAX_TOKENS,
            temperature=request_temperature(config.temperature if temperature is None else temperature),
            stop=(*config.stop, *stop),
        )
        has_system = any(turn.role == "system" for turn in turns)
        return self._asker.submit(request if has_system else request.with_system(config.system))

    def choose(self, text: str, choices: Sequence[str] | Mapping[str, str]) -> str:
        """The label of the most likely continuation of ``text``.

            llm.choose("The capital of France is", [" Paris", " Rome"])

        ``choices`` are continuations, or a mapping from labels to continuations. Raises ``RequestFailed``
        also if the model scores none of them.
        """
        table = dict(choices) if isinstance(choices, Mapping) else {choice: choice for choice in choices}
        scores = self._asker.submit(Request(TextPrompt(text), choices=table)).scores
        if not scores:
            raise RequestFailed(f"model {self.name} scored none of the choices")
        return max(scores, key=scores.__getitem__)
