"""The ``llm`` fixture: a model as tests see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Question, Request, TextPrompt

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

    All methods wait for the model. They raise ``RequestFailed`` where a request has no completion, which
    becomes the question's error, never a wrong answer.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def __repr__(self) -> str:
        return f"llm({self.name})"

    @property
    def name(self) -> str:
        """The model's name, as results have it."""
        return self._asker.name

    def answer(self, question: Question) -> str | None:
        """The answer that the benchmark's extractor reads from the completion; None where it reads none.

        In logprob mode the label of the likeliest choice.
        """
        return self._asker.respond(question, self._asker.attempt, extract=True).answer

    def score(self, question: Question) -> float | None:
        """What the benchmark's metric gives the answer, from 0 to 1; 0 where no answer could be read.

        None where the question has no gold answer. Raises ``RequestFailed`` also where the metric fails.
        """
        grade = self._asker.respond_graded(question, self._asker.attempt).grade
        return None if grade is None else grade.score

    def correct(self, question: Question) -> bool:
        """Whether the score reaches the metric's threshold.

        For a suite that compares nothing, whether there is an answer.
        """
        grade = self._asker.respond_graded(question, self._asker.attempt).grade
        return grade is not None and grade.correct

    def complete(self, question: Question) -> Completion:
        """The model's whole completion, for tests that read it by themselves.

        Its text speaks of the letters that were ``shown``, which are the file's unless choices are moved
        (``--llm-circular``, ``--llm-shuffle-choices``); its scores have the file's labels.
        """
        return self._asker.respond(question, self._asker.attempt, extract=False).completion

    def shown(self, question: Question) -> Question:
        """``question`` with its choices in the order in which they are shown now, and the answer's label."""
        return self._asker.shown(question, self._asker.attempt)

    def generate(
        self,
        prompt: str | Sequence[Message | Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: Sequence[str] = (),
    ) -> Completion:
        """The completion of a text (one user turn) or of chat messages.

            llm.generate("What is 2 + 2?", max_tokens=8).text
            llm.generate([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])

        Parameters that are None are the model's own.
        """
        if isinstance(prompt, str):
            turns = [Message("user", prompt)]
        else:
            turns = [
                turn if isinstance(turn, Message) else Message(turn["role"], turn["content"])
                for turn in prompt
            ]
        config = self._asker.config
        return self._asker.submit(
            Request(
                ChatPrompt(tuple(turns)),
                max_tokens=max_tokens or config.max_tokens or _MAX_TOKENS,
                temperature=(config.temperature or 0.0) if temperature is None else temperature,
                stop=(*config.stop, *stop),
            )
        )

    def choose(self, text: str, choices: Sequence[str] | Mapping[str, str]) -> str:
        """The label of the likeliest continuation of ``text``.

            llm.choose("The capital of France is", [" Paris", " Rome"])

        ``choices`` are continuations, or labels with their continuations. Raises ``RequestFailed`` also
        where the model scores none of them.
        """
        table = dict(choices) if isinstance(choices, Mapping) else {choice: choice for choice in choices}
        scores = self._asker.submit(Request(TextPrompt(text), choices=table)).scores
        if not scores:
            raise RequestFailed(f"model {self.name} gave a score to none of the choices")
        return max(scores, key=scores.__getitem__)
