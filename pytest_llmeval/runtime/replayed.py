"""A model as it answered in an earlier run (``--llm-replay``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import Completion, Judgement, Question
from pytest_llmeval.runtime.llm import LLM, Asked, Key, response_of

if TYPE_CHECKING:
    from pytest_llmeval.runtime.engine import Engine
    from pytest_llmeval.runtime.judge import Judge
    from pytest_llmeval.suites.suite import Suite


class ReplayedLLM(LLM):
    """A model as it answered in an earlier run."""

    def __init__(
        self,
        config: ModelConfig,
        engine: Engine,
        suites: Mapping[str, Suite],
        earlier: Mapping[Key, Completion],
        say: Callable[[str], None],
        repeats: int = 1,
        judge: Callable[[], Judge] | None = None,
        judgements: Mapping[Key, Judgement] | None = None,
    ) -> None:
        """``judgements`` are those of the earlier run."""
        super().__init__(config, engine, suites, say, repeats, judge)
        self._earlier = earlier
        self._judgements = judgements or {}

    @property
    def window(self) -> int:
        """What is worth judging ahead."""
        if self._judge is None or all(suite.grading is None for suite in self._suites.values()):
            return super().window
        return -(-self._judge().window // self.repeats)

    def ask_ahead(self, questions: Sequence[Question]) -> None:
        """Nothing is asked, but of a judge that has not judged these answers."""
        for question in questions:
            suite = self._suites[question.benchmark]
            case = suite.case(question)
            if case is None or self._judge is None:
                continue
            for repeat in range(self.repeat, self.repeats):
                key = question.id, repeat, self.rotation
                if key in self._earlier and key not in self._judging and self._held(question, key) is None:
                    response = response_of(suite, question, self._earlier[key])
                    if response is not None and self._earlier[key].error is None:
                        self._judging[key] = self._judge().submit(case, response)

    def _judgement(self, question: Question, asked: Asked) -> Judgement | None:
        held = self._held(question, self._key(question))
        if held is not None or asked.answer is None:
            return held
        if self._judge is None:
            raise RequestFailed("the earlier run has no judgement of this answer", attempts=0)
        return super()._judgement(question, asked)

    def _ask(self, question: Question, read: bool) -> Asked:
        key = self._key(question)
        if key not in self._earlier:
            raise RequestFailed("the earlier run did not ask this question", attempts=0)
        return self._read(question, None, self._earlier[key], read)

    def _held(self, question: Question, key: Key) -> Judgement | None:
        """What the earlier run's judge said, if that holds; where it failed, a judge is asked again."""
        held = self._judgements.get(key)
        if held is None or not self._suites[question.benchmark].judged_before:
            return None
        return None if held.error is not None and self._judge is not None else held
