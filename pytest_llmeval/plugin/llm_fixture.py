"""The ``llm`` fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.plugin.pytest_internals import set_fixture_value

if TYPE_CHECKING:
    from pytest_llmeval.runtime.llm import LLM
    from pytest_llmeval.runtime.pool import ModelPool


def _without_model() -> LLM:
    """The model under evaluation: ``answer(question)``, ``complete``, ``generate``, ``choose``."""
    pytest.skip("needs a model: set --llm-model")


llm = pytest.fixture(scope="session", name="llm")(_without_model)


def set_up_llm(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest, models: ModelPool
) -> LLM | None:
    """Set up the ``llm`` fixture for ``pytest_fixture_setup``; returns None for any other fixture.

    A fixture function that takes ``request`` would be slower: twice the cost of the test itself, per item.
    """
    if fixturedef.func is not _without_model or not models.configs:
        return None
    from pytest_llmeval.runtime.llm import LLM

    name = getattr(request, "param", None)
    model = LLM(models.get(next(iter(models.configs)) if name is None else name))
    set_fixture_value(fixturedef, request, model)
    return model
