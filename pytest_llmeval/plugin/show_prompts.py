"""``--llm-show-prompts``: print the prompts without sending them."""

from __future__ import annotations

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.hostile_text import safe
from pytest_llmeval.core.types import shown
from pytest_llmeval.plugin.command_line import CommandLine
from pytest_llmeval.plugin.items import question_of
from pytest_llmeval.plugin.say import make_say
from pytest_llmeval.plugin.state import SESSION
from pytest_llmeval.suites.choice_order import presented

#: of a prompt; nobody reads more on a terminal
_MAX_CHARACTERS = 100_000


class PromptPrinter:
    """Prints the prompt of each selected question instead of running it."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Print the prompts, and keep pytest from running the items."""
        config = session.config
        state = config.stash[SESSION]
        say = make_say(config)
        without = ModelConfig("none", "none", system=CommandLine.of(config).value("system", config))
        model = next(iter(state.models.configs.values()), without)
        seen, prompts = set(), 0
        for item in session.items:
            question = question_of(item)
            if question is None or question.id in seen:
                continue
            seen.add(question.id)
            say(f"=== {question.id}")
            if question.problem is not None:
                say(f"(cannot be asked: {safe(question.problem)})")
                prompts += 1
                continue
            suite = state.suites[question.benchmark]
            for order in suite.orders(question):
                prompts += 1
                if suite.reorders:
                    say(f"--- choices in the order {' '.join(order)}")
                try:
                    request = suite.request(presented(question, order), model)
                except UserError as error:
                    say(f"(cannot be asked: {error})")
                    break
                for part in request.parts or (request,):
                    say(safe(shown(part.prompt), _MAX_CHARACTERS))
                    if part.choices:
                        scored = "whole text" if part.rolling else "continuations"
                        say(f"--- scored {scored}: " + ", ".join(map(repr, part.choices.values())))
        say(f"{prompts} prompt{'' if prompts == 1 else 's'}; nothing was sent")
        return True
