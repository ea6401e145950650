"""``--llm-show-prompts``: what would be sent, and stop."""

from __future__ import annotations

import pytest

from pytest_llmeval.collect import question_of
from pytest_llmeval.errors import UserError
from pytest_llmeval.fixtures import make_say
from pytest_llmeval.state import STATE
from pytest_llmeval.types import ModelConfig, shown


class PromptShow:
    """Prints the prompt of each selected question instead of running it."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's loop."""
        config = session.config
        state = config.stash[STATE]
        say = make_say(config)
        model = next(iter(state.models.configs.values()), ModelConfig("none", "none"))
        seen = set()
        for item in session.items:
            question = question_of(item)
            if question is None or question.id in seen:
                continue
            seen.add(question.id)
            say(f"=== {question.id}")
            if question.problem is not None:
                say(f"(cannot be asked: {question.problem})")
                continue
            try:
                request = state.suites[question.benchmark].request(question, model)
            except UserError as error:
                say(f"(cannot be asked: {error})")
                continue
            say(shown(request.prompt))
            if request.choices:
                say("--- scored continuations: " + ", ".join(map(repr, request.choices.values())))
        say(f"{len(seen)} prompt{'' if len(seen) == 1 else 's'}; nothing was asked")
        return True
